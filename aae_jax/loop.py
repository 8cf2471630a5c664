"""The impure room: training from arrays on the device to a run folder, an epoch as a few calls of one executable."""

import contextlib
import dataclasses
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aae_jax import parallel, runs
from aae_jax.checkpoints import checkpoints
from aae_jax.data import labeled_order, order
from aae_jax.keys import derive, row_keys
from aae_jax.types import Algorithm, Batch, Metrics, Params, TrainState

__all__ = ["Rows", "TrainingConfig", "batch_of", "fit", "progress"]

_CHUNK_STEPS = 200
"""Steps between two looks from the host: often enough for a progress bar, rarely enough to cost nothing."""


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long and on what terms to train."""

    epochs: int
    """Passes over the training images (for semi-supervised variants too: the labeled set does not count)."""
    batch_size: int = 100
    """Rows per step, over all devices together. The rest of an epoch that fills no batch is left out; each epoch has
    an order of its own, so that no row is left out for long."""
    seed: int = 0
    """Of initial weights, order and noise."""
    checkpoint_epochs: int = 10
    """Epochs between two checkpoints; the last epoch always has one."""
    num_devices: int | None = None
    """Devices that share each batch; None takes as many as divide it."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "checkpoint_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; expected 0 to 2³² − 1.")


class Rows(NamedTuple):
    """A training set on the device.

    Attributes:
        image: `[N, H, W, C]` uint8 in 0 to 255 or float in [0, 1], or a table `[N, D]` of floats.
        label: `[N]` int32, −1 where unknown.
        labeled: `[L]` indices of the rows whose labels may be used, or None.
    """

    image: jax.Array
    label: jax.Array
    labeled: jax.Array | None = None


class _Orders(NamedTuple):
    """What an epoch visits: its rows, and the places in the labeled set that go with them, `[N]` each."""

    rows: jax.Array
    labeled: jax.Array | None


class _Sums(NamedTuple):
    """What an epoch adds up on the device.

    Attributes:
        metrics: sums over steps.
        bad_step: the first step with a non-finite loss, −1 while there is none.
        bad_phase: which of the losses that was.
    """

    metrics: Metrics
    bad_step: jax.Array
    bad_phase: jax.Array


def batch_of(rows: Rows, indices: jax.Array, labeled: jax.Array | None = None) -> Batch:
    """The rows at `indices [B]` as a batch, bytes turned into floats in [0, 1].

    Args:
        rows: see `Rows`.
        indices: `[B]`.
        labeled: `[B]` indices of the labeled rows that go with them, or None.
    """
    image = rows.image[indices]
    if image.dtype == jnp.uint8:
        image = image.astype(jnp.result_type(float)) / 255
    return Batch(image, image, rows.label[indices], None if labeled is None else batch_of(rows, labeled))


def fit(
    make_algorithm: Callable[[str | None], Algorithm],
    rows: Rows,
    config: TrainingConfig,
    folder: Path | str,
    *,
    evaluate: Callable[[Params, jax.Array], dict[str, jax.Array]] | None = None,
    resume: bool = False,
) -> TrainState:
    """Trains, and leaves checkpoints and a line of `metrics.jsonl` per epoch in a folder.

    The same machine type, versions, rows and config give the same bytes, also after a kill and a resume.

    Args:
        make_algorithm: `axis_name -> algorithm`; the name is None on one device.
        rows: the training set, as arrays of numpy or jax.
        config: see `TrainingConfig`.
        folder: is made if need be.
        evaluate: `(params, key) -> {name: []}`, jitted here and called after each epoch; the key is the epoch's own.
        resume: go on from the newest checkpoint in the folder, if there is one.

    Returns:
        The state after the last epoch.

    Raises:
        ValueError: for a batch larger than the training set, a folder in which a run has begun (without `resume`), or
            devices that do not divide the batch.
        FloatingPointError: at the first non-finite loss; names its phase, epoch and step.
    """
    num_rows = len(rows.image)
    if config.batch_size > num_rows:
        raise ValueError(f"A batch of {config.batch_size} is larger than the training set of {num_rows} rows.")
    num_devices = parallel.num_usable_devices(config.batch_size, config.num_devices)
    algorithm = make_algorithm(parallel.axis(num_devices))
    root = jax.random.key(config.seed)
    init_key, run_key, evaluation_key = (derive(root, name) for name in ("init", "run", "evaluation"))
    steps_per_epoch = num_rows // config.batch_size

    folder = Path(folder)
    log = folder / "metrics.jsonl"
    with contextlib.ExitStack() as stack:
        stack.enter_context(runs.lock(folder))
        saved = stack.enter_context(checkpoints(folder / "checkpoints"))
        restored = saved.restore(jax.eval_shape(algorithm.init, init_key)) if resume else None
        if not resume and log.exists():
            raise ValueError(f"A run has begun in {folder}: resume it (--resume), or choose another folder (--out).")
        num_done, state = restored or (0, algorithm.init(init_key))
        runs.cut_lines(log, num_done)
        if num_done >= config.epochs:
            return state

        shapes = _metric_shapes(make_algorithm(None), rows, config.batch_size)
        chunk = parallel.compiled(
            _chunk(algorithm, config.batch_size // num_devices, parallel.axis(num_devices)),
            num_devices,
            donate_argnums=(0, 1),
        )
        judge = evaluate and jax.jit(evaluate)
        state, rows = parallel.replicated((state, rows), num_devices)
        bar = stack.enter_context(progress(folder.name, num_done * steps_per_epoch, config.epochs * steps_per_epoch))
        for epoch in range(num_done, config.epochs):
            started = time.perf_counter()
            orders = _epoch_orders(run_key, epoch, num_rows, 0 if rows.labeled is None else len(rows.labeled))
            orders, sums = parallel.replicated((orders, _no_sums(shapes)), num_devices)
            for start in range(0, steps_per_epoch, _CHUNK_STEPS):
                stop = min(start + _CHUNK_STEPS, steps_per_epoch)
                state, sums = chunk(state, sums, rows, orders, run_key, start, stop)
                _check_finite(sums, epoch + 1)
                bar.update(stop - start)
            line = {name: float(total) / steps_per_epoch for name, total in sums.metrics.items()}
            if judge:
                scores = judge(state.params, jax.random.fold_in(evaluation_key, epoch))
                line |= {name: float(value) for name, value in scores.items()}
            bar.set_postfix_str(_summary(line), refresh=False)
            seconds = round(time.perf_counter() - started, 3)
            runs.add_line(log, {"epoch": epoch + 1, "step": int(state.step), **line, "seconds": seconds})
            if (epoch + 1) % config.checkpoint_epochs == 0 or epoch + 1 == config.epochs:
                saved.save(epoch + 1, state)
        return state


def _chunk(algorithm: Algorithm, num_rows: int, axis_name: str | None) -> Callable[..., tuple[TrainState, _Sums]]:
    """Steps `start` to `stop` of an epoch as one loop; `num_rows` of each batch are this device's."""

    def run(
        state: TrainState,
        sums: _Sums,
        rows: Rows,
        orders: _Orders,
        run_key: jax.Array,
        start: jax.Array,
        stop: jax.Array,
    ) -> tuple[TrainState, _Sums]:
        batch_size = num_rows * (1 if axis_name is None else jax.lax.axis_size(axis_name))
        first = parallel.first_row(num_rows, axis_name)

        def window(order: jax.Array, index: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(order, (index * batch_size + first,), (num_rows,))

        def step(index: jax.Array, carry: tuple[TrainState, _Sums]) -> tuple[TrainState, _Sums]:
            state, sums = carry
            labeled = None
            if rows.labeled is not None and orders.labeled is not None:
                labeled = rows.labeled[window(orders.labeled, index)]
            batch = batch_of(rows, window(orders.rows, index), labeled)
            taken = state.step
            state, metrics = algorithm.step(state, row_keys(run_key, taken, num_rows, first), batch)
            return state, _added(sums, metrics, taken)

        return jax.lax.fori_loop(start, stop, step, (state, sums))

    return run


@functools.partial(jax.jit, static_argnums=(2, 3))
def _epoch_orders(run_key: jax.Array, epoch: jax.Array, num_rows: int, num_labeled: int) -> _Orders:
    """Jitted here, once for all trainings in a process."""
    key = derive(run_key, "order")
    labeled = labeled_order(key, epoch, num_rows, num_labeled) if num_labeled else None
    return _Orders(order(key, epoch, num_rows), labeled)


def _added(sums: _Sums, metrics: Metrics, step: jax.Array) -> _Sums:
    finite = jnp.stack([jnp.isfinite(metrics[name]) for name in _losses(metrics)])
    is_first = (sums.bad_step < 0) & ~finite.all()
    return _Sums(
        metrics=jax.tree.map(jnp.add, sums.metrics, metrics),
        bad_step=jnp.where(is_first, step, sums.bad_step),
        bad_phase=jnp.where(is_first, jnp.argmin(finite).astype(jnp.int32), sums.bad_phase),
    )


def _losses(metrics: Metrics) -> list[str]:
    """The names of the phases' losses; sorted, because jax sorts the keys of dicts that pass through it."""
    return sorted(name for name in metrics if name.endswith("/loss"))


def _metric_shapes(algorithm: Algorithm, rows: Rows, num_rows: int) -> Metrics:
    """The metrics of a step, from a trace of one on a single device."""

    def one_step(key: jax.Array, rows: Rows) -> Metrics:
        indices = jnp.zeros(num_rows, jnp.int32)
        batch = batch_of(rows, indices, None if rows.labeled is None else indices)
        return algorithm.step(algorithm.init(key), row_keys(key, 0, num_rows), batch)[1]

    return jax.eval_shape(one_step, jax.random.key(0), rows)


def _no_sums(shapes: Metrics) -> _Sums:
    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return _Sums(zeros, jnp.full((), -1, jnp.int32), jnp.zeros((), jnp.int32))


def _check_finite(sums: _Sums, epoch: int) -> None:
    step = int(sums.bad_step)
    if step >= 0:
        phase = _losses(sums.metrics)[int(sums.bad_phase)].removesuffix("/loss")
        raise FloatingPointError(
            f"The loss of the phase {phase!r} is not finite at epoch {epoch}, step {step}. The last checkpoint is "
            "from before; a lower learning rate of that phase is the usual cure."
        )


def progress(name: str, done: int, total: int, *, unit: str = "step") -> Any:
    """A progress bar with the time left, a context; `update(n)` moves it.

    Args:
        name: what goes on.
        done: how much of it was done before.
        total: how much there is.
        unit: of what.
    """
    from tqdm import tqdm

    # Without a terminal a line now and then is enough.
    interval = 0.2 if sys.stderr.isatty() else 30
    return tqdm(desc=name, initial=done, total=total, unit=unit, mininterval=interval, dynamic_ncols=True)


def _summary(line: dict[str, float]) -> str:
    return ", ".join(f"{name.removesuffix('/loss')} {line[name]:.3g}" for name in line if name.endswith("/loss"))
