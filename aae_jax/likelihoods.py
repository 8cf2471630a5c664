"""Likelihoods p(x given z): how a decoder's raw output is read as an image, and what a wrong image costs."""

from collections.abc import Callable

import jax

from aae_jax import losses
from aae_jax.checks import check_function, check_number
from aae_jax.types import Likelihood

__all__ = ["bernoulli", "gaussian", "half_squared_error"]


def bernoulli() -> Likelihood:
    """Independent Bernoulli pixels; the raw output is logits, the mean their sigmoid.

    Returns:
        A likelihood of images in [0, 1]; see `losses.bernoulli_nll` for gray pixels.
    """
    return Likelihood(nll=losses.bernoulli_nll, mean=jax.nn.sigmoid)


def gaussian(std: float = 1.0) -> Likelihood:
    """Independent Gaussian pixels of one standard deviation; the raw output is the mean (a linear decoder).

    Args:
        std: positive.

    Returns:
        A likelihood of images or standardized data of any range; its nll carries the constant.

    Raises:
        ValueError: if `std` is not positive.
    """
    check_number("std", std, "a positive number", above=0)
    return Likelihood(nll=lambda raw, image: losses.gaussian_nll(raw, image, std), mean=lambda raw: raw)


def half_squared_error(link: Callable[[jax.Array], jax.Array]) -> Likelihood:
    """The paper's cost: half the squared error summed over pixels, a Gaussian nll of std 1 without its constant.

    Args:
        link: `raw -> image`, elementwise, the decoder's output unit: `jax.nn.sigmoid` (the paper's MNIST), or
            `jax.nn.identity` for a linear output on standardized pixels (its SVHN and TFD).

    Returns:
        A likelihood whose nll is zero at best.

    Raises:
        ValueError: if `link` is no function.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, appendix A.

    Example:
        >>> import jax.numpy as jnp
        >>> likelihood = half_squared_error(jax.nn.sigmoid)
        >>> float(likelihood.nll(jnp.zeros(2), jnp.array([0.0, 1.0])))  # ½ (0.5² + 0.5²)
        0.25
    """
    check_function("link", link, "of the raw output, such as jax.nn.sigmoid")
    return Likelihood(nll=lambda raw, image: losses.half_squared_error(link(raw), image), mean=link)
