"""What training is for, on real digits: q(z) comes to fill p(z); and, slowly, a run that is killed and goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aae_jax import ModelConfig, Rows, TrainingConfig, algorithm, build, data, fit, row_keys
from experiments import optimizers, training


@pytest.fixture(scope="module")
def digits():
    return data.load("mnist5k")


def trained(digits, folder, epochs, **options):
    """An AAE after a few epochs, its codes of held-out digits, and the log."""
    config = ModelConfig("aae", (28, 28, 1), hidden_sizes=(32, 32), weight_std=None, **options)
    rates = {"reconstruction": 1e-3, "discriminator": 5e-3, "generator": 2e-3}
    descent = optimizers.adam(rates, first_decay=dict.fromkeys(rates, 0.5))

    def make_algorithm(axis_name):
        model = build(config, axis_name=axis_name)
        return algorithm(model, descent(model, 35, epochs))

    rows = Rows(digits.train.image, digits.train.label)
    terms = TrainingConfig(epochs=epochs, num_devices=1)
    state = fit(make_algorithm, rows, terms, folder)
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return build(config), state.params, log


def test_codes_of_held_out_digits_take_the_priors_moments(digits, tmp_path):
    model, params, log = trained(digits, tmp_path, 8, prior_std=2.0)
    test = training.held_out(digits.test)
    codes = np.asarray(model.encode_mean(params, test.image)["style"])
    # The prior is N(0, 2²). Eight epochs of a small network get within half of its standard deviation.
    assert np.abs(codes.mean(0)).max() < 1.0
    np.testing.assert_allclose(codes.std(0), 2.0, rtol=0.5)
    # Reconstruction goes on meanwhile, and the discriminator is left near chance: 2 log 2 = 1.386.
    assert log[-1]["reconstruction/nll"] < 0.6 * log[0]["reconstruction/nll"]
    assert 1.2 < log[-1]["discriminator/loss"] < 1.5


def test_the_universal_posterior_uses_its_noise(digits, tmp_path):
    model, params, _ = trained(digits, tmp_path, 1, posterior="universal")
    image = training.held_out(digits.test, 1).image
    same = jnp.broadcast_to(image, (200, *image.shape[1:]))
    codes = np.asarray(model.encode(params, row_keys(jax.random.key(0), 0, 200), same)["style"])
    assert codes.std(0).min() > 1e-3
    # encode_mean reads no noise: one image, one code.
    means = np.asarray(model.encode_mean(params, same)["style"])
    assert np.ptp(means, axis=0).max() < 1e-5


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(tmp_path):
    def command(folder):
        words = ["--preset", "smoke", "--epochs", "4", "--checkpoint-epochs", "1", "--resume", "--out", str(folder)]
        return [sys.executable, "-m", "experiments.prior_matching", *words]

    def results(folder):
        final = json.loads((folder / "final.json").read_text())["metrics"]
        with np.load(folder / "evidence_0.npz", allow_pickle=False) as evidence:
            return final, {name: evidence[name].tobytes() for name in evidence}

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command(tmp_path / "whole"), check=True, **quiet)
    random, kills = np.random.RandomState(0), 0
    for _ in range(20):
        process = subprocess.Popen(command(tmp_path / "killed"), **quiet)
        deadline = time.monotonic() + random.uniform(4, 12)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills
    subprocess.run(command(tmp_path / "killed"), check=True, **quiet)
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


CONVOLUTIONS = """
import json
import pathlib
import sys
import jax
from aae_jax import ModelConfig, Rows, TrainingConfig, algorithm, build, data, fit
from experiments import optimizers, training

folder = pathlib.Path(sys.argv[1])
dataset = data.load("mnist", data_dir=sys.argv[1], manual_dir=sys.argv[2])
validation = training.held_out(dataset.validation, 5000)
found = {}
for network in ("mlp", "convolutional"):
    config = ModelConfig("ae", (28, 28, 1), code_size=8, network=network, weight_std=None)

    def make_algorithm(axis_name):
        model = build(config, axis_name=axis_name)
        return algorithm(model, optimizers.adam()(model, 500, 1))

    rows = Rows(dataset.train.image, dataset.train.label)
    state = fit(make_algorithm, rows, TrainingConfig(epochs=1, num_devices=1), folder / network)
    model = build(config)
    codes = jax.jit(model.encode_mean)(state.params, validation.image)
    nll = jax.jit(model.nll)(state.params, codes, validation.image, validation.label)
    found[network] = float(nll.mean())
(folder / "nll.json").write_text(json.dumps(found))
"""


@pytest.mark.slow
def test_convolutions_reconstruct_mnist_better_than_the_perceptron(mnist_files, tmp_path):
    # In a process of its own: compiled as the other tests are, convolutions take seconds a step.
    words = [sys.executable, "-c", CONVOLUTIONS, str(tmp_path), str(mnist_files)]
    subprocess.run(words, env={**os.environ, "XLA_FLAGS": ""}, check=True)
    nll = json.loads((tmp_path / "nll.json").read_text())
    assert nll["convolutional"] < nll["mlp"] < 110
