"""The paper's tables and figures beyond its Fig. 2, with their smallest presets, on real digits."""

import dataclasses
import importlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import aae_jax
from aae_jax import data, evaluation, priors, runs
from experiments import clustering, command_line, label_prior, semi_supervised, training

EXPERIMENTS = {
    "clustering": ("--smoothness-radius 0", {"errors.png", "clusters.png"}),
    "dimension_reduction": ("--panels 2d_100 --view-amount 0", {"codes.png", "errors.png"}),
    "label_prior": ("--priors swiss_roll", {"codes.png", "walks.png"}),
    "likelihood": ("--models aae", {"samples.png", "curves.png"}),
    "semi_supervised": ("--seeds 2 --labels 50 --view-amount 0 --view-cutout 0", {"errors.png", "sheet.png"}),
    "style_content": ("", {"curves.png", "sheet.png"}),
}
"""By name: options beside those of the preset, and the pictures that each leaves."""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_leaves_numbers_evidence_and_pictures(few_digits, tmp_path, capsys, monkeypatch, name):
    module, digits = importlib.import_module(f"experiments.{name}"), data.load(few_digits)
    options, pictures = EXPERIMENTS[name]
    arguments = ["--preset", "smoke", "--dataset", str(few_digits), *options.split()]
    arguments += ["--devices", "1", "--out", str(tmp_path)]
    metrics = command_line.run(module.main, module.PRESETS, arguments=arguments)
    assert json.loads((tmp_path / "final.json").read_text())["metrics"] == metrics
    if name == "semi_supervised":
        metrics = _of_first_seed(tmp_path, metrics, digits)
    assert {path.name for path in tmp_path.glob("*.png")} == pictures
    with np.load(tmp_path / "evidence_0.npz", allow_pickle=False) as file:
        evidence = dict(file)
    again = module.measure(evidence)
    assert again and {name: metrics[name] for name in again} == again
    if "label" in evidence:
        assert (evidence["label"] == digits.test.label).all()
    if name == "clustering":
        model, params, _ = aae_jax.load(tmp_path / "seed_0" / "clustering_aae")
        found = model.encode_mean(params, training.held_out(digits.test).image)["category"].argmax(-1)
        assert (found == evidence["cluster"]).mean() > 0.99
    if name == "likelihood":
        _is_of_codes_of_training_images(tmp_path, metrics, digits)
    if name == "style_content":
        _stays_as_it_is(module, arguments, metrics, capsys)
    _never_looks_at_test_images(monkeypatch, module, arguments[:-2], tmp_path, digits)
    # Errors are fractions, and no better than an epoch of a small network can make them.
    assert all(0.05 < value <= 1 for name, value in again.items() if name.endswith("error") and "standard" not in name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*EXPERIMENTS, "prior_matching"])
def test_the_smallest_preset_runs_as_it_is(tmp_path, name):
    module = importlib.import_module(f"experiments.{name}")
    metrics = command_line.run(module.main, module.PRESETS, arguments=["--preset", "smoke", "--out", str(tmp_path)])
    assert json.loads((tmp_path / "final.json").read_text())["metrics"] == metrics
    # A GAN has no codes to decode.
    assert not any(metric.startswith("gan/of_codes") for metric in metrics)


def _never_looks_at_test_images(monkeypatch, module, arguments, folder, digits):
    """With noise in their place it trains and chooses the same."""
    noise = np.random.default_rng(0).integers(0, 256, digits.test.image.shape, np.uint8)
    others = data.Split(noise, np.roll(digits.test.label, 1))
    monkeypatch.setattr(data, "load", lambda *_, **__: dataclasses.replace(digits, test=others))
    metrics = command_line.run(module.main, module.PRESETS, arguments=[*arguments, "--out", str(folder / "others")])
    before = json.loads((folder / "final.json").read_text())["metrics"]
    assert metrics != before
    chosen = [name for name in metrics if name.endswith("sigma") or "validation" in name]
    assert [metrics[name] for name in chosen] == [before[name] for name in chosen]
    with np.load(folder / "evidence_0.npz") as one, np.load(folder / "others" / "evidence_0.npz") as other:
        for name in [name for name in one if "head" in name.split("/")[-1].split("_") or "validation" in name]:
            np.testing.assert_array_equal(one[name], other[name])
    logs = [path.relative_to(folder) for path in folder.glob("seed*/*/metrics.jsonl")]
    assert logs
    for log in logs:
        one, other = (runs.read_lines(place / log) for place in (folder, folder / "others"))
        assert [{**line, "seconds": 0} for line in one] == [{**line, "seconds": 0} for line in other]


def _is_of_codes_of_training_images(folder, metrics, digits):
    """What a model would reach whose codes fill the prior."""
    model, params, _ = aae_jax.load(folder / "seed_0" / "aae_code_noise")
    images = training.held_out(digits.train, 1000).image
    decoded = model.decode(params, model.encode_mean(params, images), np.full(1000, -1))
    decoded = np.asarray(decoded).reshape(1000, -1)
    test = (digits.test.image / np.float32(255)).reshape(len(digits.test.image), -1)
    found = evaluation.parzen_log_likelihood(decoded, test, np.array([metrics["aae/of_codes/sigma"]])).mean()
    assert metrics["aae/of_codes/log_likelihood"] == pytest.approx(float(found), rel=1e-4)


def _stays_as_it_is(module, arguments, metrics, capsys):
    """A finished run is not begun anew unasked, is resumed to the same numbers, and keeps its settings."""
    for words, message in (("", "--resume"), ("--resume --width 17", "hidden_sizes was [16, 16], is [17, 17]")):
        with pytest.raises(SystemExit) as leaving:
            command_line.run(module.main, module.PRESETS, arguments=[*arguments, *words.split()])
        assert leaving.value.code == 2 and message in capsys.readouterr().err
    assert command_line.run(module.main, module.PRESETS, arguments=[*arguments, "--resume"]) == metrics


def _of_first_seed(folder, metrics, digits):
    """The numbers of the first of two seeds, which have a mean and labels of their own."""
    for value in metrics.values():
        assert len(value["values"]) == 2 and value["mean"] == pytest.approx(sum(value["values"]) / 2)
    drawn = []
    for index in range(2):
        with np.load(folder / f"evidence_{index}.npz", allow_pickle=False) as evidence:
            drawn.append(evidence["labeled"])
        assert np.bincount(digits.train.label[drawn[-1]]).tolist() == [5] * 10
    assert set(drawn[0]) != set(drawn[1])
    return {name: value["values"][0] for name, value in metrics.items()}


def test_images_that_are_viewed_in_place_of_one_are_mostly_of_its_class():
    config = command_line.run(lambda config: config, clustering.PRESETS, arguments=["--preset", "best"])
    dataset = data.load("mnist5k")
    few = dataclasses.replace(dataset, train=data.Split(dataset.train.image[:1000], dataset.train.label[:1000]))
    alike = config.similar_images(few)
    label, half = few.train.label, alike.shape[1] // 2
    assert alike.shape == (1000, 40) and (alike[:, half:] == np.arange(1000)[:, None]).all()
    # A step leads to one of the nearest, twelve lead farther.
    assert max(len({*row}) for row in alike[:, :half]) > config.view_neighbors
    # By chance a tenth is.
    assert (label[alike[:, :half]] == label[:, None]).mean() > 0.75
    assert config.model_config("clustering_aae", dataset, num_clusters=16).view_of == "neighbor"
    unviewed = dataclasses.replace(config, view_amount=0.0)
    assert unviewed.similar_images(few) is None
    assert unviewed.model_config("clustering_aae", dataset, num_clusters=16).view_of == "image"
    # Nothing speaks against a stream then.
    dataclasses.replace(unviewed, stream="yes").check_dataset(dataset)


@pytest.mark.slow
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
