"""Bad inputs of the pieces that models are made of, and of models."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aae_jax import (
    adapters,
    algorithm,
    certificates,
    corruption,
    derive,
    games,
    heads,
    hosts,
    likelihoods,
    losses,
    models,
    networks,
    parallel,
    phases,
    priors,
    row_keys,
    steps,
    wiring,
)
from aae_jax.types import Batch, Keys
from bad_inputs import cases

KEY = jax.random.key(0)
GAUSSIAN, CATEGORIES = priors.gaussian(2), priors.categorical(3)
BERNOULLI = likelihoods.bernoulli()
ENCODER, DECODER, JUDGE = networks.mlp([4], (3,), 2), networks.mlp([2], (3,), 4), networks.mlp([2], (3,), 1)
TWO_ENCODER, TWO_DECODER, HEADS = networks.mlp([4], (), 5), networks.mlp([2, 3], (), 4), networks.linear(3, 2)
JUDGES = {"style": JUDGE, "category": networks.mlp([3], (), 1)}
PRIORS = {"style": GAUSSIAN, "category": CATEGORIES}
FUNCTIONS = wiring.autoencoder(ENCODER, DECODER, {"style": heads.deterministic(2)}, BERNOULLI)
AE = models.ae(ENCODER, DECODER, code_size=2, likelihood=BERNOULLI)
AAE = models.aae(ENCODER, DECODER, JUDGE, prior=GAUSSIAN, likelihood=BERNOULLI)
GAN = models.gan(DECODER, networks.mlp([4], (), 1), prior=GAUSSIAN, likelihood=BERNOULLI)
REDUCTION = models.dimension_reduction_aae(
    TWO_ENCODER, DECODER, JUDGES, HEADS, priors=PRIORS, likelihood=BERNOULLI, eta=1.0
)
SUPERVISED = models.supervised_aae(ENCODER, TWO_DECODER, JUDGE, prior=GAUSSIAN, num_classes=3, likelihood=BERNOULLI)
IMAGE, LABEL = jnp.ones((3, 4)), jnp.full(3, -1)
BATCH = Batch(IMAGE, IMAGE, LABEL)
KEYS = row_keys(KEY, 0, 3)
OPTIMIZERS = {phase.name: optax.sgd(0.1) for phase in AAE.phases}
ONES, THREE = jnp.ones(2), jnp.ones(3)


def params(model):
    return params_of(tuple(model.networks.items()))


@functools.cache
def params_of(networks):
    return {name: network.init(KEY) for name, network in networks}


def first_step(keys=KEYS, batch=BATCH):
    trainer = algorithm(AAE, OPTIMIZERS)
    return jax.eval_shape(lambda keys: trainer.step(trainer.init(KEY), keys, batch), keys)


def loss_of(model, name, batch):
    (phase,) = (phase for phase in model.phases if phase.name == name)
    return phase.loss(params(model), Keys(KEYS, KEYS), batch)


def of_judge(judge):
    return games.code_game("judge", judge, GAUSSIAN, FUNCTIONS, "style")


PRIOR_CASES = [
    *cases(
        "priors.gaussian",
        {
            "size >= 1": (lambda: priors.gaussian(0), "size is 0", "integer ≥ 1"),
            "size whole": (lambda: priors.gaussian(2.5), "size is 2.5", "integer ≥ 1"),
            "size no truth": (lambda: priors.gaussian(True), "size is True", "integer"),
            "std > 0": (lambda: priors.gaussian(2, std=-1.0), "std is -1.0", "positive number"),
            "std finite": (lambda: priors.gaussian(2, std=math.inf), "std is inf", "positive number"),
            "std no NaN": (lambda: priors.gaussian(2, std=math.nan), "std is nan", "positive number"),
            "std a number": (lambda: priors.gaussian(2, std="wide"), "std is 'wide'", "positive number"),
        },
    ),
    *cases(
        "priors.gaussian(2).sample",
        {
            "label one": (lambda: GAUSSIAN.sample(KEY, LABEL), "label has shape (3,)", "vmap over rows"),
            "label whole": (lambda: GAUSSIAN.sample(KEY, 0.5), "label are float", "expected integers"),
        },
    ),
    *cases(
        "priors.gaussian(2).log_density",
        {
            "one example": (lambda: GAUSSIAN.log_density(IMAGE, -1), "(3, 4)", "expected (2,)", "vmap over rows"),
            "label one": (lambda: GAUSSIAN.log_density(ONES, LABEL), "label has shape (3,)", "expected one number"),
        },
    ),
    *cases(
        "priors.gaussian(2).from_uniform",
        {"as long as a code": (lambda: GAUSSIAN.from_uniform(THREE, -1), "(3,)", "expected (2,)")},
    ),
    *cases(
        "priors.gaussian(2).kl",
        {"one shape": (lambda: GAUSSIAN.kl(ONES, THREE, -1), "array of shape (3,)", "expected (2,)")},
    ),
    *cases(
        "priors.gaussian_mixture",
        {
            "components >= 1": (lambda: priors.gaussian_mixture(0), "num_components is 0", "integer ≥ 1"),
            "components whole": (lambda: priors.gaussian_mixture(2.0), "num_components is 2.0", "integer ≥ 1"),
            "radius > 0": (lambda: priors.gaussian_mixture(radius=0), "radius is 0", "positive number"),
            "radial std > 0": (lambda: priors.gaussian_mixture(radial_std=-1), "radial_std is -1", "positive"),
            "tangential std > 0": (
                lambda: priors.gaussian_mixture(tangential_std=0.0),
                "tangential_std is 0.0",
                "pos",
            ),
        },
    ),
    *cases(
        "priors.swiss_roll",
        {
            "classes >= 1": (lambda: priors.swiss_roll(-1), "num_classes is -1", "integer ≥ 1"),
            "radius > 0": (lambda: priors.swiss_roll(radius=math.nan), "radius is nan", "positive"),
            "turns > 0": (lambda: priors.swiss_roll(turns=None), "turns is None", "positive"),
        },
    ),
    *cases(
        "priors.uniform_box",
        {
            "size >= 1": (lambda: priors.uniform_box(0), "size is 0", "integer ≥ 1"),
            "low < high": (lambda: priors.uniform_box(2, 1.0, -1.0), "low is 1.0 and high is -1.0", "low < high"),
            "low finite": (lambda: priors.uniform_box(2, low=-math.inf), "low is -inf", "finite number"),
            "high finite": (lambda: priors.uniform_box(2, high=math.nan), "high is nan", "finite number"),
        },
    ),
    *cases(
        "priors.categorical",
        {
            "size >= 1": (lambda: priors.categorical(0), "size is 0", "integer ≥ 1"),
            "size a number": (lambda: priors.categorical("ten"), "size is 'ten'", "integer ≥ 1"),
        },
    ),
    *cases(
        "priors.from_sampler",
        {
            "size >= 1": (lambda: priors.from_sampler(0, lambda key: ONES), "size is 0", "integer ≥ 1"),
            "a function": (lambda: priors.from_sampler(2, "normal"), "sample is 'normal'", "expected a function"),
            "of key and label": (
                lambda: priors.from_sampler(2, lambda: ONES),
                "parameters ()",
                "(key, label) or (key)",
            ),
            "samples are codes": (
                lambda: priors.from_sampler(2, lambda key: THREE).sample(KEY, -1),
                "shape (3,)",
                "expected (2,)",
            ),
        },
    ),
    *cases(
        "priors.responsibilities",
        {
            "a prior": (lambda: priors.responsibilities("mixture", ONES, 3), "prior is 'mixture'", "expected a Prior"),
            "a density": (lambda: priors.responsibilities(priors.swiss_roll(), ONES, 3), "no log_density", "need one"),
            "classes >= 1": (lambda: priors.responsibilities(GAUSSIAN, ONES, 0), "num_classes is 0", "integer ≥ 1"),
        },
    ),
]

SHAPES = ("(2,)", "(3,)", "expected the same for both")
BYTES, OF_BYTES = jnp.array([0, 255], jnp.uint8), ("image is uint8", "bytes are divided by 255 first")
LOSS_CASES = [
    *cases(
        "losses.bernoulli_nll",
        {
            "one shape": (lambda: losses.bernoulli_nll(ONES, THREE), *SHAPES),
            "no bytes": (lambda: losses.bernoulli_nll(ONES, BYTES), *OF_BYTES),
        },
    ),
    *cases(
        "losses.gaussian_nll",
        {
            "one shape": (lambda: losses.gaussian_nll(ONES, THREE), *SHAPES),
            "std broadcasts": (lambda: losses.gaussian_nll(ONES, ONES, THREE), "std has shape (3,)", "broadcasts"),
            "no bytes": (lambda: losses.gaussian_nll(ONES, BYTES), *OF_BYTES),
        },
    ),
    *cases(
        "losses.half_squared_error",
        {
            "one shape": (lambda: losses.half_squared_error(ONES, THREE), *SHAPES),
            "no bytes": (lambda: losses.half_squared_error(ONES, BYTES), *OF_BYTES),
        },
    ),
    *cases(
        "losses.categorical_cross_entropy",
        {
            "one example": (lambda: losses.categorical_cross_entropy(IMAGE, 0), "logits must be [K]", "(3, 4)"),
            "one label": (lambda: losses.categorical_cross_entropy(ONES, LABEL), "label must be []", "(3,)"),
            "label whole": (lambda: losses.categorical_cross_entropy(ONES, 0.5), "label are float", "integers"),
        },
    ),
    *cases("losses.discriminator_loss", {"one shape": (lambda: losses.discriminator_loss(ONES, THREE), *SHAPES)}),
    *cases(
        "losses.gaussian_log_density",
        {
            "one shape": (lambda: losses.gaussian_log_density(THREE, ONES), *SHAPES),
            "variance broadcasts": (
                lambda: losses.gaussian_log_density(ONES, 0.0, jnp.ones((3, 2))),
                "log_variance has shape (3, 2)",
                "broadcasts",
            ),
        },
    ),
    *cases(
        "losses.kl_to_standard_normal",
        {
            "one shape": (lambda: losses.kl_to_standard_normal(ONES, THREE), *SHAPES),
            "floats": (lambda: losses.kl_to_standard_normal(BYTES, BYTES), "mean is uint8", "expected floats"),
        },
    ),
    *cases(
        "losses.kl_by_sampling",
        {
            "one shape": (lambda: losses.kl_by_sampling(ONES, THREE, THREE, jnp.sum), *SHAPES),
            "a function": (lambda: losses.kl_by_sampling(ONES, ONES, ONES, None), "log_density is None", "a function"),
        },
    ),
    *cases(
        "losses.kl_divergence",
        {
            "one shape": (lambda: losses.kl_divergence(ONES, THREE), *SHAPES),
            "one example": (lambda: losses.kl_divergence(IMAGE, IMAGE), "p must be [K]", "(3, 4)"),
        },
    ),
    *cases(
        "losses.jensen_shannon_divergence",
        {
            "one shape": (lambda: losses.jensen_shannon_divergence(ONES, THREE), *SHAPES),
            "one example": (lambda: losses.jensen_shannon_divergence(IMAGE, IMAGE), "p must be [K]", "(3, 4)"),
        },
    ),
    *cases(
        "losses.jensen_shannon_bound",
        {
            "real scores a list": (lambda: losses.jensen_shannon_bound(IMAGE, ONES), "real_score", "(3, 4)", "[N]"),
            "fake scores >= 2": (
                lambda: losses.jensen_shannon_bound(ONES, ONES[:1]),
                "fake_score",
                "(1,)",
                "2 scores",
            ),
        },
    ),
    *cases(
        "losses.repulsion",
        {
            "a matrix": (lambda: losses.repulsion(ONES, 1.0), "cluster_heads must be [K, Z]", "(2,)"),
            "floats": (lambda: losses.repulsion(BYTES[None], 1.0), "cluster_heads is uint8", "expected floats"),
            "eta > 0": (lambda: losses.repulsion(IMAGE, -1.0), "eta is -1.0", "distance above 0"),
        },
    ),
]

HEAD_CASES = [
    case
    for name, factory in (
        ("deterministic", heads.deterministic),
        ("gaussian", heads.gaussian),
        ("isotropic", functools.partial(heads.isotropic, std=0.5)),
        ("categorical", heads.categorical),
    )
    for case in [
        *cases(
            f"heads.{name}",
            {
                "size >= 1": (lambda factory=factory: factory(0), "size is 0", "integer ≥ 1"),
                "size whole": (lambda factory=factory: factory(1.5), "size is 1.5", "integer ≥ 1"),
            },
        ),
        *cases(
            f"heads.{name}(2).sample",
            {"one example": (lambda factory=factory: factory(2).sample(KEY, IMAGE), "(3, 4)", "vmap over rows")},
        ),
        *cases(
            f"heads.{name}(2).mean",
            {
                "as long as is read": (
                    lambda factory=factory: factory(2).mean(THREE),
                    "raw has shape (3,)",
                    "expected (",
                )
            },
        ),
    ]
]
HEAD_CASES += [
    *cases(
        "heads.mean_and_log_variance",
        {
            "even": (lambda: heads.mean_and_log_variance(THREE), "raw has shape (3,)", "even last axis"),
            "an axis": (lambda: heads.mean_and_log_variance(jnp.zeros(())), "raw has shape ()", "even last axis"),
        },
    ),
    *cases(
        "heads.isotropic",
        {"std > 0": (lambda: heads.isotropic(2, 0.0), "std is 0.0", "a number above 0")},
    ),
    *cases(
        "heads.posterior_kl",
        {
            "a prior": (lambda: heads.posterior_kl(None), "prior is None", "expected a Prior"),
            "a density": (lambda: heads.posterior_kl(priors.swiss_roll()), "neither a closed-form kl", "expected one"),
        },
    ),
    *cases(
        "likelihoods.gaussian",
        {
            "std > 0": (lambda: likelihoods.gaussian(0.0), "std is 0.0", "positive number"),
            "std finite": (lambda: likelihoods.gaussian(math.inf), "std is inf", "positive number"),
            "std a number": (lambda: likelihoods.gaussian("1"), "std is '1'", "positive number"),
        },
    ),
    *cases(
        "likelihoods.gaussian().nll",
        {"one shape": (lambda: likelihoods.gaussian().nll(ONES, THREE), *SHAPES)},
    ),
    *cases("likelihoods.bernoulli().nll", {"one shape": (lambda: BERNOULLI.nll(ONES, THREE), *SHAPES)}),
    *cases(
        "likelihoods.half_squared_error",
        {"a function": (lambda: likelihoods.half_squared_error("tanh"), "link is 'tanh'", "expected a function")},
    ),
    *cases(
        "corruption.gaussian_noise",
        {
            "std >= 0": (lambda: corruption.gaussian_noise(-0.1), "std is -0.1", "number ≥ 0"),
            "std finite": (lambda: corruption.gaussian_noise(math.inf), "std is inf", "number ≥ 0"),
            "std a number": (lambda: corruption.gaussian_noise(None), "std is None", "number ≥ 0"),
            "images of floats": (
                lambda: corruption.gaussian_noise(0.1)(KEY, jnp.zeros(3, jnp.uint8)),
                "image is uint8",
                "floats: bytes are divided by 255",
            ),
        },
    ),
    *cases(
        "corruption.dropout",
        {
            "rate >= 0": (lambda: corruption.dropout(-0.5), "rate is -0.5", "fraction in [0, 1)"),
            "rate < 1": (lambda: corruption.dropout(1), "rate is 1", "fraction in [0, 1)"),
            "rate no NaN": (lambda: corruption.dropout(math.nan), "rate is nan", "fraction in [0, 1)"),
            "images of floats": (
                lambda: corruption.dropout(0.5)(KEY, jnp.zeros(3, jnp.uint8)),
                "image is uint8",
                "floats: bytes are divided by 255",
            ),
        },
    ),
    *cases(
        "corruption.affine",
        {
            "amounts >= 0": (
                lambda: corruption.affine(rotation=0, shear=-0.5, scale=0, shift=0),
                "shear is -0.5",
                "number ≥ 0",
            ),
            "amounts finite": (
                lambda: corruption.affine(rotation=math.nan, shear=0, scale=0, shift=0),
                "rotation is nan",
                "number ≥ 0",
            ),
            "scale < 1": (
                lambda: corruption.affine(rotation=0, shear=0, scale=1.0, shift=0),
                "scale is 1.0",
                "fraction in [0, 1)",
            ),
            "floats": (
                lambda: corruption.view(1, stretch=0)(KEY, jnp.zeros((3, 3, 1), jnp.uint8)),
                "image is uint8",
                "divided by 255",
            ),
            "an image": (
                lambda: corruption.view(1, stretch=0)(KEY, jnp.zeros(3)),
                "image must be [H, W, C]",
                "shape (3,)",
            ),
        },
    ),
    *cases(
        "corruption.cutout",
        {
            "size >= 0": (lambda: corruption.cutout(-1), "size is -1", "integer ≥ 0"),
            "floats": (lambda: corruption.cutout(2)(KEY, jnp.zeros((3, 3, 1), jnp.uint8)), "image is uint8", "by 255"),
            "an image": (lambda: corruption.cutout(2)(KEY, jnp.zeros(3)), "image must be [H, W, C]", "shape (3,)"),
        },
    ),
    *cases(
        "corruption.view",
        {
            "amount >= 0": (lambda: corruption.view(-1, stretch=0), "amount is -1", "number ≥ 0"),
            "stretch < 1": (lambda: corruption.view(1, stretch=1.0), "stretch is 1.0", "fraction in [0, 1)"),
            "cutout >= 0": (
                lambda: corruption.view(1, stretch=0, cutout_size=-1),
                "cutout_size is -1",
                "integer ≥ 0",
            ),
        },
    ),
    *cases("corruption.chain", {"functions": (lambda: corruption.chain(0.3), "Corruption 0 is 0.3", "a function")}),
    *cases(
        "keys.row_keys",
        {
            "a key": (lambda: row_keys(0, 0, 3), "run_key is 0", "jax.random.key(0)"),
            "one key": (lambda: row_keys(KEYS, 0, 3), "run_key has shape (3,)", "expected one key"),
            "threefry": (lambda: row_keys(jax.random.key(0, impl="rbg"), 0, 3), "'rbg'", "expected 'threefry2x32'"),
            "rows >= 1": (lambda: row_keys(KEY, 0, 0), "num_rows is 0", "integer ≥ 1"),
        },
    ),
    *cases(
        "keys.derive",
        {
            "keys": (lambda: derive(jnp.zeros(2), "noise"), "keys is", "jax.random.key(0)"),
            "a name": (lambda: derive(KEY, 3), "name is 3", "expected text"),
        },
    ),
]

SIZES = "positive whole numbers"
NETWORK_CASES = [
    *cases(
        "networks.mlp",
        {
            "input sizes >= 1": (lambda: networks.mlp([0], (), 1), "input_sizes is [0]", SIZES),
            "some input": (lambda: networks.mlp([], (), 1), "input_sizes is empty", "at least one input"),
            "hidden sizes >= 1": (lambda: networks.mlp([1], (3, -1), 1), "hidden_sizes is [3, -1]", SIZES),
            "hidden sizes whole": (lambda: networks.mlp([1], (2.5,), 1), "hidden_sizes is [2.5]", SIZES),
            "hidden sizes in a list": (lambda: networks.mlp([1], 100, 1), "hidden_sizes is 100", SIZES),
            "sizes to read twice": (lambda: networks.mlp([1], map(int, "8"), 1), "hidden_sizes is <map", SIZES),
            "output shape >= 1": (lambda: networks.mlp([1], (), (4, 0)), "output_shape is [4, 0]", SIZES),
            "initializer a function": (
                lambda: networks.mlp([1], (), 1, initializer="he"),
                "initializer is 'he'",
                "he()",
            ),
            "batch norm by name": (
                lambda: networks.mlp([1], (), 1, batch_norm="hiden"),
                "batch_norm is 'hiden'",
                "Did you mean 'hidden'?",
            ),
            "precision by name": (
                lambda: networks.mlp([1], (), 1, precision="float23"),
                "precision is 'float23'",
                "Did you mean 'float32'?",
            ),
        },
    ),
    *cases(
        "networks.mlp(...).apply",
        {
            "as many inputs": (
                lambda: ENCODER.apply(params(AE)["encoder"], IMAGE, IMAGE),
                "given 2 inputs",
                "expected 1",
            ),
            "of the size": (
                lambda: ENCODER.apply(params(AE)["encoder"], IMAGE[:, :3]),
                "Input 0 of the network has shape (3, 3)",
                "expected [B, 4]",
            ),
            "rows first": (lambda: ENCODER.apply(params(AE)["encoder"], jnp.zeros(4)), "shape (4,)", "rows first"),
        },
    ),
    *cases("networks.normal", {"std > 0": (lambda: networks.normal(0.0), "standard deviation is 0.0", "above 0")}),
    *cases(
        "networks.linear",
        {
            "input size >= 1": (lambda: networks.linear(0, 1), "input_size is [0]", SIZES),
            "output size >= 1": (lambda: networks.linear(1, -2), "output_size is [-2]", SIZES),
            "initializer a function": (lambda: networks.linear(1, 1, initializer=0.1), "initializer is 0.1", "he()"),
        },
    ),
    *cases(
        "networks.convolutional_encoder",
        {
            "image of three axes": (lambda: networks.convolutional_encoder((784,), 2), "(784,)", "(height, width"),
            "image sizes >= 1": (lambda: networks.convolutional_encoder((8, 0, 1), 2), "[8, 0, 1]", SIZES),
            "output size >= 1": (lambda: networks.convolutional_encoder((8, 8, 1), 0), "output_size is [0]", SIZES),
            "other sizes >= 1": (
                lambda: networks.convolutional_encoder((8, 8, 1), 2, other_sizes=[0]),
                "other_sizes is [0]",
                SIZES,
            ),
            "features >= 1": (
                lambda: networks.convolutional_encoder((8, 8, 1), 2, features=(0,)),
                "features is [0]",
                SIZES,
            ),
            "hidden size >= 1": (
                lambda: networks.convolutional_encoder((8, 8, 1), 2, hidden_size=0),
                "hidden_size is [0]",
                SIZES,
            ),
            "batch norm by name": (
                lambda: networks.convolutional_encoder((8, 8, 1), 2, batch_norm="al"),
                "batch_norm is 'al'",
                "Did you mean 'all'?",
            ),
            "images, not rows": (
                lambda: networks.convolutional_encoder((2, 2, 1), 2).apply({}, IMAGE),
                "shape (3, 4)",
                "expected [B, 2, 2, 1]",
            ),
        },
    ),
    *cases(
        "networks.convolutional_decoder",
        {
            "image of three axes": (
                lambda: networks.convolutional_decoder([2], (28, 28)),
                "(28, 28)",
                "(height, width",
            ),
            "input sizes >= 1": (lambda: networks.convolutional_decoder([0], (8, 8, 1)), "input_sizes is [0]", SIZES),
            "some input": (lambda: networks.convolutional_decoder([], (8, 8, 1)), "input_sizes is empty", "one input"),
            "some features": (
                lambda: networks.convolutional_decoder([2], (8, 8, 1), features=()),
                "features is empty",
                "at least one convolution",
            ),
            "features whole": (
                lambda: networks.convolutional_decoder([2], (8, 8, 1), features=(1.5,)),
                "features is [1.5]",
                SIZES,
            ),
            "precision by name": (
                lambda: networks.convolutional_decoder([2], (8, 8, 1), precision="bfloat"),
                "precision is 'bfloat'",
                "Did you mean 'bfloat16'?",
            ),
        },
    ),
]

PHASE_CASES = [
    *cases(
        "phases.reconstruction",
        {
            "terms a function": (lambda: phases.reconstruction("nll", ["encoder"]), "terms is 'nll'", "a function"),
            "names in a list": (lambda: phases.reconstruction(len, "encoder"), "trains is 'encoder'", "in a list"),
            "some network": (lambda: phases.reconstruction(len, []), "trains is []", "one network or more"),
        },
    ),
    *cases(
        "phases.regularization",
        {
            "some game": (lambda: phases.regularization([], ["encoder"]), "list of []", "one Game or more"),
            "games in a list": (lambda: phases.regularization(AAE.games[0], ["encoder"]), "Game of", "in a list"),
            "generator loss a function": (
                lambda: phases.regularization(AAE.games, ["encoder"], generator_loss="minimax"),
                "generator_loss is 'minimax'",
                "losses.minimax_generator_loss",
            ),
            "a judge each": (
                lambda: phases.regularization([*AAE.games, *AAE.games], ["encoder"]),
                "discriminators are",
                "another name for each",
            ),
            "judges that are not deceived": (
                lambda: phases.regularization(AAE.games, ["encoder", AAE.games[0].network]),
                "trains holds",
                "to deceive them",
            ),
            "names in a list": (
                lambda: phases.regularization(AAE.games, "encoder"),
                "trains is 'encoder'",
                "in a list",
            ),
        },
    ),
    *cases(
        "phases.smoothness",
        {
            "a function": (lambda: phases.smoothness(3, ["encoder"], radius=1.0), "probabilities is 3", "a function"),
            "radius > 0": (lambda: phases.smoothness(len, ["encoder"], radius=-1), "radius is -1", "a length above 0"),
            "names are names": (
                lambda: phases.smoothness(len, [0], radius=1.0),
                "trains is [0]",
                "expected the names",
            ),
        },
    ),
    *cases(
        "phases.invariance",
        {
            "a function": (
                lambda: phases.invariance(3, ["encoder"], corruption.identity()),
                "probabilities is 3",
                "a function",
            ),
            "view a function": (lambda: phases.invariance(len, ["encoder"], 1.0), "view is 1.0", "a function"),
            "known a function": (
                lambda: phases.invariance(len, ["encoder"], corruption.identity(), known=1),
                "known is 1",
                "a function",
            ),
            "names are names": (
                lambda: phases.invariance(len, [0], corruption.identity()),
                "trains is [0]",
                "expected the names",
            ),
        },
    ),
    *cases(
        "phases.classification",
        {
            "logits a function": (lambda: phases.classification(3, ["encoder"]), "logits is 3", "a function"),
            "rows a function": (lambda: phases.classification(len, ["encoder"], rows=3), "rows is 3", "a function"),
            "names are names": (lambda: phases.classification(len, [0]), "trains is [0]", "expected the names"),
            "labeled rows": (
                lambda: phases.classification(len, ["encoder"]).loss({}, Keys(KEYS, KEYS), BATCH),
                "expected batch.labeled",
                "got None",
            ),
        },
    ),
    *cases(
        "steps.update",
        {
            "a phase": (
                lambda: steps.update("reconstruction", optax.sgd(0.1)),
                "phase is 'reconstruction'",
                "a Phase",
            ),
            "an optimizer": (lambda: steps.update(AAE.phases[0], 0.1), "optimizer of reconstruction is 0.1", "optax"),
        },
    ),
    *cases(
        "steps.algorithm",
        {
            "a model": (lambda: algorithm("aae", {}), "model is 'aae'", "expected a Model"),
            "an optimizer each": (lambda: algorithm(AAE, {}), "given for []", "exactly one optimizer per phase"),
            "optimizers by phase": (
                lambda: algorithm(AAE, optax.sgd(0.1)),
                "optimizers is a GradientTransformation",
                "'reconstruction'",
            ),
            "no other optimizer": (
                lambda: algorithm(AAE, {**OPTIMIZERS, "speed": optax.sgd(0.1)}),
                "'speed'",
                "exactly one optimizer",
            ),
            "optimizers of optax": (
                lambda: algorithm(AAE, {**OPTIMIZERS, "generator": 0.1}),
                "generator is 0.1",
                "expected a GradientTransformation",
            ),
            "networks that are there": (
                lambda: algorithm(AAE._replace(networks={"encoder": ENCODER}), OPTIMIZERS),
                "trains ['decoder']",
                "networks are ['encoder']",
            ),
            "a name each": (
                lambda: algorithm(AAE._replace(phases=(*AAE.phases, AAE.phases[0]._replace())), OPTIMIZERS),
                "phases are called 'reconstruction'",
                "a name for each",
            ),
            "corruption a function": (lambda: algorithm(AAE, OPTIMIZERS, corrupt=0.3), "corrupt is 0.3", "a function"),
        },
    ),
    *cases(
        "steps.algorithm(...).step",
        {
            "keys": (lambda: first_step(keys=jnp.zeros(3)), "keys is", "jax.random.key(0)"),
            "a key each": (lambda: first_step(keys=KEYS[:2]), "image has 3 rows", "expected as many as keys, 2"),
            "a batch": (lambda: first_step(batch=IMAGE), "batch is", "expected a Batch"),
            "a label each": (
                lambda: first_step(batch=BATCH._replace(label=LABEL[:1])),
                "label has 1 rows",
                "expected as many",
            ),
            "labels whole": (
                lambda: first_step(batch=BATCH._replace(label=jnp.zeros(3))),
                "labels are float32",
                "expected integers",
            ),
            "images of floats": (
                lambda: first_step(batch=BATCH._replace(image=jnp.ones((3, 4), jnp.uint8))),
                "image is uint8",
                "divided by 255",
            ),
            "inputs of floats": (
                lambda: first_step(batch=BATCH._replace(input=jnp.ones((3, 4), jnp.int32))),
                "image is int32",
                "expected floats",
            ),
            "a key a row": (lambda: first_step(keys=KEYS[0]), "keys has shape ()", "aae_jax.row_keys"),
            "neighbors of the image's shape": (
                lambda: first_step(batch=BATCH._replace(neighbor=jnp.ones((3, 5)))),
                "neighbor has shape (3, 5)",
                "the image's, (3, 4)",
            ),
            "as many labeled rows": (
                lambda: first_step(batch=BATCH._replace(labeled=Batch(IMAGE[:2], IMAGE[:2], LABEL[:2]))),
                "image has 2 rows",
                "as many as keys, 3",
            ),
        },
    ),
]

HEAD = {"style": heads.deterministic(2)}
WIRING_CASES = [
    *cases(
        "wiring.autoencoder",
        {
            "encoder a network": (lambda: wiring.autoencoder(3, None, HEAD, None), "encoder is 3", "a Network"),
            "decoder a network": (
                lambda: wiring.autoencoder(ENCODER, 3, HEAD, BERNOULLI),
                "decoder is 3",
                "a Network",
            ),
            "likelihood with a decoder": (
                lambda: wiring.autoencoder(ENCODER, DECODER, HEAD, None),
                "likelihood is None",
                "expected a Likelihood",
            ),
            "some head": (lambda: wiring.autoencoder(ENCODER, DECODER, {}, BERNOULLI), "heads is empty", "a head for"),
            "no head of that name": (
                lambda: wiring.autoencoder(ENCODER, DECODER, {"label": HEAD["style"]}, BERNOULLI),
                "A head is called label",
                "call it otherwise",
            ),
            "no head of the noise's name": (
                lambda: wiring.autoencoder(ENCODER, DECODER, {"noise": HEAD["style"]}, BERNOULLI, noise_size=2),
                "A head is called noise",
                "call it otherwise",
            ),
            "no head of a phase's": (
                lambda: wiring.autoencoder(ENCODER, DECODER, {"phase 1": HEAD["style"]}, BERNOULLI),
                "A head is called phase 1",
                "call it otherwise",
            ),
            "heads are heads": (
                lambda: wiring.autoencoder(ENCODER, DECODER, {"style": 2}, BERNOULLI),
                "head of style is 2",
                "expected a Head",
            ),
            "noise size >= 0": (
                lambda: wiring.autoencoder(ENCODER, DECODER, HEAD, BERNOULLI, noise_size=-1),
                "noise_size is -1",
                "integer ≥ 0",
            ),
            "decoder input a function": (
                lambda: wiring.autoencoder(ENCODER, DECODER, HEAD, BERNOULLI, decoder_input="style"),
                "decoder_input is 'style'",
                "a function",
            ),
            "decoder inputs in a tuple": (
                lambda: wiring.autoencoder(
                    ENCODER, DECODER, HEAD, BERNOULLI, decoder_input=lambda params, codes, label: codes["style"]
                ).decode(params(AAE), {"style": jnp.zeros((3, 2))}, LABEL),
                "decoder_input gave a",
                "a tuple",
            ),
            "a key a row": (
                lambda: FUNCTIONS.encode(params(AE), KEYS[0], IMAGE),
                "keys has shape ()",
                "aae_jax.row_keys",
            ),
            "as many keys as images": (
                lambda: FUNCTIONS.encode(params(AE), KEYS[:2], IMAGE),
                "image has 3 rows",
                "expected as many as keys, 2",
            ),
        },
    ),
    *cases(
        "games.code_game",
        {
            "discriminator a network": (lambda: of_judge(None), "discriminator is None", "expected a Network"),
            "a prior": (lambda: games.code_game("judge", JUDGE, 2, FUNCTIONS, "style"), "prior is 2", "a Prior"),
            "an autoencoder": (
                lambda: games.code_game("judge", JUDGE, GAUSSIAN, AE, "style"),
                "functions is a Model",
                "expected an Autoencoder",
            ),
            "a code that is there": (
                lambda: games.code_game("judge", JUDGE, GAUSSIAN, FUNCTIONS, "stile"),
                "code is 'stile'",
                "Did you mean 'style'?",
            ),
            "one score a row": (
                lambda: of_judge(ENCODER).discriminate({"judge": params(AE)["encoder"]}, IMAGE, BATCH),
                "output has shape (3, 2)",
                "expected [B, 1]",
            ),
        },
    ),
    *cases(
        "games.code_games",
        {
            "a judge for each code": (
                lambda: games.code_games({"style": JUDGE}, PRIORS, FUNCTIONS),
                "discriminators for ['style']",
                "one of each for every code",
            )
        },
    ),
    *cases(
        "games.image_game",
        {
            "a discriminator": (lambda: games.image_game("judge", 3, len), "discriminator is 3", "expected a Network"),
            "a sample": (lambda: games.image_game("judge", JUDGE, 3), "sample is 3", "expected a function"),
        },
    ),
    *cases(
        "games.noisy",
        {
            "a game": (lambda: games.noisy(JUDGE, 0.1), "game is a Network", "expected a Game"),
            "noise >= 0": (lambda: games.noisy(of_judge(JUDGE), -1), "instance_noise_std is -1", "≥ 0"),
        },
    ),
    *cases(
        "games.label_conditioned_game",
        {
            "classes >= 1": (
                lambda: games.label_conditioned_game("judge", JUDGE, GAUSSIAN, FUNCTIONS, "style", 0),
                "num_classes is 0",
                "integer ≥ 1",
            )
        },
    ),
    *cases(
        "wiring.one_hot",
        {
            "a list of labels": (lambda: wiring.one_hot(jnp.zeros((), int), 3), "label must be [B]", "shape ()"),
            "labels whole": (lambda: wiring.one_hot(THREE, 3), "label are float32", "integers"),
            "classes >= 1": (lambda: wiring.one_hot(LABEL, 0), "num_classes is 0", "integer ≥ 1"),
        },
    ),
    *cases("games.scores", {"one score a row": (lambda: games.scores(IMAGE), "(3, 4)", "expected [B, 1]")}),
    *cases("wiring.unconditional", {"a prior": (lambda: wiring.unconditional(2), "prior is 2", "expected a Prior")}),
    *cases(
        "wiring.prior_sampler",
        {"priors": (lambda: wiring.prior_sampler({"style": 2}, len), "prior of style is 2", "expected a Prior")},
    ),
    *cases(
        "wiring.drawing_classes",
        {
            "something to sample": (lambda: wiring.drawing_classes(AE, 3), "has no sample", "priors and a decoder"),
            "classes >= 1": (lambda: wiring.drawing_classes(AAE, 0), "num_classes is 0", "integer ≥ 1"),
        },
    ),
    *cases(
        "wiring.bind",
        {
            "an autoencoder": (lambda: wiring.bind(AE, []), "functions is a Model", "expected an Autoencoder"),
            "phases": (lambda: wiring.bind(FUNCTIONS, ["nll"]), "phase is 'nll'", "expected a Phase"),
            "games": (lambda: wiring.bind(FUNCTIONS, [], games=("chess",)), "game is 'chess'", "expected a Game"),
            "a judge by name": (
                lambda: wiring.bind(FUNCTIONS, [], games=(of_judge(JUDGE),), discriminators={"judges": JUDGE}),
                "network is 'judge'",
                "Did you mean 'judges'?",
            ),
        },
    ),
]


def variant(name, *parts, **options):
    """A variant with one part or option in place of a good one."""
    make = getattr(models, name)
    return lambda: make(*parts, **options)


ONE = {"prior": GAUSSIAN, "likelihood": BERNOULLI}
TWO = {"priors": PRIORS, "likelihood": BERNOULLI}
MODEL_CASES = [
    *cases(
        "models.ae",
        {
            "encoder a network": (
                variant("ae", None, DECODER, code_size=2, likelihood=BERNOULLI),
                "encoder is None",
                "N",
            ),
            "code size >= 1": (variant("ae", ENCODER, DECODER, code_size=0, likelihood=BERNOULLI), "size is 0", "≥ 1"),
            "a likelihood": (
                variant("ae", ENCODER, DECODER, code_size=2, likelihood="bernoulli"),
                "likelihood is 'bernoulli'",
                "expected a Likelihood",
            ),
        },
    ),
    *cases(
        "models.ae(...).encode",
        {
            "as long as the heads": (
                lambda: models.ae(ENCODER, DECODER, code_size=3, likelihood=BERNOULLI).encode(params(AE), KEYS, IMAGE),
                "output has shape (3, 2)",
                "expected [B, 3]",
            ),
            "images of the size": (lambda: AE.encode(params(AE), KEYS, IMAGE[:, 1:]), "shape (3, 3)", "[B, 4]"),
            "no bytes": (lambda: AE.encode(params(AE), KEYS, IMAGE.astype(np.uint8)), "image is uint8", "divided by"),
        },
    ),
    *cases(
        "models.ae(...).encode_mean",
        {"no bytes": (lambda: AE.encode_mean(params(AE), IMAGE.astype(np.uint8)), "image is uint8", "divided by")},
    ),
    *cases(
        "models.ae(...).decode",
        {
            "all codes": (
                lambda: AE.decode(params(AE), {"category": IMAGE}, LABEL),
                "codes has ['category']",
                "'style'",
            ),
            "a label each": (
                lambda: AE.decode(params(AE), {"style": IMAGE[:, :2]}, LABEL[:1]),
                "label has 1 rows",
                "as many as style, 3",
            ),
        },
    ),
    *cases(
        "models.ae(...).nll",
        {
            "images as decoded": (
                lambda: AE.nll(params(AE), {"style": IMAGE[:, :2]}, IMAGE[:, :3], LABEL),
                "(4,)",
                "(3,)",
                "expected the same",
            ),
            "no bytes": (
                lambda: AE.nll(params(AE), {"style": IMAGE[:, :2]}, IMAGE.astype(np.uint8), LABEL),
                "image is uint8",
                "divided by 255",
            ),
        },
    ),
    *cases(
        "models.vae",
        {
            "a density": (
                variant("vae", ENCODER, DECODER, prior=priors.swiss_roll(), likelihood=BERNOULLI),
                "neither a closed-form kl nor a log_density",
                "expected one of them",
            ),
            "a prior": (
                variant("vae", ENCODER, DECODER, prior=None, likelihood=BERNOULLI),
                "prior is None",
                "a Prior",
            ),
        },
    ),
    *cases(
        "models.aae",
        {
            "a prior": (
                variant("aae", ENCODER, DECODER, JUDGE, prior="gaussian", likelihood=BERNOULLI),
                "prior is 'gaussian'",
                "expected a Prior",
            ),
            "discriminator a network": (variant("aae", ENCODER, DECODER, 1, **ONE), "discriminator is 1", "a Network"),
            "noise size >= 0": (
                variant("aae", ENCODER, DECODER, JUDGE, noise_size=-2, **ONE),
                "noise_size is -2",
                "integer ≥ 0",
            ),
            "a head": (variant("aae", ENCODER, DECODER, JUDGE, head=2, **ONE), "head of style is 2", "a Head"),
            "generator loss a function": (
                variant("aae", ENCODER, DECODER, JUDGE, generator_loss="minimax", **ONE),
                "generator_loss is 'minimax'",
                "a function",
            ),
        },
    ),
    *cases(
        "models.aae(...).sample",
        {
            "a label each": (
                lambda: AAE.sample(params(AAE), KEYS, LABEL[:2]),
                "label has 2 rows",
                "as many as keys, 3",
            ),
            "labels whole": (lambda: AAE.sample(params(AAE), KEYS, THREE), "label are float32", "integers"),
        },
    ),
    *cases(
        "models.gan",
        {
            "decoder a network": (variant("gan", "net", JUDGE, **ONE), "decoder is 'net'", "expected a Network"),
            "discriminator a network": (variant("gan", DECODER, "net", **ONE), "discriminator is 'net'", "a Network"),
            "a prior": (variant("gan", DECODER, JUDGE, prior=9, likelihood=BERNOULLI), "prior is 9", "a Prior"),
            "a likelihood": (
                variant("gan", DECODER, JUDGE, prior=GAUSSIAN, likelihood=9),
                "likelihood is 9",
                "a Like",
            ),
            "noise >= 0": (
                variant("gan", DECODER, JUDGE, instance_noise_std=-1, **ONE),
                "instance_noise_std is -1",
                "≥ 0",
            ),
        },
    ),
    *cases(
        "models.gan(...) discriminator phase",
        {
            "images of the size": (
                lambda: loss_of(GAN, "discriminator", Batch(IMAGE[:, :3], IMAGE[:, :3], LABEL)),
                "shape (3, 3)",
                "expected [B, 4]",
            )
        },
    ),
    *cases("models.classifier", {"classes >= 1": (variant("classifier", ENCODER, num_classes=0), "size is 0", "≥ 1")}),
    *cases(
        "models.label_conditioned_aae",
        {
            "classes >= 1": (
                variant("label_conditioned_aae", ENCODER, DECODER, JUDGE, num_classes=0, **ONE),
                "num_classes is 0",
                "integer ≥ 1",
            ),
            "a prior": (
                variant(
                    "label_conditioned_aae", ENCODER, DECODER, JUDGE, prior=1, num_classes=3, likelihood=BERNOULLI
                ),
                "prior is 1",
                "expected a Prior",
            ),
            "noise >= 0": (
                variant("label_conditioned_aae", ENCODER, DECODER, JUDGE, num_classes=3, instance_noise_std=-1, **ONE),
                "instance_noise_std is -1",
                "≥ 0",
            ),
        },
    ),
    *cases(
        "models.supervised_aae",
        {
            "classes >= 1": (
                variant("supervised_aae", ENCODER, TWO_DECODER, JUDGE, num_classes=0, **ONE),
                "num_classes is 0",
                "integer ≥ 1",
            ),
            "a prior": (
                variant("supervised_aae", ENCODER, TWO_DECODER, JUDGE, prior=1, num_classes=3, likelihood=BERNOULLI),
                "prior is 1",
                "expected a Prior",
            ),
        },
    ),
    *cases(
        "models.label_conditioned_supervised_aae",
        {
            "classes >= 1": (
                variant("label_conditioned_supervised_aae", ENCODER, TWO_DECODER, JUDGE, num_classes=0, **ONE),
                "num_classes is 0",
                "integer ≥ 1",
            ),
        },
    ),
    *cases(
        "models.supervised_aae(...).decode",
        {
            "labels whole": (
                lambda: SUPERVISED.decode(params(SUPERVISED), {"style": IMAGE[:, :2]}, THREE),
                "label are float32",
                "integers",
            )
        },
    ),
    *(
        case
        for name in ("semi_supervised_aae", "clustering_aae")
        for case in cases(
            f"models.{name}",
            {
                "two priors": (
                    variant(name, TWO_ENCODER, TWO_DECODER, JUDGES, priors={"style": GAUSSIAN}, likelihood=BERNOULLI),
                    "priors for ['style']",
                    "expected 'style' and 'category'",
                ),
                "two judges": (
                    variant(name, TWO_ENCODER, TWO_DECODER, {"style": JUDGE}, **TWO),
                    "discriminators for ['style']",
                    "one of each for every code",
                ),
                "priors are priors": (
                    variant(
                        name, TWO_ENCODER, TWO_DECODER, JUDGES, priors={**PRIORS, "category": 3}, likelihood=BERNOULLI
                    ),
                    "prior of category is 3",
                    "expected a Prior",
                ),
            },
        )
    ),
    *(
        case
        for name in ("dimension_reduction_aae", "semi_supervised_dimension_reduction_aae")
        for case in cases(
            f"models.{name}",
            {
                "eta > 0": (
                    variant(name, TWO_ENCODER, DECODER, JUDGES, HEADS, eta=0.0, **TWO),
                    "eta is 0.0",
                    "distance above 0",
                ),
                "cluster heads a network": (
                    variant(name, TWO_ENCODER, DECODER, JUDGES, np.eye(3), eta=1.0, **TWO),
                    "cluster_heads is",
                    "expected a Network",
                ),
            },
        )
    ),
    *cases(
        "models.smoothed",
        {
            "a model": (lambda: models.smoothed("classifier", 1.0), "model is 'classifier'", "expected a Model"),
            "codes": (lambda: models.smoothed(GAN, 1.0), "no encode_mean", "expected one whose codes"),
            "radius > 0": (lambda: models.smoothed(REDUCTION, 0.0), "radius is 0.0", "a length above 0"),
            "a category": (
                lambda: loss_of(models.smoothed(AAE, 1.0), "smoothness", BATCH),
                "codes are ['style']",
                "expected a category",
            ),
        },
    ),
    *cases(
        "models.invariant",
        {
            "a model": (lambda: models.invariant(3, corruption.identity()), "model is 3", "expected a Model"),
            "codes": (lambda: models.invariant(GAN, corruption.identity()), "no encode_mean", "expected one whose"),
            "view a function": (lambda: models.invariant(REDUCTION, 1.0), "view is 1.0", "a function"),
            "a category": (
                lambda: loss_of(models.invariant(AAE, corruption.identity()), "invariance", BATCH),
                "codes are ['style']",
                "expected a category",
            ),
        },
    ),
    *cases(
        "models.representation",
        {
            "cluster heads": (
                lambda: models.representation(AAE, params(AAE), {"style": ONES}),
                "networks are ['decoder', 'discriminator', 'encoder']",
                "expected cluster_heads among them",
            ),
            "both codes": (
                lambda: models.representation(REDUCTION, params(REDUCTION), {"style": ONES}),
                "codes has ['style']",
                "expected style and category",
            ),
        },
    ),
    *cases(
        "adapters.population_moments",
        {
            "batches >= 1": (
                lambda: adapters.population_moments(AE, params(AE), lambda index: BATCH, 0),
                "num_batches is 0",
                "integer ≥ 1",
            ),
            "batch a function": (
                lambda: adapters.population_moments(AE, params(AE), BATCH, 1),
                "batch is",
                "expected a function index -> batch",
            ),
            "all networks": (
                lambda: adapters.population_moments(AE, {"encoder": {}}, lambda index: BATCH, 1),
                "params has ['encoder']",
                "['decoder'] is missing",
            ),
            "a model": (
                lambda: adapters.population_moments(None, {}, lambda index: BATCH, 1),
                "model is None",
                "expected a Model",
            ),
        },
    ),
    *cases(
        "adapters.continued",
        {
            "a model": (lambda: adapters.continued(None, {}), "model is None", "expected a Model"),
            "all networks": (
                lambda: adapters.continued(AE, {"decoder": {}}),
                "params has ['decoder']",
                "['encoder'] is missing",
            ),
        },
    ),
    *cases(
        "adapters.standardized",
        {
            "one length": (lambda: adapters.standardized(AE, THREE, ONES), "(3,) and scale (2,)", "expected [C]"),
            "scale > 0": (lambda: adapters.standardized(AE, ONES, jnp.zeros(2)), "scale is", "positive numbers"),
            "shift finite": (lambda: adapters.standardized(AE, ONES * jnp.nan, ONES), "shift is", "finite numbers"),
        },
    ),
    *cases(
        "certificates.certificate",
        {
            "games in a list": (
                lambda: certificates.certificate(AAE.games[0], {}, Keys(KEYS, KEYS), BATCH),
                "games is one Game, of 'discriminator'",
                "model.games",
            ),
            "games are games": (
                lambda: certificates.certificate(["chess"], {}, Keys(KEYS, KEYS), BATCH),
                "A game is 'chess'",
                "expected a Game",
            ),
            "keys of view and draw": (
                lambda: certificates.certificate(AAE.games, params(AAE), KEYS, BATCH),
                "keys is",
                "expected a Keys",
            ),
            "a key each": (
                lambda: certificates.certificate(AAE.games, params(AAE), Keys(KEYS, KEYS[:2]), BATCH),
                "draw has 2 rows",
                "as many as view, 3",
            ),
            "rows >= 2": (
                lambda: certificates.certificate(
                    AAE.games, params(AAE), Keys(KEYS[:1], KEYS[:1]), Batch(IMAGE[:1], IMAGE[:1], LABEL[:1])
                ),
                "real_score has shape (1,)",
                "at least 2 scores",
            ),
        },
    ),
    *cases(
        "parallel.num_usable_devices",
        {
            "batch >= 1": (lambda: parallel.num_usable_devices(0), "batch_size is 0", "integer ≥ 1"),
            "devices that are there": (lambda: parallel.num_usable_devices(64, 64), "64 devices", "this machine has"),
            "devices >= 1": (lambda: parallel.num_usable_devices(10, 0), "0 devices", "this machine has"),
            "devices that divide": (
                lambda: parallel.num_usable_devices(10, 4),
                "10 cannot be shared by 4",
                "8 and 12",
            ),
        },
    ),
    *cases(
        "parallel.layout",
        {
            "seeds >= 0": (lambda: parallel.layout(10, -1), "num_seeds is -1", "integer ≥ 0"),
            "devices that are there": (lambda: parallel.layout(64, 3, 64), "64 devices", "this machine has"),
        },
    ),
    *cases(
        "hosts.join",
        {
            "a port": (lambda: hosts.join("here", 2, 0), "coordinator is 'here'", "HOST:PORT"),
            "process < processes": (lambda: hosts.join("here:1", 2, 2), "2 processes", "this is number 2"),
            "how many processes": (lambda: hosts.join("here:1", None, 0), "None processes", "a number from 0"),
            "auto numbers them": (lambda: hosts.join("auto", 2, 0), "'auto'", "leave both numbers out"),
        },
    ),
]

CASES = [*PRIOR_CASES, *LOSS_CASES, *HEAD_CASES, *NETWORK_CASES, *PHASE_CASES, *WIRING_CASES, *MODEL_CASES]
