"""The impure room: training from arrays on the device to a run folder, an epoch as a few calls of one executable."""

import contextlib
import functools
import math
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aae_jax import hosts, interrupts, parallel, runs, terms
from aae_jax.checkpoints import Best, checkpoints
from aae_jax.checks import check_function
from aae_jax.epoch import (
    Orders,
    Rows,
    Sums,
    bad_phase,
    chunk,
    metric_shapes,
    no_sums,
    orders,
    seed_axes,
)
from aae_jax.feeds import Span, is_streamed, streamed_spans
from aae_jax.keys import IMPLEMENTATION, derive
from aae_jax.progress import progress
from aae_jax.terms import TrainingConfig
from aae_jax.types import Algorithm, Metrics, Params, TrainState

__all__ = ["fit"]

_CHUNK_SECONDS = 2.0
"""About how long the host leaves the device alone: rarely enough to cost nothing, often enough to stop and save."""


def fit(
    make_algorithm: Callable[[str | None], Algorithm],
    rows: Rows,
    config: TrainingConfig,
    folder: Path | str,
    *,
    evaluate: Callable[[Params, jax.Array], dict[str, jax.Array]] | None = None,
    best: str | None = None,
    resume: bool = False,
) -> TrainState:
    """Trains, and leaves checkpoints and a line of `metrics.jsonl` per epoch in a folder.

    The same machine type, versions, rows and config give the same bytes, also after a kill and a resume. SIGINT and
    SIGTERM let the chunk of steps that runs come to its end, and save.

    Args:
        make_algorithm: `axis_name -> algorithm`; the name is None unless devices share each batch.
        rows: the training set, as arrays of numpy or jax; images may be a memory map.
        config: see `TrainingConfig`. With several seeds, all that is returned or logged has a leading axis, or is a
            list. One that diverges stays where it did, and the others go on.
        folder: is made if need be.
        evaluate: `(params, key) -> {name: []}` for one seed, jitted here and called after each epoch; the key is the
            epoch's own.
        best: a number of the log. The parameters of the epoch where it is least, for each seed, are kept in the
            folder `best`, beside the newest checkpoints.
        resume: go on from the newest checkpoint in the folder, if there is one.

    Returns:
        The state after the last epoch.

    Raises:
        ValueError: for rows that do not fit together or are not finite, a batch larger than the training set, a folder
            that cannot be written, a folder in which a run has begun (without `resume`, or one of another seed, batch
            size, data or `best`, or of more epochs), or devices that do not divide the batch; if an
            optimizer's state holds a typed key, or `evaluate` gives what the log has already.
        FloatingPointError: at the first non-finite loss; names its phase, epoch and step. `bad_batch.json` says which
            rows it was of. Of several seeds: when the last one has diverged.
        Stopped: after a signal, once a checkpoint is written.
    """
    check_function("make_algorithm", make_algorithm, "axis_name -> algorithm")
    if evaluate is not None:
        check_function("evaluate", evaluate, "(params, key) -> {name: []}")
    layout = terms.check(rows, config)
    num_rows, several, streamed = len(rows.image), isinstance(config.seed, tuple), is_streamed(rows, config.stream)
    algorithm = _traced_once(make_algorithm(layout.axis_name))
    over_seeds: Callable[..., Any] = jax.vmap if several else lambda function, **_: function
    root = functools.partial(jax.random.key, impl=IMPLEMENTATION)
    roots = jax.vmap(root)(np.array(config.seeds, np.uint32)) if several else root(config.seeds[0])
    init_key, run_key, evaluation_key = (derive(roots, name) for name in ("init", "run", "evaluation"))
    steps_per_epoch = num_rows // config.batch_size
    num_steps = config.epochs * steps_per_epoch
    one = rows._replace(label=rows.label[0]) if rows.label.ndim == 2 else rows
    one = one._replace(labeled=one.labeled[0]) if one.labeled is not None and one.labeled.ndim == 2 else one
    shapes = metric_shapes(algorithm if layout.axis_name is None else make_algorithm(None), one, config.batch_size)
    start = over_seeds(lambda key: (algorithm.init(key), no_sums(shapes)))
    judge = evaluate and jax.jit(over_seeds(evaluate))
    start_shapes = jax.eval_shape(start, init_key)
    scores = jax.eval_shape(judge, start_shapes[0].params, evaluation_key) if judge else {}
    _check_state_and_log(start_shapes[0], shapes, scores, best, of_seeds=evaluation_key.shape)

    with contextlib.ExitStack() as stack:
        stack.enter_context(hosts.ending_together(interrupts.Stopped, FloatingPointError))
        folder = stack.enter_context(hosts.own_folder(Path(folder)))
        log = folder / "metrics.jsonl"
        stack.enter_context(runs.lock(folder))
        saved = stack.enter_context(checkpoints(folder / "checkpoints"))
        terms.begin(folder, rows, config, best, begun=log.exists() or saved.newest() is not None, resume=resume)
        restored = saved.restore(start_shapes) if resume else None
        done, (state, sums) = restored or (0, jax.jit(start)(init_key))
        (done,), (state, sums) = hosts.agreed(done), hosts.from_first((state, sums))
        lines = runs.cut_lines(log, done // steps_per_epoch)
        if done > num_steps:
            raise ValueError(
                f"The run in {folder} is {done / steps_per_epoch:g} epochs long already, and epochs is "
                f"{config.epochs}; expected at least as many."
            )
        if done == num_steps:
            return state

        advance = parallel.compiled(
            chunk(algorithm, layout.num_rows, layout.axis_name),
            layout,
            donate_argnums=(0, 1),
            in_axes=(0, 0, seed_axes(rows), 0, 0, None, None) if several else None,
        )
        keeper = None
        if best is not None:
            kept = stack.enter_context(checkpoints(folder / "best", kept=1))
            keeper = Best(kept, jax.eval_shape(lambda: state.params), (line[best] for line in lines))
        num_labeled = 0 if one.labeled is None else len(one.labeled)
        place = functools.partial(parallel.placed, layout=layout)
        state, sums, run_key = place((state, sums, run_key), of_seeds=several)
        if not streamed:
            apart = seed_axes(rows)
            rows = Rows(*(place(part, of_seeds=axis is not None) for part, axis in zip(rows, apart, strict=True)))
        told_to_stop = stack.enter_context(interrupts.deferred())
        on = "" if layout.num_devices == 1 else f" on {layout.num_devices} devices"
        bar = stack.enter_context(progress(folder.name + on, done, num_steps))

        def save(step: int, state: TrainState, sums: Sums) -> None:
            if keeper is not None:
                # What a checkpoint takes for the best so far has to be there before it is.
                keeper.finish()
            saved.save(step, (state, sums))

        last_saved, chunk_steps = time.perf_counter(), 1
        for epoch in range(done // steps_per_epoch, config.epochs):
            started = time.perf_counter()
            visited = place(_epoch_orders(run_key, epoch, num_rows, num_labeled), of_seeds=several)
            first, last = epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch
            spans: Iterable[Span] = [Span(rows, visited, 0, steps_per_epoch)]
            if streamed:
                whole = functools.partial(place, of_seeds=False)
                spans = streamed_spans(rows, visited, parallel.own_rows(layout), steps_per_epoch, done - first, whole)
            for span in spans:
                begin, end = first + span.first, first + span.last
                while done < end:
                    # The first one may have written for longer than the others' devices wait for its.
                    hosts.wait()
                    before, stop = time.perf_counter(), min(done + chunk_steps, end)
                    state, sums = advance(state, sums, span.rows, span.orders, run_key, done - begin, stop - begin)
                    _check_finite(algorithm, sums, visited, config, epoch, first, folder)
                    bar.update(stop - done)
                    chunk_steps = _next_chunk(chunk_steps, stop - done, time.perf_counter() - before)
                    done = stop
                    is_late = int((time.perf_counter() - last_saved) / 60 > config.checkpoint_minutes)
                    chunk_steps, number, is_late = hosts.agreed(chunk_steps, told_to_stop(), is_late)
                    if done < last and (number or is_late):
                        save(done, state, sums)
                        last_saved = time.perf_counter()
                        if number:
                            saved.finish()
                            raise _stopped(number, folder, done)
            diverged = np.asarray(sums.bad_step) >= 0
            # Sums of a seed that has diverged are of the steps before, or of none.
            totals = {name: np.where(diverged, np.nan, total) for name, total in sums.metrics.items()}
            line = {name: _plain(total / steps_per_epoch) for name, total in totals.items()}
            sums = _for_next_epoch(sums)
            if judge:
                scores = judge(parallel.here(state.params), _epoch_keys(evaluation_key, epoch))
                # Networks that are no numbers have scores that are: of what is not a number, the largest is the first.
                line |= {name: _plain(np.where(diverged, np.nan, value)) for name, value in scores.items()}
            if keeper is not None and best is not None:
                keeper.offer(line[best], state.params)
            bar.set_postfix_str(_summary(line), refresh=False)
            seconds = round(time.perf_counter() - started, 3)
            runs.add_line(log, {"epoch": epoch + 1, "step": done, **line, "seconds": seconds})
            (number,) = hosts.agreed(told_to_stop())
            if number or (epoch + 1) % config.checkpoint_epochs == 0 or done == num_steps:
                save(done, state, sums)
                last_saved = time.perf_counter()
            if number:
                saved.finish()
                raise _stopped(number, folder, done)
        saved.finish()
        return state


def _check_state_and_log(
    state: TrainState, metrics: Metrics, scores: Any, best: str | None, *, of_seeds: tuple[int, ...]
) -> None:
    """Checks what `fit` is to save and to log, from their shapes; scores have the seeds' axis, if there is one."""
    if any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in jax.tree.leaves(state)):
        raise ValueError(
            "The state of an optimizer holds a typed key, which checkpoints cannot; expected arrays of numbers: give "
            "it jax.random.PRNGKey(seed)."
        )
    if not isinstance(scores, dict) or any(np.shape(score) != of_seeds for score in scores.values()):
        shapes = jax.tree.map(lambda score: np.shape(score)[len(of_seeds) :], scores)
        raise ValueError(f"evaluate gives {shapes}; expected a dictionary of names and numbers, shape ().")
    if taken := {*scores} & {"epoch", "step", "seconds", *metrics}:
        raise ValueError(f"evaluate gives {sorted(taken)}, which the log has already; expected other names.")
    if best is not None and best not in (known := [*metrics, *scores]):
        raise ValueError(f"best is {best!r}; expected one of {', '.join(known)}.")


def _traced_once(algorithm: Algorithm) -> Algorithm:
    """The same functions, of which jax keeps the trace: the shapes of a step's metrics need it, and then the chunk."""
    init, step = (jax.jit(function, inline=True) for function in (algorithm.init, algorithm.step))
    return algorithm._replace(init=init, step=step)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _epoch_orders(run_key: jax.Array, epoch: jax.Array, num_rows: int, num_labeled: int) -> Orders:
    """Jitted here, once for all trainings in a process."""
    if run_key.ndim:
        return jax.vmap(lambda key: orders(key, epoch, num_rows, num_labeled))(run_key)
    return orders(run_key, epoch, num_rows, num_labeled)


@jax.jit
def _epoch_keys(key: jax.Array, epoch: jax.Array) -> jax.Array:
    return jax.vmap(lambda key: jax.random.fold_in(key, epoch))(key) if key.ndim else jax.random.fold_in(key, epoch)


@jax.jit
def _for_next_epoch(sums: Sums) -> Sums:
    """Zeros, but for seeds that have diverged: theirs is no loss of zero."""
    start = jnp.where(sums.bad_step < 0, 0.0, jnp.nan)
    return sums._replace(metrics=jax.tree.map(lambda total: jnp.full_like(total, start), sums.metrics))


def _next_chunk(chunk_steps: int, taken: int, seconds: float) -> int:
    """How many steps fit in a chunk; grows slowly, since the first one compiled too."""
    fitting = math.ceil(taken * _CHUNK_SECONDS / max(seconds, 1e-9))
    return max(1, min(fitting, 8 * chunk_steps))


def _check_finite(
    algorithm: Algorithm,
    sums: Sums,
    visited: Orders,
    config: TrainingConfig,
    epoch: int,
    first: int,
    folder: Path,
) -> None:
    """Stops when no seed is left, and says which rows were the last one's undoing."""
    bad_steps = np.atleast_1d(sums.bad_step)
    if (bad_steps < 0).any():
        return
    index = int(bad_steps.argmax())
    step, phase = int(bad_steps[index]), bad_phase(algorithm, sums, int(np.atleast_1d(sums.bad_loss)[index]))
    size = config.batch_size
    batch = np.asarray(visited.rows).reshape(len(bad_steps), -1)[index, (step - first) * size :][:size]
    where = {"phase": phase, "seed": config.seeds[index], "epoch": epoch + 1, "step": step, "rows": batch}
    runs.write_json(folder / "bad_batch.json", where)
    named = folder / "bad_batch.json" if hosts.is_first() else "bad_batch.json by the first process"
    raise FloatingPointError(
        f"The loss of the phase {phase!r} is not finite at epoch {epoch + 1}, step {step}, for the rows named in "
        f"{named}. The last checkpoint is from before; a lower learning rate of that phase, or of the "
        "one before it, is the usual cure."
    )


def _stopped(number: int, folder: Path, step: int) -> interrupts.Stopped:
    name = signal.Signals(number).name
    where = f"is saved in {folder}" if hosts.is_first() else "the first process has saved"
    return interrupts.Stopped(number, f"stopped by {name} after step {step}, which {where}")


def _plain(value: ArrayLike) -> float | list[float | None] | None:
    """A number, or a list of the seeds' numbers; None for those that are not finite, which JSON does not know."""
    value = np.asarray(value)
    if value.ndim:
        return [_plain(number) for number in value]  # type: ignore[misc]
    return float(value) if np.isfinite(value) else None


def _summary(line: dict[str, Any]) -> str:
    def text(value: float | Sequence[float | None] | None) -> str:
        numbers = value if isinstance(value, list) else [value]
        return "/".join("diverged" if number is None else f"{number:.3g}" for number in numbers)

    return ", ".join(f"{name.removesuffix('/loss')} {text(line[name])}" for name in line if name.endswith("/loss"))
