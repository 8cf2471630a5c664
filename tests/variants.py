"""One small instance of every variant, for the laws that hold for all of them."""

import functools

import jax
import jax.numpy as jnp
import optax

from aae_jax import ModelConfig, algorithm, build, corruption, heads, likelihoods, models, networks, priors, row_keys
from aae_jax.types import Batch

BATCH_SIZE = 8
SHAPE = (6, 5, 1)
SMALL = {"image_shape": SHAPE, "num_classes": 3, "hidden_sizes": (7,), "weight_std": None}


def convolutional_aae(axis_name=None):
    """Convolutions, batch norm in all layers, a Gaussian posterior."""
    options = {"features": (3,), "hidden_size": 5, "batch_norm": "all", "axis_name": axis_name}
    return models.aae(
        networks.convolutional_encoder(SHAPE, 4, **options),
        networks.convolutional_decoder([2], SHAPE, **options),
        networks.mlp([2], (7,), 1, initializer=networks.he()),
        prior=priors.gaussian(2),
        likelihood=likelihoods.gaussian(0.5),
        head=heads.gaussian(2),
    )


def from_config(variant, **options):
    """The model of a config, as a function of the axis name."""
    config = ModelConfig(variant, SHAPE, num_classes=3, hidden_sizes=(7,), weight_std=None, **options)
    return lambda axis_name=None: build(config, axis_name=axis_name)


VARIANTS = {
    "classifier": from_config("classifier"),
    "ae": from_config("ae"),
    "vae": from_config("vae"),
    "vae, mixture": from_config("vae", prior="gaussian_mixture"),
    "gan": from_config("gan", generator_loss="minimax"),
    "gan, noise, batch norm": from_config("gan", decoder_batch_norm="hidden", instance_noise_std=0.5),
    "aae": from_config("aae", prior="swiss_roll", likelihood="half_squared_error"),
    "aae, isotropic posterior": from_config("aae", prior="gaussian_mixture", posterior="isotropic", posterior_std=0.2),
    "aae, universal posterior": from_config("aae", prior="uniform_box", posterior="universal"),
    "aae, convolutions, batch norm": convolutional_aae,
    "label_conditioned_aae, noise": from_config("label_conditioned_aae", prior="swiss_roll", instance_noise_std=0.3),
    "supervised_aae": from_config("supervised_aae"),
    "label_conditioned_supervised_aae": from_config("label_conditioned_supervised_aae"),
    "semi_supervised_aae, invariant, batch norm": from_config(
        "semi_supervised_aae",
        **{"view_amount": 1.0, "view_cutout": 2, "view_of": "neighbor", "view_balance": 0.5},
        encoder_batch_norm="all",
    ),
    "clustering_aae, smoothed, batch norm": from_config(
        "clustering_aae", num_clusters=4, smoothness_radius=0.5, encoder_batch_norm="all"
    ),
    "dimension_reduction_aae": from_config("dimension_reduction_aae", num_clusters=4),
    "semi_supervised_dimension_reduction_aae": from_config("semi_supervised_dimension_reduction_aae"),
}


def make_algorithm(make_model, axis_name=None, corrupt=None):
    """A model with plain optimizers, under which rounding stays rounding."""
    model = make_model(axis_name)
    optimizers = {phase.name: optax.sgd(0.01, momentum=0.9) for phase in model.phases}
    return algorithm(model, optimizers, corrupt=corrupt, axis_name=axis_name)


CORRUPT = corruption.dropout(0.2)


@functools.cache
def jitted_step(make_model):
    """A step on corrupted inputs, compiled once for all tests."""
    return jax.jit(make_algorithm(make_model, corrupt=CORRUPT).step)


@functools.cache
def initial(make_model, seed=0):
    """A state, made once for all tests."""
    return make_algorithm(make_model).init(jax.random.key(seed))


def make_batch(num_rows=BATCH_SIZE, seed=0):
    """Rows with labels −1, 0, 1 and 2, as many labeled ones, and neighbors."""
    image = jax.random.uniform(jax.random.key(seed), (num_rows, *SHAPE))
    label = jnp.arange(num_rows, dtype=jnp.int32)
    return Batch(image, image, label % 4 - 1, Batch(image, image, label % 3), neighbor=image[::-1])


def make_keys(num_rows=BATCH_SIZE, step=0, first_row=0):
    """The keys of a step of the run with seed 1."""
    return row_keys(jax.random.key(1), step, num_rows, first_row)
