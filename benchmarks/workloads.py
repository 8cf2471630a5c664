"""What is measured: the paper's AAE and semi-supervised AAE, and the library's own compiled chunk of steps."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aae_jax import (
    Algorithm,
    Rows,
    TrainState,
    algorithm,
    epoch,
    likelihoods,
    loop,
    models,
    networks,
    parallel,
    priors,
)
from aae_jax.types import Batch, Model, Network, Precision
from benchmarks.operations import Cost, aae_costs, semi_supervised_costs

__all__ = ["CATEGORIES", "RATE", "Chunk", "Variant", "Workload", "batch_at", "chunk_of", "make_rows", "seeds_chunk_of"]

Variant = Literal["aae", "semi_supervised_aae"]
RATE = 1e-3
"""Of Adam in every phase; what it is costs no time."""
CATEGORIES = 10


@dataclasses.dataclass(frozen=True)
class Workload:
    """A variant at some size, half the squared error of sigmoid pixels as its reconstruction cost."""

    variant: Variant = "aae"
    """Its codes have `code` numbers; the semi-supervised one has ten categories beside them."""
    width: int = 1000
    """Of the two hidden layers of every network."""
    code: int = 8
    """Numbers of the style."""
    image_shape: tuple[int, int, int] = (28, 28, 1)
    """Height, width and channels."""
    precision: Precision = "float32"
    """Of products."""

    @property
    def image_size(self) -> int:
        """Numbers per image."""
        height, width, channels = self.image_shape
        return height * width * channels

    def costs(self, batch: int) -> dict[str, Cost]:
        """By phase, counted by hand."""
        sizes = {"image": self.image_size, "width": self.width}
        if self.variant == "aae":
            return aae_costs(batch, code=self.code, **sizes)
        return semi_supervised_costs(batch, style=self.code, category=CATEGORIES, **sizes)

    def model(self) -> Model:
        """Its networks and phases."""
        prior, likelihood = priors.gaussian(self.code), likelihoods.half_squared_error(jax.nn.sigmoid)
        if self.variant == "aae":
            return models.aae(
                self._network([self.image_size], self.code),
                self._network([self.code], self.image_shape),
                self._network([self.code], 1),
                prior=prior,
                likelihood=likelihood,
            )
        return models.semi_supervised_aae(
            self._network([self.image_size], self.code + CATEGORIES),
            self._network([self.code, CATEGORIES], self.image_shape),
            {"style": self._network([self.code], 1), "category": self._network([CATEGORIES], 1)},
            priors={"style": prior, "category": priors.categorical(CATEGORIES)},
            likelihood=likelihood,
        )

    def algorithm(self, axis_name: str | None = None) -> Algorithm:
        """Its training, with Adam in every phase.

        Args:
            axis_name: see `aae_jax.algorithm`.
        """
        model = self.model()
        return algorithm(model, {phase.name: optax.adam(RATE) for phase in model.phases}, axis_name=axis_name)

    def _network(self, inputs: list[int], output: int | tuple[int, ...]) -> Network:
        # He's weights: at the paper's N(0, 0.01²) gradients start so small that a comparison would say little.
        sizes = (self.width, self.width)
        return networks.mlp(inputs, sizes, output, initializer=networks.he(), precision=self.precision)


def make_rows(workload: Workload, num_rows: int) -> Rows:
    """Random bytes as images, and classes; all of them are labeled where labels are learned from.

    What the pixels are costs no time, and random ones need no download.
    """
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (num_rows, *workload.image_shape), dtype=np.uint8)
    label = random.integers(0, CATEGORIES, num_rows, dtype=np.int32)
    labeled = None if workload.variant == "aae" else jnp.arange(num_rows, dtype=jnp.int32)
    return Rows(jnp.asarray(image), jnp.asarray(label), labeled)


class Chunk(NamedTuple):
    """The executable that `aae_jax.fit` calls, with the arguments of its first call.

    Attributes:
        run: `(state, sums, rows, orders, run_key, start, stop) -> (state, sums)`, jitted or mapped over devices.
        arguments: the first five; the first two are donated.
    """

    run: Callable[..., Any]
    arguments: tuple[Any, ...]


def chunk_of(
    make_algorithm: Callable[[str | None], Algorithm],
    rows: Rows,
    batch_size: int,
    *,
    num_devices: int = 1,
    donate_argnums: tuple[int, ...] = (0, 1),
) -> Chunk:
    """The library's own chunk of steps, as `aae_jax.fit` makes it.

    It reads a private name of `aae_jax.loop` on purpose: a copy could be fast while the library is slow.

    Args:
        make_algorithm: see `aae_jax.fit`.
        rows: a training set.
        batch_size: rows of a step, over all devices.
        num_devices: that share them.
        donate_argnums: those of `fit`; other ones show what donation is good for.
    """
    layout = parallel.Layout(num_devices, batch_size // num_devices, "rows" if num_devices > 1 else "nothing")
    own = make_algorithm(layout.axis_name)
    run = parallel.compiled(epoch.chunk(own, layout.num_rows, layout.axis_name), layout, donate_argnums=donate_argnums)
    run_key = jax.random.key(1)
    num_labeled = 0 if rows.labeled is None else len(rows.labeled)
    sums = epoch.no_sums(epoch.metric_shapes(make_algorithm(None), rows, batch_size))
    orders = loop._epoch_orders(run_key, 0, len(rows.image), num_labeled)
    state: TrainState = jax.jit(own.init)(jax.random.key(0))
    return Chunk(run, parallel.placed((state, sums, rows, orders, run_key), layout=layout, of_seeds=False))


def seeds_chunk_of(workload: Workload, rows: Rows, batch_size: int, num_seeds: int) -> Chunk:
    """Several trainings as one program over one copy of the data: weights, order and noise are each seed's own.

    Args:
        workload: what is trained.
        rows: the training set.
        batch_size: rows of a step of each seed.
        num_seeds: how many.
    """
    algorithm = workload.algorithm()
    one = epoch.chunk(algorithm, batch_size, None)
    of_all = parallel.over_seeds(one, (0, 0, epoch.seed_axes(rows), 0, 0, None, None))
    run = jax.jit(of_all, donate_argnums=(0, 1))
    run_keys = jax.random.split(jax.random.key(1), num_seeds)
    num_labeled = 0 if rows.labeled is None else len(rows.labeled)
    orders = loop._epoch_orders(run_keys, 0, len(rows.image), num_labeled)
    sums = epoch.no_sums(epoch.metric_shapes(algorithm, rows, batch_size))
    sums = jax.tree.map(lambda value: jnp.repeat(value[None], num_seeds, axis=0), sums)
    state = jax.jit(jax.vmap(algorithm.init))(run_keys)
    return Chunk(run, (state, sums, rows, orders, run_keys))


def batch_at(rows: Rows, indices: jax.Array) -> Batch:
    """Rows at `indices [B]`, with as many labeled ones where there are any."""
    return epoch.batch_of(rows, indices, None if rows.labeled is None else indices)
