"""Corruption: what makes another view of a clean image while training, `(key, image) -> input`.

Evaluation reads the image as it is. Functions are for one example; the image is an array of floats of any shape.
"""

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from aae_jax.checks import check_axes, check_count, check_function, check_image, check_number
from aae_jax.types import Corruption

__all__ = ["affine", "chain", "cutout", "dropout", "gaussian_noise", "identity", "view"]


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
        check_image("image", image)
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
        check_image("image", image)
        kept = jax.random.bernoulli(key, 1 - rate, image.shape)
        return jnp.where(kept, image / (1 - rate), 0)

    return corrupt


def affine(*, rotation: float, shear: float, scale: float, shift: float) -> Corruption:
    """Turns, slants, stretches and moves an image, each at random and as much one way as the other.

    What comes in from beyond the edges is 0. Each amount is drawn evenly from plus to minus the number given.

    Args:
        rotation: degrees about the middle.
        shear: columns by row.
        scale: below 1, of height and width, each by itself: they are divided by 1 − scale to 1 + scale.
        shift: pixels, down and to the right.

    Returns:
        A function that consumes its key, of images `[H, W, C]`.

    Raises:
        ValueError: if an amount is negative, or `scale` not below 1; when called, if the image is not of floats or of
            other axes.
    """
    for name, amount in (("rotation", rotation), ("shear", shear), ("shift", shift)):
        check_number(name, amount, "a number ≥ 0", least=0)
    check_number("scale", scale, "a fraction in [0, 1)", least=0, below=1)

    def corrupt(key: jax.Array, image: jax.Array) -> jax.Array:
        check_image("image", image)
        check_axes("image", image, "[H, W, C]")
        turn, slant, *rest = jax.random.uniform(key, (6,), image.dtype, -1, 1)
        cosine, sine = jnp.cos(jnp.deg2rad(rotation * turn)), jnp.sin(jnp.deg2rad(rotation * turn))
        turned, slanted = jnp.array([[cosine, -sine], [sine, cosine]]), jnp.array([[1, 0], [shear * slant, 1]])
        rotated = jnp.matmul(turned, slanted, precision="highest")
        stretch, move = jnp.array(rest).reshape(2, 2) * jnp.array([[scale], [shift]])
        middle = (jnp.array(image.shape[:2]) - 1) / 2
        # Where each pixel of the view comes from in the image.
        rows, columns = jnp.meshgrid(*map(jnp.arange, image.shape[:2]), indexing="ij")
        places = jnp.stack([rows, columns], axis=-1) - middle
        places = jnp.matmul(places, (rotated * (1 + stretch)).T, precision="highest") + middle + move
        at = [places[..., 0], places[..., 1]]
        return jax.vmap(lambda channel: map_coordinates(channel, at, order=1), in_axes=-1, out_axes=-1)(image)

    return corrupt


def cutout(size: int) -> Corruption:
    """Sets a square of the image to 0, anywhere, also in part beyond its edges.

    Args:
        size: pixels of its side, ≥ 0.

    Returns:
        A function that consumes its key, of images `[H, W, C]`.

    Raises:
        ValueError: if `size` is no count; when called, if the image is not of floats or of other axes.

    References:
        DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    """
    check_count("size", size, 0)
    if size == 0:
        return identity()

    def corrupt(key: jax.Array, image: jax.Array) -> jax.Array:
        check_image("image", image)
        check_axes("image", image, "[H, W, C]")
        first = jax.random.randint(key, (2,), 1 - size, jnp.array(image.shape[:2]))
        rows, columns = (jnp.arange(length) - start for length, start in zip(image.shape[:2], first, strict=True))
        within = [(place >= 0) & (place < size) for place in (rows, columns)]
        return jnp.where(jnp.outer(*within)[..., None], 0, image)

    return corrupt


def view(amount: float, *, stretch: float, cutout_size: int = 0) -> Corruption:
    """Another view of a handwritten character: what may be done to it and leave it the same.

    Args:
        amount: how much it is turned, slanted and moved: 1 for up to 15 degrees, a quarter of its height and 2 pixels.
        stretch: height and width are divided by 1 − stretch to 1 + stretch, each by itself.
        cutout_size: of a square that is set to 0, see `cutout`.

    Returns:
        A function that consumes its key, of images `[H, W, C]`.

    Raises:
        ValueError: if `amount` is negative, `stretch` outside [0, 1) or `cutout_size` no count; when called, if the
            image is not of floats or of other axes.
    """
    check_number("amount", amount, "a number ≥ 0", least=0)
    check_number("stretch", stretch, "a fraction in [0, 1)", least=0, below=1)
    check_count("cutout_size", cutout_size, 0)
    moved = affine(rotation=15 * amount, shear=0.25 * amount, scale=stretch, shift=2 * amount)
    return chain(moved, cutout(cutout_size)) if cutout_size else moved


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
