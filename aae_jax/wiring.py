"""What variants are made of: an autoencoder's functions, and the model that binds them with phases and games.

A variant of your own is a function like those in `aae_jax.models`, of these pieces, `aae_jax.games` and
`aae_jax.phases`. Here, a code in two parts, each with a prior of its own; the result has its phases, certificates and
samples like any other.

Example:
    >>> from aae_jax import heads, likelihoods, networks, priors
    >>> from aae_jax.games import code_games
    >>> from aae_jax.phases import reconstruction, regularization
    >>> def two_part_aae(encoder, decoder, discriminators, *, priors, likelihood):
    ...     parts = {name: heads.deterministic(prior.size) for name, prior in priors.items()}
    ...     functions = autoencoder(encoder, decoder, parts, likelihood)
    ...     games, judges = code_games(discriminators, priors, functions)
    ...     first = reconstruction(functions.terms, functions.trains)
    ...     phases = (first, *regularization(games, ["encoder"]))
    ...     return bind(functions, phases, priors=priors, games=games, discriminators=judges)
    >>> model = two_part_aae(
    ...     networks.mlp([9], (16,), 2 + 3), networks.mlp([2, 3], (16,), 9),
    ...     {"place": networks.mlp([2], (16,), 1), "shape": networks.mlp([3], (16,), 1)},
    ...     priors={"place": priors.uniform_box(2), "shape": priors.gaussian(3)}, likelihood=likelihoods.bernoulli())
    >>> [(phase.name, *phase.trains) for phase in model.phases][1:]
    [('discriminator', 'place_discriminator', 'shape_discriminator'), ('generator', 'encoder')]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aae_jax.checks import (
    check_axes,
    check_choice,
    check_count,
    check_function,
    check_image,
    check_instance,
    check_integers,
    check_row_keys,
    check_rows,
)
from aae_jax.keys import IMPLEMENTATION, derive, row_keys
from aae_jax.types import Batch, Codes, Game, Head, Inputs, Keys, Likelihood, Model, Network, Params, Phase, Prior

__all__ = [
    "Autoencoder",
    "autoencoder",
    "bind",
    "drawing_classes",
    "one_hot",
    "prior_sampler",
    "unconditional",
]

DecoderInput = Callable[[Params, Codes, jax.Array], tuple[jax.Array, ...]]
_TAKEN = ("label", "noise", "corruption", "neighbor", "labeled")
"""Beside each phase, what is told or drawn by name from the keys that a head's code is drawn from."""


class Autoencoder(NamedTuple):
    """An encoder and a decoder with their heads and likelihood, as functions of params.

    Attributes:
        codes: their names, in the heads' order.
        networks: "encoder" and, where there is one, "decoder"; what else reconstruction is to train.
        raw_codes: `(params, keys [B], input) -> {name: [B, head.size]}`, what the heads read.
        heads_sample: `(keys [B], raw codes) -> codes`.
        generate: `(params, keys, batch) -> codes` of the batch's inputs: the generator of every game on codes.
        encode: see `Model`.
        encode_mean: see `Model`.
        decode: see `Model`; None without a decoder.
        nll: see `Model`; None without a decoder.
        inputs: see `Model`.
    """

    codes: tuple[str, ...]
    networks: dict[str, Network]
    raw_codes: Callable[[Params, jax.Array, jax.Array], Codes]
    heads_sample: Callable[[jax.Array, Codes], Codes]
    generate: Callable[[Params, Keys, Batch], Codes]
    encode: Callable[[Params, jax.Array, jax.Array], Codes]
    encode_mean: Callable[[Params, jax.Array], Codes]
    decode: Callable[[Params, Codes, jax.Array], jax.Array] | None
    nll: Callable[[Params, Codes, jax.Array, jax.Array], jax.Array] | None
    inputs: dict[str, Inputs]

    @property
    def trains(self) -> tuple[str, ...]:
        """The names of its networks, for a phase that trains them all."""
        return tuple(self.networks)

    def terms(self, params: Params, keys: Keys, batch: Batch) -> dict[str, jax.Array]:
        """What `phases.reconstruction` minimizes, "nll" `[B]`: of the images under the codes of their inputs."""
        assert self.nll is not None, "only variants with a decoder reconstruct"
        return {"nll": self.nll(params, self.generate(params, keys, batch), batch.image, batch.label)}

    def logits(self, params: Params, keys: jax.Array, image: jax.Array) -> jax.Array:
        """What `phases.classification` reads, `[B, K]`: the raw numbers of the head "category"."""
        return self.raw_codes(params, keys, image)["category"]


def autoencoder(
    encoder: Network,
    decoder: Network | None,
    heads: Mapping[str, Head],
    likelihood: Likelihood | None,
    *,
    decoder_input: DecoderInput | None = None,
    noise_size: int = 0,
) -> Autoencoder:
    """Wires an encoder to its heads, and a decoder to its likelihood.

    Args:
        encoder: `image -> [B, sum of the heads' sizes]`; `(image, noise [B, noise_size])` where that is not 0.
        decoder: reads `decoder_input`; None where nothing is reconstructed.
        heads: by the name of their code.
        likelihood: reads the decoder's raw output.
        decoder_input: `(params, codes, label) -> inputs`, a tuple; every code, in the heads' order, where None.
        noise_size: numbers of standard normal noise beside the image. `encode_mean` puts zeros there.

    Raises:
        ValueError: if a part is not what it is called, there are no heads, or one has a name that is taken; when
            called, if the encoder's output is not as long as the heads together, or `decoder_input` gives no tuple.
    """
    check_instance("encoder", encoder, Network, "aae_jax.networks")
    if not heads:
        raise ValueError("heads is empty; expected a head for each code.")
    for name, head in heads.items():
        check_instance(f"The head of {name}", head, Head, "aae_jax.heads")
    if taken := [name for name in heads if name in _TAKEN or name.startswith("phase ")]:
        raise ValueError(
            f"A head is called {taken[0]}, as is what is drawn or told beside the codes; call it otherwise."
        )
    if decoder is not None:
        check_instance("decoder", decoder, Network, "aae_jax.networks")
        check_instance("likelihood", likelihood, Likelihood, "aae_jax.likelihoods")
    if decoder_input is not None:
        check_function("decoder_input", decoder_input, "(params, codes, label) -> inputs")
    check_count("noise_size", noise_size, 0)
    size = sum(head.size for head in heads.values())
    ends = [sum(head.size for head in list(heads.values())[: i + 1]) for i in range(len(heads) - 1)]

    def split(raw: jax.Array) -> Codes:
        if raw.ndim != 2 or raw.shape[-1] != size:
            raise ValueError(
                f"The encoder's output has shape {raw.shape}; expected [B, {size}], what the heads {[*heads]} read."
            )
        return dict(zip(heads, jnp.split(raw, ends, axis=-1), strict=True))

    def encoder_inputs(image: jax.Array, keys: jax.Array | None) -> tuple[jax.Array, ...]:
        check_image("image", image)
        if noise_size == 0:
            return (image,)
        if keys is None:
            return (image, jnp.zeros((len(image), noise_size)))
        return (image, jax.vmap(lambda key: jax.random.normal(key, (noise_size,)))(derive(keys, "noise")))

    def some_keys(index: jax.Array | int, batch: Batch) -> jax.Array:
        return row_keys(jax.random.key(0, impl=IMPLEMENTATION), index, len(batch.image))

    def raw_codes(params: Params, keys: jax.Array, image: jax.Array) -> Codes:
        return split(encoder.apply(params["encoder"], *encoder_inputs(image, keys)))

    def heads_sample(keys: jax.Array, raw: Codes) -> Codes:
        return {name: jax.vmap(head.sample)(derive(keys, name), raw[name]) for name, head in heads.items()}

    def encode(params: Params, keys: jax.Array, image: jax.Array) -> Codes:
        check_row_keys(keys)
        check_rows(keys=keys, image=image)
        return heads_sample(keys, raw_codes(params, keys, image))

    def generate(params: Params, keys: Keys, batch: Batch) -> Codes:
        return encode(params, keys.view, batch.input)

    def encode_mean(params: Params, image: jax.Array) -> Codes:
        raw = split(encoder.apply(params["encoder"], *encoder_inputs(image, None)))
        return {name: jax.vmap(head.mean)(raw[name]) for name, head in heads.items()}

    networks = {"encoder": encoder}
    inputs = {"encoder": lambda params, index, batch: encoder_inputs(batch.image, some_keys(index, batch))}
    encoding = (raw_codes, heads_sample, generate, encode, encode_mean)
    if decoder is None or likelihood is None:
        return Autoencoder((*heads,), networks, *encoding, None, None, inputs)

    def decoder_inputs(params: Params, codes: Codes, label: jax.Array) -> tuple[jax.Array, ...]:
        if decoder_input is None:
            return tuple(codes[name] for name in heads)
        given = decoder_input(params, codes, label)
        if not isinstance(given, tuple):
            raise ValueError(f"decoder_input gave a {type(given).__name__}; expected a tuple of the decoder's inputs.")
        return given

    def decode_raw(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        if missing := [name for name in heads if name not in codes]:
            raise ValueError(f"codes has {sorted(codes)}; expected {[*heads]}, and {missing} is missing.")
        check_rows(**codes, label=label)
        return decoder.apply(params["decoder"], *decoder_inputs(params, codes, label))

    def decode(params: Params, codes: Codes, label: jax.Array) -> jax.Array:
        return jax.vmap(likelihood.mean)(decode_raw(params, codes, label))

    def nll(params: Params, codes: Codes, image: jax.Array, label: jax.Array) -> jax.Array:
        check_image("image", image)
        return jax.vmap(likelihood.nll)(decode_raw(params, codes, label), image)

    networks = {"encoder": encoder, "decoder": decoder}

    def clean_decoder_inputs(params: Params, index: jax.Array | int, batch: Batch) -> tuple[jax.Array, ...]:
        # Samples of q(z | x), as the decoder was trained on, whose spread their means lack.
        return decoder_inputs(params, encode(params, some_keys(index, batch), batch.image), batch.label)

    inputs["decoder"] = clean_decoder_inputs
    return Autoencoder((*heads,), networks, *encoding, decode, nll, inputs)


def one_hot(label: jax.Array, num_classes: int) -> jax.Array:
    """Labels `[B]` as rows `[B, num_classes]`: zeros for −1, and NaN for a class that does not exist.

    Example:
        >>> one_hot(jnp.array([1, -1]), 3).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    check_axes("label", label, "[B]")
    check_integers("label", label)
    check_count("num_classes", num_classes)
    # The number of classes may not fit the labels' own type.
    label = jnp.asarray(label, jnp.int32)
    # Nothing can be raised under jit, and zeros would pass for an unknown label.
    return jnp.where(label[:, None] < num_classes, jax.nn.one_hot(label, num_classes), jnp.nan)


def unconditional(prior: Prior) -> Prior:
    """The prior as a game without labels teaches it: whatever the label, samples come from the whole."""
    check_instance("prior", prior, Prior, "aae_jax.priors")
    return prior._replace(sample=lambda key, label: prior.sample(key, jnp.full((), -1)))


def prior_sampler(
    priors: Mapping[str, Prior], decode: Callable[[Params, Codes, jax.Array], jax.Array]
) -> Callable[[Params, jax.Array, jax.Array], jax.Array]:
    """`Model.sample`: decoded draws of the priors, by the name of their code.

    Raises:
        ValueError: if one of the priors is none; when called, if there are not as many labels as keys.
    """
    for name, prior in priors.items():
        check_instance(f"The prior of {name}", prior, Prior, "aae_jax.priors")

    def sample(params: Params, keys: jax.Array, label: jax.Array) -> jax.Array:
        check_row_keys(keys)
        check_rows(keys=keys, label=label)
        check_integers("label", label)
        codes = {name: jax.vmap(prior.sample)(derive(keys, name), label) for name, prior in priors.items()}
        return decode(params, codes, label)

    return sample


def drawing_classes(model: Model, num_classes: int) -> Model:
    """The model with a `sample` that draws a class where the label is −1, for decoders that have to be told one."""
    check_count("num_classes", num_classes)
    sample = model.sample
    if sample is None:
        raise ValueError("The model has no sample; expected one with priors and a decoder.")

    def labeled(params: Params, keys: jax.Array, label: jax.Array) -> jax.Array:
        drawn = jax.vmap(lambda key: jax.random.randint(key, (), 0, num_classes))(derive(keys, "label"))
        return sample(params, keys, jnp.where(label < 0, drawn, label))

    return model._replace(sample=labeled)


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

    Raises:
        ValueError: if a part is not what it is called, or a game has no discriminator of its name.
    """
    check_instance("functions", functions, Autoencoder, "aae_jax.wiring.autoencoder")
    for phase in phases:
        check_instance("A phase", phase, Phase, "aae_jax.phases")
    for game in games:
        check_instance("A game", game, Game, "aae_jax.games.code_game")
        check_choice("A game's network", game.network, {**functions.networks, **(discriminators or {})})
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
