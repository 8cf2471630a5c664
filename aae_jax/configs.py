"""Models by name: a config that can be written down as JSON, and the model that it means.

A run folder holds one, so that `load` gives back a trained model without the script that trained it.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from aae_jax import adapters, heads, likelihoods, losses, models, networks, priors, runs
from aae_jax.checkpoints import checkpoints
from aae_jax.types import Batch, Head, Likelihood, Model, Network, Params, Prior

__all__ = ["ModelConfig", "build", "build_likelihood", "build_prior", "load", "save"]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A model by name."""

    variant: Literal["classifier", "ae", "vae", "gan", "aae"]
    """What is wired to what: `aae_jax.models`."""
    image_shape: tuple[int, ...]
    """(height, width, channels), or (columns,) of a table."""
    num_classes: int = 0
    """Classes of the labels; 0 where there are none."""
    prior: Literal["gaussian", "gaussian_mixture", "swiss_roll", "uniform_box"] = "gaussian"
    """The distribution that codes are to fill."""
    prior_std: float = 1.0
    """Standard deviation of the Gaussian prior."""
    code_size: int = 2
    """Numbers in a code; mixture and swiss roll have 2."""
    posterior: Literal["deterministic", "gaussian", "universal"] = "deterministic"
    """The AAE's q(z given x): a point, a Gaussian, or any distribution by noise as an input of the encoder."""
    noise_size: int = 10
    """Numbers of noise that the universal approximator reads."""
    generator_loss: Literal["non_saturating", "minimax"] = "non_saturating"
    """What the generator minimizes: −log D(fake), or log(1 − D(fake))."""
    network: Literal["mlp", "convolutional"] = "mlp"
    """Encoder and decoder; discriminators of codes are always multilayer perceptrons."""
    hidden_sizes: tuple[int, ...] = (1000, 1000)
    """Widths of the hidden layers."""
    weight_std: float | None = 0.01
    """Initial weights from N(0, weight_std²); He initialization where None."""
    batch_norm: Literal["none", "hidden", "all"] = "none"
    """Which layers of encoder and decoder are normalized over the batch."""
    likelihood: Literal["bernoulli", "gaussian", "half_squared_error"] = "bernoulli"
    """p(x given z)."""
    likelihood_std: float = 1.0
    """Standard deviation of the Gaussian likelihood."""
    shift: tuple[float, ...] | None = None
    """Of a table: the means of its columns over the training split; None for images."""
    scale: tuple[float, ...] | None = None
    """Of a table: the standard deviations of its columns over the training split; None for images."""

    def __post_init__(self) -> None:
        if self.code_size < 1:
            raise ValueError(f"code_size is {self.code_size}; expected at least 1.")
        if self.prior in ("gaussian_mixture", "swiss_roll") and self.code_size != 2:
            raise ValueError(f"The prior {self.prior} is two-dimensional; code_size is {self.code_size}, expected 2.")
        if self.variant == "classifier" and self.num_classes < 2:
            raise ValueError(f"A classifier needs at least 2 classes; the data have {self.num_classes}.")
        if self.variant == "vae" and self.prior in ("swiss_roll", "uniform_box"):
            raise ValueError(
                f"A VAE needs a prior with a density everywhere; {self.prior} has none. Take gaussian or "
                "gaussian_mixture, or an AAE, which needs samples alone."
            )


_GENERATOR_LOSSES = {
    "non_saturating": losses.non_saturating_generator_loss,
    "minimax": losses.minimax_generator_loss,
}


def build_prior(config: ModelConfig) -> Prior:
    """The config's prior."""
    match config.prior:
        case "gaussian":
            return priors.gaussian(config.code_size, std=config.prior_std)
        case "gaussian_mixture":
            return priors.gaussian_mixture()
        case "swiss_roll":
            return priors.swiss_roll()
        case "uniform_box":
            return priors.uniform_box(config.code_size)


def build_likelihood(config: ModelConfig) -> Likelihood:
    """The config's likelihood."""
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
        axis_name: of the mapped axis over which batches are sharded; for batch norm.
        in_data_units: of a table: take and give rows as they are in the data, rather than standardized. Images
            are the same either way.
    """
    prior, likelihood = build_prior(config), build_likelihood(config)
    initializer = networks.he() if config.weight_std is None else networks.normal(config.weight_std)
    options: dict[str, Any] = {"initializer": initializer}
    normalized: dict[str, Any] = {**options, "batch_norm": config.batch_norm, "axis_name": axis_name}

    def encoder(output_size: int, noise_size: int = 0) -> Network:
        noise_sizes = [noise_size] if noise_size else []
        if config.network == "convolutional":
            return networks.convolutional_encoder(
                config.image_shape, output_size, other_sizes=noise_sizes, **normalized
            )
        sizes = [math.prod(config.image_shape), *noise_sizes]
        return networks.mlp(sizes, config.hidden_sizes, output_size, **normalized)

    def decoder() -> Network:
        if config.network == "convolutional":
            return networks.convolutional_decoder([prior.size], config.image_shape, **normalized)
        return networks.mlp([prior.size], config.hidden_sizes, config.image_shape, **normalized)

    def discriminator(input_size: int) -> Network:
        # Never normalized: with batch norm in it, a discriminator stays at chance.
        return networks.mlp([input_size], config.hidden_sizes, 1, **options)

    match config.variant:
        case "classifier":
            model = models.classifier(encoder(config.num_classes), num_classes=config.num_classes)
        case "ae":
            model = models.ae(encoder(prior.size), decoder(), code_size=prior.size, likelihood=likelihood)
        case "vae":
            model = models.vae(encoder(2 * prior.size), decoder(), prior=prior, likelihood=likelihood)
        case "gan":
            model = models.gan(
                decoder(),
                discriminator(math.prod(config.image_shape)),
                prior=prior,
                likelihood=likelihood,
                generator_loss=_GENERATOR_LOSSES[config.generator_loss],
            )
        case "aae":
            head, noise_size = _posterior(config, prior.size)
            model = models.aae(
                encoder(head.size, noise_size),
                decoder(),
                discriminator(prior.size),
                prior=prior,
                likelihood=likelihood,
                head=head,
                noise_size=noise_size,
                generator_loss=_GENERATOR_LOSSES[config.generator_loss],
            )
    if in_data_units and config.shift is not None and config.scale is not None:
        return adapters.standardized(model, jnp.array(config.shift), jnp.array(config.scale))
    return model


def _posterior(config: ModelConfig, size: int) -> tuple[Head, int]:
    """The AAE's head, and how much noise its encoder reads."""
    match config.posterior:
        case "deterministic":
            return heads.deterministic(size), 0
        case "gaussian":
            return heads.gaussian(size), 0
        case "universal":
            return heads.deterministic(size), config.noise_size


def save(folder: Path | str, params: Params) -> None:
    """Writes the parameters that `load` gives back: those to evaluate with, after training."""
    with checkpoints(Path(folder) / "params") as saved:
        saved.save(0, params)


def load(folder: Path | str) -> tuple[Model, Params, ModelConfig]:
    """A trained model from its run folder.

    Args:
        folder: of one training, which holds `config.json` and `params`.

    Returns:
        The model (for a table: in the data's own units), its parameters and its config.

    Raises:
        FileNotFoundError: if there is no finished run in the folder.
        ValueError: if what is there is damaged, or names a field that is unknown.
    """
    folder = Path(folder)
    config = _from_json(runs.read_json(folder / "config.json"), folder)
    model = build(config, in_data_units=True)
    if not (folder / "params").is_dir():
        raise FileNotFoundError(f"There are no parameters in {folder}: the run is not finished; go on with --resume.")
    like = jax.eval_shape(lambda key: _evaluation_params(model, config, key), jax.random.key(0))
    with checkpoints(folder / "params") as saved:
        restored = saved.restore(like)
    if restored is None:
        raise FileNotFoundError(f"There are no parameters in {folder / 'params'}.")
    return model, restored[1], config


def _evaluation_params(model: Model, config: ModelConfig, key: jax.Array) -> Params:
    """Parameters of the structure that training leaves, moments of batch norm included."""
    params = {name: network.init(key) for name, network in model.networks.items()}
    image = jnp.zeros((1, *config.image_shape))
    batch = Batch(image, image, jnp.zeros(1, jnp.int32))
    return adapters.population_moments(model, params, lambda index: batch, 1)


def _from_json(value: Any, folder: Path) -> ModelConfig:
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    settings = value.get("model") if isinstance(value, dict) else None
    if not isinstance(settings, dict) or not set(settings) <= fields:
        unknown = sorted(set(settings or ()) - fields)
        raise ValueError(
            f"{folder / 'config.json'} does not describe a model"
            + (f": unknown fields {unknown}." if unknown else ": it has no 'model'.")
        )
    plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}
    return ModelConfig(**plain)
