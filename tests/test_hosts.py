"""Several processes that train together: one run, whoever takes part in it."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from aae_jax import hosts
from benchmarks.invariance import free_port

TRAINING = """
import contextlib
import sys
import time
from pathlib import Path
import jax
import jax.numpy as jnp
import numpy as np
import optax
jax.config.update("jax_enable_x64", True)
from aae_jax import ModelConfig, Rows, TrainingConfig, algorithm, build, corruption, data, fit, hosts

folder, coordinator, stream = Path(sys.argv[1]), sys.argv[2], sys.argv[6]
num_processes, process, epochs, late = map(int, (*sys.argv[3:6], sys.argv[7]))
together = contextlib.nullcontext()
if coordinator != "none":
    together = hosts.join(coordinator, num_processes, process)
print(jax.device_count(), "devices", flush=True)
time.sleep(late)
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
with together:
    state = fit(make_algorithm, rows, terms, folder, evaluate=evaluate, best="score", resume=True)
    if hosts.is_first():
        np.savez(folder / "params.npz", *map(np.asarray, jax.tree.leaves(state.params)))
"""


def start(
    folder, *, process=0, coordinator="none", processes=1, devices=2, epochs=2, stream="no", late=0, file_bytes=None
):
    """Starts a process; `late` seconds go by before it trains, and it can write no file larger than `file_bytes`."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    options = (folder, coordinator, processes, process, epochs, stream, late)
    words = [sys.executable, "-c", TRAINING, *map(str, options)]
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_ENABLE_X64": "true"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(words, env=environment, preexec_fn=limit if file_bytes else None, **pipes)


def start_two(folder, others_folder, of_first=(), of_second=(), **options):
    options |= {"coordinator": f"localhost:{free_port()}", "processes": 2}
    first = start(folder, process=0, **{**options, **dict(of_first)})
    return first, start(others_folder, process=1, **{**options, **dict(of_second)})


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


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"cannot have port {port} .* choose another"):
            hosts.join(f"localhost:{port}", 2, 0)


@pytest.mark.slow
def test_each_of_two_processes_streams_the_rows_of_its_devices_and_waits_for_one_that_is_late(tmp_path):
    finish(start(tmp_path / "alone", devices=4))
    # Later than Gloo waits.
    finish(*start_two(tmp_path / "first", tmp_path / "second", of_second={"late": 40}, stream="yes"))
    assert_equal_parameters(tmp_path / "alone", tmp_path / "first")


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["told to stop", "first killed", "second killed", "disk of the first is full"])
def test_when_one_ends_the_other_does_and_both_go_on_to_the_same_parameters(tmp_path, fate):
    folders = tmp_path / "stopped", tmp_path / "second"
    full = {"file_bytes": 20_000} if fate == "disk of the first is full" else {}
    first, second = start_two(*folders, of_first=full, epochs=3)
    while not (folders[0] / "metrics.jsonl").exists() and first.poll() is None:
        time.sleep(0.01)
    if fate == "told to stop":
        second.terminate()
    elif fate == "first killed":
        first.kill()
    elif fate == "second killed":
        second.kill()
    # Told to stop, both save first. Otherwise the other ends by the runtime's own error, within a minute.
    outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert first.returncode != 0 and second.returncode != 0
    if fate == "told to stop":
        assert all("stopped by SIGTERM" in output for output in outputs)
    assert ("could not be written" in outputs[0]) == bool(full)
    finish(*start_two(*folders, epochs=3))
    finish(start(tmp_path / "alone", devices=1, epochs=3))
    assert_equal_parameters(tmp_path / "alone", tmp_path / "stopped")


@pytest.mark.slow
def test_a_signal_before_training_ends_both(tmp_path):
    first, second = start_two(tmp_path / "first", tmp_path / "second", of_second={"late": 300})
    assert "4 devices" in second.stdout.readline()
    second.terminate()
    assert second.wait(timeout=60) == -signal.SIGTERM
    first.communicate(timeout=60)
    second.stdout.close()
    assert first.returncode != 0


@pytest.mark.slow
def test_a_command_finds_its_number_by_slurm_and_a_mistake_of_the_first_ends_both(tmp_path):
    def end(*more):
        words = [sys.executable, "-m", "experiments.clustering", "--preset", "smoke", "--coordinator", "auto", *more]
        flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
        job = {"SLURM_JOB_ID": str(free_port()), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
        job["XLA_FLAGS"] = flags
        processes = []
        for number, name in enumerate(("first", "second")):
            environment = {**os.environ, **job, "SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            processes.append(subprocess.Popen([*words, "--out", tmp_path / name], env=environment, **pipes))
        return [(process.communicate(timeout=300)[0], process.returncode) for process in processes]

    (output, first), (others_output, second) = end()
    assert (first, second) == (0, 0), output + others_output
    assert (tmp_path / "first" / "final.json").exists() and not (tmp_path / "second").exists()
    (output, first), (_, second) = end()
    assert first != 0 and second != 0
    assert "holds a run: resume it" in output
