"""From a config to its model."""

import math
from functools import partial
from operator import attrgetter
from typing import Any

import jax
import numpy as np

from aae_jax import adapters, corruption, heads, likelihoods, losses, models, networks, priors
from aae_jax.checks import check_instance
from aae_jax.configs.model_config import ModelConfig
from aae_jax.types import Head, Likelihood, Model, Network, Prior

__all__ = ["build", "build_likelihood", "build_prior"]

_GENERATOR_LOSSES = {
    "non_saturating": losses.non_saturating_generator_loss,
    "minimax": losses.minimax_generator_loss,
}


def build_prior(config: ModelConfig) -> Prior:
    """The config's prior of codes (of styles, where there are categories too).

    It has ten parts where it has parts, and one for each class where the classes are to fill them.
    """
    check_instance("config", config, ModelConfig, "aae_jax.ModelConfig")
    num_parts = config.num_classes if config.variant == "label_conditioned_aae" else 10
    match config.prior:
        case "gaussian":
            return priors.gaussian(config.code_size, std=config.prior_std)
        case "gaussian_mixture":
            return priors.gaussian_mixture(num_parts)
        case "swiss_roll":
            return priors.swiss_roll(num_parts)
        case "uniform_box":
            return priors.uniform_box(config.code_size)


def build_likelihood(config: ModelConfig) -> Likelihood:
    """The config's likelihood."""
    check_instance("config", config, ModelConfig, "aae_jax.ModelConfig")
    match config.likelihood:
        case "bernoulli":
            return likelihoods.bernoulli()
        case "gaussian":
            return likelihoods.gaussian(config.likelihood_std)
        case "half_squared_error":
            return likelihoods.half_squared_error(jax.nn.sigmoid)


def build(config: ModelConfig, *, axis_name: str | None = None, in_data_units: bool = False) -> Model:
    """The model that a config means.

    Args:
        config: see `ModelConfig`.
        axis_name: of the mapped axis over which batches are sharded; for what is taken over the whole batch.
        in_data_units: take and give rows as they are in the data, rather than standardized. Data that are not
            standardized are the same either way.

    Raises:
        ValueError: if `config` is none.
    """
    check_instance("config", config, ModelConfig, "aae_jax.ModelConfig")
    model = _build(config, axis_name)
    if config.smoothness_radius:
        model = models.smoothed(model, config.smoothness_radius)
    if config.view_amount:
        view = corruption.view(config.view_amount, stretch=config.view_stretch, cutout_size=config.view_cutout)
        viewed, balance = attrgetter(config.view_of), config.view_balance
        model = models.invariant(model, view, viewed=viewed, balance=balance, axis_name=axis_name)
    if in_data_units and config.shift is not None and config.scale is not None:
        return adapters.standardized(model, np.array(config.shift), np.array(config.scale))
    return model


def _build(config: ModelConfig, axis_name: str | None) -> Model:
    prior, likelihood = build_prior(config), build_likelihood(config)
    encoder, decoder = partial(_encoder, config, axis_name), partial(_decoder, config, axis_name)
    discriminator = partial(_discriminator, config)
    noise = config.instance_noise_std
    size, num_classes, num_categories = prior.size, config.num_classes, config.num_clusters or config.num_classes
    game: dict[str, Any] = {"likelihood": likelihood, "generator_loss": _GENERATOR_LOSSES[config.generator_loss]}
    match config.variant:
        case "classifier":
            return models.classifier(encoder(num_classes), num_classes=num_classes)
        case "ae":
            return models.ae(encoder(size), decoder(size), code_size=size, likelihood=likelihood)
        case "vae":
            return models.vae(encoder(2 * size), decoder(size), prior=prior, likelihood=likelihood)
        case "gan":
            pair = decoder(size), discriminator(math.prod(config.image_shape))
            return models.gan(*pair, prior=prior, instance_noise_std=noise, **game)
        case "aae":
            head, noise_size = _posterior(config, size)
            trio = encoder(head.size, noise_size), decoder(size), discriminator(size)
            return models.aae(*trio, prior=prior, head=head, noise_size=noise_size, **game)
        case "label_conditioned_aae":
            trio = encoder(size), decoder(size), discriminator(size, num_classes + 1)
            return models.label_conditioned_aae(
                *trio, prior=prior, num_classes=num_classes, instance_noise_std=noise, **game
            )
        case "supervised_aae":
            trio = encoder(size), decoder(size, num_classes), discriminator(size)
            return models.supervised_aae(*trio, prior=prior, num_classes=num_classes, **game)
        case "label_conditioned_supervised_aae":
            trio = encoder(size), decoder(size, num_classes), discriminator(size, num_classes + 1)
            return models.label_conditioned_supervised_aae(*trio, prior=prior, num_classes=num_classes, **game)
    # Those with a style and categories.
    variant = getattr(models, config.variant)
    game |= {
        "discriminators": {"style": discriminator(size), "category": discriminator(num_categories)},
        "priors": {"style": prior, "category": priors.categorical(num_categories)},
    }
    if config.variant in ("semi_supervised_aae", "clustering_aae"):
        return variant(encoder(size + num_categories), decoder(size, num_categories), **game)
    # Two of them are then about eta apart: from farther away images find no way to a head.
    start = networks.normal(config.eta / math.sqrt(2 * size))
    cluster_heads = networks.linear(num_categories, size, initializer=start)
    pair = encoder(size + num_categories), decoder(size)
    return variant(*pair, cluster_heads=cluster_heads, eta=config.eta, **game)


def _encoder(config: ModelConfig, axis_name: str | None, output_size: int, noise_size: int = 0) -> Network:
    noise_sizes = [noise_size] if noise_size else []
    options = {**_weights(config), "batch_norm": config.encoder_batch_norm, "axis_name": axis_name}
    if config.network == "convolutional":
        return networks.convolutional_encoder(config.image_shape, output_size, other_sizes=noise_sizes, **options)
    return networks.mlp([math.prod(config.image_shape), *noise_sizes], config.hidden_sizes, output_size, **options)


def _decoder(config: ModelConfig, axis_name: str | None, *input_sizes: int) -> Network:
    options = {**_weights(config), "batch_norm": config.decoder_batch_norm, "axis_name": axis_name}
    if config.network == "convolutional":
        return networks.convolutional_decoder(input_sizes, config.image_shape, **options)
    return networks.mlp(input_sizes, config.hidden_sizes, config.image_shape, **options)


def _discriminator(config: ModelConfig, *input_sizes: int) -> Network:
    """Never normalized: with batch norm in it, a discriminator stays at chance."""
    return networks.mlp(input_sizes, config.hidden_sizes, 1, **_weights(config))


def _weights(config: ModelConfig) -> dict[str, Any]:
    initializer = networks.he() if config.weight_std is None else networks.normal(config.weight_std)
    return {"initializer": initializer, "precision": config.precision}


def _posterior(config: ModelConfig, size: int) -> tuple[Head, int]:
    """The AAE's head, and how much noise its encoder reads."""
    match config.posterior:
        case "deterministic":
            return heads.deterministic(size), 0
        case "gaussian":
            return heads.gaussian(size), 0
        case "isotropic":
            return heads.isotropic(size, config.posterior_std), 0
        case "universal":
            return heads.deterministic(size), config.noise_size
