"""Benchmarks: what they count, what they compare, what they write and keep. None is timed."""

import dataclasses
import json

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
from benchmarks.workloads import Workload, batch_at, make_rows, seeds_chunk_of
from experiments import command_line, tables

WITHOUT_PEERS = {"parzen": parzen, "roofline": roofline}


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


# What is written.


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "roofline" else []) for name in WITHOUT_PEERS]
)
def test_a_benchmark_leaves_its_json_file_and_a_plot(name, tmp_path, capsys):
    module = WITHOUT_PEERS[name]
    options = {"variants": ("aae",), "width": 8} if name == "roofline" else {}
    smoke = dataclasses.replace(module.PRESETS["smoke"], out=tmp_path, repetitions=1, **options)
    written = module.main(smoke)
    assert json.loads((tmp_path / f"{name}.json").read_text()) == written
    assert {"benchmark", "config", "environment", "commit", "dirty", "results"} <= written.keys()
    assert (tmp_path / f"{name}.png").exists() and name in capsys.readouterr().out


@pytest.mark.parametrize("module", [peers, roofline, scaling, start, parzen], ids=lambda module: module.__name__)
def test_a_mistake_is_one_line_before_any_work(module, tmp_path, capsys, monkeypatch):
    # As if the peers were there.
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(SystemExit) as leaving:
        arguments = ["--preset", "smoke", "--repetitions", "0", "--out", str(tmp_path / "run")]
        command_line.run(module.main, module.PRESETS, arguments=arguments)
    assert leaving.value.code == 2 and "repetitions is 0" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


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
    config = dataclasses.replace(parzen.PRESETS["smoke"], out=tmp_path / "run", record=True)
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


@pytest.mark.parametrize("variant", ["aae", "semi_supervised_aae"])
def test_pytorch_does_the_same_work(variant):
    pytest.importorskip("torch")
    from benchmarks import equality

    found = equality.check(Workload(variant, width=8), 10)
    assert found["float64"]["largest_relative_difference"] < equality.TOLERANCE
    assert found["float32"]["losses"]["torch"].keys() == {phase.name for phase in Workload(variant).model().phases}


def test_control_other_work_is_found(monkeypatch):
    pytest.importorskip("torch")
    from benchmarks import equality, torch_peer

    monkeypatch.setattr(torch_peer, "RATE", 1.001 * torch_peer.RATE)
    with pytest.raises(ValueError, match="not the same work"):
        equality.check(Workload(width=8), 10)
