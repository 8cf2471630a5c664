"""The experiments with their smallest presets, on real digits."""

import dataclasses
import json
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import pytest
from descent import moves

import aae_jax
from aae_jax import data, row_keys, runs
from aae_jax.adapters import population_moments
from aae_jax.types import Model, Phase
from experiments import command_line, judging, likelihood, optimizers, prior_matching, reports, samples, training
from experiments.options import Options


@pytest.fixture(scope="module")
def smoke(few_digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior_matching")
    arguments = ["--preset", "smoke", "--dataset", str(few_digits), "--priors", "gaussian", "--devices", "1"]
    arguments += ["--out", str(folder)]
    metrics = command_line.run(prior_matching.main, prior_matching.PRESETS, arguments=arguments)
    return folder, metrics


def test_prior_matching_leaves_a_complete_run_folder(smoke):
    folder, metrics = smoke
    final = json.loads((folder / "final.json").read_text())
    assert final["metrics"] == metrics
    assert final["config"]["preset"] == "smoke" and final["environment"]["jax"] and final["command"]
    for variant in ("ae", "vae", "aae"):
        assert 0 <= metrics[f"{variant}_gaussian/hole_fraction"] <= 1
        assert 0 <= metrics[f"{variant}_gaussian/samples/mean_confidence"] <= 1
    assert not any("gaussian_mixture" in name for name in metrics)
    assert {path.name for path in folder.glob("*.png")} == {"codes.png", "sheets.png", "curves.png"}


def test_numbers_can_be_computed_again_from_the_evidence(smoke, few_digits):
    folder, metrics = smoke
    with np.load(folder / "evidence_0.npz", allow_pickle=False) as evidence:
        codes, label = evidence["aae_gaussian"], evidence["label"]
    test = data.load(few_digits).test
    assert (label == test.label).all()
    # The error of the mean is its root mean square over the coordinates; the prior's own mean is 0, up to its draws.
    assert abs(np.sqrt(np.square(codes.mean(0)).mean()) - metrics["aae_gaussian/mean_error"]) < 0.03
    aae_jax.load(folder / "seed_0" / "aae_gaussian", best=True)
    model, params, _ = aae_jax.load(folder / "seed_0" / "aae_gaussian")
    batch = training.held_out(test)
    again = model.nll(params, model.encode_mean(params, batch.image), batch.image, batch.label).mean()
    assert float(again) == pytest.approx(metrics["aae_gaussian/nll"], rel=1e-5)


def test_a_table_is_trained_standardized_and_loaded_in_its_own_units(tmp_path):
    random = np.random.RandomState(0)
    angle = random.uniform(0, 2 * np.pi, 400)
    table = np.stack([100 + 10 * np.cos(angle), 0.1 * np.sin(angle), angle], -1)
    np.savez(tmp_path / "circle.npz", images=table)
    dataset = data.load(tmp_path / "circle.npz")
    options = Options(out=tmp_path, epochs=20, batch_size=20, width=16, noise_std=0.0, devices=1)
    descent = optimizers.adam({"reconstruction": 1e-2}, first_decay={"reconstruction": 0.9})
    training.train_model("table", options, options.model_config("ae", dataset), dataset, "ae", descent=descent)
    model, params, _ = aae_jax.load(tmp_path / "seed_0" / "ae")
    decoded = model.decode(params, model.encode_mean(params, table.astype(np.float32)), np.full(400, -1))
    # Two numbers of code say nearly all of a circle: the columns' errors are far below their own spread.
    assert (np.abs(np.asarray(decoded) - table).mean(0) < 0.3 * table.std(0)).all()


def test_a_training_that_failed_at_once_is_begun_again_in_its_folder(tmp_path):
    np.savez(tmp_path / "noise.npz", images=np.random.RandomState(0).randn(100, 2))
    dataset = data.load(tmp_path / "noise.npz")
    options = Options(out=tmp_path, epochs=1, batch_size=10, width=4, noise_std=0.0, devices=1)
    model_config = options.model_config("ae", dataset)

    def train(rate):
        descent = optimizers.adam({"reconstruction": rate}, first_decay={"reconstruction": 0.9})
        training.train_model("noise", options, model_config, dataset, "ae", descent=descent)

    with pytest.raises(FloatingPointError, match="a lower learning rate"):
        train(1e30)
    train(1e-3)
    with pytest.raises(ValueError, match="holds a run"):
        train(1e-3)


@pytest.fixture
def trained_further(tmp_path):
    """What two seeds have learned of noise, and a function that trains them further, with noise on their codes."""
    np.savez(tmp_path / "noise.npz", images=np.random.RandomState(0).randn(100, 2))
    dataset = data.load(tmp_path / "noise.npz")
    options = Options(out=tmp_path, epochs=1, batch_size=10, width=4, noise_std=0.0, devices=1, seeds=2)
    model_config = options.model_config("aae", dataset, encoder_batch_norm="all")
    trained = training.train_model("noise", options, model_config, dataset, "aae")

    def go_on(trained, name, *, resume=False):
        return training.train_further(
            *("noise", dataclasses.replace(options, seeds=len(trained), resume=resume, checkpoint_epochs=1)),
            *(model_config, dataset, name, trained),
            in_training=dataclasses.replace(model_config, posterior="isotropic", posterior_std=0.5),
            epochs=2,
            descent=optimizers.adam(),
        )

    return trained, go_on


def test_a_training_that_goes_on_and_diverges_leaves_those_of_other_seeds(trained_further, tmp_path):
    ((model, first), second), go_on = trained_further
    trained = [(model, jax.tree.map(lambda leaf: leaf * np.nan, first)), second, None]
    found = go_on(trained, "longer")
    assert (found[0], found[2]) == (None, None)
    for network in ("encoder", "decoder", "discriminator"):
        before, after = (of[network]["params"]["Dense_0"]["kernel"] for of in (second[1], found[1][1]))
        # From where it was, in 14 steps of Adam that none is much longer than its rate.
        assert 0 < np.abs(after - before).max() < 1.5 * 14 * 2e-3
    with pytest.raises(FloatingPointError, match="a lower learning rate"):
        go_on(trained[:1], "alone")


def test_what_has_gone_on_is_loaded_as_it_is_judged(trained_further, tmp_path):
    trained, go_on = trained_further
    images, keys = np.random.RandomState(1).randn(5, 2).astype(np.float32), row_keys(jax.random.key(0), 0, 5)
    for index, (model, params) in enumerate(go_on(trained, "longer")):
        loaded, of_file, config = aae_jax.load(tmp_path / f"seed_{index}" / "longer")
        chex.assert_trees_all_equal(of_file, params)
        assert config.posterior == "deterministic"
        # Without the noise that it has learned with.
        for of in (model, loaded):
            codes, mean = of.encode(params, keys, images), of.encode_mean(params, images)
            np.testing.assert_array_equal(codes["style"], mean["style"])


def test_a_training_that_goes_on_is_resumed_to_the_same_bytes(trained_further, tmp_path):
    trained, go_on = trained_further
    whole = go_on(trained, "whole")

    def stop(path, line, original=runs.add_line):
        if "seed_1" in path.parts and line["epoch"] == 2:
            raise KeyboardInterrupt
        original(path, line)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs, "add_line", stop)
        go_on(trained, "stopped")
    chex.assert_trees_all_equal(go_on(trained, "stopped", resume=True)[1][1], whole[1][1])
    logs = (runs.read_lines(tmp_path / "seed_1" / name / "metrics.jsonl") for name in ("whole", "stopped"))
    one, other = ([{**line, "seconds": 0} for line in log] for log in logs)
    assert len(one) == 2 and one == other


def test_moments_are_of_one_batch_where_that_is_more_than_is_looked_at(tmp_path, monkeypatch):
    np.savez(tmp_path / "noise.npz", images=np.random.RandomState(0).randn(100, 2))
    dataset = data.load(tmp_path / "noise.npz")
    options = Options(out=tmp_path, epochs=1, batch_size=10, width=4, devices=1)
    monkeypatch.setattr(training, "_NUM_FOR_MOMENTS", 3)
    model_config = options.model_config("ae", dataset, encoder_batch_norm="all")
    ((model, params),) = training.train_model("noise", options, model_config, dataset, "ae")
    batch = training.held_out(dataset.train, 10)
    chex.assert_trees_all_close(population_moments(model, params, lambda index: batch, 1), params, rtol=1e-5)


def test_minutes_of_training_are_those_of_all_that_was_trained_once_each(tmp_path):
    for log, seconds in {
        **{"seeds/aae": 60, "seed_0/aae": 60, "seed_1/aae": 60},
        **{"seed_0/aae_code_noise": 30, "seed_1/aae_code_noise": 15},
    }.items():
        (tmp_path / log).mkdir(parents=True)
        runs.write_lines(tmp_path / log / "metrics.jsonl", [{"epoch": epoch, "seconds": seconds} for epoch in (1, 2)])
    reports.write_final(tmp_path, "likelihood", Options(seeds=2), {}, time.time(), {})
    # Two epochs each: of both seeds together, then one after the other.
    assert runs.read_json(tmp_path / "final.json")["training_minutes"] == 2 * (60 + 30 + 15) / 60


def test_the_judge_is_the_same_whatever_it_judges(tmp_path, monkeypatch):
    dataset, judges = data.load("mnist5k"), []
    monkeypatch.setattr(training, "train_model", lambda *arguments, **options: judges.append((arguments, options)))
    plain = likelihood.Config(out=tmp_path, resume=True)
    other = dataclasses.replace(plain, width=16, batch_norm="autoencoder", noise_std=0.7, dropout=0.5, epochs=50)
    for config in (plain, other):
        judging.train_judge("likelihood", config, dataset)
    (one, one_options), (two, two_options) = judges
    assert one_options == two_options == {}
    assert [(of[1].out, of[1].resume, of[1].epochs) for of in (one, two)] == [(tmp_path, True, 20)] * 2
    assert one == two


@pytest.mark.parametrize(
    "kept", ["final.json", "metrics.jsonl", "seed_0/ae/checkpoints/5/digests/metadata", "params/1/state/d"]
)
def test_the_config_of_what_has_left_something_stays(tmp_path, kept):
    runs.write_json(tmp_path / "config.json", {"experiment": "noise", "dataset": "noise", "seed": 0, "seeds": 1})
    (tmp_path / kept).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / kept).touch()
    reports.forget_failed_start(tmp_path)
    assert (tmp_path / "config.json").exists()
    (tmp_path / kept).rename(tmp_path / "bad_batch.json")
    (tmp_path / "commits.json").write_text('{"commits": ["a"], "dirty": true}')
    reports.forget_failed_start(tmp_path)
    # What begins there next is of its own commit alone.
    assert not (tmp_path / "config.json").exists() and not (tmp_path / "commits.json").exists()


@pytest.mark.parametrize("text", ['{"mine": 1}', '{"experiment": "mine"}', "[1]", "experiment: noise"])
def test_a_config_that_is_none_of_a_run_stays_and_stops_it(tmp_path, text):
    np.savez(tmp_path / "noise.npz", images=np.random.RandomState(0).randn(100, 2))
    dataset = data.load(tmp_path / "noise.npz")
    options = Options(out=tmp_path, epochs=1, batch_size=10, width=4, devices=1)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"--out"):
        reports.run_seeds("noise", options, dataset, None, None)
    assert (tmp_path / "config.json").read_text() == text


def test_a_result_that_was_kept_is_no_run_to_write_over(tmp_path):
    np.savez(tmp_path / "noise.npz", images=np.random.RandomState(0).randn(100, 2))
    dataset = data.load(tmp_path / "noise.npz")
    options = Options(out=tmp_path / "kept", epochs=1, batch_size=10, width=4, devices=1)
    options.out.mkdir()
    (options.out / "final.json").write_text("{}")
    with pytest.raises(ValueError, match=r"a result that was kept, not a run; expected another folder"):
        reports.run_seeds("noise", options, dataset, None, None)
    assert (options.out / "final.json").read_text() == "{}"


def test_the_closing_line_names_what_is_there(tmp_path, capsys):
    (tmp_path / "errors.png").touch()
    reports.print_files(tmp_path)
    (tmp_path / "seed_0").mkdir()
    (tmp_path / "codes.png").touch()
    reports.print_files(tmp_path)
    with_models = f"{tmp_path}: final.json, codes.png, errors.png; models in {tmp_path}/seed_0"
    assert capsys.readouterr().out.split("\n") == ["", f"{tmp_path}: final.json, errors.png", "", with_models, ""]


def test_rates_begin_and_fall_at_their_epochs():
    rates = {"generator": 0.5, "smoothness": 1.0, "invariance": 2.0, "discriminator": 4.0, "classification": 8.0}
    own_drops = {"invariance": (), "discriminator": (1, 4)}
    descent = optimizers.sgd(rates, drops=(3,), starts={"smoothness": 2}, own_drops=own_drops)
    phases = [Phase(name, ("encoder",), lambda params, keys, batch: None) for name in rates]
    of_phase = descent(Model({}, tuple(phases)), 10, 5)
    all_expected = {"generator": [0.5, 0.5, 0.05], "smoothness": [0.0, 1.0, 0.1], "invariance": [2.0, 2.0, 2.0]}
    all_expected |= {"discriminator": [0.4, 0.4, 0.04], "classification": [8.0, 8.0, 0.8]}
    for name, expected in all_expected.items():
        # Those of the game and of the others, in the paper's appendix A.2.1.
        momentum = 0.1 if name in ("generator", "discriminator") else 0.9
        # By then the momentum has summed up: of the gradient 1 it is 1 / (1 − momentum) in the end.
        sums = np.cumsum(momentum ** np.arange(50))
        found = moves(of_phase[name], 50, ["encoder"])[:, 0] / sums
        np.testing.assert_allclose(found[[19, 20, 49]], expected, rtol=1e-5)


def test_one_training_is_followed_by_another_that_begins_there():
    rates = {"reconstruction": 0.5, "generator": 0.25}
    refinement = optimizers.refinement(rates, drops=(1,), encoder_share=0.25)
    descent = optimizers.followed(optimizers.sgd(rates, drops=()), refinement, epoch=2)
    phases = [Phase(name, ("encoder", "decoder"), lambda params, keys, batch: None) for name in rates]
    of_phase = descent(Model({}, tuple(phases)), 3, 4)
    found = {name: moves(optimizer, 12) for name, optimizer in of_phase.items()}
    # Momentum sums up a gradient of 1, twice from nothing: for six steps, then for six of which the last three are
    # of a tenth of the rate.
    sums = 0.5 * np.cumsum(0.9 ** np.arange(6))
    decoder = np.concatenate([sums, sums * np.repeat([1, 0.1], 3)])
    expected = np.stack([decoder * np.repeat([1, 0.25], 6), decoder], 1)
    np.testing.assert_allclose(found["reconstruction"], expected, rtol=1e-5)
    # Adam's step of a gradient that stays the same is the rate.
    game = 0.25 * np.concatenate([np.cumsum(0.1 ** np.arange(6)), np.repeat([1, 0.1], 3)])
    np.testing.assert_allclose(found["generator"], np.stack([game, game], 1), rtol=1e-5)


def test_refinement_follows_the_papers_descent():
    config = likelihood.Config(epochs=7, drops=(1,), refine_epochs=5)
    phases = [Phase(name, (), lambda params, keys, batch: None) for name in likelihood.REFINEMENT]
    found = {name: moves(of, 7) for name, of in config.refined()(Model({}, tuple(phases)), 1, 7).items()}
    # Two epochs of descent, then five whose rates fall after half and after four fifths, rounded down.
    falls = np.array([1, 1, 0.1, 0.1, 0.01])
    before = {
        name: config.rates()[name] * np.array([1, 0.1 * (1 + of)])
        for name, of in optimizers.MOMENTA.items()
        if name in found
    }
    decoder = likelihood.REFINEMENT["reconstruction"] * falls * np.cumsum(0.9 ** np.arange(5))
    of_networks = [[*before["reconstruction"], *share * decoder] for share in (likelihood.ENCODER_SHARE, 1)]
    np.testing.assert_allclose(found["reconstruction"], np.transpose(of_networks), rtol=1e-5)
    for name in ("discriminator", "generator"):
        # Adam's step of a gradient that stays the same is the rate.
        of_game = [*before[name], *likelihood.REFINEMENT[name] * falls]
        np.testing.assert_allclose(found[name], np.transpose([of_game] * 2), rtol=1e-5)


def test_refinement_of_an_adversarial_autoencoder_follows_a_whole_training():
    config = prior_matching.Config(epochs=7, refine_epochs=4)
    phases = Model({}, tuple(Phase(name, (), lambda params, keys, batch: None) for name in prior_matching.REFINEMENT))
    found = {name: moves(of, 7) for name, of in config.refined()(phases, 1, 7).items()}
    # Adam's step of a gradient that stays the same is the rate, to the 1e-5 of its sums in float32; each part falls
    # along a cosine of its own.
    for name, first in prior_matching.REFINEMENT.items():
        before, after = (
            rate * (last + (1 - last) * (1 + np.cos(np.pi * np.arange(epochs) / epochs)) / 2)
            for rate, last, epochs in ((optimizers.RATES[name], 0.05, 3), (first, prior_matching.LAST, 4))
        )
        share = prior_matching.ENCODER_SHARE if name == "reconstruction" else 1
        of_networks = [[*before, *(share * after)], [*before, *after]]
        np.testing.assert_allclose(found[name], np.transpose(of_networks), rtol=1e-4)


def test_help_of_the_command_itself():
    words = [sys.executable, "-m", "experiments.prior_matching", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    for name in ("--preset", "--dataset", "--manual-dir", "--seed", "--out", "--resume", "--epochs"):
        assert name in done.stdout


def test_the_nearest_training_images_of_blocks_are_those_of_all(monkeypatch):
    monkeypatch.setattr(samples, "BLOCK", 30)
    digits = data.load("mnist5k")
    few = dataclasses.replace(digits, train=data.Split(digits.train.image[:1000], digits.train.label[:1000]))
    train = few.train.image.reshape(1000, 784) / 255
    rows = np.float32(digits.test.image[:20].reshape(20, 784) / 255)
    nearest = np.square(rows[:, None] - train).sum(-1).argmin(1)
    np.testing.assert_allclose(samples.nearest_images(rows, few), train[nearest], atol=1e-6)


def test_a_mapped_file_that_is_streamed_gives_the_numbers_of_one_that_is_not(tmp_path):
    train = data.load("mnist5k").train
    np.save(tmp_path / "digits.npy", train.image[:400])
    errors = {}
    for stream in ("yes", "no"):
        options = Options(
            dataset=str(tmp_path / "digits.npy"), out=tmp_path / stream, epochs=2, width=8, devices=1, stream=stream
        )
        dataset = options.load()
        training.train_model("stream", options, options.model_config("ae", dataset), dataset, "ae")
        errors[stream] = [line["validation/nll"] for line in runs.read_lines(options.out / "seed_0/ae/metrics.jsonl")]
    assert errors["yes"] == errors["no"]
