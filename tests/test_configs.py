"""Models by name, and trained ones loaded back."""

import dataclasses
import math
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import aae_jax
from aae_jax import ModelConfig, adapters, configs, data, heads, likelihoods, models, networks, priors, row_keys, runs
from aae_jax.certificates import certificate
from aae_jax.types import Batch, Network
from experiments import training

SMALL = {"image_shape": (4, 4, 1), "hidden_sizes": (5,), "weight_std": None}


def saved(folder, config, params):
    runs.write_json(folder / "config.json", {"model": config})
    configs.save(folder, params)


def initial(config):
    model = aae_jax.build(config)
    return model, {name: network.init(jax.random.key(i)) for i, (name, network) in enumerate(model.networks.items())}


def test_a_trained_model_is_loaded_in_three_lines(tmp_path):
    config = ModelConfig("aae", prior="gaussian_mixture", **SMALL)
    trained, before = initial(config)
    saved(tmp_path, config, before)
    image, label, keys = jnp.ones((3, 4, 4, 1)), jnp.full(3, -1), row_keys(jax.random.key(0), 0, 3)

    model, params, found = aae_jax.load(tmp_path)
    codes = model.encode(params, keys, image)
    images = model.decode(params, codes, label)
    samples = model.sample(params, keys, label)

    assert found == config and codes["style"].shape == (3, 2) and samples.shape == images.shape == image.shape
    chex.assert_trees_all_equal(params, before)
    np.testing.assert_array_equal(images, trained.decode(before, trained.encode(before, keys, image), label))


def test_batch_norm_comes_back_with_its_moments(tmp_path):
    config = ModelConfig("ae", encoder_batch_norm="hidden", decoder_batch_norm="hidden", **SMALL)
    model, params = initial(config)
    image = jax.random.uniform(jax.random.key(9), (6, 4, 4, 1))
    batches = [Batch(part, part, jnp.full(3, -1)) for part in (image[:3], image[3:])]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    ready = adapters.population_moments(model, params, lambda i: jax.tree.map(lambda x: x[i], stacked), 2)
    saved(tmp_path, config, ready)
    loaded, found, _ = aae_jax.load(tmp_path)
    chex.assert_trees_all_equal(found, ready)
    # With moments a row's code does not depend on its companions; without, it does.
    alone, together = (loaded.encode_mean(found, part)["style"][0] for part in (image[:1], image))
    np.testing.assert_allclose(alone, together, rtol=1e-5)
    alone, together = (model.encode_mean(params, part)["style"][0] for part in (image[:1], image))
    assert not np.allclose(alone, together, rtol=1e-2)


def test_a_normalized_model_is_of_one_precision_whatever_the_default_is(tmp_path):
    config = ModelConfig("ae", encoder_batch_norm="hidden", **SMALL)
    image = jnp.ones((3, 4, 4, 1))
    batch = Batch(image, image, jnp.full(3, -1))
    model, params = initial(config)
    saved(tmp_path, config, adapters.population_moments(model, params, lambda i: batch, 1))
    with jax.enable_x64(True):
        _, found, _ = aae_jax.load(tmp_path)
        model, params = initial(config)
        params = adapters.population_moments(model, params, lambda i: batch, 1)
    assert {leaf.dtype for leaf in jax.tree.leaves((found, params))} == {np.dtype(np.float32)}


def test_population_moments_are_those_of_the_whole_set():
    # The mean of batch moments of equal batches is the moment of all rows: of the first layer, that of W x.
    config = ModelConfig("ae", encoder_batch_norm="hidden", decoder_batch_norm="hidden", **SMALL)
    model, params = initial(config)
    image = jax.random.uniform(jax.random.key(9), (8, 4, 4, 1))

    def batch(index):
        part = jax.lax.dynamic_slice_in_dim(image, index * 2, 2)
        return Batch(part, part, jnp.full(2, -1))

    ready = adapters.population_moments(model, params, batch, 4)
    linear = np.asarray(image).reshape(8, 16) @ np.asarray(params["encoder"]["params"]["Dense_0"]["kernel"])
    moments = ready["encoder"]["moments"]["_Normalization_0"]
    np.testing.assert_allclose(moments["mean"], linear.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moments["square"], (linear**2).mean(0), rtol=1e-4, atol=1e-5)
    assert "moments" in ready["decoder"] and "moments" not in params["encoder"]


def test_moments_are_made_anew_and_are_not_trained():
    config = ModelConfig("ae", encoder_batch_norm="hidden", **SMALL)
    model, params = initial(config)
    first, second = (
        Batch(image, image, jnp.full(3, -1))
        for image in (jax.random.uniform(jax.random.key(seed), (3, 4, 4, 1)) for seed in range(2))
    )
    of_first = adapters.population_moments(model, params, lambda index: first, 1)
    again = adapters.population_moments(model, of_first, lambda index: second, 1)
    chex.assert_trees_all_equal(again, adapters.population_moments(model, params, lambda index: second, 1))
    assert not np.allclose(*(jax.tree.leaves(of["encoder"]["moments"])[0] for of in (of_first, again)))
    trainer = aae_jax.algorithm(model, {"reconstruction": optax.sgd(0.1)})
    state = trainer.init(jax.random.key(0))._replace(params=of_first)
    with pytest.raises(ValueError, match="parameters of encoder hold population moments"):
        trainer.step(state, aae_jax.row_keys(jax.random.key(0), 0, 3), first)


def test_moments_of_a_decoder_that_is_told_the_class_are_of_the_classes():
    config = ModelConfig("supervised_aae", num_classes=3, decoder_batch_norm="all", **SMALL)
    image, label = jax.random.uniform(jax.random.key(9), (6, 4, 4, 1)), jnp.array([0, 1, 2] * 2)
    model, params = initial(config)
    split = data.Split(np.asarray(image), np.asarray(label))
    ready = training._with_moments(model, split, 6)(params)
    # One batch is the whole set, so that its own moments and those of the population are the same.
    codes = model.encode_mean(params, image)
    np.testing.assert_allclose(
        model.nll(ready, codes, image, label), model.nll(params, codes, image, label), rtol=1e-4
    )


def test_moments_of_a_decoder_are_of_samples_of_the_posterior():
    # An encoder of zeros: q(z | x) is N(0, 1) for every image, so that W z has the variance Σ W² of each column.
    config = ModelConfig("vae", decoder_batch_norm="hidden", **SMALL)
    model, params = initial(config)
    params = {**params, "encoder": jax.tree.map(jnp.zeros_like, params["encoder"])}
    image = jnp.zeros((10, 4, 4, 1))
    ready = adapters.population_moments(model, params, lambda index: Batch(image, image, jnp.full(10, -1)), 400)
    kernel = np.asarray(params["decoder"]["params"]["Dense_0"]["kernel"])
    found = ready["decoder"]["moments"]["_Normalization_0"]["square"]
    # 4,000 draws, other ones in each batch, tell a variance to some percent; 10 to a half.
    np.testing.assert_allclose(found, (kernel**2).sum(0), rtol=0.15)


def test_a_training_goes_on_from_the_parameters_that_are_given():
    config = ModelConfig("aae", encoder_batch_norm="all", decoder_batch_norm="all", **SMALL)
    model, params = initial(config)
    batch = Batch(*2 * [jax.random.uniform(jax.random.key(9), (6, 4, 4, 1))], jnp.full(6, -1))
    before = adapters.population_moments(model, params, lambda index: batch, 1)
    noisy = aae_jax.build(dataclasses.replace(config, posterior="isotropic", posterior_std=0.5))
    rates = dict.fromkeys(("reconstruction", "discriminator", "generator"), optax.sgd(0.1))
    trainer = aae_jax.algorithm(adapters.continued(noisy, before), rates)
    state = trainer.init(jax.random.key(1))
    # Without the moments, which would fix the batch norm that is to be trained.
    chex.assert_trees_all_equal(state.params, params)
    state, _ = jax.jit(trainer.step, donate_argnums=0)(state, row_keys(jax.random.key(0), 0, 6), batch)
    # The parameters that it began with are still there, though the state was donated.
    for name in params:
        assert not np.allclose(*(of[name]["params"]["Dense_0"]["kernel"] for of in (before, state.params)))


def test_an_autoencoder_with_noise_on_its_codes_learns_the_mean_of_what_this_mixes():
    # Images of ±1 that are codes themselves, a decoder that multiplies by w, and noise of variance v: of all w, the
    # squared error of w (z + noise) is least for 1 / (1 + v).
    encoder = Network(lambda key: {}, lambda variables, image: image)
    decoder = Network(lambda key: {"w": jnp.ones(())}, lambda variables, code: variables["w"] * code)
    judge = networks.mlp([1], (), 1)
    model = models.aae(
        *(encoder, decoder, judge),
        prior=priors.gaussian(1),
        likelihood=likelihoods.half_squared_error(lambda raw: raw),
        head=heads.isotropic(1, 2.0),
    )
    trainer = aae_jax.algorithm(model, {phase.name: optax.sgd(0.1) for phase in model.phases})
    image = jnp.tile(jnp.array([[1.0], [-1.0]]), (2000, 1))
    batch, step, state = (
        Batch(image, image, jnp.full(4000, -1)),
        jax.jit(trainer.step),
        trainer.init(jax.random.key(0)),
    )
    for index in range(20):
        state, _ = step(state, row_keys(jax.random.key(0), index, 4000), batch)
    assert abs(float(state.params["decoder"]["w"]) - 1 / (1 + 2.0**2)) < 0.02


def test_a_normalized_generator_samples_each_image_by_itself():
    config = ModelConfig("gan", decoder_batch_norm="hidden", **SMALL)
    model, params = initial(config)
    batch = Batch(*2 * [jnp.zeros((2, 4, 4, 1))], jnp.full(2, -1))
    ready = adapters.population_moments(model, params, lambda index: batch, 1)
    keys, label = aae_jax.row_keys(jax.random.key(5), 0, 4), jnp.full(4, -1)
    alone, together = (model.sample(ready, keys[:count], label[:count])[0] for count in (1, 4))
    np.testing.assert_allclose(alone, together, rtol=1e-5)
    assert float(jnp.abs(model.sample(params, keys, label)[0] - together).max()) > 1e-3


def test_a_table_is_used_in_its_own_units(tmp_path):
    shift, scale = (10.0, -2.0), (4.0, 0.5)
    config = ModelConfig(
        "vae", (2,), hidden_sizes=(3,), weight_std=None, likelihood="gaussian", shift=shift, scale=scale
    )
    standard, params = initial(config)
    saved(tmp_path, config, params)
    model, _, _ = aae_jax.load(tmp_path)
    rows, label = jnp.array([[14.0, -2.0], [10.0, -1.0]]), jnp.array([-1, -1])
    standardized = jnp.array([[1.0, 0.0], [0.0, 2.0]])  # (14 − 10) / 4 = 1, (−1 + 2) / 0.5 = 2
    codes = model.encode_mean(params, rows)
    np.testing.assert_allclose(codes["style"], standard.encode_mean(params, standardized)["style"], rtol=1e-5)
    decoded = model.decode(params, codes, label)
    expected = standard.decode(params, codes, label) * jnp.array(scale) + jnp.array(shift)
    np.testing.assert_allclose(decoded, expected, rtol=1e-5)
    keys = row_keys(jax.random.key(0), 0, 2)
    drawn, sample = model.encode(params, keys, rows), model.sample(params, keys, label)
    np.testing.assert_allclose(drawn["style"], standard.encode(params, keys, standardized)["style"], rtol=1e-5)
    expected = standard.sample(params, keys, label) * jnp.array(scale) + jnp.array(shift)
    np.testing.assert_allclose(sample, expected, rtol=1e-5)
    # Rows of numpy are made standard before they are float32: of 1e9 + 0.5 it has nothing but 1e9.
    far = adapters.standardized(standard, np.array([1e9, 0.0]), np.array([0.5, 1.0]))
    near = far.encode_mean(params, np.array([[1e9 + 0.5, 2.0], [1e9, 0.0]]))["style"]
    np.testing.assert_allclose(near, standard.encode_mean(params, jnp.array([[1.0, 2.0], [0.0, 0.0]]))["style"])
    # Densities: a Gaussian of standard deviation `scale` about the decoded row, written out.
    z = (np.asarray(rows) - np.asarray(decoded)) / scale
    nll = (0.5 * z**2 + np.log(scale) + 0.5 * np.log(2 * np.pi)).sum(-1)
    np.testing.assert_allclose(model.nll(params, codes, rows, label), nll, rtol=1e-4)


def test_games_and_phases_of_a_table_read_its_own_units():
    shift, scale = (10.0, -2.0), (4.0, 0.5)
    units = {"likelihood": "gaussian", "shift": shift, "scale": scale}
    small = {"num_classes": 3, "hidden_sizes": (3,), "weight_std": None}
    standard, params = initial(ModelConfig("semi_supervised_aae", (2,), **small, **units))
    standard = models.invariant(standard, lambda key, row: 2 * row, viewed=lambda batch: batch.neighbor)
    model = adapters.standardized(standard, shift, scale)
    label, keys = jnp.array([0, 2]), row_keys(jax.random.key(0), 0, 2)
    keys = aae_jax.Keys(keys, keys)

    def read(of, parts):
        input_, image, labeled_input, labeled_image, neighbor = parts
        batch = Batch(input_, image, label, Batch(labeled_input, labeled_image, label), neighbor)
        return (
            certificate(of.games, params, keys, batch),
            [phase.loss(params, keys, batch) for phase in of.phases],
            [inputs(params, 3, batch) for inputs in of.inputs.values()],
        )

    # In eighths, which no way rounds.
    inward = jnp.round(8 * jax.random.normal(jax.random.key(1), (5, 2, 2))) / 8
    outward = inward * jnp.array(scale) + jnp.array(shift)
    of_both = [jax.jit(partial(read, of))(parts) for of, parts in ((model, outward), (standard, inward))]
    chex.assert_trees_all_close(*of_both, rtol=1e-5)


def program(config):
    """All that a config makes of a key and a batch, as text: its first parameters and its phases' losses."""
    model = aae_jax.build(config, in_data_units=True)

    def losses(key, image, label):
        params = {name: network.init(aae_jax.derive(key, name)) for name, network in model.networks.items()}
        keys, batch = row_keys(key, 0, 2), Batch(image, image, label, Batch(image, image, label), neighbor=image + 1)
        return [phase.loss(params, aae_jax.Keys(keys, keys), batch)[0] for phase in model.phases]

    traced = jax.make_jaxpr(losses)(jax.random.key(0), jnp.ones((2, *config.image_shape)), jnp.zeros(2, jnp.int32))
    # Arrays are no part of the text.
    return str(traced), str(traced.consts)


OPTIONS = [
    ("gan", {}, {"code_size": 3, "prior_std": 2.0, "instance_noise_std": 0.5, "generator_loss": "minimax"}),
    ("gan", {}, {"hidden_sizes": (6,), "weight_std": 0.1, "decoder_batch_norm": "all", "precision": "tensorfloat32"}),
    ("vae", {}, {"prior": "gaussian_mixture", "likelihood": "half_squared_error", "network": "convolutional"}),
    ("ae", {"likelihood": "gaussian"}, {"likelihood_std": 0.5}),
    ("ae", {"likelihood": "gaussian", "shift": (0.0,), "scale": (1.0,)}, {"shift": (1.0,), "scale": (2.0,)}),
    ("aae", {"posterior": "universal"}, {"posterior": "deterministic", "noise_size": 3}),
    ("aae", {"posterior": "isotropic", "posterior_std": 0.25}, {"posterior_std": 0.5}),
    (
        *("label_conditioned_aae", {"num_classes": 3, "prior": "swiss_roll"}),
        {"num_classes": 4, "prior": "gaussian_mixture", "instance_noise_std": 0.5},
    ),
    ("clustering_aae", {"num_clusters": 3}, {"num_clusters": 4, "prior_std": 2.0, "smoothness_radius": 1.0}),
    ("dimension_reduction_aae", {"num_clusters": 3}, {"eta": 5.0}),
    ("classifier", {"num_classes": 3}, {"view_amount": 1.0, "precision": "bfloat16", "encoder_batch_norm": "all"}),
    (
        *("classifier", {"num_classes": 3, "view_amount": 1.0}),
        {"view_amount": 2.0, "view_stretch": 0.2, "view_cutout": 2, "view_of": "neighbor", "view_balance": 0.5},
    ),
]
"""Variants, what else they need, and options that mean something for them: of all options each one for some."""

assert {name for *_, changes in OPTIONS for name in changes} == {
    field.name for field in dataclasses.fields(ModelConfig) if field.default is not dataclasses.MISSING
}


@pytest.mark.parametrize(
    ("variant", "needed", "changes"),
    OPTIONS,
    ids=[f"{variant}: {', '.join(changes)}" for variant, _, changes in OPTIONS],
)
def test_no_option_is_ignored(variant, needed, changes):
    config = ModelConfig(variant, **SMALL, **needed)
    made = program(config)
    assert program(config) == made
    for name, value in changes.items():
        assert program(dataclasses.replace(config, **{name: value})) != made, name


@pytest.mark.parametrize(
    ("name", "of_one_game"),
    [("non_saturating", math.log1p(math.exp(-1))), ("minimax", -math.log1p(math.exp(1)))],
    ids=["non_saturating", "minimax"],
)
@pytest.mark.parametrize(
    ("variant", "num_games"),
    [
        *((variant, 1) for variant in ("gan", "aae", "label_conditioned_aae")),
        *((variant, 1) for variant in ("supervised_aae", "label_conditioned_supervised_aae")),
        *((variant, 2) for variant in ("semi_supervised_aae", "semi_supervised_dimension_reduction_aae")),
        *((variant, 2) for variant in ("clustering_aae", "dimension_reduction_aae")),
    ],
)
def test_the_generator_minimizes_the_loss_that_is_named(variant, num_games, name, of_one_game):
    clusters = {"num_clusters": 3} if variant in ("clustering_aae", "dimension_reduction_aae") else {}
    config = ModelConfig(variant, num_classes=3, prior="swiss_roll", generator_loss=name, **clusters, **SMALL)
    model = aae_jax.build(config)
    # Kernels of 0 and biases of 1: every score is 1, for which −log D is log(1 + 1/e), and log(1 − D) −log(1 + e).
    shapes = jax.eval_shape(lambda: initial(config)[1])
    params = jax.tree.map(lambda leaf: jnp.full(leaf.shape, leaf.ndim == 1, leaf.dtype), shapes)
    image, keys = jnp.ones((2, 4, 4, 1)), row_keys(jax.random.key(0), 0, 2)
    (generator,) = (phase for phase in model.phases if phase.name == "generator")
    loss, _ = generator.loss(params, aae_jax.Keys(keys, keys), Batch(image, image, jnp.zeros(2, int)))
    np.testing.assert_allclose(loss, num_games * of_one_game, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "aae", "prior": "swiss_roll", "code_size": 3}, "two-dimensional; code_size is 3"),
        ({"variant": "vae", "prior": "swiss_roll"}, "needs a prior with a density"),
        ({"variant": "vae", "prior": "uniform_box"}, "needs a prior with a density"),
        ({"variant": "classifier"}, "at least 2 classes; the data have 0"),
        ({"variant": "ae", "code_size": 0}, "code_size is 0"),
        *(
            ({"variant": variant, "num_classes": 1}, f"{variant} learns from labels and needs at least 2 classes")
            for variant in ("supervised_aae", "semi_supervised_aae", "semi_supervised_dimension_reduction_aae")
        ),
        (
            {"variant": "ae", "image_shape": (2,), "shift": (0.0, 0.0), "scale": (1.0, 1.0)},
            "likelihood is 'bernoulli', and data with shift and scale",
        ),
        ({"variant": "label_conditioned_aae"}, "label_conditioned_aae learns from labels"),
        ({"variant": "label_conditioned_aae", "num_classes": 3}, "a part for each class; gaussian has none"),
        ({"variant": "clustering_aae"}, "num_clusters is 0; expected at least 2"),
        ({"variant": "dimension_reduction_aae", "num_clusters": 1}, "num_clusters is 1; expected at least 2"),
        ({"variant": "clustering_aae", "num_clusters": 9, "num_classes": 10}, r"num_clusters is 9.*classes \(10\)"),
        ({"variant": "semi_supervised_aae", "num_classes": 10, "num_clusters": 16}, "num_clusters is 16.*expected 0"),
        ({"variant": "dimension_reduction_aae", "num_clusters": 20, "eta": 0.0}, "eta is 0.0"),
        ({"variant": "aae", "instance_noise_std": 0.5}, "expected 0.0, or variant to be gan or label_conditioned_aae"),
        ({"variant": "vae", "generator_loss": "minimax"}, "generator_loss is 'minimax', and does nothing where var"),
        ({"variant": "aae", "smoothness_radius": 1.0}, "smoothness_radius is 1.0.*where variant is.*expected 0"),
        ({"variant": "vae", "view_amount": 1.0}, "view_amount is 1.0.*where variant is 'vae'; expected 0"),
        ({"variant": "clustering_aae", "num_clusters": 3, "view_balance": 1.0}, "view_amount is 0, view_balance 1.0"),
        ({"variant": "vae", "view_of": "neighbor"}, "view_balance 0.0 and view_of 'neighbor'; expected a view_amount"),
        ({"variant": "clustering_aae", "num_clusters": 3, "view_stretch": 1.0}, r"expected a fraction in \[0, 1\)"),
        ({"variant": "clustering_aae", "num_clusters": 3, "view_amount": 1.0, "image_shape": (4,)}, "a table's"),
        ({"variant": "supervised_aae", "num_classes": 3, "posterior": "gaussian"}, "variant is 'superv.* to be aae"),
        ({"variant": "aae", "posterior": "isotropic"}, "posterior_std is 0 and the posterior isotropic"),
        (
            {"variant": "aae", "posterior_std": 0.5},
            "posterior_std is 0.5, and does nothing where posterior is 'determ",
        ),
        (
            {"variant": "aae", "noise_size": 3},
            "noise_size is 3, and does nothing.*expected 10, or posterior to be univ",
        ),
        (
            {"variant": "vae", "likelihood_std": 0.5},
            "likelihood_std is 0.5, and does nothing where likelihood is 'ber",
        ),
        (
            {"variant": "aae", "prior": "swiss_roll", "prior_std": 2.0},
            "prior_std is 2.0, and does nothing where prior",
        ),
        ({"variant": "aae", "eta": 3.0}, "eta is 3.0, and does nothing where variant is 'aae'"),
    ],
)
def test_what_makes_no_sense_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{"image_shape": (4, 4, 1), **options})


def test_folders_without_a_finished_run_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config.json in"):
        aae_jax.load(tmp_path)
    runs.write_json(tmp_path / "config.json", {"model": ModelConfig("ae", **SMALL)})
    with pytest.raises(FileNotFoundError, match="not finished; go on with --resume"):
        aae_jax.load(tmp_path)
    runs.write_json(tmp_path / "config.json", {"model": {"variant": "ae", "wings": 2}})
    with pytest.raises(ValueError, match=r"unknown fields \['wings'\]"):
        aae_jax.load(tmp_path)


def test_the_papers_batch_norm_is_a_choice_for_encoder_and_decoder_apart():
    for encoder, decoder in (("hidden", "none"), ("all", "all"), ("none", "hidden")):
        norms = {"encoder_batch_norm": encoder, "decoder_batch_norm": decoder}
        config = ModelConfig("clustering_aae", num_clusters=3, **norms, **SMALL)
        _, params = initial(config)
        counts = {"none": 0, "hidden": 1, "all": 2}
        for name, weights in params.items():
            expected = counts[norms.get(f"{name}_batch_norm", "none")]
            assert sum(layer.startswith("_Normalization") for layer in weights["params"]) == expected, name


@pytest.mark.parametrize("size", [2, 10])
def test_cluster_heads_start_about_eta_apart_and_are_charged_where_they_are_closer(size):
    config = ModelConfig("dimension_reduction_aae", num_clusters=20, code_size=size, eta=3.0, **SMALL)
    model, params = initial(config)
    heads = np.asarray(params["cluster_heads"]["params"]["kernel"])
    assert heads.shape == (20, size)
    # The mean square of the distance of two of them is eta², 3². Of 20 · size independent draws the standard
    # deviation is within 5 standard errors, std / √(2 n).
    expected = 3 / np.sqrt(2 * size)
    assert abs(heads.std() - expected) < 5 * expected / np.sqrt(2 * heads.size)
    # All in one place: each of 190 pairs is charged eta.
    keys, image = row_keys(jax.random.key(0), 0, 2), jnp.ones((2, 4, 4, 1))
    in_one = {**params, "cluster_heads": jax.tree.map(jnp.zeros_like, params["cluster_heads"])}
    _, metrics = model.phases[0].loss(in_one, aae_jax.Keys(keys, keys), Batch(image, image, jnp.zeros(2, int)))
    assert metrics["reconstruction/repulsion"] == 190 * 3


def test_the_parts_of_a_prior_are_as_many_as_the_classes_that_fill_them():
    for prior in ("gaussian_mixture", "swiss_roll"):
        built = configs.build_prior(ModelConfig("label_conditioned_aae", num_classes=3, prior=prior, **SMALL))
        # Class 3 does not exist.
        found = [jnp.isnan(built.sample(jax.random.key(0), label)).any().item() for label in (-1, 2, 3)]
        assert found == [False, False, True]


@pytest.mark.parametrize("prior", ["gaussian", "gaussian_mixture", "swiss_roll", "uniform_box"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "half_squared_error"])
def test_every_prior_and_likelihood_has_its_name(prior, likelihood):
    config = ModelConfig("ae", prior=prior, likelihood=likelihood, **SMALL)
    assert configs.build_prior(config).sample(jax.random.key(0), -1).shape == (2,)
    assert configs.build_likelihood(config).mean(jnp.zeros(3)).shape == (3,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "clustering"}, r"variant is 'clustering'; expected one of .* Did you mean 'clustering_aae'\?"),
        ({"variant": "aae", "prior": "guassian"}, r"prior is 'guassian'; .* Did you mean 'gaussian'\?"),
        ({"variant": "aae", "precision": 32}, r"precision is 32; expected one of float32, tensorfloat32, bfloat16\.$"),
    ],
)
def test_a_name_that_is_none_is_told_from_the_nearest(options, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(image_shape=(4,), **options)
