"""Corruption: what makes the networks' noisy view of a clean image while training, `(key, image) -> input`.

Evaluation reads the image as it is. Functions are for one example; the image is an array of floats of any shape.
"""

import jax
import jax.numpy as jnp

from aae_jax.checks import check_floats, check_function, check_number
from aae_jax.types import Corruption

__all__ = ["chain", "dropout", "gaussian_noise", "identity"]

_FLOATS = "floats: bytes are divided by 255 first"


def identity() -> Corruption:
    """No corruption: the input is the image, the key stays unused."""
    return lambda key, image: image


def gaussian_noise(std: float) -> Corruption:
    """Adds Gaussian noise to every pixel; the result is not clipped to [0, 1].

    Args:
        std: of the noise, ≥ 0; the paper has 0.3 on MNIST.

    Returns:
        A function that consumes its key.

    Raises:
        ValueError: if `std` is negative; when called, if the image is not of floats.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, appendix A.2.1.
    """
    check_number("std", std, "a number ≥ 0", least=0)
    if std == 0:
        return identity()

    def corrupt(key: jax.Array, image: jax.Array) -> jax.Array:
        check_floats("image", image, _FLOATS)
        return image + std * jax.random.normal(key, image.shape, image.dtype)

    return corrupt


def dropout(rate: float) -> Corruption:
    """Sets each number of the image to zero with probability `rate` and scales the others by 1 / (1 − rate).

    Paper: 20 % dropout of the input, without saying how it is scaled. Here: scaled while training, as is standard,
    so that the input's expectation is the image, which evaluation reads.

    Args:
        rate: fraction in [0, 1).

    Returns:
        A function that consumes its key.

    Raises:
        ValueError: if `rate` is outside [0, 1); when called, if the image is not of floats.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, appendix A.3. Srivastava et al., "Dropout", 2014,
        section 10.
    """
    check_number("rate", rate, "a fraction in [0, 1)", least=0, below=1)
    if rate == 0:
        return identity()

    def corrupt(key: jax.Array, image: jax.Array) -> jax.Array:
        check_floats("image", image, _FLOATS)
        kept = jax.random.bernoulli(key, 1 - rate, image.shape)
        return jnp.where(kept, image / (1 - rate), 0)

    return corrupt


def chain(*corruptions: Corruption) -> Corruption:
    """One corruption after the other, each with a key of its own.

    Args:
        *corruptions: the first one sees the image.

    Raises:
        ValueError: if one of them is no function.

    Example:
        >>> twice = chain(gaussian_noise(1.0), gaussian_noise(1.0))
        >>> noise = twice(jax.random.key(0), jnp.zeros(10_000))
        >>> round(float(noise.std()), 1)  # √2
        1.4
    """
    for position, corruption in enumerate(corruptions):
        check_function(f"Corruption {position}", corruption, "(key, image) -> input")

    def corrupt(key: jax.Array, image: jax.Array) -> jax.Array:
        for position, corruption in enumerate(corruptions):
            image = corruption(jax.random.fold_in(key, position), image)
        return image

    return corrupt
