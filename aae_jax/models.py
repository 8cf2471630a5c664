"""The variants: each is a set of networks, wired to phases. To make one of your own, write such a function.

Every network is named as in `Model.networks`: "encoder", "decoder", "discriminator". An encoder's code is called
"style" where it is continuous and "category" where it is a class.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aae_jax import heads as heads_
from aae_jax import losses
from aae_jax.keys import derive
from aae_jax.phases import classification, reconstruction, regularization
from aae_jax.types import Batch, Codes, Game, Head, Keys, Likelihood, Model, Network, Params, Phase, Prior, Tree

__all__ = ["aae", "ae", "classifier", "gan", "population_moments", "standardized", "vae"]

DecoderInput = Callable[[Params, Codes, jax.Array], tuple[jax.Array, ...]]


def ae(encoder: Network, decoder: Network, *, code_size: int, likelihood: Likelihood) -> Model:
    """The plain autoencoder: nothing asks its codes to fill anything, so there is nothing to sample from.

    Args:
        encoder: `image -> [B, code_size]`.
        decoder: `code [B, code_size] -> raw [B, ...]`, shaped as images.
        code_size: Z.
        likelihood: reads the decoder's raw output.
    """
    functions = _autoencoder(encoder, decoder, {"style": heads_.deterministic(code_size)}, likelihood)
    return _model(functions, (reconstruction(functions.phase_nll, functions.trains),))


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
    functions = _autoencoder(encoder, decoder, {"style": heads_.gaussian(prior.size)}, likelihood)
    divergence = heads_.posterior_kl(prior)

    def kl(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        raw = functions.raw_codes(params, keys.view, batch.input)["style"]
        code = functions.encode(params, keys.view, batch.input)["style"]
        return jax.vmap(divergence)(raw, code)

    phase = reconstruction(functions.phase_nll, functions.trains, penalties={"kl": kl})
    return _model(functions, (phase,), priors={"style": prior})


def aae(
    encoder: Network,
    decoder: Network,
    discriminator: Network,
    *,
    prior: Prior,
    likelihood: Likelihood,
    head: Head | None = None,
    noise_size: int = 0,
    generator_loss: Callable[[jax.Array], jax.Array] = losses.non_saturating_generator_loss,
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
    head = head or heads_.deterministic(prior.size)
    functions = _autoencoder(encoder, decoder, {"style": head}, likelihood, noise_size=noise_size)
    game = _code_game("discriminator", discriminator, prior, functions, "style")
    return _model(
        functions,
        (
            reconstruction(functions.phase_nll, functions.trains),
            *regularization((game,), ("encoder",), generator_loss=generator_loss),
        ),
        priors={"style": prior},
        games=(game,),
        discriminators={"discriminator": discriminator},
    )


def gan(
    decoder: Network,
    discriminator: Network,
    *,
    prior: Prior,
    likelihood: Likelihood,
    generator_loss: Callable[[jax.Array], jax.Array] = losses.non_saturating_generator_loss,
) -> Model:
    """The generative adversarial network: decoded noise (fake) plays against images (real).

    Args:
        decoder: `code [B, Z] -> raw [B, ...]`, the generator.
        discriminator: `image -> [B, 1]` logits, high = real.
        prior: the distribution of the noise.
        likelihood: its `mean` maps the decoder's raw output to images.
        generator_loss: `losses.non_saturating_generator_loss` or `losses.minimax_generator_loss`.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014.
    """

    def decode(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        del label
        return jax.vmap(likelihood.mean)(decoder.apply(params["decoder"], codes["style"]))

    sample = _sampler({"style": prior}, decode)
    game = Game(
        network="discriminator",
        real=lambda params, keys, batch: batch.image,
        fake=lambda params, keys, batch: sample(params, keys.draw, batch.label),
        discriminate=lambda params, sample, batch: discriminator.apply(params["discriminator"], sample)[:, 0],
    )
    return Model(
        networks={"decoder": decoder, "discriminator": discriminator},
        phases=regularization((game,), ("decoder",), generator_loss=generator_loss),
        games=(game,),
        decode=decode,
        sample=sample,
    )


def classifier(encoder: Network, *, num_classes: int) -> Model:
    """The plain supervised network: the baseline of Table 2, and the judge of realism. Its code is a "category".

    Args:
        encoder: `image -> [B, num_classes]` logits.
        num_classes: K.
    """
    functions = _autoencoder(encoder, None, {"category": heads_.categorical(num_classes)}, None)

    def logits(params: Params, keys: jax.Array, image: jax.Array) -> jax.Array:
        return functions.raw_codes(params, keys, image)["category"]

    return _model(functions, (classification(logits, functions.trains, rows=lambda batch: batch),))


def population_moments(
    model: Model, params: Params, batch: Callable[[jax.Array | int], Batch], num_batches: int
) -> Params:
    """Fixes batch norm for evaluation: the moments of every normalized layer, averaged over one clean pass.

    Args:
        model: the networks in `model.inputs` are passed first to last, each with the moments of those before it.
        params: as training left them; training itself never holds moments.
        batch: `index -> batch` without corruption, all of one size; the index may be traced.
        num_batches: how many there are: the training set, once.

    Returns:
        `params` with a collection "moments" beside the weights of each normalized network.

    References:
        Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 2.
    """
    for name, inputs in model.inputs.items():
        moments = model.networks[name].moments
        if moments is None:
            continue

        def of_batch(index: jax.Array | int, name=name, inputs=inputs, moments=moments, params=params) -> Tree:
            return moments(params[name], *inputs(params, batch(index)))

        total = jax.lax.fori_loop(
            1, num_batches, lambda i, sums, of=of_batch: jax.tree.map(jnp.add, sums, of(i)), of_batch(0)
        )
        if total:
            mean = jax.tree.map(lambda value: value / num_batches, total)
            params = {**params, name: {**params[name], "moments": mean}}
    return params


def standardized(model: Model, shift: jax.Array, scale: jax.Array) -> Model:
    """A model that was trained on (data − shift) / scale, to be used on the data as they are.

    Args:
        model: any variant.
        shift: `[D]`.
        scale: `[D]`, positive.

    Returns:
        The model with `encode`, `encode_mean`, `decode`, `nll` and `sample` in the data's own units.
    """

    def inward(image: jax.Array) -> jax.Array:
        return (image - shift) / scale

    def outward(image: jax.Array) -> jax.Array:
        return image * scale + shift

    encode, encode_mean, decode, nll, sample = (
        model.encode, model.encode_mean, model.decode, model.nll, model.sample,
    )  # fmt: skip
    # The density of scaled data is divided by the scale.
    log_scale = jnp.log(jnp.broadcast_to(scale, shift.shape)).sum()
    return model._replace(
        encode=encode and (lambda params, keys, image: encode(params, keys, inward(image))),
        encode_mean=encode_mean and (lambda params, image: encode_mean(params, inward(image))),
        decode=decode and (lambda params, codes, label: outward(decode(params, codes, label))),
        nll=nll and (lambda params, codes, image, label: nll(params, codes, inward(image), label) + log_scale),
        sample=sample and (lambda params, keys, label: outward(sample(params, keys, label))),
    )


class _Functions(NamedTuple):
    """An encoder and a decoder with their heads and likelihood, as functions of params."""

    networks: dict[str, Network]
    raw_codes: Callable[[Params, jax.Array, jax.Array], Codes]
    encode: Callable[[Params, jax.Array, jax.Array], Codes]
    encode_mean: Callable[[Params, jax.Array], Codes]
    decode: Callable[[Params, Codes, jax.Array], jax.Array] | None
    nll: Callable[[Params, Codes, jax.Array, jax.Array], jax.Array] | None
    inputs: dict[str, Callable[[Params, Batch], tuple[jax.Array, ...]]]

    @property
    def trains(self) -> tuple[str, ...]:
        return tuple(self.networks)

    def phase_nll(self, params: Params, keys: Keys, batch: Batch) -> jax.Array:
        codes = self.encode(params, keys.view, batch.input)
        return self.nll(params, codes, batch.image, batch.label)


def _style(params: Params, codes: Codes, label: jax.Array) -> tuple[jax.Array, ...]:
    del params, label
    return (codes["style"],)


def _autoencoder(
    encoder: Network,
    decoder: Network | None,
    heads: Mapping[str, Head],
    likelihood: Likelihood | None,
    *,
    decoder_input: DecoderInput = _style,
    noise_size: int = 0,
) -> _Functions:
    """Wires an encoder, which may read noise, to its heads, and a decoder to its likelihood."""
    ends = [sum(head.size for head in list(heads.values())[: i + 1]) for i in range(len(heads) - 1)]

    def split(raw: jax.Array) -> Codes:
        return dict(zip(heads, jnp.split(raw, ends, axis=-1), strict=True))

    def encoder_inputs(image: jax.Array, keys: jax.Array | None) -> tuple[jax.Array, ...]:
        if noise_size == 0:
            return (image,)
        if keys is None:
            return (image, jnp.zeros((len(image), noise_size)))
        return (image, jax.vmap(lambda key: jax.random.normal(key, (noise_size,)))(derive(keys, "noise")))

    def raw_codes(params: Params, keys: jax.Array, image: jax.Array) -> Codes:
        return split(encoder.apply(params["encoder"], *encoder_inputs(image, keys)))

    def encode(params: Params, keys: jax.Array, image: jax.Array) -> Codes:
        raw = raw_codes(params, keys, image)
        return {name: jax.vmap(head.sample)(derive(keys, name), raw[name]) for name, head in heads.items()}

    def encode_mean(params: Params, image: jax.Array) -> Codes:
        raw = split(encoder.apply(params["encoder"], *encoder_inputs(image, None)))
        return {name: jax.vmap(head.mean)(raw[name]) for name, head in heads.items()}

    networks = {"encoder": encoder}
    inputs = {"encoder": lambda params, batch: encoder_inputs(batch.image, None)}
    if decoder is None or likelihood is None:
        return _Functions(networks, raw_codes, encode, encode_mean, None, None, inputs)

    def decode_raw(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        return decoder.apply(params["decoder"], *decoder_input(params, codes, label))

    def decode(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        return jax.vmap(likelihood.mean)(decode_raw(params, codes, label))

    def nll(params: Params, codes: Codes, image: jax.Array, label: jax.Array) -> jax.Array:
        return jax.vmap(likelihood.nll)(decode_raw(params, codes, label), image)

    networks = {"encoder": encoder, "decoder": decoder}
    inputs["decoder"] = lambda params, batch: decoder_input(params, encode_mean(params, batch.image), batch.label)
    return _Functions(networks, raw_codes, encode, encode_mean, decode, nll, inputs)


def _code_game(network: str, discriminator: Network, prior: Prior, functions: _Functions, code: str) -> Game:
    """The game on one code: samples of the prior are real, codes are fake."""

    def real(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return jax.vmap(prior.sample)(derive(keys.draw, code), jnp.full(len(batch.label), -1))

    def fake(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return functions.encode(params, keys.view, batch.input)[code]

    def discriminate(params: Params, sample: jax.Array, batch: Batch) -> jax.Array:
        return discriminator.apply(params[network], sample)[:, 0]

    return Game(network, real, fake, discriminate)


def _sampler(
    priors: Mapping[str, Prior], decode: Callable[[Params, Codes, jax.Array], jax.Array]
) -> Callable[[Params, jax.Array, jax.Array], jax.Array]:
    """Decoded draws of the priors."""

    def sample(params: Params, keys: jax.Array, label: jax.Array) -> jax.Array:
        codes = {name: jax.vmap(prior.sample)(derive(keys, name), label) for name, prior in priors.items()}
        return decode(params, codes, label)

    return sample


def _model(
    functions: _Functions,
    phases: Sequence[Phase],
    *,
    priors: Mapping[str, Prior] | None = None,
    games: tuple[Game, ...] = (),
    discriminators: Mapping[str, Network] | None = None,
) -> Model:
    return Model(
        networks={**functions.networks, **(discriminators or {})},
        phases=tuple(phases),
        games=games,
        inputs=functions.inputs,
        encode=functions.encode,
        encode_mean=functions.encode_mean,
        decode=functions.decode,
        nll=functions.nll,
        sample=_sampler(priors, functions.decode) if priors else None,
    )
