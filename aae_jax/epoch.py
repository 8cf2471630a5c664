"""Training on the device: a chunk of an epoch's steps as one loop, and what an epoch adds up.

Several seeds are the same functions by `aae_jax.parallel.over_seeds`: states, sums, orders and run keys with a leading
axis, over one copy of the images.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import parallel
from aae_jax.checks import check_finite, check_indices, check_integers
from aae_jax.data import labeled_order, order
from aae_jax.keys import IMPLEMENTATION, derive, row_keys
from aae_jax.types import Algorithm, Batch, Metrics, TrainState

__all__ = [
    "Orders",
    "Rows",
    "Sums",
    "bad_phase",
    "batch_of",
    "check_training_set",
    "chunk",
    "metric_shapes",
    "no_sums",
    "orders",
    "seed_axes",
]


class Rows(NamedTuple):
    """A training set on the device.

    Attributes:
        image: `[N, H, W, C]` uint8 in 0 to 255 or float in [0, 1], or a table `[N, D]` of floats.
        label: `[N]` int32, −1 where unknown; `[S, N]` where each of S seeds knows others.
        labeled: `[L]` indices of the rows whose labels may be used, or None; `[S, L]` for S seeds.
        neighbors: `[N, W]` indices of rows that are like each one, of which each step takes one, or None; the same
            for all seeds, and not of rows that are streamed. See `aae_jax.neighbors`.
    """

    image: jax.Array
    label: jax.Array
    labeled: jax.Array | None = None
    neighbors: jax.Array | None = None


class Orders(NamedTuple):
    """What an epoch visits: its rows, and the places in the labeled set that go with them, `[N]` each."""

    rows: jax.Array
    labeled: jax.Array | None


class Sums(NamedTuple):
    """What an epoch adds up.

    Attributes:
        metrics: sums over steps.
        bad_step: the first step with a non-finite loss, −1 while there is none.
        bad_loss: which of the losses that was, see `bad_phase`.
    """

    metrics: Metrics
    bad_step: jax.Array
    bad_loss: jax.Array


def seed_axes(rows: Rows) -> Rows:
    """Which parts of the rows have an axis of the seeds, as `jax.vmap` wants to know it: labels may."""
    labeled = 0 if rows.labeled is not None and rows.labeled.ndim == 2 else None
    label = 0 if rows.label.ndim == 2 else None
    return Rows(image=None, label=label, labeled=labeled, neighbors=None)  # type: ignore[arg-type]


def check_training_set(rows: Rows, num_seeds: int, *, in_memory: bool) -> None:
    """Checks that the parts of a training set fit together, and the numbers of those that are in memory.

    Args:
        rows: see `Rows`; on the host, or on the device.
        num_seeds: that train together; 0 for one by itself.
        in_memory: whether the images are to be read here.

    Raises:
        ValueError: if they do not.
    """
    image, label, labeled = rows.image, rows.label, rows.labeled
    if np.ndim(image) not in (2, 4):
        raise ValueError(f"images have shape {np.shape(image)}; expected [N, H, W, C], or [N, D] of a table.")
    if image.dtype != jnp.uint8 and not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"images are {image.dtype}; expected uint8 in 0 to 255, or floats.")
    if not len(image):
        raise ValueError(f"images have shape {np.shape(image)}; expected some rows.")
    _check_of_seeds("label", label, num_seeds, least=-1)
    if np.shape(label)[-1] != len(image):
        raise ValueError(f"label has shape {np.shape(label)}; expected one for each of {len(image)} images.")
    if labeled is not None:
        _check_of_seeds("labeled", labeled, num_seeds, least=0)
        chosen = np.asarray(labeled)
        if not chosen.size or chosen.max() >= len(image):
            raise ValueError(
                f"labeled is {chosen.size} indices up to {chosen.max(initial=-1)} of {len(image)} images."
            )
        if (np.take_along_axis(np.atleast_2d(label), np.atleast_2d(chosen), 1) < 0).any():
            raise ValueError("labeled names images whose label is -1; expected images with a known label.")
    if rows.neighbors is not None:
        _check_neighbors(rows.neighbors, len(image), in_memory)
    if in_memory and image.dtype != jnp.uint8:
        check_finite("images", image)
        # A little beyond 1 is left to what resizes images; standardized ones have numbers below 0.
        if np.ndim(image) == 4 and image.min() >= 0 and image.max() > 1.01:
            raise ValueError(
                f"images are {image.dtype} up to {float(image.max()):g}; expected floats in [0, 1], or uint8, "
                "which is divided by 255 here."
            )


def _check_of_seeds(name: str, part: jax.Array, num_seeds: int, *, least: int) -> None:
    check_integers(name, part, least=least)
    if np.ndim(part) != 1 and np.shape(part)[:-1] != (num_seeds,):
        two = f", or two of {num_seeds} seeds" if num_seeds else ""
        raise ValueError(f"{name} has shape {np.shape(part)}; expected one axis{two}.")


def _check_neighbors(neighbors: jax.Array, num_rows: int, in_memory: bool) -> None:
    check_indices("neighbors", neighbors, num_rows, "images")
    if np.ndim(neighbors) != 2 or len(neighbors) != num_rows or not np.size(neighbors):
        raise ValueError(f"neighbors has shape {np.shape(neighbors)}; expected [{num_rows}, W], W of each image.")
    if not in_memory:
        raise ValueError(
            "neighbors may be any images of the training set, which is streamed; expected all of it in memory."
        )


def batch_of(rows: Rows, indices: jax.Array, labeled: jax.Array | None = None, keys: jax.Array | None = None) -> Batch:
    """The rows at `indices [B]` as a batch, bytes turned into floats in [0, 1].

    Args:
        rows: see `Rows`.
        indices: `[B]`.
        labeled: `[B]` indices of the labeled rows that go with them, or None.
        keys: `[B]` row keys, for the choice of neighbors; None for none.
    """

    def image_of(indices: jax.Array) -> jax.Array:
        image = rows.image[indices]
        return image.astype(jnp.result_type(float)) / 255 if image.dtype == jnp.uint8 else image

    image, neighbor = image_of(indices), None
    if rows.neighbors is not None and keys is not None:
        neighbor = image_of(jax.vmap(jax.random.choice)(derive(keys, "neighbor"), rows.neighbors[indices]))
    of_labeled = None if labeled is None else batch_of(rows, labeled)
    return Batch(image, image, rows.label[indices], of_labeled, neighbor)


def orders(run_key: jax.Array, epoch: jax.Array | int, num_rows: int, num_labeled: int) -> Orders:
    """What an epoch visits.

    Args:
        run_key: the key of the whole run.
        epoch: from 0.
        num_rows: of the training set.
        num_labeled: of them, 0 where no labels are set apart.
    """
    key = derive(run_key, "order")
    labeled = labeled_order(key, epoch, num_rows, num_labeled) if num_labeled else None
    return Orders(order(key, epoch, num_rows), labeled)


def chunk(algorithm: Algorithm, num_rows: int, axis_name: str | None) -> Callable[..., tuple[TrainState, Sums]]:
    """Steps `start` to `stop` of an epoch as one loop with traced bounds: one executable for chunks of any length.

    The loop ends at the first non-finite loss, and does not begin again after one. Of several seeds, by `jax.vmap`,
    those that diverge stay there.

    Args:
        algorithm: see `Algorithm`.
        num_rows: rows of each batch that are this device's.
        axis_name: of the mapped axis over which batches are sharded.

    Returns:
        `(state, sums, rows, orders, run_key, start, stop) -> (state, sums)`.
    """

    def step(
        index: jax.Array, state: TrainState, sums: Sums, rows: Rows, orders: Orders, run_key: jax.Array
    ) -> tuple[TrainState, Sums]:
        batch_size = num_rows * (1 if axis_name is None else jax.lax.axis_size(axis_name))
        first = parallel.first_row(num_rows, axis_name)

        def window(order: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(order, (index * batch_size + first,), (num_rows,))

        labeled = None
        if rows.labeled is not None and orders.labeled is not None:
            labeled = rows.labeled[window(orders.labeled)]
        taken = state.step
        keys = row_keys(run_key, taken, num_rows, first)
        batch = batch_of(rows, window(orders.rows), labeled, keys)
        state, metrics = algorithm.step(state, keys, batch)
        return state, _added(algorithm, sums, metrics, taken)

    @jax.custom_batching.custom_vmap
    def run(
        state: TrainState,
        sums: Sums,
        rows: Rows,
        orders: Orders,
        run_key: jax.Array,
        start: jax.Array,
        stop: jax.Array,
    ) -> tuple[TrainState, Sums]:
        return _steps(lambda sums: sums.bad_step < 0, step, (start, state, sums), stop, rows, orders, run_key)[1:]

    @run.def_vmap
    def of_seeds(size: int, is_batched: Any, state: Any, sums: Any, *others_and_bounds: Any) -> Any:
        *others, start, stop = others_and_bounds
        if any(is_batched[-2:]):
            raise ValueError("start or stop differs between seeds; expected the same steps for all.")

        def of_all(leaf: jax.Array, batched: bool) -> jax.Array:
            return leaf if batched else jnp.broadcast_to(leaf, (size, *leaf.shape))

        state, sums = jax.tree.map(of_all, (state, sums), tuple(is_batched[:2]))
        axes = jax.tree.map(lambda batched: 0 if batched else None, is_batched[2:-2])
        step_of_all = jax.vmap(step, in_axes=(None, 0, 0, *axes))

        def step_of_some(index: jax.Array, state: TrainState, sums: Sums, *others: Any) -> tuple[TrainState, Sums]:
            def kept(old: jax.Array, new: jax.Array) -> jax.Array:
                return jnp.where((sums.bad_step < 0).reshape(size, *[1] * (new.ndim - 1)), new, old)

            return jax.tree.map(kept, (state, sums), step_of_all(index, state, sums, *others))

        # To hold some seeds back takes a copy of every state in every step: not while all go on.
        carry = _steps(lambda sums: (sums.bad_step < 0).all(), step_of_all, (start, state, sums), stop, *others)
        carry = _steps(lambda sums: (sums.bad_step < 0).any(), step_of_some, carry, stop, *others)
        return carry[1:], jax.tree.map(lambda _: True, carry[1:])

    return run


def _steps(
    goes_on: Callable[[Sums], jax.Array],
    step: Callable[..., tuple[TrainState, Sums]],
    carry: tuple[jax.Array, TrainState, Sums],
    stop: jax.Array,
    *others: Any,
) -> tuple[jax.Array, TrainState, Sums]:
    """Steps `(index, state, sums, *others) -> (state, sums)` from the carry's index to `stop`, while it goes on."""
    start, state, sums = carry
    return jax.lax.while_loop(
        lambda carry: (carry[0] < stop) & goes_on(carry[2]),
        lambda carry: (carry[0] + 1, *step(*carry, *others)),
        (jnp.asarray(start), state, sums),
    )


def _added(algorithm: Algorithm, sums: Sums, metrics: Metrics, step: jax.Array) -> Sums:
    finite = jnp.stack([jnp.isfinite(metrics[name]) for name in _losses(algorithm, metrics)])
    is_first = (sums.bad_step < 0) & ~finite.all()
    return Sums(
        metrics=jax.tree.map(jnp.add, sums.metrics, metrics),
        bad_step=jnp.where(is_first, step, sums.bad_step),
        bad_loss=jnp.where(is_first, jnp.argmin(finite).astype(jnp.int32), sums.bad_loss),
    )


def _losses(algorithm: Algorithm, metrics: Metrics) -> list[str]:
    """The names of the losses, in the order of the phases: what spoils the first one spoils those after it."""
    known = {f"{phase}/loss": place for place, phase in enumerate(algorithm.phases)}
    names = sorted(name for name in metrics if name.endswith("/loss"))
    return sorted(names, key=lambda name: known.get(name, len(known)))


def bad_phase(algorithm: Algorithm, sums: Sums, bad_loss: int) -> str:
    """The name of the phase whose loss has the number `bad_loss`."""
    return _losses(algorithm, sums.metrics)[bad_loss].removesuffix("/loss")


def metric_shapes(algorithm: Algorithm, rows: Rows, num_rows: int) -> Metrics:
    """The metrics of a step, from a trace of one on a single device; `rows` are those of one seed."""

    def one_step(key: jax.Array, rows: Rows) -> Metrics:
        indices = jnp.zeros(num_rows, jnp.int32)
        keys = row_keys(key, 0, num_rows)
        batch = batch_of(rows, indices, None if rows.labeled is None else indices, keys)
        return algorithm.step(algorithm.init(key), keys, batch)[1]

    return jax.eval_shape(one_step, jax.random.key(0, impl=IMPLEMENTATION), rows)


def no_sums(shapes: Metrics) -> Sums:
    """The sums before the first step."""
    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return Sums(zeros, jnp.full((), -1, jnp.int32), jnp.zeros((), jnp.int32))
