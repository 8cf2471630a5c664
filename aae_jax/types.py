"""The vocabulary: every shape of function and record that the library passes around.

Shapes are written ``[B, Z]``: ``B`` rows of a batch, ``Z`` numbers of a code, ``K`` categories,
``H, W, C`` an image's height, width and channels. Functions *for one example* have no ``B``; they are
vmapped over rows in one place each. ``label`` is an int32 class index, −1 where unknown.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import optax

__all__ = [
    "Algorithm",
    "Batch",
    "BatchNorm",
    "Codes",
    "Corruption",
    "Game",
    "Head",
    "Inputs",
    "Keys",
    "Likelihood",
    "LossFn",
    "Metrics",
    "Model",
    "Network",
    "Optimizers",
    "Params",
    "Phase",
    "Precision",
    "Prior",
    "TrainState",
    "Tree",
]

Tree = Any
"""Any pytree of arrays."""

Params = dict[str, Tree]
"""The variables of every network: ``{"encoder": tree, "decoder": tree, ...}``."""

Metrics = dict[str, jax.Array]
"""Scalars by name, ``{"reconstruction/loss": [], ...}``: means over the rows of a batch."""

Codes = dict[str, jax.Array]
"""What an encoder's heads say of a batch: ``{"style": [B, Z], "category": [B, K]}``."""

Optimizers = dict[str, optax.GradientTransformation]
"""One optimizer per phase name."""

BatchNorm = Literal["none", "hidden", "all"]
"""Which layers of a network are normalized over the batch: none, the hidden ones, or all with the output."""

Precision = Literal["float32", "tensorfloat32", "bfloat16"]
"""Of a network's products; see `networks.mlp`."""

Corruption = Callable[[jax.Array, jax.Array], jax.Array]
"""``(key, image) -> input`` for one example: the noisy view that networks read while training."""


class Batch(NamedTuple):
    """Rows of data.

    Attributes:
        input: ``[B, ...]``, what networks read: the image, or its corrupted view.
        image: ``[B, H, W, C]`` or ``[B, D]``, what the likelihood is asked about; images in [0, 1].
        label: ``[B]`` int32, −1 where unknown.
        labeled: as many rows again, all with a label, for phases that need one; or None.
        neighbor: `[B, ...]`, an image that is like each row's, see `aae_jax.neighbors`; or None.
    """

    input: jax.Array
    image: jax.Array
    label: jax.Array
    labeled: "Batch | None" = None
    neighbor: jax.Array | None = None


class Keys(NamedTuple):
    """The PRNG keys of one phase, one a row.

    Attributes:
        view: ``[B]`` keys that every phase of a step shares: the noise of corruption and encoder heads,
            so that the phases see the same codes of the same view.
        draw: ``[B]`` keys of this phase alone, for samples of the prior.
    """

    view: jax.Array
    draw: jax.Array


class Network(NamedTuple):
    """Two pure functions; any library's networks fit.

    Attributes:
        init: ``key -> variables``.
        apply: ``(variables, *inputs) -> output``, on batches: ``[B, ...] -> [B, size]``.
        moments: ``(variables, *inputs) -> tree`` of the batch's moments in each normalization layer, or None.
    """

    init: Callable[[jax.Array], Tree]
    apply: Callable[..., jax.Array]
    moments: Callable[..., Tree] | None = None


class Prior(NamedTuple):
    """A distribution p(z) over codes that the posterior is to fill, for one example.

    Attributes:
        size: Z, the length of a sample.
        sample: ``(key, label) -> [Z]``; a label of −1 draws from the whole prior.
        log_density: ``([Z], label) -> []`` in nats, or None where there is no density.
        from_uniform: ``([Z] in [0, 1], label) -> [Z]``, maps uniform draws to samples (percentile grids and
            walks are drawn with it), or None.
        kl: ``(mean [Z], log_variance [Z], label) -> []``: the closed form of KL(N(mean, variance) ‖ p) in
            nats, or None where there is none.
    """

    size: int
    sample: Callable[[jax.Array, jax.Array], jax.Array]
    log_density: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    from_uniform: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    kl: Callable[[jax.Array, jax.Array, jax.Array], jax.Array] | None = None


class Head(NamedTuple):
    """Turns an encoder's raw output into one code, for one example.

    Attributes:
        size: how many raw numbers it reads.
        sample: ``(key, raw [size]) -> code``, q(z given x); a deterministic head ignores the key.
        mean: ``raw [size] -> code``, used for evaluation.
    """

    size: int
    sample: Callable[[jax.Array, jax.Array], jax.Array]
    mean: Callable[[jax.Array], jax.Array]


class Likelihood(NamedTuple):
    """p(x given z), read from a decoder's raw output, for one example.

    Attributes:
        nll: ``(raw, image) -> []``, −log p(x given z) in nats, summed over pixels.
        mean: ``raw -> image``, the expected image.
    """

    nll: Callable[[jax.Array, jax.Array], jax.Array]
    mean: Callable[[jax.Array], jax.Array]


LossFn = Callable[[Params, Keys, Batch], tuple[jax.Array, Metrics]]
"""``(params, keys, batch) -> (loss [], metrics)``: a mean over rows plus terms of the parameters alone."""


class Phase(NamedTuple):
    """A loss and the names of the networks that it trains; all others stand still.

    Attributes:
        name: also the prefix of its metrics and the key of its optimizer.
        trains: names of networks.
        loss: see `LossFn`.
    """

    name: str
    trains: tuple[str, ...]
    loss: LossFn


class Game(NamedTuple):
    """Who plays whom, and who judges. In an adversarial autoencoder prior samples are *real*, codes are *fake*.

    Attributes:
        network: the discriminator's name.
        real: ``(params, keys, batch) -> [B, ...]``.
        generate: ``(params, keys, batch) -> tree``: what the generator makes. Games that share this function share
            what it makes, and one gradient through it.
        discriminate: ``(params, sample [B, ...], batch) -> [B]`` logits, high = real.
        fake: ``tree -> [B, ...]``: the part of it that this game is about; by default the whole.
    """

    network: str
    real: Callable[[Params, Keys, Batch], jax.Array]
    generate: Callable[[Params, Keys, Batch], Tree]
    discriminate: Callable[[Params, jax.Array, Batch], jax.Array]
    fake: Callable[[Tree], jax.Array] = lambda made: made


Inputs = Callable[[Params, jax.Array | int, Batch], tuple[jax.Array, ...]]
"""``(params, index, batch) -> inputs`` of a network; from the batch's index what is random in them is drawn."""


class Model(NamedTuple):
    """A set of networks, the phases that train them, and what users do with them. None where there is no such thing.

    Attributes:
        networks: ``{name: Network}``.
        phases: run in order within each step; a phase may stand twice, and the metrics are then of its last run.
        games: the adversarial games that the phases play, for certificates.
        inputs: ``{network: (params, index, batch) -> inputs}`` of the networks that may be normalized, first to last.
        encode: ``(params, keys [B], image) -> codes``, samples of q(z given x).
        encode_mean: ``(params, image) -> codes``, without noise.
        decode: ``(params, codes, label [B]) -> image``, the mean of p(x given z).
        nll: ``(params, codes, image, label [B]) -> [B]``, −log p(x given z) in nats.
        sample: ``(params, keys [B], label [B]) -> image``, decoded draws of the prior.
    """

    networks: dict[str, Network]
    phases: tuple[Phase, ...]
    games: tuple[Game, ...] = ()
    inputs: Mapping[str, Inputs] = MappingProxyType({})
    encode: Callable[[Params, jax.Array, jax.Array], Codes] | None = None
    encode_mean: Callable[[Params, jax.Array], Codes] | None = None
    decode: Callable[[Params, Codes, jax.Array], jax.Array] | None = None
    nll: Callable[[Params, Codes, jax.Array, jax.Array], jax.Array] | None = None
    sample: Callable[[Params, jax.Array, jax.Array], jax.Array] | None = None


class TrainState(NamedTuple):
    """All that training changes.

    Attributes:
        step: ``[]`` int32, steps taken.
        params: variables by network.
        opt_states: optimizer states by phase.
    """

    step: jax.Array
    params: Params
    opt_states: dict[str, Tree]


class Algorithm(NamedTuple):
    """Two pure functions that train a model.

    Attributes:
        init: ``key -> state``.
        step: ``(state, keys [B], batch) -> (state, metrics)``; see `aae_jax.row_keys`.
        phases: their names in the order in which a step runs them; may be left out.
    """

    init: Callable[[jax.Array], TrainState]
    step: Callable[[TrainState, jax.Array, Batch], tuple[TrainState, Metrics]]
    phases: tuple[str, ...] = ()
