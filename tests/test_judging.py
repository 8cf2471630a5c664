"""How experiments judge: their own measures, of models whose codes stand in the images for all to read."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from aae_jax import ModelConfig, TrainingConfig, evaluation, priors, runs
from aae_jax.data import Dataset, Split
from aae_jax.types import Model, Network
from experiments import (
    clustering,
    dimension_reduction,
    label_prior,
    likelihood,
    prior_matching,
    samples,
    style_content,
    training,
)
from experiments.options import Options


def rows(category, style, label):
    """Images of five numbers: three of the category, two of the style."""
    category = np.eye(3)[category] if np.ndim(category) == 1 else category
    return Split(np.concatenate([category, style], 1).astype(np.float32), np.array(label, np.int32))


def read(params, image):
    return {"category": image[:, :3], "style": image[:, 3:]}


def written(codes):
    return jnp.concatenate([codes.get("category", jnp.zeros((len(codes["style"]), 3))), codes["style"]], 1)


READING = Model(
    {"cluster_heads": Network(lambda key: None, lambda heads, category: category @ heads)},
    (),
    # Draws lie far from their mean, where no prior reaches.
    encode=lambda params, keys, image: {"style": read(params, image)["style"] + 100},
    encode_mean=read,
    decode=lambda params, codes, label: written(codes),
    # No image is far from its own codes: what is left is the mean label.
    nll=lambda params, codes, image, label: jnp.square(written(codes) - image).sum(1) + label,
    sample=lambda params, keys, label: written({"category": jnp.eye(3)[label], "style": jnp.zeros((len(keys), 2))}),
)
HEADS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
TOY = READING, {"cluster_heads": HEADS}
SURE = [[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.7, 0.3, 0.0], [0.0, 0.2, 0.8], [0.1, 0.6, 0.3]]
DATASET = Dataset(
    "toy",
    train=rows([0, 0, 1], [[0, 2], [8, 0], [0, 3]], [1, 0, 2]),
    # The labeled rows that the clusters are surest of are 1, 4 and 3, of the classes 2, 0 and 1.
    validation=rows(SURE, np.zeros((5, 2)), [-1, 2, 1, 1, 0]),
    test=rows([0, 0, 0, 1, 2], [[0, 1], [9, 0], [0, 0], [0, 1], [0, -9]], [2, 2, 1, 0, 0]),
    num_classes=3,
    kind="table",
)


def test_clusters_are_named_by_labeled_validation_images():
    metrics, evidence = clustering._judge(clustering.Config(), DATASET, 0, {clustering.AAE: TOY})
    assert evidence["head"].tolist() == [1, 4, 3] and evidence["cluster"].tolist() == [0, 0, 0, 1, 2]
    # Test images are called 2, 2, 2, 0, 1 by the heads and 1, 1, 1, 0, 1 by the votes, of two classes in a tie for the
    # smaller one.
    expected = {"num_used": 3, "head_rule/error": 0.4, "majority_vote/error": 0.6, "hungarian/error": 0.4}
    assert metrics == pytest.approx(expected)


def test_reduced_codes_are_judged_by_heads_and_images():
    panels = "2d_unsupervised", "2d_100"
    metrics, evidence = dimension_reduction._judge(
        dimension_reduction.Config(), DATASET, 0, dict.fromkeys(panels, TOY)
    )
    for panel, names in zip(panels, ([2, 0, 1], [0, 1, 2]), strict=True):
        found = {name.removeprefix(f"{panel}/"): of.tolist() for name, of in evidence.items() if panel in name}
        assert found == {
            "category": np.take(names, [0, 0, 0, 1, 2]).tolist(),
            "codes": [[0, 1], [9, 0], [0, 0], [10, 1], [0, 1]],
            "heads": HEADS.tolist(),
            "nearest_head": np.take(names, [0, 1, 0, 1, 0]).tolist(),
            # Training images lie at (0, 2), (8, 0) and (10, 3).
            "nearest_neighbor": [1, 0, 1, 2, 1],
        }
    assert metrics["2d_unsupervised/category/error"] == pytest.approx(0.4)


def test_samples_are_drawn_of_the_class_that_they_are_compared_with():
    trained = {style_content.AAE: TOY, "classifier": TOY}
    metrics, evidence = style_content._judge(style_content.Config(), DATASET, 0, trained)
    assert evidence["samples"].tolist() == DATASET.test.label.tolist()
    assert evidence["real"].tolist() == [0, 0, 0, 1, 2] and evidence["style"].tolist() == [1, 0, 1, 1, 1]
    assert metrics == pytest.approx({"samples/error": 0, "real/error": 1, "style/error": 0.8, "nll": 1})


def test_codes_are_drawn_and_samples_are_of_the_prior(monkeypatch):
    at = jax.random.key(7)

    def prior_match(key, codes, sample):
        return {"code": codes.mean(), "prior": sample(at).sum()}

    def realism(judge, name, images):
        return {f"{name}/largest": jnp.abs(images).max()}

    monkeypatch.setattr(prior_matching, "prior_match", prior_match)
    monkeypatch.setattr(prior_matching, "_realism", realism)
    kinds = {"gaussian": priors.gaussian(2), "gaussian_mixture": priors.gaussian_mixture(10)}
    names = "ae", "vae_gaussian", "aae_gaussian_mixture"
    trained = {**dict.fromkeys(names, TOY), "classifier": TOY}
    metrics, evidence = prior_matching._judge(prior_matching.Config(), DATASET, 0, trained)
    category, style = np.split(DATASET.test.image, [3], axis=1)
    assert all((evidence[name] == style + 100).all() for name in names)
    for name in ("ae_gaussian", "ae_gaussian_mixture", "vae_gaussian", "aae_gaussian_mixture"):
        assert metrics[f"{name}/code"] == pytest.approx(style.mean() + 100)
        assert metrics[f"{name}/prior"] == pytest.approx(kinds[name.split("_", 1)[1]].sample(at, -1).sum())
        assert metrics[f"{name}/samples/largest"] < 20
    assert metrics["vae_gaussian/of_means/code"] == pytest.approx(style.mean())
    assert metrics["real/largest"] == 9
    assert metrics["ae/nll"] == pytest.approx(np.square(category).sum(1).mean() + 2 * 100**2 + 1)


def by_hand(centers, images, sigma):
    """The log-likelihood of each image under Gaussians at the centers."""
    squared = np.square(images[:, None].astype(float) - centers).sum(-1)
    size = images.shape[1]
    return logsumexp(-squared / (2 * sigma**2), 1) - np.log(len(centers)) - size * np.log(sigma * np.sqrt(2 * np.pi))


def test_sigma_is_chosen_on_validation_images_for_all_samples(monkeypatch):
    random = np.random.RandomState(0)

    def some(count, spread):
        return rows(random.dirichlet(np.ones(3), count), spread * random.randn(count, 2), np.zeros(count))

    validation, test = some(40, 2), some(40, 1)
    dataset = Dataset("toy", some(10, 1), validation, test, 3, kind="table")
    # The first ones are the test images, so that on these the smallest sigma would be best.
    drawn = np.concatenate([test.image, some(1960, 1).image])
    blocks = jnp.asarray(drawn).reshape(2, 1000, 5)
    monkeypatch.setattr(likelihood, "sampler", lambda *_: blocks.__getitem__)
    monkeypatch.setattr(likelihood, "precision_recall_coverage", lambda *_, **__: {})
    config = likelihood.Config(models=("aae",), samples=1000, many_samples=2000)
    metrics, evidence = likelihood._judge(config, dataset, 0, {"aae": TOY, "classifier": TOY})
    for prefix, centers in {"": drawn[:1000], "many/": drawn}.items():
        sigmas = evaluation.PROTOCOL_SIGMAS
        best = sigmas[np.argmax([by_hand(centers, validation.image, sigma).mean() for sigma in sigmas])]
        assert metrics[f"aae/{prefix}sigma"] == pytest.approx(best) and best > 0.2
        expected = by_hand(centers, test.image, best)
        np.testing.assert_allclose(evidence[f"aae/{prefix}log_likelihood"], expected, atol=1e-3)
        assert metrics[f"aae/{prefix}log_likelihood"] == pytest.approx(expected.mean(), abs=1e-3)
    # As many samples as there are test images are these images themselves; validation images are others.
    assert metrics["aae/frechet_distance"] == pytest.approx(0, abs=1e-3)
    assert metrics["real/frechet_distance"] > 0.01


@pytest.mark.parametrize(
    ("module", "drawing", "name"),
    [
        (likelihood, "sampler", "aae"),
        (label_prior, "prior_match", "swiss_roll"),
        (prior_matching, "row_keys", "ae"),
        (style_content, "row_keys", style_content.AAE),
    ],
)
def test_each_seed_is_judged_by_draws_of_its_own(monkeypatch, module, drawing, name):
    def draw(*arguments):
        (key,) = (of for of in arguments if jax.dtypes.issubdtype(getattr(of, "dtype", None), jax.dtypes.prng_key))
        raise InterruptedError(jax.random.key_data(key).tolist())

    monkeypatch.setattr(module, drawing, draw)
    found = []
    for seed, index in ((3, 0), (3, 1), (4, 0)):
        with pytest.raises(InterruptedError) as stopped:
            module._judge(module.Config(seed=seed), DATASET, index, {name: TOY, "classifier": None})
        found.append(str(stopped.value))
    assert found[0] != found[1] == found[2]


def test_blocks_of_samples_are_other_draws_in_the_units_of_the_data():
    drawing = READING._replace(
        sample=lambda params, keys, label: jax.vmap(lambda key: jax.random.normal(key, (5,)))(keys)
    )
    dataset = dataclasses.replace(DATASET, shift=np.full(5, 10.0), scale=np.full(5, 2.0))
    block = samples.sampler(drawing, {}, dataset, jax.random.key(0))
    drawn = np.concatenate([block(0), block(1)])
    assert len(np.unique(drawn, axis=0)) == 2000
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [10, 2], atol=0.1)


def test_the_log_counts_errors_of_labeled_rows_alone():
    batch = training.held_out(DATASET.validation)
    # Of the categories 0, 0, 0, 2, 1, which the paper's rule calls 2, 2, 2, 1, 0.
    for scores, label, expected in (
        (training.validation_error, [-1, 0, 1, 2, 0], 2 / 4),
        (training.validation_cluster_error, [-1, 2, 1, 1, 0], 1 / 4),
    ):
        found = scores(READING, {}, batch._replace(label=jnp.array(label)))
        assert float(found["validation/error"]) == pytest.approx(expected)


def test_moments_are_those_of_all_batches():
    averaging = Network(lambda key: {}, lambda own, image: image, lambda own, image: {"mean": image.mean(0)})
    inputs = {"encoder": lambda params, index, batch: (batch.image,)}
    model = Model({"encoder": averaging}, (), inputs=inputs, encode=read)
    image = np.arange(14, dtype=np.float32).reshape(7, 2)
    found = training._with_moments(model, Split(image, np.zeros(7, np.int32)), 2)({"encoder": {}})
    # Of three whole batches.
    np.testing.assert_allclose(found["encoder"]["moments"]["mean"], image[:6].mean(0))


def test_games_are_judged_on_validation_images_with_a_key_for_each_draw(tmp_path, monkeypatch):
    def fit(make_algorithm, rows, terms, folder, *, evaluate, best, resume):
        raise InterruptedError(rows, evaluate)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(training, "certificate", lambda games, params, keys, batch: {"keys": keys, "batch": batch})
    job = training.Job("toy", "toy", ModelConfig("gan", (5,)), TrainingConfig(1, 2, (0, 1)), None)
    known = np.array([[-1, 0, 2], [1, -1, 2]])
    with pytest.raises(InterruptedError) as stopped:
        training.train(job, DATASET, None, tmp_path, labels=known)
    rows, evaluate = stopped.value.args
    assert (rows.label == known).all() and rows.image is DATASET.train.image
    found = [evaluate({}, key) for key in jax.random.split(jax.random.key(0))]
    np.testing.assert_array_equal(found[0]["batch"].image, DATASET.validation.image)
    keys = np.concatenate([jax.random.key_data(part) for of_seed in found for part in of_seed["keys"]])
    assert len(np.unique(keys, axis=0)) == len(keys) == 20


def test_each_of_several_seeds_has_a_folder_of_its_own(tmp_path, monkeypatch):
    def train(job, dataset, optimizers, folder, **_):
        folder.mkdir(parents=True)
        runs.write_lines(folder / "metrics.jsonl", [{"epoch": 1, "loss": [0.25, 0.5]}, {"epoch": 2, "loss": [1, 2]}])
        return [((READING, "last of 4"), "best of 4"), ((READING, "last of 5"), None)]

    saved = {}
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(
        training.configs, "save", lambda folder, params, best=False: saved.update({(folder.parent.name, best): params})
    )
    options = Options(out=tmp_path, seed=4, seeds=2)
    found = training.train_model("toy", options, ModelConfig("ae", (5,)), DATASET, "ae")
    assert found == [(READING, "last of 4"), (READING, "last of 5")]
    assert saved == {("seed_0", False): "last of 4", ("seed_0", True): "best of 4", ("seed_1", False): "last of 5"}
    for index, losses in enumerate(([0.25, 1], [0.5, 2])):
        folder = tmp_path / f"seed_{index}" / "ae"
        lines = runs.read_lines(folder / "metrics.jsonl")
        assert lines == [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(losses, 1)]
        assert runs.read_json(folder / "config.json")["training"]["seed"] == 4 + index
