"""Are two sets of codes draws of one distribution? Moments, maximum mean discrepancy, nearest neighbors.

Each measure has a value that says "indistinguishable"; what chance makes of it is measured on prior samples against
prior samples, see `mmd_null` and `aae_jax.evaluation.prior_match`.

`squared_mmd`, `mmd_null` and `nearest_neighbor_accuracy` look at all pairs, a few hundred rows at a time; they can be
traced, and want `jax.jit`. The rest is numpy.
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aae_jax.checks import check_axes, check_count, check_finite, check_key, check_number
from aae_jax.evaluation.distances import map_rows, squared_distances

__all__ = ["median_scales", "mmd_null", "moment_errors", "moments", "nearest_neighbor_accuracy", "squared_mmd"]


def moments(samples: ArrayLike) -> dict[str, np.ndarray]:
    """Mean and (unbiased) covariance of samples.

    Args:
        samples: ``[N, Z]``, N ≥ 2.

    Returns:
        ``{"mean": [Z], "covariance": [Z, Z]}``, float64.

    Raises:
        ValueError: for other shapes, or numbers that are not finite.

    Example:
        >>> moments([[0.0, 1.0], [2.0, 1.0]])["covariance"].tolist()
        [[2.0, 0.0], [0.0, 0.0]]
    """
    _check_set("samples", samples)
    check_finite("samples", samples)
    samples = np.asarray(samples, np.float64)
    mean = np.mean(samples, axis=0)
    centered = samples - mean
    return {"mean": mean, "covariance": centered.T @ centered / (len(samples) - 1)}


def moment_errors(codes: ArrayLike, prior_samples: ArrayLike) -> dict[str, float]:
    """How far the codes' mean and covariance are from the prior's, in units of the prior.

    Args:
        codes: ``[N, Z]``.
        prior_samples: ``[M, Z]``, many.

    Returns:
        ``mean_error``, the distance of the means over the prior's root mean square deviation, and
        ``covariance_error``, the Frobenius norm of the difference of the covariances over that of the prior's.

    Raises:
        ValueError: for other shapes, numbers that are not finite, or prior samples that do not vary.
    """
    q, p = moments(codes), moments(prior_samples)
    if q["mean"].shape != p["mean"].shape:
        raise ValueError(
            f"codes are of {len(q['mean'])} numbers, prior samples of {len(p['mean'])}; expected as many."
        )
    if not p["covariance"].any():
        raise ValueError(f"The {len(np.asarray(prior_samples))} prior samples are all one; expected ones that vary.")
    norm = np.linalg.norm
    return {
        "mean_error": float(norm(q["mean"] - p["mean"]) / np.sqrt(np.trace(p["covariance"]))),
        "covariance_error": float(norm(q["covariance"] - p["covariance"]) / norm(p["covariance"])),
    }


def median_scales(prior_samples: ArrayLike, factors: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)) -> np.ndarray:
    """Scales for `squared_mmd`: multiples of the median distance between *prior* samples.

    The usual median over both sets would let the model choose the kernel that judges it. The small factors see thin
    petals and holes, the large ones displaced clouds.

    Args:
        prior_samples: ``[M, Z]``, independent ones: row 2 i is paired with row 2 i + 1.
        factors: multiples of the median.

    Returns:
        ``[len(factors)]``.

    Raises:
        ValueError: for fewer than two samples, ones that are not finite or do not vary; if a factor is not positive.
    """
    _check_set("prior_samples", prior_samples)
    check_finite("prior_samples", prior_samples)
    for factor in factors:
        check_number("A factor", factor, "a positive number", above=0)
    samples = np.asarray(prior_samples, np.float64)
    half = len(samples) // 2
    median = np.median(np.linalg.norm(samples[0 : 2 * half : 2] - samples[1 : 2 * half : 2], axis=1))
    if not median:
        raise ValueError(f"Most of the {len(samples)} prior samples are one; expected ones that vary.")
    return median * np.asarray(factors)


def _kernel(squared_distance: jax.Array, scales: jax.Array) -> jax.Array:
    """Mean over scales s of s² / (s² + squared distance)."""
    return sum(scale**2 / (scale**2 + squared_distance) for scale in scales) / len(scales)


def _kernel_product(points: jax.Array, weights: jax.Array, scales: jax.Array) -> jax.Array:
    """The kernel matrix of all points ``[P, P]``, which is never there as a whole, times weights: ``[P, W]``."""

    def row_product(point: jax.Array) -> jax.Array:
        kernel = _kernel(squared_distances(point, points), scales)
        return jnp.matmul(kernel, weights, precision=jax.lax.Precision.HIGHEST)

    return map_rows(row_product, points)


def squared_mmd(x: jax.Array, y: jax.Array, scales: jax.Array) -> jax.Array:
    """Unbiased estimate of the squared maximum mean discrepancy of two distributions.

    The kernel is the mean over scales s of the inverse multiquadratics s² / (s² + |x − y|²), whose long tails see
    stray codes too; k ≤ 1, so MMD² ≤ 2. Zero means equal distributions; the estimate scatters about zero and may be
    negative, see `mmd_null`.

    Args:
        x: ``[N, Z]``, N ≥ 2.
        y: ``[M, Z]``, M ≥ 2.
        scales: ``[S]``, see `median_scales`.

    Returns:
        ``[]``.

    Raises:
        ValueError: if the sets are too small or not of one length, or there is no scale.

    Example:
        >>> x, y = jax.random.normal(jax.random.key(0), (2, 500, 2))
        >>> bool(abs(squared_mmd(x, y, [1.0, 2.0])) < 0.01 < squared_mmd(x, y + 1, [1.0, 2.0]))
        True

    References:
        Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012), Lemma 6 (the estimate); Tolstikhin et al.,
        "Wasserstein Auto-Encoders", ICLR 2018, section 4 (this kernel, for codes against a prior).
    """
    _check_sets(x, y)
    _check_scales(scales)
    num_x, num_y = len(x), len(y)
    from_x = (jnp.arange(num_x + num_y) < num_x).astype(jnp.float32)
    sums = _kernel_product(jnp.concatenate([x, y]), jnp.stack([from_x, 1 - from_x], axis=1), scales)
    # Averages before differences: the sums of all pairs are too large for float32. The diagonals, k(x, x) = 1, do not
    # count: they are what biases the plain average upward.
    within_x = jnp.mean(sums[:num_x, 0] - 1) / (num_x - 1)
    within_y = jnp.mean(sums[num_x:, 1] - 1) / (num_y - 1)
    return within_x + within_y - 2 * jnp.mean(sums[:num_x, 1]) / num_y


def mmd_null(key: jax.Array, x: jax.Array, y: jax.Array, scales: jax.Array, *, num_draws: int = 100) -> jax.Array:
    """What `squared_mmd` gives by chance, for prior samples against prior samples.

    Each draw lets a coin decide for every pair (x_i, y_i) whether the two change sets, which makes two sets anew; all
    draws share one pass over the kernel matrix. The estimate is the pairwise one, which leaves k(x_i, y_i) out: then
    a pair that changes only changes signs.

    Args:
        key: consumed by the coins.
        x: ``[N, Z]``, prior samples, as many as there are codes to compare.
        y: ``[N, Z]``, more of them.
        scales: ``[S]``, those of the comparison.
        num_draws: how many.

    Returns:
        ``[num_draws]`` draws of MMD², about zero. An MMD² above their 95 % quantile is unlikely to be chance.

    Raises:
        ValueError: if the sets differ in size or length, or there is no scale.

    References:
        Gretton et al. 2012, Lemma 6, the second estimate; Chwialkowski et al., "A Wild Bootstrap for Degenerate
        Kernel Tests", NeurIPS 2014.
    """
    if len(x) != len(y):
        raise ValueError(f"mmd_null pairs its two sets: expected as many rows in y as in x ({len(x)}), got {len(y)}.")
    _check_sets(x, y)
    _check_scales(scales)
    check_key("key", key)
    check_count("num_draws", num_draws)
    coins = jax.random.rademacher(key, (len(x), num_draws), jnp.float32)
    signs = jnp.concatenate([coins, -coins])
    quadratic = jnp.sum(signs * _kernel_product(jnp.concatenate([x, y]), signs, scales), axis=0)
    between = jax.vmap(lambda one, other: squared_distances(one, other[None])[0])(x, y)
    same_pair = 2 * jnp.sum(1 - _kernel(between, scales))
    return (quadratic - same_pair) / (len(x) * (len(x) - 1))


def nearest_neighbor_accuracy(x: jax.Array, y: jax.Array) -> jax.Array:
    """Leave-one-out accuracy of the 1-nearest-neighbor classifier that tells two sets apart, a fraction.

    0.5 = indistinguishable; 1 = each set keeps to itself; near 0 = each sample has a twin in the other set, as if one
    set were copied from the other. Where the nearest of either set are equally far the guess counts half, and the
    accuracies on the two sets are averaged: then 0.5 is chance for discrete codes and for unequal sizes as well.

    Args:
        x: ``[N, Z]``, N ≥ 2.
        y: ``[M, Z]``, M ≥ 2.

    Returns:
        ``[]``; for equal distributions and sizes it scatters by about 0.5 / √N.

    Raises:
        ValueError: if the sets are too small or not of one length.

    Example:
        >>> x = jnp.array([[0.0], [1.0]])
        >>> float(nearest_neighbor_accuracy(x, x + 10)), float(nearest_neighbor_accuracy(x, x + 0.1))
        (1.0, 0.0)

    References:
        Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017; leave-one-out as in Xu et al., "An
        empirical study on evaluation metrics of generative adversarial networks", arXiv 1806.07755, 2018.
    """
    _check_sets(x, y)
    num_x, pool = len(x), jnp.concatenate([x, y])

    def guess_x(indexed_point: tuple[jax.Array, jax.Array]) -> jax.Array:
        i, point = indexed_point
        squared = jnp.where(jnp.arange(len(pool)) == i, jnp.inf, squared_distances(point, pool))
        to_x, to_y = jnp.min(squared[:num_x]), jnp.min(squared[num_x:])
        return (to_x < to_y) + 0.5 * (to_x == to_y)

    guesses = map_rows(guess_x, (jnp.arange(len(pool)), pool))
    accuracy = (jnp.mean(guesses[:num_x]) + jnp.mean(1 - guesses[num_x:])) / 2
    # Comparisons with NaN are false, and would be counted.
    return jnp.where(jnp.isfinite(pool).all(), accuracy, jnp.nan)


def _check_set(name: str, samples: ArrayLike) -> None:
    check_axes(name, samples, "[N, Z]")
    if np.shape(samples)[0] < 2:
        raise ValueError(f"{name} has {np.shape(samples)[0]} rows; expected 2 or more.")


def _check_sets(x: jax.Array, y: jax.Array) -> None:
    _check_set("x", x)
    _check_set("y", y)
    if jnp.shape(x)[1] != jnp.shape(y)[1]:
        raise ValueError(f"x has shape {jnp.shape(x)} and y {jnp.shape(y)}; expected rows of one length.")


def _check_scales(scales: ArrayLike) -> None:
    check_axes("scales", scales, "[S]")
    if not np.shape(scales)[0]:
        raise ValueError("scales is empty; expected one scale or more, such as median_scales gives.")
