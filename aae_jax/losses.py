"""Losses and divergences, as functions of arrays alone: nothing here knows a network, a prior or a batch.

A function of an image, a code or a distribution takes one example, sums over all its axes and returns a scalar in
nats: `vmap` it over rows. The losses on logits (scores of a discriminator, high = real) are elementwise. None of
them reduces over examples but `jensen_shannon_bound`, which is a statistic of samples.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from aae_jax.checks import check_axes, check_floats, check_function, check_image, check_integers, check_number

__all__ = [
    "bernoulli_nll",
    "categorical_cross_entropy",
    "discriminator_loss",
    "gaussian_log_density",
    "gaussian_nll",
    "half_squared_error",
    "jensen_shannon_bound",
    "jensen_shannon_divergence",
    "kl_by_sampling",
    "kl_divergence",
    "kl_to_standard_normal",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "repulsion",
]


def bernoulli_nll(logits: jax.Array, image: jax.Array) -> jax.Array:
    """−log p(x given z) in nats of one image under independent Bernoulli pixels, summed over them.

    Args:
        logits: any shape; log-odds of a pixel being 1.
        image: of the same shape, in [0, 1]. For gray pixels this is the usual cross-entropy, which is no
            normalized density.

    Returns:
        `[]`, ≥ 0.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> nll = bernoulli_nll(jnp.zeros(2), jnp.array([0.0, 1.0]))  # 2 log 2
        >>> round(float(nll), 4)
        1.3863
    """
    _check_same_shape("logits", logits, "image", image)
    check_image("image", image)
    return optax.sigmoid_binary_cross_entropy(logits, image).sum()


def gaussian_nll(mean: jax.Array, image: jax.Array, std: jax.Array | float = 1.0) -> jax.Array:
    """−log p(x given z) in nats of one image under independent Gaussian pixels, with the constant, summed over them.

    Args:
        mean: any shape.
        image: of the same shape.
        std: positive; a scalar, or one for each pixel.

    Returns:
        `[]`.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_same_shape("mean", mean, "image", image)
    _check_broadcasts("std", std, "image", image)
    check_image("image", image)
    return -gaussian_log_density(image, mean, 2.0 * jnp.log(std))


def half_squared_error(prediction: jax.Array, image: jax.Array) -> jax.Array:
    """Half the squared error of one image, summed over pixels (not averaged: the paper's rates rest on the sum).

    It is `gaussian_nll` with std 1 without that one's constant, half of log 2π a pixel.

    Args:
        prediction: any shape.
        image: of the same shape.

    Returns:
        `[]`, ≥ 0.

    Raises:
        ValueError: if the shapes differ.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, appendix A.2.1.
    """
    _check_same_shape("prediction", prediction, "image", image)
    check_image("image", image)
    return 0.5 * jnp.square(prediction - image).sum()


def categorical_cross_entropy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """−log q(y given x) in nats of one example's label; zero where the label is unknown.

    A mean over rows thus counts unlabeled rows as zeros. Where only labeled rows are to count, give it only those.

    Args:
        logits: `[K]`.
        label: `[]` int, a class index, or −1 = unknown. NaN comes back for K and above.

    Returns:
        `[]`, ≥ 0.

    Example:
        >>> round(float(categorical_cross_entropy(jnp.zeros(10), jnp.array(3))), 4)  # log 10
        2.3026
        >>> float(categorical_cross_entropy(jnp.zeros(10), jnp.array(-1)))
        0.0
    """
    check_axes("logits", logits, "[K]")
    check_axes("label", label, "[]")
    check_integers("label", label)
    (num_classes,) = logits.shape
    # The number of classes may not fit the label's own type.
    label = jnp.asarray(label, jnp.int32)
    nll = -jax.nn.log_softmax(logits)[jnp.clip(label, 0, num_classes - 1)]
    return jnp.where(label < 0, 0.0, jnp.where(label < num_classes, nll, jnp.nan))


def discriminator_loss(real_score: jax.Array, fake_score: jax.Array) -> jax.Array:
    """−log D(real) − log(1 − D(fake)) in nats, elementwise; D is the sigmoid of the score.

    Args:
        real_score: any shape; logits of samples that the discriminator is to call real. In an adversarial
            autoencoder these are samples of the prior.
        fake_score: of the same shape; logits of fakes: codes.

    Returns:
        Of the same shape, ≥ 0; log 4 where the discriminator is undecided on both.

    Raises:
        ValueError: if the shapes differ.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014, equation 1.
    """
    _check_same_shape("real_score", real_score, "fake_score", fake_score)
    return jax.nn.softplus(-real_score) + jax.nn.softplus(fake_score)


def non_saturating_generator_loss(fake_score: jax.Array) -> jax.Array:
    """−log D(fake) in nats, elementwise: keeps its gradient where the discriminator is sure of the fake.

    Args:
        fake_score: any shape; logits, high = real.

    Returns:
        Of the same shape, ≥ 0.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014, section 3.
    """
    return jax.nn.softplus(-fake_score)


def minimax_generator_loss(fake_score: jax.Array) -> jax.Array:
    """log(1 − D(fake)) in nats, elementwise: the minimax game's own, whose gradient vanishes where D is sure.

    Args:
        fake_score: any shape; logits, high = real.

    Returns:
        Of the same shape, ≤ 0.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014, equation 1.
    """
    return -jax.nn.softplus(fake_score)


def gaussian_log_density(
    value: jax.Array, mean: jax.Array | float = 0.0, log_variance: jax.Array | float = 0.0
) -> jax.Array:
    """The log-density in nats of one value under independent Gaussians, summed over all axes.

    Args:
        value: any shape.
        mean: of the same shape, or a scalar.
        log_variance: of the same shape, or broadcasting against it.

    Returns:
        `[]`.

    Raises:
        ValueError: if `mean` is an array of another shape.
    """
    if jnp.ndim(mean) > 0:
        _check_same_shape("mean", mean, "value", value)
    _check_broadcasts("log_variance", log_variance, "value", value)
    return -0.5 * (math.log(2 * math.pi) + log_variance + jnp.square(value - mean) * jnp.exp(-log_variance)).sum()


def kl_to_standard_normal(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """KL(N(mean, variance) ‖ N(0, I)) in nats of one diagonal Gaussian, in closed form.

    Against N(0, std² I), divide the mean by std and subtract 2 log std from the log-variance: scaling both sides
    leaves a divergence as it is.

    Args:
        mean: `[Z]`.
        log_variance: `[Z]`.

    Returns:
        `[]`, ≥ 0.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, appendix B.
    """
    _check_same_shape("mean", mean, "log_variance", log_variance)
    check_floats("mean", mean)
    # expm1(v) − v: near the prior, exp(v) − 1 − v would lose all digits of a small divergence.
    return 0.5 * (jnp.expm1(log_variance) - log_variance + jnp.square(mean)).sum()


def kl_by_sampling(
    code: jax.Array, mean: jax.Array, log_variance: jax.Array, log_density: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """An unbiased estimate of KL(N(mean, variance) ‖ p) in nats, from one code drawn from that Gaussian.

    A single estimate may be negative. Its gradient is right where the code is a differentiable function of mean and
    log-variance, as `heads.gaussian` draws it. For less noise, `vmap` it over several codes and average.

    Args:
        code: `[Z]`, a draw from N(mean, variance).
        mean: `[Z]`.
        log_variance: `[Z]`.
        log_density: `[Z] -> []`, log p in nats: `lambda z: prior.log_density(z, label)`.

    Returns:
        `[]`.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, equation 6.
    """
    check_function("log_density", log_density, "[Z] -> []")
    _check_same_shape("code", code, "mean", mean)
    return gaussian_log_density(code, mean, log_variance) - log_density(code)


def kl_divergence(p: jax.Array, q: jax.Array) -> jax.Array:
    """KL(p ‖ q) = Σ p log(p / q) in nats of two discrete distributions.

    Args:
        p: `[K]`, ≥ 0, sums to one (not checked). Where it is zero the term is zero, and so are its gradients.
        q: `[K]`, likewise. Where it is zero and p is not, the divergence is infinite.

    Returns:
        `[]`, ≥ 0.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> divergence = kl_divergence(jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5]))  # log 2
        >>> round(float(divergence), 4)
        0.6931
    """
    p, q = (jnp.asarray(part, jnp.result_type(part, float)) for part in (p, q))
    _check_same_shape("p", p, "q", q)
    check_axes("p", p, "[K]")
    # Subnormal numbers count as zero: they weigh nothing, and processors flush them, or their half, to zero at will.
    # The inner where keeps log 0 out of the branch that is not taken, whose gradient would else be NaN.
    # NaN is not less than anything, and has to come through.
    some = ~(p <= 2 * jnp.finfo(p.dtype).tiny)
    return jnp.where(some, p * (jnp.log(jnp.where(some, p, 1.0)) - jnp.log(jnp.where(some, q, 1.0))), 0.0).sum()


def jensen_shannon_divergence(p: jax.Array, q: jax.Array) -> jax.Array:
    """The mean of KL(p ‖ m) and KL(q ‖ m) in nats, where m is the mean of the two discrete distributions.

    Args:
        p: `[K]`, ≥ 0, sums to one (not checked).
        q: `[K]`, likewise.

    Returns:
        `[]` in [0, log 2]; log 2 where the two share nothing.

    Raises:
        ValueError: if the shapes differ.

    References:
        Lin, "Divergence measures based on the Shannon entropy", 1991.
    """
    p, q = jnp.asarray(p), jnp.asarray(q)
    _check_same_shape("p", p, "q", q)
    check_axes("p", p, "[K]")
    mean = 0.5 * (p + q)
    return 0.5 * (kl_divergence(p, mean) + kl_divergence(q, mean))


def jensen_shannon_bound(real_score: jax.Array, fake_score: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A lower bound on the Jensen-Shannon divergence of real and fake in nats, log 2 − L / 2, from their scores.

    L is the mean discriminator loss. In expectation this is a bound for any discriminator, tight for the best, as
    long as the scored samples are *not* those it was trained on. Over a poor discriminator it is negative.

    Args:
        real_score: `[N]` logits of held-out real samples, N ≥ 2.
        fake_score: `[M]` logits of held-out fakes, M ≥ 2.

    Returns:
        bound: `[]`, ≤ log 2.
        standard_error: `[]`, ≥ 0, from the variances of the two independent samples.

    Raises:
        ValueError: if either is no list of two scores at least.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014, theorem 1.
    """
    real_score, fake_score = jnp.asarray(real_score), jnp.asarray(fake_score)
    for name, score in (("real_score", real_score), ("fake_score", fake_score)):
        if score.ndim != 1 or score.size < 2:
            raise ValueError(f"{name} has shape {score.shape}; expected [N] with at least 2 scores.")
    real_loss, fake_loss = jax.nn.softplus(-real_score), jax.nn.softplus(fake_score)
    variance = real_loss.var(ddof=1) / real_loss.size + fake_loss.var(ddof=1) / fake_loss.size
    return math.log(2) - 0.5 * (real_loss.mean() + fake_loss.mean()), 0.5 * jnp.sqrt(variance)


def repulsion(cluster_heads: jax.Array, eta: float) -> jax.Array:
    """The penalty that keeps cluster heads apart: Σ max(0, eta − distance) over their pairs.

    The gradient is zero for a pair at distance zero: start from distinct heads.

    Args:
        cluster_heads: `[K, Z]`.
        eta: the Euclidean distance from which a pair is charged nothing.

    Returns:
        `[]` in [0, eta · K (K − 1) / 2].

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, section 7.

    Example:
        >>> float(repulsion(jnp.array([[0.0, 0.0], [3.0, 4.0], [30.0, 0.0]]), eta=7.0))  # 7 − 5
        2.0
    """
    check_axes("cluster_heads", cluster_heads, "[K, Z]")
    check_floats("cluster_heads", cluster_heads)
    check_number("eta", eta, "a distance above 0", above=0)
    squared = jnp.square(cluster_heads[:, None] - cluster_heads).sum(-1)
    # The square root has no gradient at 0.
    distance = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
    return jnp.triu(jnp.maximum(0.0, eta - distance), k=1).sum()


def _check_same_shape(name: str, array: ArrayLike, other_name: str, other: ArrayLike) -> None:
    """Broadcasting would turn a forgotten axis into a wrong number."""
    if jnp.shape(array) != jnp.shape(other):
        raise ValueError(
            f"{name} has shape {jnp.shape(array)} and {other_name} {jnp.shape(other)}; expected the same for both."
        )


def _check_broadcasts(name: str, array: ArrayLike, other_name: str, other: ArrayLike) -> None:
    """An array with more numbers than the other would have the sum count some of that one's again."""
    shape, other_shape = jnp.shape(array), jnp.shape(other)
    ends = list(zip(reversed(shape), reversed(other_shape), strict=False))
    if len(shape) > len(other_shape) or any(size not in (1, of_other) for size, of_other in ends):
        raise ValueError(
            f"{name} has shape {shape} and {other_name} {other_shape}; expected one that broadcasts against it."
        )
