"""What makes training fast, without a clock: compiled once, nothing fetched inside a chunk, buffers donated, no more
operations and memory than counted by hand. Each guard has a control that breaks it on purpose."""

import functools

import jax
import jax.numpy as jnp
import optax
import pytest

from aae_jax import ModelConfig, TrainingConfig, algorithm, build, fit, loop, parallel
from aae_jax.types import Batch
from benchmarks.workloads import Workload, chunk_of, make_rows

AAE = Workload(width=64)
SEMI_SUPERVISED = Workload("semi_supervised_aae", width=64)
BATCH_SIZE = 20
NUM_ROWS = 150
"""Seven steps an epoch, of which a chunk takes three (the first one): there are remainders, and ten rows left."""


@functools.cache
def rows_of(workload):
    return make_rows(workload, NUM_ROWS)


def make_chunk(make_algorithm=AAE.algorithm, workload=AAE, **options):
    """A chunk that nobody has called yet, since its first two arguments die of it."""
    return chunk_of(make_algorithm, rows_of(workload), BATCH_SIZE, **options)


def bounds():
    """The first and the last step of a call, on the device already."""
    return jax.device_put((0, 3))


def compiled(chunk):
    return chunk.run.lower(*chunk.arguments, 0, 3).compile()


@functools.cache
def compiled_aae():
    """The library's own chunk, compiled once for all tests."""
    return compiled(make_chunk())


def num_bytes(tree):
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def changed_step(change):
    """The algorithm, its step seen through `change(step, state, keys, batch)`."""

    def make_algorithm(axis_name=None):
        own = AAE.algorithm(axis_name)
        return own._replace(step=functools.partial(change, own.step))

    return make_algorithm


# Compilations, of the variant that compiles fastest.


def autoencoder(axis_name=None):
    model = build(ModelConfig("ae", (28, 28, 1), hidden_sizes=(16,)), axis_name=axis_name)
    return algorithm(model, {"reconstruction": optax.sgd(1e-3)}, axis_name=axis_name)


def compilations_by_epoch(num_devices, folder, monkeypatch):
    """Programs compiled from the start of a training until the end of each of its epochs."""
    counts, count = [], 0

    def listen(event, duration, **details):
        nonlocal count
        count += event == "/jax/core/compile/backend_compile_duration"

    monkeypatch.setattr(loop, "_next_chunk", lambda *arguments: 3)
    monkeypatch.setattr(loop.runs, "add_line", lambda log, line: counts.append(count))
    config = TrainingConfig(epochs=2, batch_size=BATCH_SIZE, num_devices=num_devices)

    def evaluate(params, key):
        return {"size": jnp.square(params["encoder"]["params"]["Dense_0"]["bias"]).sum()}

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        fit(autoencoder, rows_of(AAE), config, folder, evaluate=evaluate)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return counts


@pytest.mark.parametrize("num_devices", [1, 4])
def test_nothing_is_compiled_after_the_first_epoch(num_devices, tmp_path, monkeypatch):
    first, second = compilations_by_epoch(num_devices, tmp_path, monkeypatch)
    assert second == first > 0


def test_remainders_run_by_the_same_executable(tmp_path, monkeypatch):
    chunks = []

    def remember(function, layout, *, donate_argnums, in_axes):
        chunks.append(jax.jit(function, donate_argnums=donate_argnums))
        return chunks[-1]

    monkeypatch.setattr(parallel, "compiled", remember)
    compilations_by_epoch(1, tmp_path, monkeypatch)
    assert [chunk._cache_size() for chunk in chunks] == [1]


def test_control_a_recompilation_in_each_epoch_is_found(tmp_path, monkeypatch):
    def forgetful(function, layout, *, donate_argnums, in_axes):
        # A new function at every call is a new program at every call.
        return lambda *arguments: jax.jit(lambda *same: function(*same), donate_argnums=donate_argnums)(*arguments)

    monkeypatch.setattr(parallel, "compiled", forgetful)
    first, second = compilations_by_epoch(1, tmp_path, monkeypatch)
    assert second == first + 3


def test_control_a_remainder_with_a_program_of_its_own_is_found(tmp_path, monkeypatch):
    chunks = []

    def static(function, layout, *, donate_argnums, in_axes):
        chunks.append(jax.jit(function, static_argnums=(5, 6), donate_argnums=donate_argnums))
        return chunks[-1]

    monkeypatch.setattr(parallel, "compiled", static)
    compilations_by_epoch(1, tmp_path, monkeypatch)
    # Steps 0-1, 1-4, 4-7 of the first epoch and 0-3, 3-6, 6-7 of the second.
    assert chunks[0]._cache_size() == 6


# Transfers.


def fetches(chunk):
    """Whether a chunk talks to the host while it runs."""
    return "callback" in chunk.run.lower(*chunk.arguments, 0, 3).as_text()


@pytest.mark.parametrize("workload", [AAE, SEMI_SUPERVISED], ids=lambda workload: workload.variant)
def test_a_chunk_transfers_nothing(workload):
    chunk = make_chunk(workload.algorithm, workload)
    assert not fetches(chunk)
    start, stop = bounds()
    with jax.transfer_guard("disallow"):
        jax.block_until_ready(chunk.run(*chunk.arguments, start, stop))


def test_control_a_metric_sent_to_the_host_is_found():
    def telling(step, state, keys, batch):
        state, metrics = step(state, keys, batch)
        jax.debug.callback(lambda loss: None, metrics["reconstruction/loss"])
        return state, metrics

    assert fetches(make_chunk(changed_step(telling)))


def test_control_rows_left_on_the_host_are_found():
    chunk = make_chunk()
    state, sums, rows, *others = chunk.arguments
    start, stop = bounds()
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        chunk.run(state, sums, jax.device_get(rows), *others, start, stop)


# Donation.


@pytest.mark.parametrize("num_devices", [1, 4])
def test_state_and_sums_are_donated(num_devices):
    chunk = make_chunk(num_devices=num_devices)
    jax.block_until_ready(chunk.run(*chunk.arguments, 0, 3))
    state, sums, *kept = chunk.arguments
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((state, sums)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(kept))


def test_the_new_state_lies_where_the_old_one_lay():
    donated = num_bytes(make_chunk().arguments[:2])
    assert compiled_aae().memory_analysis().alias_size_in_bytes == donated


def test_control_a_state_that_is_not_donated_is_found():
    chunk = make_chunk(donate_argnums=(1,))
    assert compiled(chunk).memory_analysis().alias_size_in_bytes == num_bytes(chunk.arguments[1])
    jax.block_until_ready(chunk.run(*chunk.arguments, 0, 3))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(chunk.arguments[0]))


# Operations and memory.


def excess_operations(executable, workload=AAE):
    """XLA's count of a chunk's operations, over that by hand of one step: the loop's body is counted once."""
    by_hand = sum(cost.operations() for cost in workload.costs(BATCH_SIZE).values())
    return executable.cost_analysis()["flops"] / by_hand


def excess_memory(executable):
    """Temporary memory of a chunk, over the largest phase's gradients and a few copies of all activations."""
    gradients = 4 * max(cost.trained for cost in AAE.costs(BATCH_SIZE).values())
    activations = 4 * BATCH_SIZE * (2 * AAE.image_size + 6 * AAE.width)
    return executable.memory_analysis().temp_size_in_bytes / (gradients + 4 * activations)


def test_a_step_makes_no_more_operations_than_counted_by_hand():
    assert 0.99 < excess_operations(compiled_aae()) < 1.03


def test_the_semi_supervised_step_makes_no_more_operations_than_counted_by_hand():
    executable = compiled(make_chunk(SEMI_SUPERVISED.algorithm, SEMI_SUPERVISED))
    assert 0.99 < excess_operations(executable, SEMI_SUPERVISED) < 1.03


def test_control_an_encoding_that_the_phases_do_not_share_is_found():
    def twice(step, state, keys, batch):
        # Another pass through the encoder, of images that no phase has seen: nothing for XLA to merge.
        codes = AAE.model().encode(state.params, keys, batch.image[::-1] + 1)
        state, metrics = step(state, keys, batch)
        return state, metrics | {"codes": codes["style"].mean()}

    assert excess_operations(compiled(make_chunk(changed_step(twice)))) > 1.03


def test_temporary_memory_is_that_of_one_step():
    assert excess_memory(compiled_aae()) < 1


def test_control_batches_gathered_before_their_time_are_found():
    def hoarding(step, state, keys, batch):
        many = jnp.tile(batch.image, (50, 1, 1, 1)) * (1 + state.step)
        state, metrics = step(state, keys, Batch(many[-BATCH_SIZE:], batch.image, batch.label))
        # Sorted, so that no part of it can be left out.
        return state, metrics | {"many": jnp.sort(many, axis=0)[7].mean()}

    assert excess_memory(compiled(make_chunk(changed_step(hoarding)))) > 1
