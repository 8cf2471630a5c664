"""Benchmarks: what they count, what they compare, what they write and keep. None is timed."""

import dataclasses
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import logsumexp

from aae_jax import row_keys, update
from aae_jax.keys import derive
from aae_jax.types import Keys
from benchmarks import (
    faults,
    invariance,
    invariance_worker,
    operations,
    parzen,
    peers,
    records,
    roofline,
    scaling,
    start,
    table,
    timing,
)
from benchmarks.workloads import RATE, Workload, batch_at, make_rows, seeds_chunk_of
from experiments import command_line, tables

WITHOUT_PEERS = {"parzen": parzen, "roofline": roofline}
BENCHMARKS = [faults, invariance, parzen, peers, roofline, scaling, start]


# What is counted.


def test_operations_of_a_small_autoencoder_by_hand():
    # Encoder 3-2-2-1, decoder 1-2-2-3, judge 1-2-2-1, one row. Of a layer I to O, 2 I O each:
    # encoder 12 + 8 + 4 = 24, decoder 4 + 8 + 12 = 24, judge 4 + 8 + 4 = 16; numbers 8 + 6 + 3, 4 + 6 + 9, 4 + 6 + 3.
    costs = operations.aae_costs(1, image=3, width=2, code=1)
    counted = {name: operations.of_products(cost.products) for name, cost in costs.items()}
    # Forward, weights and inputs of both networks, but for the inputs of the encoder's first layer.
    assert counted["reconstruction"] == 3 * (24 + 24) - 12
    # A pass of the encoder, and the judge on real and fake, but for the inputs of its first layer.
    assert counted["discriminator"] == 24 + 2 * (3 * 16 - 4)
    # The judge forward and to its inputs, the encoder's weights and inner inputs; the encoder's pass is shared.
    assert counted["generator"] == 2 * 16 + (2 * 24 - 12)
    assert operations.of_products(costs["generator"].shared) == 24
    assert [cost.trained for cost in costs.values()] == [17 + 19, 13, 17]
    # A forward product of the encoder's first layer reads 3 and 6 numbers, and writes 2: 4 bytes each.
    assert operations.product_bytes(operations.Product("forward", 1, 3, 2)) == 4 * (3 + 6 + 2)
    assert costs["discriminator"].optimizer_bytes == 7 * 4 * 13


def test_operations_of_pythae_by_hand():
    # As above. Its judge: three passes with gradients of weights and inner inputs, and of all inputs in two of them.
    products = 3 * (24 + 24) - 12 + 3 * (3 * 16 - 4) + 2 * 4
    assert operations.pythae_operations(1, image=3, width=2, code=1) == products + 14 * (17 + 19 + 13)


def test_operations_of_the_usual_step_by_hand():
    costs = operations.aae_costs(1, image=3, width=2, code=1)
    # The encoder's pass once more, and the gradient of the judge's weights on the codes once more.
    lean = sum(cost.operations() for cost in costs.values())
    assert operations.usual_operations(costs) == lean + 2 * (3 * 2 + 2 * 2 + 2 * 1) + 2 * (1 * 2 + 2 * 2 + 2 * 1)


@pytest.mark.parametrize("name", ["reconstruction", "discriminator", "generator"])
def test_each_phase_makes_the_operations_counted_by_hand(name):
    workload = Workload(width=64)
    model, state = workload.model(), workload.algorithm().init(jax.random.key(0))
    position, phase = next(pair for pair in enumerate(model.phases) if pair[1].name == name)
    keys = row_keys(jax.random.key(1), 0, 20)
    one = jax.jit(update(phase, optax.adam(1e-3)))
    phase_keys, batch = (
        Keys(keys, derive(keys, f"phase {position}")),
        batch_at(make_rows(workload, 20), jnp.arange(20)),
    )
    analysis = one.lower(state.params, state.opt_states[name], phase_keys, batch).compile().cost_analysis()
    assert analysis["flops"] == pytest.approx(workload.costs(20)[name].operations(alone=True), rel=0.03)


def test_parzen_reference_against_scipy():
    random = np.random.default_rng(0)
    samples, test, sigmas = random.random((7, 3)), random.random((4, 3)), np.array([0.1, 1.0])
    squared = np.square(samples[:, None] - test).sum(-1)
    expected = [
        logsumexp(-squared / (2 * sigma**2), axis=0) - np.log(7) - 3 * np.log(sigma * np.sqrt(2 * np.pi))
        for sigma in sigmas
    ]
    np.testing.assert_allclose(parzen.reference(samples, test, sigmas, block=3), expected, rtol=1e-10)


def test_seeds_of_a_chunk_are_trainings_of_their_own():
    workload = Workload(width=4)
    chunk = seeds_chunk_of(workload, make_rows(workload, 20), 10, 2)
    state, _ = chunk.run(*chunk.arguments, 0, 2)
    kernel = state.params["encoder"]["params"]["Dense_0"]["kernel"]
    assert kernel.shape == (2, 784, 4) and bool((kernel[0] != kernel[1]).any()) and state.step.tolist() == [2, 2]


def test_slope_and_ratios():
    assert scaling.slope({"1": 3.0, "10": 300.0}) == pytest.approx(2)
    assert scaling.slope({"1": 3.0}) is None
    ratios = timing.ratios({"a": [1.0, 2.0, 4.0], "b": [2.0, 2.0, 2.0]}, "b")
    assert ratios["a"] == timing.Spread(1.0, 0.5, 2.0)


# What is measured, by stubs of clocks and runs whose numbers are known.


def test_a_copy_moves_its_array_twice(monkeypatch):
    monkeypatch.setattr(roofline.ceilings, "copy_seconds", lambda mebibytes, repetitions: [0.5, 0.25, 1.0])
    config = dataclasses.replace(roofline.PRESETS["smoke"], variants=(), copy_mebibytes=3)
    assert roofline.measure(config)["copy_bytes_per_second"] == 2 * 3 * 2**20 / 0.5


def test_operations_that_the_compiler_counts_otherwise_are_a_mistake():
    roofline._check_counts("aae, step", {"xla_operations": 104.0, "operations": 100})
    with pytest.raises(ValueError, match=r"aae, step: the compiler counts 0\.940 times"):
        roofline._check_counts("aae, step", {"xla_operations": 94.0, "operations": 100})


def test_a_phase_of_the_roofline_has_other_rows_and_keys_in_every_turn(monkeypatch):
    # Of the same ones, codes would be made once for all turns, before the loop that is timed.
    ends = []
    monkeypatch.setattr(roofline.timing, "per_call", lambda run, *args, **_: ends.append(run(*args)[0]) or [6.0])
    workload, size = Workload(width=4), 5
    config = dataclasses.replace(roofline.PRESETS["smoke"], steps=3)
    seconds = {name: of_phase for name, (of_phase, _) in roofline._phases(workload, size, config).items()}
    rows, state = make_rows(workload, 3 * size), workload.algorithm().init(jax.random.key(0))
    for position, phase in enumerate(workload.model().phases):
        one = jax.jit(update(phase, optax.adam(RATE)))
        params, opt_state = state.params, state.opt_states[phase.name]
        for step in range(3):
            keys = row_keys(jax.random.key(1), step, size)
            batch = batch_at(rows, step * size + jnp.arange(size))
            params, opt_state, _ = one(params, opt_state, Keys(keys, derive(keys, f"phase {position}")), batch)
        expected = {name: params[name] for name in phase.trains}
        jax.tree.map(lambda got, wanted: np.testing.assert_allclose(got, wanted, atol=1e-6), ends[position], expected)
        assert seconds[phase.name] == [2.0]


def test_seconds_of_several_steps_are_shared_out(monkeypatch):
    plan = SimpleNamespace(argument_size_in_bytes=2**20, temp_size_in_bytes=2**21)
    lowered = SimpleNamespace(compile=lambda: SimpleNamespace(memory_analysis=lambda: plan))
    chunk = scaling.Chunk(SimpleNamespace(lower=lambda *_: lowered), (0, 0))
    monkeypatch.setattr(
        scaling.timing, "interleaved", lambda contenders, _: {name: [6.0, 12.0] for name in contenders}
    )
    found = scaling._chunks({1: chunk, 2: chunk}, dataclasses.replace(scaling.PRESETS["smoke"], steps=3))
    assert found["seconds"] == {"1": [2.0, 4.0], "2": [2.0, 4.0]}
    assert found["argument_mebibytes"]["1"] == 1 and found["temporary_mebibytes"]["1"] == 2


def test_a_run_survives_when_it_ends_in_the_bytes_of_an_undisturbed_one(tmp_path, monkeypatch):
    lost = {"told", "a_flipped_byte"}

    def finish(folder, epochs):
        folder.mkdir(exist_ok=True)
        (folder / "params.npy").write_text("other" if folder.name in lost else "same")

    def start_(folder, epochs, **options):
        message = "cannot be written" if folder.name == "below" else "could not be written"
        ends = {"returncode": 2, "wait": lambda: 143, "send_signal": lambda number: None}
        return SimpleNamespace(**ends, communicate=lambda: ("", message))

    monkeypatch.setattr(faults, "_finish", finish)
    monkeypatch.setattr(faults, "_start", start_)
    monkeypatch.setattr(faults, "_wait", lambda *_: None)
    monkeypatch.setattr(faults, "_kill_again_and_again", lambda *_: [("inside an epoch", "epoch 2")])
    for spoil in ("_truncate", "_flip"):
        monkeypatch.setattr(faults, spoil, lambda folder: "somewhere")
    config = dataclasses.replace(faults.PRESETS["smoke"], out=tmp_path)
    survived = {row["fault"]: row["survived"] for row in faults._measure(config)["faults"]}
    assert {name for name, alive in survived.items() if not alive} == {"SIGTERM", "a flipped byte"}
    assert len(survived) == 6


def test_a_difference_above_the_bound_or_a_control_without_one_is_broken():
    exact = {"aae": {"2 devices": 0.9e-10, "streamed": 1.1e-10}, "vae": {"streamed": float("nan")}}
    differences = {"float64": exact, "float32": {"aae": {"streamed": 1e-3}}}
    broken = invariance._broken({"differences": differences, "control": {"difference": 1e-15}})
    assert [words.partition(":")[0] for words in broken[:2]] == ["aae, streamed", "vae, streamed"]
    assert len(broken) == 3 and "control" in broken[2]
    assert not invariance._broken({"differences": {"float32": {"aae": {"a": 1.0}}}, "control": {"difference": 1.0}})


def test_the_control_is_in_float64_whatever_else_is_asked_for(tmp_path, monkeypatch):
    jobs = []

    def trained(job, kept):
        jobs.append(job)
        of_way = {way: np.ones(2) for way in job["ways"]}
        return of_way | ({"control": np.array([1, 1.5])} if job["same_noise"] else {})

    monkeypatch.setattr(invariance, "_trained", trained)
    config = invariance.Config(out=tmp_path, variants=("vae",), precisions=("float32",))
    results = invariance._measure(config)
    assert results["control"] == {"variant": "vae", "difference": 0.5}
    assert [job["precision"] for job in jobs if job["same_noise"]] == ["float64"]
    assert results["differences"] == {"float32": {"vae": dict.fromkeys(invariance.WAYS, 0.0)}}


def test_a_worker_ends_with_the_process_that_started_it():
    # Its standard input is nobody's any more.
    words = [sys.executable, "-c", "from benchmarks import invariance_worker as own; own._end_with_parent(); print(1)"]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, cwd=records.ROOT, check=False).returncode == 1


def test_a_cache_of_the_user_is_none_of_an_empty_one(monkeypatch):
    for name in start.CACHES:
        monkeypatch.setenv(name, "/full")
    heard = {}

    class Process:
        def __init__(self, words, env, **options):
            heard.update(env)
            raise InterruptedError

    monkeypatch.setattr(start.subprocess, "Popen", Process)
    with pytest.raises(InterruptedError):
        start._process(["python"], {"XDG_CACHE_HOME": "/empty"}, start.Config())
    assert (
        heard["XDG_CACHE_HOME"] == "/empty" and not {*start.CACHES} & {*heard} and heard["PATH"] == os.environ["PATH"]
    )


# What is written.


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "roofline" else []) for name in WITHOUT_PEERS]
)
def test_a_benchmark_leaves_its_json_file_and_a_plot(name, tmp_path, capsys):
    module = WITHOUT_PEERS[name]
    options = {"variants": ("aae",)} if name == "roofline" else {}
    smoke = dataclasses.replace(module.PRESETS["smoke"], out=tmp_path, repetitions=1, **options)
    written = module.main(smoke)
    assert json.loads((tmp_path / f"{name}.json").read_text()) == written
    assert {"benchmark", "config", "environment", "commit", "dirty", "results"} <= written.keys()
    assert (tmp_path / f"{name}.png").exists() and name in capsys.readouterr().out


MISTAKES = {
    "faults --kills 0": "kills is 0; expected at least 1",
    "faults --epochs 4": "expected more than the kills",
    "faults --repetitions 2": "There is no option --repetitions",
    "invariance --precisions float65": "precisions is 'float65'",
    "invariance --precisions": "precisions is empty",
    "invariance --variants": "variants is empty",
    "invariance --record": "The preset smoke is a trial",
    "parzen --repetitions 0": "repetitions is 0",
    "parzen --block 0": "block is 0",
    "parzen --samples 700": "not whole blocks",
    "peers --rows -5": "rows is -5",
    "peers --epoch-rows 1500": "a multiple of 1000",
    "peers --epoch-rows 0 --epoch-repetitions 2": "does nothing while epoch_rows is 0",
    "roofline --steps 0": "steps is 0",
    "roofline --width 0": "width is 0",
    "roofline --copy-mebibytes 0": "copy_mebibytes is 0",
    "scaling --axes": "axes is empty",
    "scaling --devices 0": "devices is 0",
    "scaling --axes seeds --seeds 0": "seeds is 0",
    "scaling --axes order --widths 8": "widths is (8,), and does nothing while axes is ('order',)",
    "scaling --axes batch rows --rows 50": "rows is 50; expected at least 72",
    "start --patience 0": "patience is 0",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line_before_any_work(words, tmp_path, capsys, monkeypatch):
    # As if the peers were there.
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: name)
    name, *options = words.split()
    module = next(module for module in BENCHMARKS if module.__name__.endswith(name))
    monkeypatch.setattr(records.runs, "provenance", lambda: {"command": "", "commit": "0" * 40, "dirty": False})
    with pytest.raises(SystemExit) as leaving:
        arguments = ["--preset", "smoke", "--out", str(tmp_path / "run"), *options]
        command_line.run(module.main, module.PRESETS, arguments=arguments)
    error = capsys.readouterr().err
    assert leaving.value.code == 2 and MISTAKES[words] in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("module", BENCHMARKS, ids=lambda module: module.__name__.partition(".")[2])
def test_a_folder_that_cannot_be_written_is_said_before_any_work(module, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: name)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as leaving:
        arguments = ["--preset", "smoke", "--out", str(tmp_path / "file")]
        command_line.run(module.main, module.PRESETS, arguments=arguments)
    assert leaving.value.code == 2 and "cannot be written" in capsys.readouterr().err


@pytest.mark.slow
def test_devices_seeds_streams_and_processes_change_nothing(tmp_path):
    arguments = ["--preset", "smoke", "--out", str(tmp_path)]
    results = command_line.run(invariance.main, invariance.PRESETS, arguments=arguments)["results"]
    differences = results["differences"]["float64"]["aae"]
    assert set(differences) == set(invariance.WAYS) and max(differences.values()) <= invariance.BOUND
    assert results["control"]["difference"] > 1e-3


def test_what_a_variant_reads_is_there_in_every_way_that_it_is_trained(monkeypatch):
    monkeypatch.setattr(invariance_worker, "EPOCHS", 1)
    config = invariance_worker.VARIANTS["clustering_aae, neighbors"]
    assert int(invariance_worker.train(config, seeds=[4]).step) == 10
    assert {*invariance.WAYS} - {*invariance._ways("clustering_aae, neighbors")} == {"streamed"}
    assert invariance._ways("aae") == invariance.WAYS


def test_peers_say_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        command_line.run(peers.main, peers.PRESETS, arguments=["--preset", "smoke"])
    error = capsys.readouterr().err
    assert "torch is not installed" in error and error.count("\n") == 1


# What is kept.

CPU = {"device": "cpu", "processor": "Some Processor", "cores": 2}


def result(benchmark, results, **config):
    config = {"preset": "laptop", "out": "/a", "record": True, **config}
    words = f"python -m benchmarks.{benchmark} --out /a --width 1000 --record"
    own = {"benchmark": benchmark, "config": config, "environment": CPU, "results": results}
    return {**own, "command": words, "commit": "0" * 40, "dirty": False}


def test_uncommitted_code_is_not_measured_for_the_record(tmp_path, monkeypatch):
    monkeypatch.setattr(records.runs, "provenance", lambda: {"command": "", "commit": "0" * 40, "dirty": True})
    config = dataclasses.replace(parzen.PRESETS["laptop"], out=tmp_path / "run", record=True)
    with pytest.raises(ValueError, match="not committed"):
        parzen.main(config)
    assert not (tmp_path / "run").exists()


def test_places_of_a_machine_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    (tmp_path / "start.json").write_text(json.dumps(result("start", {})))
    kept = records.record(tmp_path / "start.json")
    assert kept.name == "start_some_processor_2_cores.json"
    written = json.loads(kept.read_text())
    assert written["config"] == {"preset": "laptop"}
    assert written["command"] == "python -m benchmarks.start --width 1000"


@pytest.mark.parametrize("path", sorted(records.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_records_come_from_committed_code(path):
    written = json.loads(path.read_text())
    assert written["dirty"] is False and len(written["commit"]) == 40
    assert written["command"].startswith(f"python -m benchmarks.{written['benchmark']}")
    assert not set(records.PLACES) & written["config"].keys()


def test_the_readme_has_the_table_of_what_is_recorded():
    page = table.README.read_text()
    text = table.markdown(table.recorded(records.RESULTS))
    assert page == tables.inserted(page, table.BEGIN, table.END, text)


def test_the_table_shows_ratios_in_bold_and_times_beside_their_machine(tmp_path):
    seconds = {"chunk": [0.01, 0.02, 0.01], "torch_eager": [0.02, 0.06, 0.02], "jit_step": [0.01, 0.02, 0.01]}
    steps = [{"variant": "aae", "batch_size": 100, "seconds_per_step": seconds}]
    of_start = {
        "import aae_jax": [2.0],
        "import jax, flax, optax": [1.0],
        start.EPOCHS[0]: [10.0],
        start.EPOCHS[1]: [5.0],
    }
    part = {"product_fraction": 0.9, "seconds": [0.025]}
    for one in (
        result("peers", {"steps": steps}, width=1000),
        result("start", {"seconds": of_start}, experiment="laptop"),
        result("roofline", {"entries": [{"variant": "aae", "batch_size": 1000, "parts": {"step": part}}]}),
        result("scaling", {"seeds": {"seconds": {"1": [0.1], "32": [0.4]}}}),
        result(
            "invariance",
            {
                "differences": {
                    "float64": {"aae": {"2 devices": 0.0, "streamed": 2e-16}},
                    "float32": {"aae": {"streamed": 3e-5}},
                }
            },
        ),
        result(
            "faults",
            {"faults": [{"fault": "SIGKILL", "survived": True}, {"fault": "a flipped byte", "survived": False}]},
        ),
        result("parzen", {"fraction": 0.5, "whole_seconds": 900.0}, samples=10_000_000, test=10_000),
    ):
        (tmp_path / f"{one['benchmark']}.json").write_text(json.dumps(one))
    text = table.markdown(table.recorded(tmp_path))
    assert "| AAE | 100 |  | **2.00×** (2.00 to 3.00) |  |  | 10 ms | Some Processor, 2 cores |" in text
    assert "| AAE | 1,000 | *not measured* |" in text
    assert "**2.00×** | 2 s | Some Processor, 2 cores |" in text and "**0.50×** | 5 s | Some" in text
    assert "batch 1,000 | **0.90** | 25 ms |" in text and "batch 100 | *not measured* |" in text
    assert "**0.12× for 32** | 400 ms |" in text  # 0.4 over 32 times 0.1
    assert "**0.50** | 15 min: 10,000,000 samples × 10,000 images |" in text
    assert "| **2.0e-16** of the largest at most, 1 variants | Some" in text and "| **1 of 2**, 1 of them" in text
    # Trials are not shown.
    (tmp_path / "peers.json").write_text(json.dumps(result("peers", {"steps": steps}, preset="smoke")))
    assert "(2.00 to 3.00)" not in table.markdown(table.recorded(tmp_path))


# What is compared, where PyTorch is there.


WANTS_TORCH = {"reason": "PyTorch is of the extra 'peers': a gigabyte that the tests do without"}


@pytest.mark.parametrize("variant", ["aae", "semi_supervised_aae"])
def test_pytorch_does_the_same_work(variant):
    pytest.importorskip("torch", **WANTS_TORCH)
    from benchmarks import equality

    found = equality.check(Workload(variant, width=8), 10)
    assert found["float64"]["largest_relative_difference"] < equality.TOLERANCE
    assert found["float32"]["losses"]["torch"].keys() == {phase.name for phase in Workload(variant).model().phases}


def test_control_other_work_is_found(monkeypatch):
    pytest.importorskip("torch", **WANTS_TORCH)
    from benchmarks import equality, torch_peer

    monkeypatch.setattr(torch_peer, "RATE", 1.001 * torch_peer.RATE)
    with pytest.raises(ValueError, match="not the same work"):
        equality.check(Workload(width=8), 10)


def test_batches_of_pytorch_are_shuffled_anew_and_hold_every_image():
    pytest.importorskip("torch", **WANTS_TORCH)
    from benchmarks import torch_peer

    rows = make_rows(Workload(image_shape=(2, 2, 1)), 60)
    loader = torch_peer.make_loader(rows, 20)
    first, second = (np.concatenate([image.numpy() for image, _ in loader]) for _ in range(2))
    assert (first != second).any()
    expected = np.sort((np.asarray(rows.image).reshape(60, -1) / np.float32(255)), axis=0)
    np.testing.assert_allclose(np.sort(first, axis=0), expected, rtol=1e-6)
