"""Encoder heads: how an encoder's raw output becomes a code, q(z given x), for one example."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from aae_jax import losses
from aae_jax.checks import check_count, check_instance, check_number
from aae_jax.types import Head, Prior

__all__ = ["categorical", "deterministic", "gaussian", "isotropic", "mean_and_log_variance", "posterior_kl"]


def deterministic(size: int) -> Head:
    """The raw output is the code. All results of the paper use this head.

    The third posterior of the paper, the universal approximator, is this head on an encoder that reads noise beside
    the image: the noise belongs to the network's inputs, so there is no head of its own for it.

    Args:
        size: Z, the length of the code.

    Returns:
        A head on Z raw numbers; `sample` leaves its key unused.

    Raises:
        ValueError: if `size` is no positive integer.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, section 2.
    """
    _check_size(size)
    return _head(size, sample=lambda key, raw: raw, mean=lambda raw: raw)


def gaussian(size: int) -> Head:
    """A diagonal Gaussian posterior, drawn by the reparametrization: mean + exp(log_variance / 2) · noise.

    Args:
        size: Z, the length of the code.

    Returns:
        A head on 2 Z raw numbers, the mean and then the log-variance; `sample` consumes its key.

    Raises:
        ValueError: if `size` is no positive integer.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, section 2.4.

    Example:
        >>> head = gaussian(2)
        >>> head.size, head.mean(jnp.array([1.0, 2.0, 0.0, 0.0])).tolist()
        (4, [1.0, 2.0])
    """
    _check_size(size)

    def sample(key: jax.Array, raw: jax.Array) -> jax.Array:
        mean, log_variance = mean_and_log_variance(raw)
        return mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape, mean.dtype)

    return _head(2 * size, sample, mean=lambda raw: mean_and_log_variance(raw)[0])


def isotropic(size: int, std: float) -> Head:
    """A Gaussian posterior of one standard deviation that is given, not learned: raw output + std · noise.

    Codes that lie closer than that are decoded alike, so that the decoder is smooth at that scale.

    Args:
        size: Z, the length of the code.
        std: of the noise, in the code's units, > 0.

    Returns:
        A head on Z raw numbers, the mean; `sample` consumes its key.

    Raises:
        ValueError: if `size` is no positive integer or `std` no positive number.

    Example:
        >>> head = isotropic(2, 0.5)
        >>> head.size, head.mean(jnp.array([1.0, 2.0])).tolist()
        (2, [1.0, 2.0])
    """
    _check_size(size)
    check_number("std", std, "a number above 0", above=0)

    def sample(key: jax.Array, raw: jax.Array) -> jax.Array:
        return raw + std * jax.random.normal(key, raw.shape, raw.dtype)

    return _head(size, sample, mean=lambda raw: raw)


def categorical(size: int) -> Head:
    """The softmax of the raw output, q(y given x), itself: nothing is drawn.

    The discriminator is shown these probabilities against the one-hot samples of `priors.categorical`, which presses
    them toward the corners.

    Args:
        size: K, the number of categories.

    Returns:
        A head on K raw numbers, logits; codes are ≥ 0 and sum to one. `sample` leaves its key unused.

    Raises:
        ValueError: if `size` is no positive integer.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, section 5 and appendix A.2.1.
    """
    _check_size(size)
    return _head(size, sample=lambda key, raw: jax.nn.softmax(raw), mean=jax.nn.softmax)


def mean_and_log_variance(raw: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Reads a Gaussian head's raw output.

    Args:
        raw: `[..., 2 Z]`.

    Returns:
        mean: `[..., Z]`, the first half.
        log_variance: `[..., Z]`, the second half.

    Raises:
        ValueError: if the last axis is odd.
    """
    if raw.ndim < 1 or raw.shape[-1] % 2:
        raise ValueError(f"raw has shape {raw.shape}; expected an even last axis, the mean and then the log-variance.")
    mean, log_variance = jnp.split(raw, 2, axis=-1)
    return mean, log_variance


def posterior_kl(prior: Prior) -> Callable[..., jax.Array]:
    """KL(q(z given x) ‖ p(z)) in nats of a Gaussian head against a prior, for one example.

    Args:
        prior: with a closed form `kl`, or else a `log_density`, from which the code itself gives an unbiased estimate
            (see `losses.kl_by_sampling`).

    Returns:
        `(raw [2 Z], code [Z], label = −1) -> []`; the code is the head's sample of that raw output.

    Raises:
        ValueError: if the prior has neither.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, equations 6 and 7.
    """
    check_instance("prior", prior, Prior, "aae_jax.priors")
    if prior.kl is not None:
        closed_form = prior.kl
        return lambda raw, code, label=-1: closed_form(*mean_and_log_variance(raw), jnp.asarray(label))
    if prior.log_density is None:
        raise ValueError(
            "The prior has neither a closed-form kl nor a log_density, so there is no KL to it; expected one of them. "
            "An adversarial autoencoder needs neither."
        )
    log_density = prior.log_density

    def estimate(raw: jax.Array, code: jax.Array, label: jax.Array | int = -1) -> jax.Array:
        return losses.kl_by_sampling(code, *mean_and_log_variance(raw), lambda z: log_density(z, jnp.asarray(label)))

    return estimate


def _check_size(size: int) -> None:
    check_count("size", size, expected=", the length of the code")


def _head(
    size: int, sample: Callable[[jax.Array, jax.Array], jax.Array], mean: Callable[[jax.Array], jax.Array]
) -> Head:
    """A head that is told when it is shown a batch, of which a softmax or a split would make something else."""

    def checked(raw: jax.Array) -> jax.Array:
        if jnp.shape(raw) != (size,):
            raise ValueError(f"raw has shape {jnp.shape(raw)}; expected ({size},), one example: vmap over rows.")
        return raw

    return Head(size, lambda key, raw: sample(key, checked(raw)), lambda raw: mean(checked(raw)))
