"""Variants that split an image into style and category, with a game on each of the two codes."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from aae_jax import heads as heads_
from aae_jax import losses
from aae_jax.checks import check_instance, check_number
from aae_jax.games import code_games
from aae_jax.phases import GeneratorLoss, classification, reconstruction, regularization
from aae_jax.types import Batch, Codes, Head, Keys, Likelihood, Model, Network, Params, Prior
from aae_jax.wiring import autoencoder, bind, unconditional

__all__ = [
    "clustering_aae",
    "dimension_reduction_aae",
    "representation",
    "semi_supervised_aae",
    "semi_supervised_dimension_reduction_aae",
]


def semi_supervised_aae(
    encoder: Network,
    decoder: Network,
    discriminators: Mapping[str, Network],
    *,
    priors: Mapping[str, Prior],
    likelihood: Likelihood,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> Model:
    """The AAE that splits an image into category and style, and learns what the categories are from `batch.labeled`.

    Each code plays a game of its own; class probabilities are `encode_mean(params, image)["category"]`. Where the
    label is −1, `sample` draws a category.

    Args:
        encoder: `image -> [B, Z + K]`: the style, then the logits of the categories.
        decoder: `(style [B, Z], category [B, K]) -> raw [B, ...]`, shaped as images.
        discriminators: "style" and "category": `code -> [B, 1]` logits, high = real.
        priors: "style", of size Z, and "category", of size K: `priors.categorical`.
        likelihood: reads the decoder's raw output.
        generator_loss: see `aae`.

    Raises:
        ValueError: for other codes than these two.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figure 8, table 2 and appendix A.2.
    """
    functions = autoencoder(encoder, decoder, _style_and_category(priors), likelihood)
    games, networks = code_games(discriminators, priors, functions)
    phases = (
        reconstruction(functions.terms, functions.trains),
        *regularization(games, ("encoder",), generator_loss=generator_loss),
        classification(functions.logits, ("encoder",)),
    )
    return bind(functions, phases, priors=_to_sample(priors), games=games, discriminators=networks)


def clustering_aae(
    encoder: Network,
    decoder: Network,
    discriminators: Mapping[str, Network],
    *,
    priors: Mapping[str, Prior],
    likelihood: Likelihood,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> Model:
    """The semi-supervised AAE without its classification: categories are clusters, found without labels.

    The label that `sample` takes is a cluster. An image of cluster k, the paper's cluster head, is `decode` of the
    style 0 and the one-hot category k.

    Args:
        encoder: see `semi_supervised_aae`; K is here the number of clusters.
        decoder: see there.
        discriminators: see there.
        priors: see there.
        likelihood: see there.
        generator_loss: see `aae`.

    Raises:
        ValueError: for other codes than "style" and "category".

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figure 9, table 3 and appendix A.3.
    """
    model = semi_supervised_aae(
        encoder, decoder, discriminators, priors=priors, likelihood=likelihood, generator_loss=generator_loss
    )
    return _unsupervised(model)


def semi_supervised_dimension_reduction_aae(
    encoder: Network,
    decoder: Network,
    discriminators: Mapping[str, Network],
    cluster_heads: Network,
    *,
    priors: Mapping[str, Prior],
    likelihood: Likelihood,
    eta: float,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> Model:
    """The semi-supervised AAE whose decoder reads one short code, the style around the head of its category.

    That code is `representation`, z + y W. The rows of W, the cluster heads, are learned in the reconstruction phase,
    which charges each pair of them that is closer than `eta` (see `losses.repulsion`). Start them apart.

    Args:
        encoder: `image -> [B, Z + K]`: the style, then the logits of the categories.
        decoder: `representation [B, Z] -> raw [B, ...]`, shaped as images.
        discriminators: "style" and "category": `code -> [B, 1]` logits, high = real.
        cluster_heads: `category [B, K] -> [B, Z]`, linear: `networks.linear`.
        priors: "style", of size Z, and "category", of size K: `priors.categorical`.
        likelihood: reads the decoder's raw output.
        eta: the distance from which a pair of heads is charged nothing.
        generator_loss: see `aae`.

    Raises:
        ValueError: for other codes than "style" and "category".

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figures 10 and 11.
    """
    check_instance("cluster_heads", cluster_heads, Network, "aae_jax.networks.linear")
    check_number("eta", eta, "a distance above 0", above=0)

    def decoder_input(params: Params, codes: Codes, label: jax.Array) -> tuple[jax.Array, ...]:
        return (_around_heads(cluster_heads, params, codes),)

    def terms(params: Params, keys: Keys, batch: Batch) -> dict[str, jax.Array]:
        centers = cluster_heads.apply(params["cluster_heads"], jnp.eye(priors["category"].size))
        return {**functions.terms(params, keys, batch), "repulsion": losses.repulsion(centers, eta)}

    functions = autoencoder(encoder, decoder, _style_and_category(priors), likelihood, decoder_input=decoder_input)
    functions = functions._replace(networks={**functions.networks, "cluster_heads": cluster_heads})
    games, networks = code_games(discriminators, priors, functions)
    phases = (
        reconstruction(terms, functions.trains),
        *regularization(games, ("encoder",), generator_loss=generator_loss),
        classification(functions.logits, ("encoder",)),
    )
    return bind(functions, phases, priors=_to_sample(priors), games=games, discriminators=networks)


def dimension_reduction_aae(
    encoder: Network,
    decoder: Network,
    discriminators: Mapping[str, Network],
    cluster_heads: Network,
    *,
    priors: Mapping[str, Prior],
    likelihood: Likelihood,
    eta: float,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> Model:
    """The dimension reduction without labels: categories are clusters.

    Args:
        encoder: see `semi_supervised_dimension_reduction_aae`; K is here the number of clusters.
        decoder: see there.
        discriminators: see there.
        cluster_heads: see there.
        priors: see there.
        likelihood: see there.
        eta: see there.
        generator_loss: see `aae`.

    Raises:
        ValueError: for other codes than "style" and "category".

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figures 10 and 11.
    """
    model = semi_supervised_dimension_reduction_aae(
        encoder, decoder, discriminators, cluster_heads,
        priors=priors, likelihood=likelihood, eta=eta, generator_loss=generator_loss,
    )  # fmt: skip
    return _unsupervised(model)


def representation(model: Model, params: Params, codes: Codes) -> jax.Array:
    """The code of reduced dimension, z + y W `[B, Z]`: what the decoder reads of style z and category y.

    The cluster heads themselves are those of style 0 and each one-hot category; an image at a point of this space is
    `decode` of that point as the style and a category of zeros.

    Args:
        model: of either dimension-reduction variant.
        params: of its networks.
        codes: from `encode` or `encode_mean`.

    Raises:
        ValueError: for other variants, which have no cluster heads.
    """
    if "cluster_heads" not in model.networks:
        raise ValueError(
            f"The model's networks are {sorted(model.networks)}; expected cluster_heads among them, as in "
            "dimension_reduction_aae. The codes of other variants are their representation."
        )
    if missing := {"style", "category"} - {*codes}:
        raise ValueError(f"codes has {sorted(codes)}; expected style and category, and {sorted(missing)} is missing.")
    return _around_heads(model.networks["cluster_heads"], params, codes)


def _around_heads(cluster_heads: Network, params: Params, codes: Codes) -> jax.Array:
    return codes["style"] + cluster_heads.apply(params["cluster_heads"], codes["category"])


def _style_and_category(priors: Mapping[str, Prior]) -> dict[str, Head]:
    """The two heads of an encoder, in the order in which they read its output."""
    if set(priors) != {"style", "category"}:
        raise ValueError(f"There are priors for {sorted(priors)}; expected 'style' and 'category'.")
    for name, prior in priors.items():
        check_instance(f"The prior of {name}", prior, Prior, "aae_jax.priors")
    style, category = (priors[code].size for code in ("style", "category"))
    return {"style": heads_.deterministic(style), "category": heads_.categorical(category)}


def _to_sample(priors: Mapping[str, Prior]) -> dict[str, Prior]:
    """A label means a category; the style has no part in it."""
    return {"style": unconditional(priors["style"]), "category": priors["category"]}


def _unsupervised(model: Model) -> Model:
    """Without the phase that learns from labels."""
    return model._replace(phases=tuple(phase for phase in model.phases if phase.name != "classification"))
