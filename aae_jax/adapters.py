"""A trained model made ready for use, its batch norm fixed, its units those of the data; or for more training."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aae_jax.checks import check_count, check_function, check_image, check_instance, check_shift_and_scale
from aae_jax.types import Batch, Game, Model, Network, Params, Tree

__all__ = ["continued", "population_moments", "standardized"]


def population_moments(
    model: Model, params: Params, batch: Callable[[jax.Array | int], Batch], num_batches: int
) -> Params:
    """Fixes batch norm for evaluation: the moments of every normalized layer, averaged over one clean pass.

    Those of a GAN's generator are of draws of its prior, a thousand for each batch.

    Args:
        model: the networks in `model.inputs` are passed first to last, each with the moments of those before it.
        params: as training left them; moments that they may hold already are made anew.
        batch: `index -> batch` without corruption, all of one size; the index may be traced.
        num_batches: how many there are: the training set, once.

    Returns:
        `params` with a collection "moments" beside the weights of each normalized network.

    Raises:
        ValueError: if there is no batch, `batch` is no function, or `params` lacks a network.

    References:
        Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 2.
    """
    check_instance("model", model, Model, "aae_jax.models")
    check_function("batch", batch, "index -> batch")
    check_count("num_batches", num_batches)
    _check_has_all(params, model)
    for name, inputs in model.inputs.items():
        moments = model.networks[name].moments
        if moments is None:
            continue
        own = _without_moments(params[name])

        def of_batch(index: jax.Array | int, own=own, inputs=inputs, moments=moments, params=params) -> Tree:
            return moments(own, *inputs(params, index, batch(index)))

        total = jax.lax.fori_loop(
            1, num_batches, lambda i, sums, of=of_batch: jax.tree.map(jnp.add, sums, of(i)), of_batch(0)
        )
        if total:
            mean = jax.tree.map(lambda value: value / num_batches, total)
            params = {**params, name: {**own, "moments": mean}}
    return params


def continued(model: Model, params: Params) -> Model:
    """A model whose training begins with these parameters.

    It may have another posterior than the one that they were trained with: where codes have noise that they did not
    have before, the autoencoder becomes smooth at the noise's scale, while the game goes on.

    Args:
        model: any variant. Its encoder's head reads as many numbers as that of the parameters.
        params: as training or `population_moments` left them. Moments are left out: they would no longer be true.

    Returns:
        The model, whose networks are what they were, but for what they begin with.

    Raises:
        ValueError: if `params` lacks a network.
    """
    check_instance("model", model, Model, "aae_jax.models")
    _check_has_all(params, model)

    def begun(name: str, network: Network) -> Network:
        # A copy: the state of training may be donated.
        return network._replace(init=lambda key: jax.tree.map(jnp.array, _without_moments(params[name])))

    return model._replace(networks={name: begun(name, network) for name, network in model.networks.items()})


def standardized(model: Model, shift: ArrayLike, scale: ArrayLike) -> Model:
    """A model that was trained on (data − shift) / scale, to be used on the data as they are.

    Args:
        model: any variant.
        shift: `[D]` of a table; `[C]` of images, one for each channel.
        scale: likewise, positive. Rows of a column that lies more than 1e5 of it from 0 lose digits in float32: give
            them as float64 of numpy, outside of `jit`.

    Returns:
        The model with `encode`, `encode_mean`, `decode`, `nll` and `sample` in the data's own units; its phases, games
        and `inputs` take batches of them.

    Raises:
        ValueError: if shift and scale are not of one length, or are not numbers, the scale's positive.
    """
    check_instance("model", model, Model, "aae_jax.models")
    if np.shape(shift) != np.shape(scale) or np.ndim(scale) != 1:
        raise ValueError(f"shift has shape {np.shape(shift)} and scale {np.shape(scale)}; expected [C] for both.")
    check_shift_and_scale(np.asarray(shift), np.asarray(scale))
    exact_shift, exact_scale = np.asarray(shift, np.float64), np.asarray(scale, np.float64)
    shift, scale = jnp.asarray(shift), jnp.asarray(scale)

    def inward(image: jax.Array) -> jax.Array:
        if jnp.ndim(image) > 2:
            check_image("image", image)
        if isinstance(image, np.ndarray):
            # As the data were, before they were float32: of a column far from 0 little else is left.
            standard = (np.asarray(image, np.float64) - exact_shift) / exact_scale
            return jnp.asarray(standard, jnp.result_type(image, shift))
        return (image - shift) / scale

    def outward(image: jax.Array) -> jax.Array:
        return image * scale + shift

    def inward_batch(batch: Batch) -> Batch:
        labeled = batch.labeled and inward_batch(batch.labeled)
        neighbor = None if batch.neighbor is None else inward(batch.neighbor)
        return Batch(inward(batch.input), inward(batch.image), batch.label, labeled, neighbor)

    @functools.cache  # Games that share a generator go on sharing it.
    def of_batch(function: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose last argument is a batch."""

        def in_units_of_data(*arguments: Any) -> Any:
            return function(*arguments[:-1], inward_batch(arguments[-1]))

        return in_units_of_data

    def of_game(game: Game) -> Game:
        real, generate, discriminate = map(of_batch, (game.real, game.generate, game.discriminate))
        return game._replace(real=real, generate=generate, discriminate=discriminate)

    encode, encode_mean, decode, nll, sample = (
        model.encode, model.encode_mean, model.decode, model.nll, model.sample,
    )  # fmt: skip

    def log_scale(image: jax.Array) -> jax.Array:
        # The density of scaled data is divided by the scale.
        return jnp.log(jnp.broadcast_to(scale, image.shape[1:])).sum()

    return model._replace(
        phases=tuple(phase._replace(loss=of_batch(phase.loss)) for phase in model.phases),
        games=tuple(map(of_game, model.games)),
        inputs={name: of_batch(inputs) for name, inputs in model.inputs.items()},
        encode=encode and (lambda params, keys, image: encode(params, keys, inward(image))),
        encode_mean=encode_mean and (lambda params, image: encode_mean(params, inward(image))),
        decode=decode and (lambda params, codes, label: outward(decode(params, codes, label))),
        nll=nll and (lambda params, codes, image, label: nll(params, codes, inward(image), label) + log_scale(image)),
        sample=sample and (lambda params, keys, label: outward(sample(params, keys, label))),
    )


def _check_has_all(params: Params, model: Model) -> None:
    if missing := sorted({*model.networks} - {*params}):
        raise ValueError(
            f"params has {sorted(params)}; expected all of the model's networks, and {missing} is missing."
        )


def _without_moments(variables: Tree) -> Tree:
    if not isinstance(variables, Mapping):
        return variables
    return {collection: value for collection, value in variables.items() if collection != "moments"}
