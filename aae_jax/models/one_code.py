"""Variants with one code, or none: the autoencoders and their adversarial kin, the GAN, the plain classifier."""

import jax
import jax.numpy as jnp

from aae_jax import heads as heads_
from aae_jax import losses
from aae_jax.checks import check_instance
from aae_jax.games import code_game, image_game, label_conditioned_game, noisy
from aae_jax.keys import IMPLEMENTATION, derive, row_keys
from aae_jax.phases import GeneratorLoss, classification, reconstruction, regularization
from aae_jax.types import Batch, Codes, Game, Head, Keys, Likelihood, Model, Network, Params, Prior
from aae_jax.wiring import (
    Autoencoder,
    autoencoder,
    bind,
    drawing_classes,
    one_hot,
    prior_sampler,
    unconditional,
)

__all__ = [
    "aae",
    "ae",
    "classifier",
    "gan",
    "label_conditioned_aae",
    "label_conditioned_supervised_aae",
    "supervised_aae",
    "vae",
]

_NUM_CODES = 1000
"""Draws of the prior that give the moments of a GAN's normalized generator, which no image has a part in."""


def ae(encoder: Network, decoder: Network, *, code_size: int, likelihood: Likelihood) -> Model:
    """The plain autoencoder: nothing asks its codes to fill anything, so there is nothing to sample from.

    Args:
        encoder: `image -> [B, code_size]`.
        decoder: `code [B, code_size] -> raw [B, ...]`, shaped as images.
        code_size: Z.
        likelihood: reads the decoder's raw output.
    """
    functions = autoencoder(encoder, decoder, {"style": heads_.deterministic(code_size)}, likelihood)
    return bind(functions, (reconstruction(functions.terms, functions.trains),))


def vae(encoder: Network, decoder: Network, *, prior: Prior, likelihood: Likelihood) -> Model:
    """The variational autoencoder: a Gaussian posterior, charged its KL to the prior.

    Args:
        encoder: `image -> [B, 2 Z]`, mean and log-variance.
        decoder: `code [B, Z] -> raw [B, ...]`, shaped as images.
        prior: with a closed-form `kl`, or else with a `log_density`, from which the KL is estimated by one sample.
        likelihood: reads the decoder's raw output.

    Raises:
        ValueError: if the prior has neither.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014. Makhzani et al., 2016, section 2.1, compare
        with it under a mixture.
    """
    check_instance("prior", prior, Prior, "aae_jax.priors")
    functions = autoencoder(encoder, decoder, {"style": heads_.gaussian(prior.size)}, likelihood)
    divergence = heads_.posterior_kl(prior)

    def terms(params: Params, keys: Keys, batch: Batch) -> dict[str, jax.Array]:
        assert functions.nll is not None, "a VAE has a decoder"
        raw = functions.raw_codes(params, keys.view, batch.input)
        codes = functions.heads_sample(keys.view, raw)
        nll = functions.nll(params, codes, batch.image, batch.label)
        return {"nll": nll, "kl": jax.vmap(divergence)(raw["style"], codes["style"])}

    return bind(functions, (reconstruction(terms, functions.trains),), priors={"style": prior})


def aae(
    encoder: Network,
    decoder: Network,
    discriminator: Network,
    *,
    prior: Prior,
    likelihood: Likelihood,
    head: Head | None = None,
    noise_size: int = 0,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> Model:
    """The adversarial autoencoder: codes (fake) play against samples of the prior (real).

    Args:
        encoder: `image -> [B, head.size]`; `(image, noise [B, noise_size])` where `noise_size` is not 0.
        decoder: `code [B, Z] -> raw [B, ...]`, shaped as images.
        discriminator: `code [B, Z] -> [B, 1]` logits, high = real.
        prior: any distribution that can be sampled.
        likelihood: reads the decoder's raw output.
        head: q(z given x); deterministic, as in all of the paper's results, where None.
        noise_size: numbers of standard normal noise that the encoder reads: the universal approximator posterior.
        generator_loss: `losses.non_saturating_generator_loss` or `losses.minimax_generator_loss`.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, section 2.
    """
    check_instance("prior", prior, Prior, "aae_jax.priors")
    head = head or heads_.deterministic(prior.size)
    functions = autoencoder(encoder, decoder, {"style": head}, likelihood, noise_size=noise_size)
    game = code_game("discriminator", discriminator, prior, functions, "style")
    return _with_game(functions, game, discriminator, prior, generator_loss)


def _with_game(
    functions: Autoencoder, game: Game, discriminator: Network, prior: Prior, generator_loss: GeneratorLoss
) -> Model:
    """An autoencoder that reconstructs, then plays one game on its style."""
    phases = (
        reconstruction(functions.terms, functions.trains),
        *regularization((game,), ("encoder",), generator_loss=generator_loss),
    )
    networks = {game.network: discriminator}
    return bind(functions, phases, priors={"style": prior}, games=(game,), discriminators=networks)


def gan(
    decoder: Network,
    discriminator: Network,
    *,
    prior: Prior,
    likelihood: Likelihood,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
    instance_noise_std: float = 0.0,
) -> Model:
    """The generative adversarial network: decoded noise (fake) plays against images (real).

    Args:
        decoder: `code [B, Z] -> raw [B, ...]`, the generator.
        discriminator: `image -> [B, 1]` logits, high = real.
        prior: the distribution of the noise.
        likelihood: its `mean` maps the decoder's raw output to images.
        generator_loss: `losses.non_saturating_generator_loss` or `losses.minimax_generator_loss`.
        instance_noise_std: on all that the discriminator sees, in the images' units, see `games.noisy`.

    Raises:
        ValueError: for a part that is not what it is called, or a negative `instance_noise_std`.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014.
    """
    for name, network in (("decoder", decoder), ("discriminator", discriminator)):
        check_instance(name, network, Network, "aae_jax.networks")
    check_instance("prior", prior, Prior, "aae_jax.priors")
    check_instance("likelihood", likelihood, Likelihood, "aae_jax.likelihoods")

    def decode(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        del label
        return jax.vmap(likelihood.mean)(decoder.apply(params["decoder"], codes["style"]))

    def some_codes(params: Params, index: jax.Array | int, batch: Batch) -> tuple[jax.Array, ...]:
        del params, batch
        keys = derive(row_keys(jax.random.key(0, impl=IMPLEMENTATION), index, _NUM_CODES), "moments")
        return (jax.vmap(prior.sample)(keys, jnp.full(_NUM_CODES, -1)),)

    sample = prior_sampler({"style": prior}, decode)
    # In the game fakes are of the whole prior, whatever the images' labels.
    fakes = prior_sampler({"style": unconditional(prior)}, decode)
    game = noisy(image_game("discriminator", discriminator, fakes), instance_noise_std)
    return Model(
        networks={"decoder": decoder, "discriminator": discriminator},
        phases=regularization((game,), ("decoder",), generator_loss=generator_loss),
        games=(game,),
        inputs={"decoder": some_codes},
        decode=decode,
        sample=sample,
    )


def classifier(encoder: Network, *, num_classes: int) -> Model:
    """The plain supervised network: the baseline of Table 2, and the judge of realism. Its code is a "category".

    Where labeled rows are set apart (`batch.labeled`), it learns from them alone, else from all.

    Args:
        encoder: `image -> [B, num_classes]` logits.
        num_classes: K.
    """
    functions = autoencoder(encoder, None, {"category": heads_.categorical(num_classes)}, None)
    return bind(functions, (classification(functions.logits, functions.trains, rows=_with_labels),))


def _with_labels(batch: Batch) -> Batch:
    return batch if batch.labeled is None else batch.labeled


def label_conditioned_aae(
    encoder: Network,
    decoder: Network,
    discriminator: Network,
    *,
    prior: Prior,
    num_classes: int,
    likelihood: Likelihood,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
    instance_noise_std: float = 0.0,
) -> Model:
    """The AAE whose classes each fill their own part of the prior: the discriminator is told the label.

    Real samples of a labeled row come from its class's part, those of an unlabeled row (label −1) from the whole
    prior. Encoder and decoder never see a label.

    Args:
        encoder: `image -> [B, Z]`.
        decoder: `code [B, Z] -> raw [B, ...]`, shaped as images.
        discriminator: `(code [B, Z], class [B, num_classes + 1]) -> [B, 1]` logits, high = real. The class is
            one-hot; its last entry means "unlabeled".
        prior: its samples depend on the label: `priors.gaussian_mixture`, `priors.swiss_roll`.
        num_classes: K.
        likelihood: reads the decoder's raw output.
        generator_loss: see `aae`.
        instance_noise_std: on all that the discriminator sees, in the codes' units, see `games.noisy`.

    Raises:
        ValueError: for a part that is not what it is called, or a negative `instance_noise_std`.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figures 3 and 4.
    """
    check_instance("prior", prior, Prior, "aae_jax.priors")
    functions = autoencoder(encoder, decoder, {"style": heads_.deterministic(prior.size)}, likelihood)
    game = label_conditioned_game("discriminator", discriminator, prior, functions, "style", num_classes)
    return _with_game(functions, noisy(game, instance_noise_std), discriminator, prior, generator_loss)


def supervised_aae(
    encoder: Network,
    decoder: Network,
    discriminator: Network,
    *,
    prior: Prior,
    num_classes: int,
    likelihood: Likelihood,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> Model:
    """The AAE whose decoder is told the label, so that the code is left with the style.

    A label of −1 is zeros to the decoder, "no class given"; `sample` draws a class in its place.

    Args:
        encoder: `image -> [B, Z]`.
        decoder: `(style [B, Z], class [B, num_classes] one-hot) -> raw [B, ...]`, shaped as images.
        discriminator: `style [B, Z] -> [B, 1]` logits, high = real.
        prior: of the style, the same for all classes.
        num_classes: K.
        likelihood: reads the decoder's raw output.
        generator_loss: see `aae`.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figures 6 and 7.
    """
    functions = _told_class(encoder, decoder, prior, num_classes, likelihood)
    game = code_game("discriminator", discriminator, prior, functions, "style")
    model = _with_game(functions, game, discriminator, unconditional(prior), generator_loss)
    return drawing_classes(model, num_classes)


def label_conditioned_supervised_aae(
    encoder: Network,
    decoder: Network,
    discriminator: Network,
    *,
    prior: Prior,
    num_classes: int,
    likelihood: Likelihood,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> Model:
    """The supervised AAE whose discriminator is told the label too, to free the style of it. Not the paper's.

    In the paper's game the styles of all classes together fill the prior, and each class may keep a part of it to
    itself. Here those of each class are to fill the whole.

    Args:
        encoder: see `supervised_aae`.
        decoder: see there.
        discriminator: `(style [B, Z], class [B, num_classes + 1]) -> [B, 1]` logits, high = real; the class as in
            `games.label_conditioned_game`.
        prior: see `supervised_aae`.
        num_classes: see there.
        likelihood: see there.
        generator_loss: see `aae`.
    """
    functions, whole = _told_class(encoder, decoder, prior, num_classes, likelihood), unconditional(prior)
    game = label_conditioned_game("discriminator", discriminator, whole, functions, "style", num_classes)
    return drawing_classes(_with_game(functions, game, discriminator, whole, generator_loss), num_classes)


def _told_class(
    encoder: Network, decoder: Network, prior: Prior, num_classes: int, likelihood: Likelihood
) -> Autoencoder:
    """An autoencoder whose decoder reads the style and the class."""
    check_instance("prior", prior, Prior, "aae_jax.priors")

    def decoder_input(params: Params, codes: Codes, label: jax.Array) -> tuple[jax.Array, ...]:
        return codes["style"], one_hot(label, num_classes)

    heads = {"style": heads_.deterministic(prior.size)}
    return autoencoder(encoder, decoder, heads, likelihood, decoder_input=decoder_input)
