"""Parzen window log-likelihood of test images under samples of a model, streamed: ten million samples fit.

The paper's Table 1. Isotropic Gaussians of standard deviation sigma stand at the samples, and sigma is chosen on
validation images. The measure is known to favor smooth samples, so it belongs beside better ones (Theis et al., "A
note on the evaluation of generative models", ICLR 2016).

A block of samples at a time updates a `ParzenState`, for many sigmas at once; `parzen_update` wants `jax.jit`::

    state = parzen_state(len(test), len(sigmas))
    for samples in blocks:
        state = update(state, samples, test, sigmas)
    mean, standard_error = mean_and_standard_error(parzen_result(state, sigmas, test.shape[1])[0])

In float32 squared distances of digits are off by up to some 1e-5, which is divided by 2 sigma²: at sigma ≥ 0.1 one
image's log-likelihood is within 0.01 nats of float64, their mean within 0.001.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aae_jax.checks import check_axes, check_count, check_finite, check_instance, check_number, check_rows
from aae_jax.evaluation.distances import squared_distances

__all__ = [
    "PROTOCOL_SIGMAS",
    "ParzenState",
    "choose_sigma",
    "fine_sigmas",
    "mean_and_standard_error",
    "parzen_log_likelihood",
    "parzen_result",
    "parzen_state",
    "parzen_update",
]

PROTOCOL_SIGMAS = np.logspace(-1, 0, 10)
"""The grid of the protocol (Goodfellow et al. 2014): ten values, 0.1 to 1."""

_TILE = 500
"""Test images at once on CPUs: their distances to a thousand samples are 2 MB."""


class ParzenState(NamedTuple):
    """The samples seen so far, as T test images and S sigmas see them.

    Attributes:
        nearest: ``[T]``, squared distance to the nearest sample: the largest term for every sigma.
        sums: ``[S, T]``, sum over samples of exp(−(squared distance − nearest) / 2 sigma²).
        num_samples: ``[]`` int32.
    """

    nearest: jax.Array
    sums: jax.Array
    num_samples: jax.Array


def parzen_state(num_test: int, num_sigmas: int) -> ParzenState:
    """The state before the first sample.

    Raises:
        ValueError: if a number is no positive integer.
    """
    check_count("num_test", num_test)
    check_count("num_sigmas", num_sigmas)
    return ParzenState(jnp.full(num_test, jnp.inf, float), jnp.zeros((num_sigmas, num_test)), jnp.zeros((), jnp.int32))


def parzen_update(
    state: ParzenState, samples: jax.Array, test: jax.Array, sigmas: jax.Array | np.ndarray
) -> ParzenState:
    """Takes a block of samples in; its memory is that of the distances ``[B, T]``.

    Args:
        state: of the samples before.
        samples: ``[B, D]``.
        test: ``[T, D]``, the same at every call.
        sigmas: ``[S]``, the same at every call.

    Returns:
        the new state.

    Raises:
        ValueError: if the shapes do not fit the state.
    """
    check_instance("state", state, ParzenState, "parzen_state")
    _check_images(samples, test)
    _check_sigmas(sigmas)
    if state.sums.shape != (len(sigmas), len(test)):
        raise ValueError(
            f"The state is of {state.sums.shape[1]} test images and {state.sums.shape[0]} sigmas; got {len(test)} and "
            f"{len(sigmas)}, expected the same at every call."
        )
    sigmas = jnp.asarray(sigmas, state.sums.dtype)
    # A CPU is as fast as the matrix product where a tile of distances stays in its cache; others want the whole.
    nearest, sums = jax.lax.platform_dependent(
        state.nearest, state.sums, samples, test, sigmas, cpu=_in_tiles, default=_take_in
    )
    return ParzenState(nearest, sums, state.num_samples + len(samples))


def _in_tiles(
    nearest: jax.Array, sums: jax.Array, samples: jax.Array, test: jax.Array, sigmas: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`_take_in`, some test images at a time."""
    num_tiles, rest = divmod(len(test), _TILE)
    if num_tiles < 2:
        return _take_in(nearest, sums, samples, test, sigmas)
    tiles = (
        nearest[rest:].reshape(num_tiles, _TILE),
        sums[:, rest:].reshape(-1, num_tiles, _TILE).swapaxes(0, 1),
        test[rest:].reshape(num_tiles, _TILE, -1),
    )
    of_tiles, sums_of_tiles = jax.lax.map(lambda tile: _take_in(tile[0], tile[1], samples, tile[2], sigmas), tiles)
    of_tiles, sums_of_tiles = of_tiles.reshape(-1), sums_of_tiles.swapaxes(0, 1).reshape(len(sigmas), -1)
    if not rest:
        return of_tiles, sums_of_tiles
    of_rest, sums_of_rest = _take_in(nearest[:rest], sums[:, :rest], samples, test[:rest], sigmas)
    return jnp.concatenate([of_rest, of_tiles]), jnp.concatenate([sums_of_rest, sums_of_tiles], axis=1)


def _take_in(
    nearest: jax.Array, sums: jax.Array, samples: jax.Array, test: jax.Array, sigmas: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`nearest` and `sums` of a `ParzenState` after more samples."""
    squared = squared_distances(samples, test)
    new_nearest = jnp.minimum(nearest, jnp.min(squared, axis=0))
    # Before the first sample nearest is infinite, and the sums are zero: no gradient may pass through exp(−∞).
    farther = jnp.where(jnp.isinf(nearest), 0.0, nearest - new_nearest)

    def new_sums(sums_and_sigma: tuple[jax.Array, jax.Array]) -> jax.Array:
        sums, sigma = sums_and_sigma
        scale = -0.5 / sigma**2
        rescaled = sums * jnp.exp(scale * farther)
        return rescaled + jnp.sum(jnp.exp(scale * (squared - new_nearest)), axis=0)

    # One sigma at a time, or the exponentials of all would be there at once.
    return new_nearest, jax.lax.map(new_sums, (sums, sigmas))


def parzen_result(state: ParzenState, sigmas: jax.Array | np.ndarray, num_dimensions: int) -> jax.Array:
    """Log-likelihood of every test image, in nats.

    log-mean-exp over samples of −|test − sample|² / 2 sigma², minus D log(sigma √2π).

    Args:
        state: after the last sample.
        sigmas: ``[S]``, those of the updates.
        num_dimensions: D.

    Returns:
        ``[S, T]``.

    Raises:
        ValueError: if there are not as many sigmas as in the updates.
    """
    check_instance("state", state, ParzenState, "parzen_state")
    check_count("num_dimensions", num_dimensions)
    _check_sigmas(sigmas)
    check_rows(sums=state.sums, sigmas=sigmas)
    sigmas = jnp.asarray(sigmas)[:, None]
    log_mean = jnp.log(state.sums) - state.nearest / (2 * sigmas**2) - jnp.log(state.num_samples)
    return log_mean - num_dimensions * jnp.log(sigmas * np.sqrt(2 * np.pi))


def parzen_log_likelihood(
    samples: jax.Array, test: jax.Array, sigmas: jax.Array | np.ndarray, *, block_size: int = 1000
) -> jax.Array:
    """Log-likelihood of every test image, in nats, under samples that fit in memory.

    Args:
        samples: ``[N, D]``; in the paper's protocol decoded draws of the prior, not selected, averaged or sharpened.
        test: ``[T, D]``.
        sigmas: ``[S]``.
        block_size: samples at once.

    Returns:
        ``[S, T]``.

    Raises:
        ValueError: if samples and test images are not of one length, or a sigma is not positive.

    Example:
        >>> values = parzen_log_likelihood(jnp.zeros((3, 1)), jnp.array([[0.0], [2.0]]), [1.0])
        >>> [round(float(value), 3) for value in values[0]]  # −log √2π, and less by 2² / 2
        [-0.919, -2.919]

    References:
        Breuleux et al., "Quickly generating representative samples from an RBM-derived process", 2011; the protocol
        is that of Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, section 5.
    """
    _check_images(samples, test)
    _check_sigmas(sigmas)
    check_count("block_size", block_size)
    num_whole = len(samples) // block_size * block_size
    state = parzen_state(len(test), len(sigmas))
    if num_whole:
        blocks = samples[:num_whole].reshape(-1, block_size, samples.shape[1])
        state, _ = jax.lax.scan(lambda state, block: (parzen_update(state, block, test, sigmas), None), state, blocks)
    if num_whole < len(samples):
        state = parzen_update(state, samples[num_whole:], test, sigmas)
    return parzen_result(state, sigmas, test.shape[1])


def choose_sigma(
    samples: jax.Array, validation: jax.Array, sigmas: np.ndarray = PROTOCOL_SIGMAS, *, block_size: int = 1000
) -> tuple[float, np.ndarray]:
    """The sigma under which validation images are likeliest on average.

    Args:
        samples: ``[N, D]``.
        validation: ``[V, D]``, never test images.
        sigmas: ``[S]``: the protocol's grid, or `fine_sigmas` about its best.
        block_size: samples at once.

    Returns:
        the sigma, and the mean log-likelihood for each ``[S]``, nats.

    Raises:
        ValueError: see `parzen_log_likelihood`; for numbers that are not finite.
    """
    check_finite("samples", samples)
    check_finite("validation", validation)
    values = parzen_log_likelihood(samples, validation, sigmas, block_size=block_size)
    means = np.mean(np.asarray(values, np.float64), axis=1)
    return float(np.asarray(sigmas)[np.argmax(means)]), means


def fine_sigmas(sigma: float, num_sigmas: int = 21) -> np.ndarray:
    """A fine grid about a sigma of the protocol's grid, from its lower to its upper neighbor.

    Args:
        sigma: the middle of the grid.
        num_sigmas: odd, so that sigma itself is on it.

    Returns:
        ``[num_sigmas]``, log-spaced.

    Raises:
        ValueError: if sigma is not positive, or `num_sigmas` not odd.
    """
    check_number("sigma", sigma, "a positive number", above=0)
    check_count("num_sigmas", num_sigmas)
    if num_sigmas % 2 == 0:
        raise ValueError(f"num_sigmas is {num_sigmas}; expected an odd number, so that sigma itself is on the grid.")
    ratio = PROTOCOL_SIGMAS[1] / PROTOCOL_SIGMAS[0]
    return np.geomspace(sigma / ratio, sigma * ratio, num_sigmas)


def mean_and_standard_error(values: ArrayLike) -> tuple[float, float]:
    """Mean over test examples, and its standard error std / √n: the ± of Table 1.

    Args:
        values: ``[N]``.

    Returns:
        both.

    Raises:
        ValueError: if there are none, or not finite ones.

    Example:
        >>> mean_and_standard_error(jnp.array([1.0, 3.0, 1.0, 3.0]))
        (2.0, 0.5)
    """
    check_axes("values", values, "[N]")
    check_finite("values", values)
    if not np.size(values):
        raise ValueError("values is empty; expected a number for each test example.")
    values = np.asarray(values, np.float64)
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


def _check_images(samples: jax.Array, test: jax.Array) -> None:
    check_axes("samples", samples, "[N, D]")
    check_axes("test", test, "[T, D]")
    if not len(samples) or not len(test) or samples.shape[1] != test.shape[1]:
        raise ValueError(
            f"samples have shape {samples.shape} and test images {test.shape}; expected rows of one length."
        )


def _check_sigmas(sigmas: jax.Array | np.ndarray) -> None:
    """Of traced ones the shape alone is known."""
    check_axes("sigmas", sigmas, "[S]")
    if not isinstance(sigmas, jax.core.Tracer):
        for sigma in np.asarray(sigmas):
            check_number("sigma", sigma, "a positive number", above=0)
