"""The paper's tables and figures beyond its Fig. 2, with their smallest presets, on real digits."""

import dataclasses
import importlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import aae_jax
from aae_jax import data, priors
from experiments import clustering, command_line, label_prior, restarts, semi_supervised, training

EXPERIMENTS = {
    "clustering": {"errors.png", "clusters.png"},
    "dimension_reduction": {"codes.png", "errors.png"},
    "label_prior": {"codes.png", "walks.png"},
    "likelihood": {"samples.png", "curves.png"},
    "semi_supervised": {"errors.png", "sheet.png"},
    "style_content": {"curves.png", "sheet.png"},
}
"""By name: the pictures that each leaves."""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_leaves_numbers_evidence_and_pictures(tmp_path, name):
    module = importlib.import_module(f"experiments.{name}")
    arguments = ["--preset", "smoke", "--devices", "1", "--out", str(tmp_path)]
    if name == "semi_supervised":
        arguments += ["--seeds", "2", "--labels", "50"]
    metrics = command_line.run(module.main, module.PRESETS, arguments=arguments)
    assert json.loads((tmp_path / "final.json").read_text())["metrics"] == metrics
    if name == "semi_supervised":
        metrics = _of_first_seed(tmp_path, metrics)
    assert {path.name for path in tmp_path.glob("*.png")} == EXPERIMENTS[name]
    with np.load(tmp_path / "evidence_0.npz", allow_pickle=False) as file:
        evidence = dict(file)
    again = module.measure(evidence)
    assert again and {name: metrics[name] for name in again} == again
    if "label" in evidence:
        assert (evidence["label"] == data.load("mnist5k").test.label).all()
    if name == "label_prior":
        # One prior alone has its own numbers and pictures.
        module.draw(tmp_path, ["swiss_roll"])
        alone = module.measure({part: evidence[part] for part in ("label", "swiss_roll")})
        assert alone == {metric: value for metric, value in again.items() if metric.startswith("swiss_roll")}
    if name == "clustering":
        # The clusters are those of the trial that reconstructs best, once it is trained to its end.
        trained = [tmp_path / "seed_0" / f"clustering_aae_trial_{index}" for index in range(2)]
        lines = [json.loads((folder / "metrics.jsonl").read_text()) for folder in trained]
        losses = [line["reconstruction/nll"] for line in lines]
        assert losses[0] != losses[1] and losses == pytest.approx(evidence["clustering_aae/restart_loss"])
        whole = tmp_path / "seed_0" / "clustering_aae"
        first, last = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
        assert first["reconstruction/nll"] == min(losses) and last["epoch"] == 2
        model, params, _ = aae_jax.load(whole)
        found = model.encode_mean(params, training.held_out(data.load("mnist5k").test).image)["category"].argmax(-1)
        assert (found == evidence["cluster"]).mean() > 0.99
    # Errors are fractions, and no better than an epoch of a small network can make them.
    assert all(0.05 < value <= 1 for name, value in again.items() if name.endswith("error") and "standard" not in name)


def _of_first_seed(folder, metrics):
    """The numbers of the first of two seeds, which have a mean and labels of their own."""
    for value in metrics.values():
        assert len(value["values"]) == 2 and value["mean"] == pytest.approx(sum(value["values"]) / 2)
    drawn = []
    for index in range(2):
        with np.load(folder / f"evidence_{index}.npz", allow_pickle=False) as evidence:
            drawn.append(evidence["labeled"])
        assert np.bincount(data.load("mnist5k").train.label[drawn[-1]]).tolist() == [5] * 10
    assert set(drawn[0]) != set(drawn[1])
    return {name: value["values"][0] for name, value in metrics.items()}


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """Two seeds' nll by training, None where one has diverged; called with what stands for a trained model."""
    asked = []

    def of(losses):
        def train_model(experiment, config, model_config, dataset, name, *, seeds=None, epochs=None):
            seeds = seeds or (config.seed, config.seed + 1)
            asked.append((name, seeds, epochs))
            found = [losses[seed] for seed in seeds]
            if found == [None, None]:
                raise FloatingPointError("no seed is left")
            for index, loss in enumerate(found):
                log = tmp_path / f"seed_{index}" / name / "metrics.jsonl"
                log.parent.mkdir(parents=True)
                log.write_text(json.dumps({"reconstruction/nll": loss}))
            return [loss and seed for seed, loss in zip(seeds, found, strict=True)]

        monkeypatch.setattr(restarts.training, "train_model", train_model)
        return asked

    return of


LOSSES = {0: 4.0, 1: None, 10_000: 3.5, 10_001: None, 20_000: None, 20_001: None}


def test_of_several_trainings_those_that_diverge_do_not_count(tmp_path, trainings):
    config = clustering.Config(out=tmp_path, seeds=2, restarts=2)
    asked = trainings(LOSSES)
    first, second = restarts.train("clustering", config, None, None, "model")
    # The second seed has diverged in all of them.
    assert first.trained == 10_000 and first.losses.tolist()[:2] == [4.0, 3.5] and np.isnan(first.losses[2])
    assert second is None
    assert asked == [("model", (0, 1), None), ("model_1", (10_000, 10_001), None), ("model_2", (20_000, 20_001), None)]
    trainings({0: None, 1: None})
    with pytest.raises(FloatingPointError, match="no seed is left"):
        restarts.train("clustering", dataclasses.replace(config, restarts=0), None, None, "model")


def test_of_several_trials_each_seed_has_its_best_one_trained_to_its_end(tmp_path, trainings):
    config = clustering.Config(out=tmp_path, seeds=2, restarts=2, trial_epochs=3)
    asked = trainings({**LOSSES, 1: 2.0, 20_001: 1.0})
    first, second = restarts.train("clustering", config, None, None, "model")
    assert (first.trained, second.trained) == (10_000, 20_001)
    assert second.losses[[0, 2]].tolist() == [2.0, 1.0]
    assert [epochs for _, _, epochs in asked] == [3, 3, 3, None]
    assert asked[-1] == ("model", (10_000, 20_001), None) and asked[0][0] == "model_trial_0"
    for index in range(2):
        np.savez(tmp_path / f"evidence_{index}.npz", **{"model/restart_loss": (first, second)[index].losses})
    assert restarts.chosen(config, "model") == ["seed_0/model", "seed_1/model"]
    # What is chosen hangs on all trials; without any a finished run can have more trainings.
    assert config.settings()["restarts"] == 2 and "restarts" not in clustering.Config(restarts=2).settings()


def test_a_seed_of_which_no_trial_is_left_is_none(tmp_path, trainings):
    config = clustering.Config(out=tmp_path, seeds=2, restarts=2, trial_epochs=3)
    trainings({seed: None for seed in LOSSES})
    assert restarts.train("clustering", config, None, None, "model") == [None, None]


@pytest.mark.slow
def test_images_that_are_viewed_in_place_of_one_are_mostly_of_its_class():
    config = command_line.run(lambda config: config, clustering.PRESETS, arguments=["--preset", "best"])
    dataset = data.load("mnist5k")
    few = dataclasses.replace(dataset, train=data.Split(dataset.train.image[:1000], dataset.train.label[:1000]))
    alike = config.similar_images(few)
    label, half = few.train.label, alike.shape[1] // 2
    assert alike.shape == (1000, 40) and (alike[:, half:] == np.arange(1000)[:, None]).all()
    # By chance a tenth is.
    assert (label[alike[:, :half]] == label[:, None]).mean() > 0.75
    assert config.model_config("clustering_aae", dataset, num_clusters=16).view_of == "neighbor"
    unviewed = dataclasses.replace(config, view_amount=0.0)
    assert unviewed.similar_images(few) is None
    assert unviewed.model_config("clustering_aae", dataset, num_clusters=16).view_of == "image"
    # Nothing speaks against a stream then.
    dataclasses.replace(unviewed, stream="yes").check_dataset(dataset)


def test_a_small_set_of_color_images_by_the_settings_for_street_view_numbers(tmp_path):
    digits = data.load("mnist5k").train
    images = np.pad(digits.image[:300], ((0, 0), (2, 2), (2, 2), (0, 0))) // np.array([1, 2, 3], np.uint8)
    np.savez(tmp_path / "color.npz", images=images, labels=digits.label[:300])
    arguments = ["--preset", "svhn", "--dataset", str(tmp_path / "color.npz"), "--out", str(tmp_path / "run")]
    arguments += ["--epochs", "2", "--plain-epochs", "2", "--width", "32", "--labels", "50", "--batch-size", "50"]
    metrics = command_line.run(semi_supervised.main, semi_supervised.PRESETS, arguments=arguments)
    assert 0 < metrics["semi_supervised_aae/test/error"] <= 1
    model, params, config = aae_jax.load(tmp_path / "run" / "seed_0" / "semi_supervised_aae")
    assert config.image_shape == (32, 32, 3) and config.decoder_batch_norm == "all" and len(config.shift) == 3
    # The loaded model takes and gives pixels in [0, 1], not standardized ones; the mean image is near at once.
    test = data.load(tmp_path / "color.npz").test.image / np.float32(255)
    decoded = model.decode(params, model.encode_mean(params, test), np.full(len(test), -1))
    assert np.abs(np.asarray(decoded).mean((0, 1, 2)) - test.mean((0, 1, 2))).max() < 0.1


def test_parts_of_the_prior_are_as_many_as_the_classes_that_were_trained():
    # Codes from the very parts of ten classes, of which the last has no test image.
    prior, label = priors.swiss_roll(10), np.arange(900) % 9
    codes = jax.vmap(prior.sample)(aae_jax.row_keys(jax.random.key(0), 0, 900), jnp.asarray(label))
    evidence = {"label": label, "num_classes": np.array(10), "swiss_roll": np.asarray(codes)}
    assert label_prior.measure(evidence)["swiss_roll/component/error"] < 0.01
