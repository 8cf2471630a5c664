"""Priors: the distributions p(z) that codes are to fill, for one example.

`label` is an int, −1 for the whole prior. Where a prior has classes, a label draws from that class alone; a label
that it does not have gives NaN, since nothing can be raised for it under `jit`. Other priors take no notice of it.
"""

import inspect
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from aae_jax import losses
from aae_jax.checks import check_count, check_function, check_instance, check_integers, check_number
from aae_jax.types import Prior

__all__ = [
    "categorical",
    "from_sampler",
    "gaussian",
    "gaussian_mixture",
    "responsibilities",
    "swiss_roll",
    "uniform_box",
]

_Conditional = Callable[[jax.Array, jax.Array], jax.Array]


def gaussian(size: int, std: float = 1.0) -> Prior:
    """An isotropic Gaussian around 0, for any label.

    Args:
        size: Z, the length of a code.
        std: positive; the paper's likelihood experiments have 5 (MNIST) and 10 (TFD), its semi-supervised ones 1.

    Returns:
        A prior with everything: density, percentiles, closed-form KL.

    Raises:
        ValueError: if `size` is no positive integer or `std` is not positive.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figure 2, table 1 and appendix A.

    Example:
        >>> prior = gaussian(2, std=5.0)
        >>> prior.from_uniform(jnp.array([0.5, 0.5]), -1).tolist()
        [0.0, 0.0]
    """
    check_count("size", size)
    _check_positive("std", std)
    log_variance = 2 * math.log(std)

    def sample(key: jax.Array, label: jax.Array) -> jax.Array:
        return std * jax.random.normal(key, (size,))

    def log_density(z: jax.Array, label: jax.Array) -> jax.Array:
        return losses.gaussian_log_density(z, log_variance=log_variance)

    def from_uniform(u: jax.Array, label: jax.Array) -> jax.Array:
        return std * _normal_quantile(u)

    def kl(mean: jax.Array, posterior_log_variance: jax.Array, label: jax.Array) -> jax.Array:
        return losses.kl_to_standard_normal(mean / std, posterior_log_variance - log_variance)

    return _prior(size, from_uniform, sample=sample, log_density=log_density, kl=kl)


def gaussian_mixture(
    num_components: int = 10, *, radius: float = 1.4, radial_std: float = 0.5, tangential_std: float = 0.1
) -> Prior:
    """A ring of 2-D Gaussians, petals that point away from the origin; component k, at angle 2πk / K, is class k.

    Paper: a mixture of ten 2-D Gaussians, shown but not specified. Here: the shape of the public samplers whose
    pictures match it; 98 % of the samples have their own component as the most responsible one.

    Args:
        num_components: K, equally likely.
        radius: distance of the components' centers from the origin.
        radial_std: along a petal.
        tangential_std: across it.

    Returns:
        A prior of size 2, conditional on the label, with density and percentiles. The first uniform runs along a
        petal from the inside out, the second across it; without a label the first one picks the petal beforehand.

    Raises:
        ValueError: if `num_components` is no positive integer, or a length is not positive.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figures 2 and 4.

    Example:
        >>> prior = gaussian_mixture(num_components=8, radius=2.0)
        >>> center = prior.from_uniform(jnp.array([0.5, 0.5]), 1)  # of the second petal, at 45 degrees
        >>> [round(float(x), 4) for x in center]
        [1.4142, 1.4142]
    """
    check_count("num_components", num_components)
    for name, length in (("radius", radius), ("radial_std", radial_std), ("tangential_std", tangential_std)):
        _check_positive(name, length)

    def place(normal: jax.Array, component: jax.Array) -> jax.Array:
        angle = 2 * math.pi * component / num_components
        along, across = radius + radial_std * normal[0], tangential_std * normal[1]
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        return jnp.stack([along * cos - across * sin, along * sin + across * cos])

    def sample(key: jax.Array, label: jax.Array) -> jax.Array:
        component_key, normal_key = jax.random.split(key)
        drawn = jax.random.randint(component_key, (), 0, num_components)
        return place(jax.random.normal(normal_key, (2,)), _class_or(label, drawn, num_components))

    def log_density(z: jax.Array, label: jax.Array) -> jax.Array:
        # Integers would make integers of the angles.
        z = jnp.asarray(z) * 1.0
        x, y = z
        components = jnp.arange(num_components)
        angle = (2 * math.pi * components / num_components).astype(z.dtype)
        normal = jnp.stack(
            [
                (x * jnp.cos(angle) + y * jnp.sin(angle) - radius) / radial_std,
                (y * jnp.cos(angle) - x * jnp.sin(angle)) / tangential_std,
            ]
        )
        log_volume = math.log(radial_std * tangential_std)
        densities = jax.vmap(losses.gaussian_log_density, in_axes=1)(normal) - log_volume
        return jax.nn.logsumexp(densities + jnp.log(_class_weights(label, num_components)))

    def from_uniform(u: jax.Array, label: jax.Array) -> jax.Array:
        drawn, rest = _pick(u[0], num_components)
        first = jnp.where(label < 0, rest, u[0])
        return place(_normal_quantile(jnp.stack([first, u[1]])), _class_or(label, drawn, num_components))

    return _prior(2, from_uniform, sample=sample, log_density=log_density)


def swiss_roll(num_classes: int = 10, *, radius: float = 3.0, turns: float = 2.0) -> Prior:
    """A spiral in the plane that starts at the origin, cut into classes from the inside out.

    A point at u in [0, 1] along the roll has radius `radius` · √u and angle 2π `turns` √u; class k owns
    [k / K, (k + 1) / K]. The roll is a curve, so it has no density over the plane.

    Paper: shown but not specified. Here: the shape of the public samplers whose pictures match it.

    Args:
        num_classes: K, equally likely.
        radius: of the outer end.
        turns: of the whole roll.

    Returns:
        A prior of size 2, conditional on the label, without density. The first uniform walks along the roll (or
        along the label's part of it); the roll has no width, so the second one does nothing.

    Raises:
        ValueError: if `num_classes` is no positive integer, or a length is not positive.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figure 4.
    """
    check_count("num_classes", num_classes)
    _check_positive("radius", radius)
    _check_positive("turns", turns)

    def from_uniform(u: jax.Array, label: jax.Array) -> jax.Array:
        position = jnp.where(label < 0, u[0], (_class_or(label, 0, num_classes) + u[0]) / num_classes)
        root = jnp.sqrt(position)
        angle = 2 * math.pi * turns * root
        return radius * root * jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    return _prior(2, from_uniform)


def uniform_box(size: int, low: float = -1.0, high: float = 1.0) -> Prior:
    """Every axis uniform between the same two bounds, for any label.

    Args:
        size: Z, the length of a code.
        low: the lower bound.
        high: the upper bound.

    Returns:
        A prior with density (zero outside: a log-density of −inf) and percentiles.

    Raises:
        ValueError: if `size` is no positive integer, or the bounds are not finite and in order.
    """
    check_count("size", size)
    for name, bound in (("low", low), ("high", high)):
        check_number(name, bound, "a finite number")
    if not low < high:
        raise ValueError(f"low is {low!r} and high is {high!r}; expected finite numbers with low < high.")

    def log_density(z: jax.Array, label: jax.Array) -> jax.Array:
        inside = (z >= low) & (z <= high)
        outside = jnp.where(jnp.isnan(z), jnp.nan, -jnp.inf)
        return jnp.where(inside, -math.log(high - low), outside).sum()

    def from_uniform(u: jax.Array, label: jax.Array) -> jax.Array:
        return low + (high - low) * u

    return _prior(size, from_uniform, log_density=log_density)


def categorical(size: int) -> Prior:
    """Equally likely one-hot vectors; a label gives its own.

    Args:
        size: K, the number of categories, the length of a sample.

    Returns:
        A prior whose `log_density` is a log-probability, −log K at any one-hot vector (with a label: 0 at its own,
        else −inf). At a vector of probabilities it is the expectation of that. The first uniform picks the category.

    Raises:
        ValueError: if `size` is no positive integer.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, section 5.
    """
    check_count("size", size)

    def log_density(z: jax.Array, label: jax.Array) -> jax.Array:
        return jax.scipy.special.xlogy(z, _class_weights(label, size)).sum()

    def from_uniform(u: jax.Array, label: jax.Array) -> jax.Array:
        drawn, _ = _pick(u[0], size)
        return _class_weights(jnp.where(label < 0, drawn, label), size)

    return _prior(size, from_uniform, log_density=log_density)


def from_sampler(size: int, sample: Callable[..., jax.Array]) -> Prior:
    """A prior of one's own, from a function that draws one code.

    An adversarial autoencoder needs no more. Where there is a density too, use `Prior` itself, or `_replace`.

    Args:
        size: Z, the length of a code.
        sample: `(key, label) -> [Z]`, or `(key) -> [Z]` if it knows no labels. A second parameter that has a default
            is given the label only if it is called `label`.

    Returns:
        A prior without density and percentiles.

    Raises:
        ValueError: if `size` is no positive integer or `sample` no such function; when drawing, if what it returns
            is not of shape `[size]`.

    Example:
        >>> ring = from_sampler(2, lambda key: jnp.array([1.0, 0.0]))
        >>> ring.sample(jax.random.key(0), -1).tolist()
        [1.0, 0.0]
    """
    check_count("size", size)
    takes_label = _takes_label(sample)

    def checked(key: jax.Array, label: jax.Array) -> jax.Array:
        z = jnp.asarray(sample(key, label) if takes_label else sample(key))
        if z.shape != (size,):
            raise ValueError(f"The prior's sample has shape {z.shape}; expected ({size},), one code.")
        return z

    return Prior(size, checked)


def responsibilities(prior: Prior, z: jax.Array, num_classes: int) -> jax.Array:
    """p(label given z) of one code under a prior whose classes are equally likely; their argmax is its component.

    Args:
        prior: with a `log_density` that is conditional on the label, such as a mixture.
        z: `[Z]`.
        num_classes: K.

    Returns:
        `[K]`, fractions that sum to one.

    Raises:
        ValueError: if the prior has no density or `num_classes` is no positive integer.
    """
    check_count("num_classes", num_classes)
    check_instance("prior", prior, Prior, "aae_jax.priors")
    if prior.log_density is None:
        raise ValueError("The prior has no log_density; responsibilities need one that is conditional on the label.")
    return jax.nn.softmax(jax.vmap(prior.log_density, in_axes=(None, 0))(z, jnp.arange(num_classes)))


def _prior(
    size: int,
    from_uniform: _Conditional,
    *,
    sample: _Conditional | None = None,
    log_density: _Conditional | None = None,
    kl: Callable[..., jax.Array] | None = None,
) -> Prior:
    """A prior that is sampled through its map from uniforms, where it has no sampler of its own."""

    def checked(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
        def for_one_example(*codes_and_label: jax.Array) -> jax.Array:
            # Without this, a batch that was not vmapped would give a number, and the wrong one.
            *codes, label = codes_and_label
            for code in codes:
                if jnp.shape(code) != (size,):
                    raise ValueError(
                        f"Got an array of shape {jnp.shape(code)}; expected ({size},), one example: vmap over rows."
                    )
            _check_label(label)
            return function(*codes, label)

        return for_one_example

    draw = sample or (lambda key, label: from_uniform(jax.random.uniform(key, (size,)), label))

    def one_sample(key: jax.Array, label: jax.Array) -> jax.Array:
        _check_label(label)
        return draw(key, label)

    return Prior(size, one_sample, log_density and checked(log_density), checked(from_uniform), kl and checked(kl))


def _check_label(label: jax.Array) -> None:
    if jnp.ndim(label):
        raise ValueError(f"label has shape {jnp.shape(label)}; expected one number, of one example: vmap over rows.")
    check_integers("label", label)


def _normal_quantile(u: jax.Array) -> jax.Array:
    """The standard normal's quantiles, kept finite: uniform draws contain 0, grids of percentiles 0 and 1."""
    u = 1.0 * jnp.asarray(u)
    # The quantiles themselves are only known in float32 and wider.
    wide = u.astype(jnp.promote_types(u.dtype, jnp.float32))
    epsilon = jnp.finfo(wide.dtype).eps
    return jax.scipy.special.ndtri(jnp.clip(wide, epsilon, 1 - epsilon)).astype(u.dtype)


def _pick(u: jax.Array, num_classes: int) -> tuple[jax.Array, jax.Array]:
    """Spends a uniform number on a class; what is left of it is uniform in [0, 1] again."""
    position = u * num_classes
    picked = jnp.clip(jnp.floor(position), 0, num_classes - 1)
    return picked, position - picked


def _class_or(label: jax.Array, drawn: jax.Array | int, num_classes: int) -> jax.Array:
    """The label's class, or the drawn one where the label is −1, as a float; NaN for a class that does not exist."""
    return jnp.where(label < num_classes, jnp.where(label < 0, drawn, label).astype(float), jnp.nan)


def _class_weights(label: jax.Array, num_classes: int) -> jax.Array:
    """`[K]`: the label's one-hot vector, or 1 / K everywhere where the label is −1."""
    weights = jnp.where(label < 0, 1 / num_classes, jnp.arange(num_classes) == label)
    return jnp.where(label < num_classes, weights, jnp.nan)


def _takes_label(sample: Callable[..., jax.Array]) -> bool:
    check_function("sample", sample, "(key, label) or (key)")
    signature = inspect.signature(sample)
    parameters = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    num_required = sum(p.default is p.empty for p in parameters)
    if num_required not in (1, 2):
        raise ValueError(f"sample has the parameters {signature}; expected (key, label) or (key).")
    return num_required == 2 or (len(parameters) > 1 and parameters[1].name == "label")


def _check_positive(name: str, value: float) -> None:
    check_number(name, value, "a positive number", above=0)
