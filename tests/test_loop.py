"""Training on real digits: the same bytes however it is cut, killed and resumed; and what stops it."""

import contextlib
import dataclasses
import json
import os
import signal

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aae_jax import (
    ModelConfig,
    Rows,
    TrainingConfig,
    algorithm,
    build,
    corruption,
    data,
    derive,
    epoch,
    feeds,
    fit,
    interrupts,
    loop,
    models,
    neighbors,
    networks,
    row_keys,
)
from aae_jax.checkpoints import Checkpoints, best_params
from aae_jax.types import Model, Network, Phase

CONFIG = ModelConfig("vae", (28, 28, 1), hidden_sizes=(8,), weight_std=None)
ONE_DEVICE = TrainingConfig(epochs=3, batch_size=20, num_devices=1, checkpoint_epochs=1)


@pytest.fixture(scope="module")
def rows():
    train = data.load("mnist5k").train
    return Rows(train.image[:130], train.label[:130])


def make_vae(axis_name=None):
    model = build(CONFIG, axis_name=axis_name)
    optimizers = {"reconstruction": optax.sgd(1e-4, momentum=0.9)}
    return algorithm(model, optimizers, corrupt=corruption.gaussian_noise(0.3), axis_name=axis_name)


def log_of(folder):
    """The lines of the log, times aside."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def saved_steps(folder):
    """The steps of which there is a checkpoint."""
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir() if path.is_dir())


def assert_same_bytes(one, other):
    chex.assert_trees_all_equal(jax.device_get(one), jax.device_get(other))


@pytest.fixture(scope="module")
def whole(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return fit(make_vae, rows, ONE_DEVICE, folder), folder


def test_the_log_counts_epochs_and_steps_and_the_loss_falls(whole):
    state, folder = whole
    log = log_of(folder)
    # 130 rows are 6 batches of 20 an epoch; the other 10 rows wait for another order.
    assert [(line["epoch"], line["step"]) for line in log] == [(1, 6), (2, 12), (3, 18)]
    assert int(state.step) == 18
    assert log[2]["reconstruction/loss"] < log[1]["reconstruction/loss"] < log[0]["reconstruction/loss"]
    # Loss and metrics are of the same draws: the loss is the nll with the KL on top.
    for line in log:
        assert line["reconstruction/loss"] == pytest.approx(line["reconstruction/nll"] + line["reconstruction/kl"])


def test_chunks_and_checkpoints_do_not_change_a_byte(whole, rows, tmp_path, monkeypatch):
    state, folder = whole
    monkeypatch.setattr(loop, "_CHUNK_SECONDS", 0.0)
    assert_same_bytes(fit(make_vae, rows, dataclasses.replace(ONE_DEVICE, checkpoint_epochs=2), tmp_path), state)
    assert log_of(tmp_path) == log_of(folder)
    # After the second of three epochs, and always after the last.
    assert saved_steps(tmp_path) == [12, 18]


def test_an_interrupted_run_resumes_to_the_same_bytes(whole, rows, tmp_path):
    state, folder = whole

    class Stop(Exception):
        pass

    # Stopped in its second epoch's evaluation: a checkpoint of the first is there, and no line of the second.
    def stop_in_second(line_path, line, original=loop.runs.add_line):
        if line["epoch"] == 2:
            raise Stop
        original(line_path, line)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.runs, "add_line", stop_in_second)
        with pytest.raises(Stop):
            fit(make_vae, rows, ONE_DEVICE, tmp_path)
    assert len(log_of(tmp_path)) == 1
    # A line that no checkpoint covers is cut off again.
    loop.runs.add_line(tmp_path / "metrics.jsonl", {"epoch": 2, "step": 12})
    assert_same_bytes(fit(make_vae, rows, ONE_DEVICE, tmp_path, resume=True), state)
    assert log_of(tmp_path) == log_of(folder)


class SignalAfter(contextlib.nullcontext):
    """A progress bar that sends this process a signal when it has seen so many steps."""

    def __init__(self, steps, number):
        self.left, self.number = steps, number

    def __enter__(self):
        return self

    def update(self, taken):
        self.left -= taken
        if self.left == 0:
            os.kill(os.getpid(), self.number)

    def set_postfix_str(self, text, refresh):
        pass


def stopped_after(steps, number, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_CHUNK_SECONDS", 0.0)
        patch.setattr(loop, "progress", lambda *arguments: SignalAfter(steps, number))
        with pytest.raises(interrupts.Stopped, match=rf"stopped by {number.name} after step {steps}, .*saved") as stop:
            fit(*arguments)
    assert stop.value.number == number


@pytest.mark.parametrize(
    ("steps", "number"),
    [
        pytest.param(4, signal.SIGINT, id="inside an epoch, by SIGINT"),
        pytest.param(4, signal.SIGTERM, id="inside an epoch"),
        pytest.param(6, signal.SIGTERM, id="at its end"),
        pytest.param(18, signal.SIGTERM, id="at the end of the last one"),
    ],
)
def test_a_signal_saves_and_stops_and_the_run_resumes_to_the_same_bytes(whole, rows, tmp_path, number, steps):
    state, folder = whole
    handlers = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    stopped_after(steps, number, make_vae, rows, ONE_DEVICE, tmp_path)
    assert [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert saved_steps(tmp_path)[-1] == steps
    assert_same_bytes(fit(make_vae, rows, ONE_DEVICE, tmp_path, resume=True), state)
    assert log_of(tmp_path) == log_of(folder)


def test_a_signal_that_comes_too_late_to_stop_is_obeyed_in_the_end():
    # A shell lets what it starts in the background ignore SIGINT, and so these tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), interrupts.deferred() as told_to_stop:
            assert told_to_stop() == 0
            os.kill(os.getpid(), signal.SIGINT)
            assert told_to_stop() == signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)


def test_time_that_passes_inside_an_epoch_is_saved_too(whole, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_CHUNK_SECONDS", 0.0)
    terms = dataclasses.replace(ONE_DEVICE, epochs=1, checkpoint_minutes=1e-9)
    fit(make_vae, rows, terms, tmp_path)
    assert saved_steps(tmp_path) == [5, 6]


SEEDS, LABELED = (0, 1, 5, 9), jnp.arange(4 * 10).reshape(4, 10)
"""Four seeds, each of which knows other labels."""


def make_classes(axis_name):
    model = build(dataclasses.replace(CONFIG, variant="semi_supervised_aae", num_classes=10), axis_name=axis_name)
    optimizers = {phase.name: optax.sgd(1e-3, momentum=0.9) for phase in model.phases}
    return algorithm(model, optimizers, corrupt=corruption.gaussian_noise(0.3), axis_name=axis_name)


def fit_classes(rows, folder, seed, labeled, num_devices):
    def evaluate(params, key):
        return {"draw": jax.random.uniform(key)}

    terms = TrainingConfig(epochs=2, batch_size=20, num_devices=num_devices, seed=seed)
    return fit(make_classes, rows._replace(labeled=labeled), terms, folder, evaluate=evaluate)


@pytest.fixture(scope="module")
def one_seed(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return fit_classes(rows, folder, SEEDS[2], LABELED[2], 1), log_of(folder)


WAYS = ("one by one", "as on accelerators")


@pytest.fixture(params=WAYS)
def seeds_way(request, monkeypatch):
    """Seeds within one program: on CPUs one after the other, on accelerators by `jax.vmap`."""
    if request.param == "as on accelerators":
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@pytest.mark.parametrize(
    ("seeds_way", "num_devices"),
    [
        pytest.param(WAYS[0], 1, marks=pytest.mark.slow),
        (WAYS[1], 1),
        *(pytest.param(way, 2, marks=pytest.mark.slow, id=f"{way}, two seeds a device") for way in WAYS),
        # Each device has one seed: the other way is the same.
        pytest.param(WAYS[1], 4, marks=pytest.mark.slow),
    ],
    indirect=["seeds_way"],
)
def test_seeds_together_are_each_seed_alone(rows, one_seed, seeds_way, tmp_path, num_devices):
    alone, expected = one_seed
    together = fit_classes(rows, tmp_path, SEEDS, LABELED, num_devices)
    of_seed = jax.tree.map(lambda leaf: leaf[2], together)
    chex.assert_trees_all_close(jax.device_get(of_seed), jax.device_get(alone), rtol=1e-4, atol=1e-5)
    for line, mine in zip(log_of(tmp_path), expected, strict=True):
        found = {name: value[2] if isinstance(value, list) else value for name, value in line.items()}
        assert found == pytest.approx(mine, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("seeds_way", WAYS, indirect=True)
def test_seeds_that_share_each_batch_are_each_seed_alone(rows, one_seed, seeds_way, tmp_path):
    # Fewer seeds than devices: these share the rows.
    together = fit_classes(rows, tmp_path, SEEDS[1:3], LABELED[1:3], 4)
    of_seed = jax.tree.map(lambda leaf: leaf[1], together)
    chex.assert_trees_all_close(jax.device_get(of_seed), jax.device_get(one_seed[0]), rtol=1e-4, atol=1e-5)


def test_seeds_resume_to_the_same_bytes(rows, tmp_path):
    terms = dataclasses.replace(ONE_DEVICE, seed=(3, 4))
    state = fit(make_vae, rows, terms, tmp_path / "whole")
    fit(make_vae, rows, dataclasses.replace(terms, epochs=2), tmp_path / "parts")
    assert_same_bytes(fit(make_vae, rows, terms, tmp_path / "parts", resume=True), state)
    assert log_of(tmp_path / "parts") == log_of(tmp_path / "whole")


def test_a_seed_that_diverges_is_frozen_and_the_others_go_on(rows, seeds_way, tmp_path):
    # One weight, drawn from [0, 1); it grows by 0.1 a step, and above 1.5 its loss is not finite.
    def make(axis_name):
        def loss(params, keys, batch):
            weight = params["line"]
            value = jnp.where(weight < 1.5, -weight, jnp.nan)
            return value, {"grow/loss": value, "grow/one": jnp.ones(())}

        network = Network(init=jax.random.uniform, apply=lambda w, x: w * x)
        return algorithm(Model({"line": network}, (Phase("grow", ("line",), loss),)), {"grow": optax.sgd(0.1)})

    terms = TrainingConfig(epochs=2, batch_size=20, num_devices=1, seed=tuple(range(8)))
    # The number of a seed that has diverged is the least of all: it is no score.
    state = fit(make, rows, terms, tmp_path, evaluate=lambda params, key: {"below": 2.0 - params["line"]})
    # 12 steps: those that start from above 0.4 pass 1.5 on the way and stay where they are then.
    weights = np.asarray(state.params["line"])
    diverged = weights >= 1.5
    assert diverged.any() and not diverged.all() and (weights < 1.6).all()
    last = log_of(tmp_path)[1]
    assert [value is None for value in last["grow/loss"]] == diverged.tolist()
    # What is finite of a part of an epoch is no mean of it.
    assert last["grow/one"] == [None if of_seed else 1.0 for of_seed in diverged]
    assert [value is None for value in last["below"]] == diverged.tolist()
    assert (np.asarray(state.step[~diverged]) == 12).all() and int(state.step[diverged].min()) < 12
    # When none is left, the run stops.
    with pytest.raises(FloatingPointError, match="'grow' is not finite at epoch 3"):
        fit(make, rows, dataclasses.replace(terms, epochs=3), tmp_path, resume=True)
    assert len(json.loads((tmp_path / "bad_batch.json").read_text())["rows"]) == 20


def test_a_chunk_of_seeds_that_share_their_start_and_of_other_steps(rows):
    own = make_vae()
    run = epoch.chunk(own, 20, None)
    on_device = Rows(jnp.asarray(rows.image), jnp.asarray(rows.label))
    state, keys = own.init(jax.random.key(0)), jax.random.split(jax.random.key(1), 2)
    sums = epoch.no_sums(epoch.metric_shapes(own, on_device, 20))
    visited = epoch.orders(keys[0], 0, 130, 0)

    def of(key, start=0):
        return run(state, sums, on_device, visited, key, start, 3)

    together = jax.jit(jax.vmap(of))(keys)
    alone = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(jax.jit(of)(key) for key in keys))
    chex.assert_trees_all_close(jax.device_get(together), jax.device_get(alone), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="expected the same steps for all"):
        jax.vmap(of)(keys, jnp.arange(2))


def test_a_seed_that_has_diverged_has_no_loss_of_zero_in_later_epochs():
    sums = epoch.Sums({"line/loss": jnp.array([1.0, jnp.nan])}, jnp.array([-1, 3]), jnp.zeros(2, jnp.int32))
    start = loop._for_next_epoch(sums).metrics["line/loss"]
    assert start[0] == 0 and jnp.isnan(start[1])


def test_a_finished_run_resumes_to_itself(whole, rows):
    state, folder = whole
    before = log_of(folder)
    assert_same_bytes(fit(make_vae, rows, ONE_DEVICE, folder, resume=True), state)
    shorter = dataclasses.replace(ONE_DEVICE, epochs=ONE_DEVICE.epochs - 1)
    with pytest.raises(ValueError, match=r"is 3 epochs long already, and epochs is 2; expected at least as many"):
        fit(make_vae, rows, shorter, folder, resume=True)
    assert log_of(folder) == before


def test_resume_starts_where_there_is_nothing_to_resume(whole, rows, tmp_path):
    assert_same_bytes(fit(make_vae, rows, ONE_DEVICE, tmp_path / "new", resume=True), whole[0])


def test_four_devices_run_the_same_trajectory(whole, rows, tmp_path):
    config = TrainingConfig(epochs=3, batch_size=20, num_devices=4)
    state = fit(make_vae, rows, config, tmp_path)
    chex.assert_trees_all_close(jax.device_get(state.params), jax.device_get(whole[0].params), rtol=1e-4, atol=1e-5)
    for line, expected in zip(log_of(tmp_path), log_of(whole[1]), strict=True):
        assert line == pytest.approx(expected, rel=1e-4)
    # Every tenth epoch, and the last.
    assert saved_steps(tmp_path) == [18]


def make_viewer(axis_name=None):
    """Classes that are the same of images alike, and each in use."""
    views = {"view_amount": 0.5, "view_of": "neighbor", "view_balance": 1.0}
    config = ModelConfig("classifier", (28, 28, 1), num_classes=10, hidden_sizes=(8,), weight_std=None, **views)
    model = build(config, axis_name=axis_name)
    return algorithm(model, {phase.name: optax.sgd(0.01) for phase in model.phases}, axis_name=axis_name)


def test_images_alike_are_the_same_for_devices_seeds_and_after_a_stop(rows, tmp_path):
    images = jnp.asarray(rows.image / np.float32(255))
    alike = rows._replace(neighbors=np.asarray(neighbors.nearest(images, 3)))
    terms = dataclasses.replace(ONE_DEVICE, seed=4, epochs=2)
    alone = fit(make_viewer, alike, terms, tmp_path / "alone")
    fit(make_viewer, alike, dataclasses.replace(terms, epochs=1), tmp_path / "parts")
    assert_same_bytes(fit(make_viewer, alike, terms, tmp_path / "parts", resume=True), alone)
    one = jax.device_get(alone.params)
    shared = fit(make_viewer, alike, dataclasses.replace(terms, num_devices=4), tmp_path / "shared").params
    chex.assert_trees_all_close(jax.device_get(shared), one, rtol=1e-4, atol=1e-5)
    of_seeds = fit(make_viewer, alike, dataclasses.replace(terms, seed=(3, 4)), tmp_path / "seeds").params
    of_seed = jax.tree.map(lambda leaf: leaf[1], jax.device_get(of_seeds))
    chex.assert_trees_all_close(of_seed, one, rtol=1e-4, atol=1e-5)
    # It matters which images are alike.
    others = alike._replace(neighbors=(alike.neighbors + 1) % len(images))
    with pytest.raises(AssertionError):
        chex.assert_trees_all_close(
            jax.device_get(fit(make_viewer, others, terms, tmp_path / "others").params), one, rtol=1e-4, atol=1e-5
        )


def test_another_seed_is_another_run(whole, rows, tmp_path):
    config = TrainingConfig(epochs=1, batch_size=20, num_devices=1, seed=1)
    fit(make_vae, rows, config, tmp_path)
    assert log_of(tmp_path)[0]["reconstruction/loss"] != log_of(whole[1])[0]["reconstruction/loss"]


def test_a_run_is_the_same_whatever_keys_are_jax_s_default(whole, rows, tmp_path):
    config = dataclasses.replace(ONE_DEVICE, epochs=1)
    with jax.default_prng_impl("rbg"):
        fit(make_vae, rows, config, tmp_path)
    assert log_of(tmp_path) == log_of(whole[1])[:1]


def test_a_run_is_not_overwritten(whole, rows):
    with pytest.raises(ValueError, match=r"has begun.*--resume.*--out"):
        fit(make_vae, rows, ONE_DEVICE, whole[1])


def test_a_checkpoint_of_a_run_without_a_line_yet_is_not_taken_for_one_of_another(rows, tmp_path):
    stopped_after(4, signal.SIGTERM, make_vae, rows, ONE_DEVICE, tmp_path)
    assert not (tmp_path / "metrics.jsonl").exists()
    with pytest.raises(ValueError, match=r"has begun.*--resume.*--out"):
        fit(make_vae, rows, dataclasses.replace(ONE_DEVICE, seed=1), tmp_path)


def test_a_folder_in_use_is_refused(rows, tmp_path):
    with loop.runs.lock(tmp_path), pytest.raises(ValueError, match="Another process is at work"):
        fit(make_vae, rows, ONE_DEVICE, tmp_path)


def test_a_non_finite_loss_stops_with_phase_and_step_and_keeps_the_last_checkpoint(rows, tmp_path):
    def make_failing(axis_name):
        model = build(CONFIG)

        def loss(params, keys, batch):
            weight = params["encoder"]["params"]["Dense_0"]["bias"].sum()
            return weight, {"poison/loss": weight}

        # The rate grows so that the weights overflow in the second epoch, at step 8.
        rate = optax.piecewise_constant_schedule(1.0, {7: 1e38})
        poisoned = Model(model.networks, (*model.phases, Phase("poison", ("encoder",), loss)))
        return algorithm(poisoned, {"reconstruction": optax.sgd(0.0), "poison": optax.sgd(rate)})

    with pytest.raises(FloatingPointError, match=r"phase '(poison|reconstruction)' is not finite at epoch 2, step"):
        fit(make_failing, rows, ONE_DEVICE, tmp_path)
    assert len(log_of(tmp_path)) == 1
    assert saved_steps(tmp_path) == [6]


def test_the_phase_that_is_blamed_is_the_first_one_in_the_order_of_a_step(rows, tmp_path):
    def make(axis_name):
        def loss(name, value):
            return lambda params, keys, batch: (value(params["line"]), {f"{name}/loss": value(params["line"])})

        network = Network(init=lambda key: jnp.ones(()), apply=lambda w, x: w * x)
        # In the first step "second" overflows and takes "first", named before it and run after it, along.
        phases = [Phase("second", ("line",), loss("second", lambda w: w * jnp.inf))]
        phases += [Phase("first", ("line",), loss("first", lambda w: w))]
        return algorithm(Model({"line": network}, tuple(phases)), {p.name: optax.sgd(1.0) for p in phases})

    with pytest.raises(FloatingPointError, match="'second' is not finite at epoch 1, step 0"):
        fit(make, rows, ONE_DEVICE, tmp_path)
    named = json.loads((tmp_path / "bad_batch.json").read_text())
    assert named["phase"] == "second"
    # The first batch of the order that the run's own key gives.
    assert named["rows"] == epoch.orders(derive(jax.random.key(0), "run"), 0, 130, 0).rows[:20].tolist()


@pytest.mark.parametrize("seed", [0, (0, 1)])
@pytest.mark.parametrize("gives", [{"a": jnp.zeros(2)}, jnp.zeros(())])
def test_scores_are_numbers_by_name(rows, tmp_path, gives, seed):
    terms = dataclasses.replace(ONE_DEVICE, seed=seed)
    with pytest.raises(ValueError, match=r"evaluate gives .*expected a dictionary of names and numbers"):
        fit(make_vae, rows, terms, tmp_path / "run", evaluate=lambda params, key: gives)
    assert not (tmp_path / "run").exists()


def test_only_labeled_rows_give_labels(rows, tmp_path):
    # Rows 0 to 9 carry labels 0 to 9; every other row carries the label 99, which no labeled batch may see.
    label = jnp.full(130, 99).at[:10].set(jnp.arange(10))
    seen = Rows(rows.image, label, labeled=jnp.arange(10))

    def make_counter(axis_name):
        def loss(params, keys, batch):
            known = (batch.labeled.label < 10).mean()
            each = jnp.stack([(batch.labeled.label == k).mean() for k in range(10)])
            counts = {"loss": params["line"], "known": known, "least": each.min(), "gray": batch.image.mean()}
            return params["line"], {f"count/{name}": count for name, count in counts.items()}

        network = Network(init=lambda key: jnp.zeros(()), apply=lambda w, x: w * x)
        return algorithm(Model({"line": network}, (Phase("count", ("line",), loss),)), {"count": optax.sgd(0.0)})

    fit(make_counter, seen, TrainingConfig(epochs=2, batch_size=20, num_devices=1), tmp_path)
    first, second = log_of(tmp_path)
    # Each batch of 20 holds every one of the ten labeled rows twice.
    assert first["count/known"] == 1 and first["count/least"] == pytest.approx(0.1)
    # The ten rows that an epoch leaves out are others in the next one.
    assert first["count/gray"] != pytest.approx(second["count/gray"], rel=1e-5)


def test_each_epoch_visits_all_rows_and_all_labeled_ones_in_an_order_of_its_own():
    first, second, again = (epoch.orders(jax.random.key(0), number, 24, 6) for number in (0, 1, 1))
    chex.assert_trees_all_equal(second, again)
    np.testing.assert_array_equal(np.sort([first.rows, second.rows]), np.tile(np.arange(24), (2, 1)))
    # Four passes over the labeled ones, each newly shuffled too.
    passes = np.reshape([first.labeled, second.labeled], (8, 6))
    np.testing.assert_array_equal(np.sort(passes), np.tile(np.arange(6), (8, 1)))
    assert len({*map(tuple, passes.tolist())}) == 8 and (first.rows != second.rows).any()
    assert epoch.orders(jax.random.key(0), 0, 24, 0).labeled is None


def test_evaluation_gets_a_key_of_its_own_each_epoch_and_joins_the_log(rows, tmp_path):
    def evaluate(params, key):
        return {"draw": jax.random.uniform(key)}

    fit(make_vae, rows, TrainingConfig(epochs=2, batch_size=20, num_devices=1), tmp_path, evaluate=evaluate)
    named = derive(jax.random.key(0), "evaluation")
    first, second = (float(jax.random.uniform(jax.random.fold_in(named, number))) for number in (0, 1))
    assert [line["draw"] for line in log_of(tmp_path)] == [first, second] and first != second


def test_the_parameters_of_the_best_epoch_are_kept(rows, tmp_path):
    key = derive(jax.random.key(0), "init")
    start = jax.device_get(make_vae().init(key).params["encoder"]["params"]["Dense_0"]["kernel"])

    def evaluate(params, key):
        # Weights only move away from where they began: the first epoch is the best.
        return {"away": jnp.square(params["encoder"]["params"]["Dense_0"]["kernel"] - start).sum()}

    first = fit(make_vae, rows, dataclasses.replace(ONE_DEVICE, epochs=1), tmp_path / "first")
    state = fit(make_vae, rows, ONE_DEVICE, tmp_path / "whole", evaluate=evaluate, best="away")
    away = [line["away"] for line in log_of(tmp_path / "whole")]
    assert away == sorted(away)
    assert_same_bytes(best_params(tmp_path / "whole", state.params), first.params)
    with pytest.raises(ValueError, match=r"best is 'awya'; expected one of .*away"):
        fit(make_vae, rows, ONE_DEVICE, tmp_path / "other", evaluate=evaluate, best="awya")


def test_the_best_parameters_are_whole_before_a_checkpoint_that_counts_on_them(rows, tmp_path, monkeypatch):
    calls = []

    def noting(name, method):
        def noted(self, *arguments):
            calls.append((self._manager.directory.name, name))
            return method(self, *arguments)

        return noted

    for name in ("add", "save", "finish"):
        monkeypatch.setattr(Checkpoints, name, noting(name, getattr(Checkpoints, name)))
    # A checkpoint after every chunk of steps, the first of which is a single one.
    terms = dataclasses.replace(ONE_DEVICE, checkpoint_minutes=1e-9)
    fit(make_vae, rows, terms, tmp_path, best="reconstruction/loss")
    saves = [index for index, call in enumerate(calls) if call == ("checkpoints", "save")]
    added = [index for index, call in enumerate(calls) if call == ("best", "add")]
    assert len(saves) > 3 and added and added[0] < saves[-1]
    for save in saves:
        before = [name for folder, name in calls[:save] if folder == "best"]
        assert not before or before[-1] == "finish"


def test_a_run_does_not_go_on_with_other_data(rows, tmp_path):
    fit(make_vae, rows, ONE_DEVICE, tmp_path)
    longer = dataclasses.replace(ONE_DEVICE, epochs=4)
    image, label = rows.image.copy(), rows.label.copy()
    image[129, 0, 0], label[64] = 255, (label[64] + 1) % 10
    for other in (rows._replace(image=image), rows._replace(label=label)):
        with pytest.raises(ValueError, match="started with other settings: checksum was"):
            fit(make_vae, other, longer, tmp_path, resume=True)
    # Of older code nothing is known.
    terms = json.loads((tmp_path / "terms.json").read_text())
    del terms["checksum"]
    (tmp_path / "terms.json").write_text(json.dumps(terms))
    fit(make_vae, rows._replace(image=jnp.asarray(rows.image)), longer, tmp_path, resume=True)
    assert len(log_of(tmp_path)) == 4


def test_bytes_become_fractions_and_floats_stay():
    image = np.array([[0], [51], [255]], np.uint8)
    batch = epoch.batch_of(Rows(jnp.asarray(image), jnp.arange(3)), jnp.array([2, 1]))
    # 255 / 255 = 1 and 51 / 255 = 0.2
    np.testing.assert_allclose(batch.image, [[1.0], [0.2]], rtol=1e-6)
    assert batch.label.tolist() == [2, 1]
    table = epoch.batch_of(Rows(jnp.array([[-3.0]]), jnp.array([-1])), jnp.array([0]))
    assert table.image.tolist() == [[-3.0]]


def test_each_row_has_one_of_its_neighbors_beside_it():
    image = jnp.arange(40.0)[:, None]
    near = Rows(image, jnp.full(40, -1), neighbors=(jnp.arange(40)[:, None] + jnp.array([1, 2, 3])) % 40)
    indices = jnp.tile(jnp.array([7, 38]), 300)
    keys = row_keys(jax.random.key(0), 0, 600)
    batch = epoch.batch_of(near, indices, keys=keys)
    ahead = (np.asarray(batch.neighbor) - np.asarray(batch.image))[:, 0] % 40
    # Each with probability 1/3: 200 ± 11.5 of 600.
    assert {*ahead} == {1, 2, 3} and all(150 < (ahead == number).sum() < 250 for number in (1, 2, 3))
    # A row's neighbor does not depend on which rows share the batch with it, or on which device.
    half = epoch.batch_of(near, indices[300:], keys=row_keys(jax.random.key(0), 0, 300, first_row=300))
    np.testing.assert_array_equal(half.neighbor, batch.neighbor[300:])
    assert epoch.batch_of(near, indices).neighbor is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1, "batch_size": 0}, "batch_size is 0"),
        ({"epochs": 1, "checkpoint_epochs": -1}, "checkpoint_epochs is -1"),
        ({"epochs": 1, "seed": -1}, "seed is -1"),
        ({"epochs": 1, "batch_size": 131}, "batch_size is 131, and the training set has 130 rows"),
        ({"epochs": 1, "batch_size": 10, "num_devices": 4}, "nearest sizes that can are 8 and 12"),
        ({"epochs": 1, "num_devices": 64}, "64 devices were asked for; this machine has 4"),
    ],
)
def test_bad_terms_are_named_before_any_work(rows, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        fit(make_vae, rows, TrainingConfig(**options), tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_models_train_classes_too(rows, tmp_path):
    def make_classifier(axis_name):
        encoder = networks.mlp([784], (16,), 10, initializer=networks.he(), axis_name=axis_name)
        model = models.classifier(encoder, num_classes=10)
        return algorithm(model, {"classification": optax.adam(1e-2)})

    fit(make_classifier, rows, TrainingConfig(epochs=8, batch_size=20, num_devices=1), tmp_path)
    log = log_of(tmp_path)
    assert log[0]["classification/error"] > 0.5 and log[-1]["classification/error"] < 0.2


@pytest.mark.parametrize("span_bytes", [784 * 20 * 4, 2**26], ids=["spans of four steps", "one span"])
def test_streamed_rows_give_the_same_bytes(whole, rows, tmp_path, monkeypatch, span_bytes):
    state, folder = whole
    monkeypatch.setattr(feeds, "_SPAN_BYTES", span_bytes)
    np.save(tmp_path / "images.npy", rows.image)
    on_disk = rows._replace(image=np.load(tmp_path / "images.npy", mmap_mode="r"))
    streamed = dataclasses.replace(ONE_DEVICE, stream="yes")
    assert_same_bytes(fit(make_vae, on_disk, streamed, tmp_path / "run"), state)
    assert log_of(tmp_path / "run") == log_of(folder)


def test_a_stream_goes_on_in_the_middle_of_a_span_with_its_labels(rows, one_seed, tmp_path, monkeypatch):
    # Six steps an epoch in spans of four: step 9 is in the second epoch's first span.
    monkeypatch.setattr(feeds, "_SPAN_BYTES", 784 * 20 * 4)
    terms = TrainingConfig(epochs=2, batch_size=20, num_devices=1, seed=SEEDS[2], stream="yes")
    labeled = rows._replace(labeled=LABELED[2])
    stopped_after(9, signal.SIGTERM, make_classes, labeled, terms, tmp_path)
    assert_same_bytes(fit(make_classes, labeled, terms, tmp_path, resume=True), one_seed[0])


def test_small_sets_are_not_streamed_unless_asked_for(rows):
    assert not feeds.is_streamed(rows, "auto") and feeds.is_streamed(rows, "yes")
    large = rows._replace(image=np.broadcast_to(np.uint8(0), (2**22, 32, 32, 1)))
    assert feeds.is_streamed(large, "auto") and not feeds.is_streamed(large, "no")


def test_several_seeds_are_not_streamed(rows, tmp_path):
    with pytest.raises(ValueError, match=r"2 seeds together .* one at a time"):
        fit(make_vae, rows, TrainingConfig(epochs=1, batch_size=20, seed=(0, 1), stream="yes"), tmp_path / "never")
    assert not (tmp_path / "never").exists()
