"""Several processes that train together: one run, whoever takes part in it."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

TRAINING = """
import sys
from pathlib import Path
import jax
import jax.numpy as jnp
import numpy as np
import optax
jax.config.update("jax_enable_x64", True)
from aae_jax import ModelConfig, Rows, TrainingConfig, algorithm, build, corruption, data, fit, hosts

folder, coordinator, stream = Path(sys.argv[1]), sys.argv[2], sys.argv[6]
num_processes, process, epochs = map(int, sys.argv[3:6])
if coordinator != "none":
    hosts.join(coordinator, num_processes, process)
print(jax.device_count(), "devices", flush=True)
train = data.load("mnist5k").train
rows = Rows(train.image[:200], train.label[:200])
config = ModelConfig("aae", (28, 28, 1), hidden_sizes=(8,), weight_std=None, encoder_batch_norm="hidden")

def make_algorithm(axis_name):
    model = build(config, axis_name=axis_name)
    optimizers = {phase.name: optax.sgd(1e-3, momentum=0.9) for phase in model.phases}
    made = algorithm(model, optimizers, corrupt=corruption.gaussian_noise(0.3), axis_name=axis_name)
    return made._replace(init=lambda key: jax.tree.map(widest, made.init(key)))

def widest(leaf):
    return leaf.astype(float) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

def evaluate(params, key):
    return {"score": sum(abs(leaf).sum() for leaf in jax.tree.leaves(params))}

terms = TrainingConfig(epochs=epochs, batch_size=20, checkpoint_epochs=1, stream=stream)
state = fit(make_algorithm, rows, terms, folder, evaluate=evaluate, best="score", resume=True)
if hosts.is_first():
    np.savez(folder / "params.npz", *map(np.asarray, jax.tree.leaves(state.params)))
"""


def start(folder, *, process=0, coordinator="none", processes=1, devices=2, epochs=2, stream="no"):
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    words = [sys.executable, "-c", TRAINING, *map(str, (folder, coordinator, processes, process, epochs, stream))]
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_ENABLE_X64": "true"}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def start_two(folder, others_folder, **options):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        coordinator = f"localhost:{probe.getsockname()[1]}"
    folders = enumerate((folder, others_folder))
    return [start(where, process=k, coordinator=coordinator, processes=2, **options) for k, where in folders]


def finish(*processes):
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        assert "4 devices" in output or "1 devices" in output


def parameters(folder):
    with np.load(folder / "params.npz", allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays]


def assert_equal_parameters(one, other):
    for first, second in zip(parameters(one), parameters(other), strict=True):
        assert np.abs(first - second).max() <= 1e-10 * np.abs(first).max()


def test_two_processes_train_as_one_does_and_only_the_first_writes(tmp_path):
    finish(start(tmp_path / "alone", devices=1))
    finish(*start_two(tmp_path / "first", tmp_path / "second"))
    assert_equal_parameters(tmp_path / "alone", tmp_path / "first")
    assert not (tmp_path / "second").exists()
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert {"metrics.jsonl", "checkpoints", "best"} < names


@pytest.mark.slow
def test_each_of_two_processes_streams_the_rows_of_its_devices(tmp_path):
    finish(start(tmp_path / "alone", devices=1))
    finish(*start_two(tmp_path / "first", tmp_path / "second", stream="yes"))
    assert_equal_parameters(tmp_path / "alone", tmp_path / "first")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_when_one_ends_the_other_does_and_both_go_on_to_the_same_parameters(tmp_path, number):
    first, second = start_two(tmp_path / "stopped", tmp_path / "second", epochs=3)
    while not (tmp_path / "stopped" / "metrics.jsonl").exists() and first.poll() is None:
        time.sleep(0.01)
    second.send_signal(number)
    # Told to stop, both save first. Killed, the other ends by the runtime's own error, within a minute.
    output, _ = first.communicate(timeout=60)
    assert first.returncode != 0
    assert second.wait(timeout=60) != 0
    assert number == signal.SIGKILL or "stopped by SIGTERM" in output
    second.stdout.close()
    finish(*start_two(tmp_path / "stopped", tmp_path / "second", epochs=3))
    finish(start(tmp_path / "alone", devices=1, epochs=3))
    assert_equal_parameters(tmp_path / "alone", tmp_path / "stopped")
