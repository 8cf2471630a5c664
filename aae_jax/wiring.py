"""What variants are made of: an autoencoder's functions, a game on a code, the model that binds them.

A variant of your own is a function like those in `aae_jax.models`, of these pieces and `aae_jax.phases`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aae_jax.keys import derive
from aae_jax.types import Batch, Codes, Game, Head, Keys, Likelihood, Model, Network, Params, Phase, Prior

__all__ = ["Autoencoder", "autoencoder", "bind", "code_game", "prior_sampler"]

DecoderInput = Callable[[Params, Codes, jax.Array], tuple[jax.Array, ...]]


class Autoencoder(NamedTuple):
    """An encoder and a decoder with their heads and likelihood, as functions of params.

    Attributes:
        networks: "encoder" and, where there is one, "decoder".
        raw_codes: `(params, keys [B], input) -> {name: [B, head.size]}`, what the heads read.
        encode: see `Model`.
        encode_mean: see `Model`.
        decode: see `Model`; None without a decoder.
        nll: see `Model`; None without a decoder.
        inputs: see `Model`.
    """

    networks: dict[str, Network]
    raw_codes: Callable[[Params, jax.Array, jax.Array], Codes]
    encode: Callable[[Params, jax.Array, jax.Array], Codes]
    encode_mean: Callable[[Params, jax.Array], Codes]
    decode: Callable[[Params, Codes, jax.Array], jax.Array] | None
    nll: Callable[[Params, Codes, jax.Array, jax.Array], jax.Array] | None
    inputs: dict[str, Callable[[Params, Batch], tuple[jax.Array, ...]]]

    @property
    def trains(self) -> tuple[str, ...]:
        """The names of its networks, for a phase that trains them all."""
        return tuple(self.networks)

    def reconstruction_nll(self, params: Params, keys: Keys, batch: Batch) -> jax.Array:
        """The term of `phases.reconstruction`, `[B]` nats: of the images under the codes of their inputs."""
        assert self.nll is not None, "only variants with a decoder reconstruct"
        codes = self.encode(params, keys.view, batch.input)
        return self.nll(params, codes, batch.image, batch.label)


def _style_input(params: Params, codes: Codes, label: jax.Array) -> tuple[jax.Array, ...]:
    del params, label
    return (codes["style"],)


def autoencoder(
    encoder: Network,
    decoder: Network | None,
    heads: Mapping[str, Head],
    likelihood: Likelihood | None,
    *,
    decoder_input: DecoderInput = _style_input,
    noise_size: int = 0,
) -> Autoencoder:
    """Wires an encoder to its heads, and a decoder to its likelihood.

    Args:
        encoder: `image -> [B, sum of the heads' sizes]`; `(image, noise [B, noise_size])` where that is not 0.
        decoder: reads `decoder_input`; None where nothing is reconstructed.
        heads: by the name of their code.
        likelihood: reads the decoder's raw output.
        decoder_input: `(params, codes, label) -> inputs`; the style alone by default.
        noise_size: numbers of standard normal noise beside the image. `encode_mean` puts zeros there.
    """
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
        return Autoencoder(networks, raw_codes, encode, encode_mean, None, None, inputs)

    def decode_raw(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        return decoder.apply(params["decoder"], *decoder_input(params, codes, label))

    def decode(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        return jax.vmap(likelihood.mean)(decode_raw(params, codes, label))

    def nll(params: Params, codes: Codes, image: jax.Array, label: jax.Array) -> jax.Array:
        return jax.vmap(likelihood.nll)(decode_raw(params, codes, label), image)

    networks = {"encoder": encoder, "decoder": decoder}
    inputs["decoder"] = lambda params, batch: decoder_input(params, encode_mean(params, batch.image), batch.label)
    return Autoencoder(networks, raw_codes, encode, encode_mean, decode, nll, inputs)


def code_game(network: str, discriminator: Network, prior: Prior, functions: Autoencoder, code: str) -> Game:
    """The game on one code: samples of the prior are real, codes are fake.

    Args:
        network: the discriminator's name.
        discriminator: `[B, Z] -> [B, 1]` logits.
        prior: of the code.
        functions: the autoencoder whose encoder plays.
        code: the code's name.
    """

    def real(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return jax.vmap(prior.sample)(derive(keys.draw, code), jnp.full(len(batch.label), -1))

    def fake(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return functions.encode(params, keys.view, batch.input)[code]

    def discriminate(params: Params, sample: jax.Array, batch: Batch) -> jax.Array:
        return discriminator.apply(params[network], sample)[:, 0]

    return Game(network, real, fake, discriminate)


def prior_sampler(
    priors: Mapping[str, Prior], decode: Callable[[Params, Codes, jax.Array], jax.Array]
) -> Callable[[Params, jax.Array, jax.Array], jax.Array]:
    """`Model.sample`: decoded draws of the priors, by the name of their code."""

    def sample(params: Params, keys: jax.Array, label: jax.Array) -> jax.Array:
        codes = {name: jax.vmap(prior.sample)(derive(keys, name), label) for name, prior in priors.items()}
        return decode(params, codes, label)

    return sample


def bind(
    functions: Autoencoder,
    phases: Sequence[Phase],
    *,
    priors: Mapping[str, Prior] | None = None,
    games: tuple[Game, ...] = (),
    discriminators: Mapping[str, Network] | None = None,
) -> Model:
    """An autoencoder with its phases, as a model.

    Args:
        functions: see `autoencoder`.
        phases: in the order of a step.
        priors: to sample from, by the name of their code; None where there is nothing to sample.
        games: that the phases play.
        discriminators: networks by name, beside the autoencoder's own.
    """
    return Model(
        networks={**functions.networks, **(discriminators or {})},
        phases=tuple(phases),
        games=games,
        inputs=functions.inputs,
        encode=functions.encode,
        encode_mean=functions.encode_mean,
        decode=functions.decode,
        nll=functions.nll,
        sample=prior_sampler(priors, functions.decode) if priors and functions.decode else None,
    )
