"""Are decoded samples realistic and varied? Asked of a classifier trained on real images, and of its features.

No measure here has an absolute scale: the caller puts the same number for real held-out images beside it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aae_jax.checks import check_axes, check_count, check_finite, check_number
from aae_jax.evaluation.distances import map_rows, squared_distances

__all__ = ["frechet_distance", "precision_recall_coverage", "realism"]


def realism(class_probabilities: ArrayLike, *, threshold: float = 0.9) -> dict[str, float]:
    """How sure a classifier of real images is of what it sees in samples.

    It says nothing of variety: one perfect digit, repeated, scores 1.

    Args:
        class_probabilities: ``[N, K]``, rows sum to 1.
        threshold: above which the classifier counts as sure.

    Returns:
        ``mean_confidence``, the mean of the largest class probability, and ``fraction_confident``, the fraction of
        samples where it exceeds the threshold.

    Raises:
        ValueError: for other shapes, or numbers that are no probabilities.

    Example:
        >>> realism([[1.0, 0.0], [0.5, 0.5]])
        {'mean_confidence': 0.75, 'fraction_confident': 0.5}
    """
    check_axes("class_probabilities", class_probabilities, "[N, K]")
    check_finite("class_probabilities", class_probabilities)
    if 0 in np.shape(class_probabilities):
        raise ValueError(f"class_probabilities has shape {np.shape(class_probabilities)}; expected some rows.")
    lowest, highest = np.min(class_probabilities), np.max(class_probabilities)
    if lowest < 0 or highest > 1 + 1e-3:
        raise ValueError(f"class_probabilities are from {lowest:g} to {highest:g}; expected 0 to 1, of a softmax.")
    check_number("threshold", threshold, "a fraction in [0, 1)", least=0, below=1)
    confidence = np.max(np.asarray(class_probabilities), axis=1)
    return {
        "mean_confidence": float(np.mean(confidence, dtype=np.float64)),
        "fraction_confident": float(np.mean(confidence > threshold)),
    }


def frechet_distance(features_x: ArrayLike, features_y: ArrayLike) -> float:
    """Fréchet (Wasserstein-2) distance, squared, of the Gaussians that fit two sets of features.

    |mean_x − mean_y|² + tr(C_x + C_y − 2 (C_x C_y)^½), in float64 on the host. For few samples it comes out too large,
    so only equal sizes compare.

    Args:
        features_x: ``[N, D]``, N ≥ 2.
        features_y: ``[M, D]``, M ≥ 2.

    Returns:
        the squared distance, 0 for equal moments.

    Raises:
        ValueError: if the sets are too small, not of one length D, or not finite.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(100, 3))
        >>> round(frechet_distance(features, features + [3.0, 4.0, 0.0]), 6)
        25.0

    References:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
        2017, where the features are an Inception network's and the distance is called FID.
    """
    for name, features in (("features_x", features_x), ("features_y", features_y)):
        check_axes(name, features, "[N, D]")
        length = np.shape(features_x)[1]
        if np.shape(features)[0] < 2 or np.shape(features)[1] != length:
            raise ValueError(f"{name} has shape {np.shape(features)}; expected 2 rows or more, of {length} features.")
        check_finite(name, features)
    x, y = np.asarray(features_x, np.float64), np.asarray(features_y, np.float64)

    def covariance_root(features: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(np.cov(features, rowvar=False, ddof=1).reshape(features.shape[1], -1))
        return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T

    root_x, root_y = covariance_root(x), covariance_root(y)
    # tr (C_x C_y)^½ is the sum of the singular values of the product of their roots: no root of an asymmetric matrix.
    overlap = np.linalg.norm(root_x @ root_y, "nuc")
    mean_term = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2)
    return float(max(mean_term + np.sum(root_x**2) + np.sum(root_y**2) - 2 * overlap, 0))


def precision_recall_coverage(
    real_features: ArrayLike, fake_features: ArrayLike, *, k: int = 5
) -> dict[str, jax.Array]:
    """Are samples where real images are, and are real images where samples are?

    A ball about each feature vector reaches to its k-th nearest neighbor in its own set.

    Args:
        real_features: ``[N, D]``, N > k.
        fake_features: ``[M, D]``, M > k.
        k: neighbors.

    Returns:
        fractions, and a mean:

        - ``precision``: fakes within some real's ball;
        - ``recall``: reals within some fake's ball;
        - ``density``: mean number of reals' balls that a fake is in, over k; about 1 for equal distributions;
        - ``coverage``: reals whose ball holds a fake; about 1 − 2⁻ᵏ for equal distributions and sizes.

        All are NaN where a feature is not finite.

    Raises:
        ValueError: if a set has no k-th neighbor, or the sets are not of one length D.

    References:
        Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019;
        Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020.
    """
    real, fake = jnp.asarray(real_features), jnp.asarray(fake_features)
    check_count("k", k)
    check_axes("real_features", real, "[N, D]")
    check_axes("fake_features", fake, "[M, D]")
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"k = {k} neighbors need more than {k} rows, got {len(real)} real and {len(fake)} fake ones.")

    def squared_radii(features: jax.Array) -> jax.Array:
        # The nearest of all is the row itself.
        return map_rows(lambda row: _smallest(squared_distances(row, features), k), features)

    real_radii, fake_radii = squared_radii(real), squared_radii(fake)

    def of_fake(row: jax.Array) -> tuple[jax.Array, jax.Array]:
        inside = squared_distances(row, real) <= real_radii
        return jnp.any(inside), jnp.sum(inside) / k

    def of_real(row_and_radius: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        row, squared_radius = row_and_radius
        squared = squared_distances(row, fake)
        return jnp.any(squared <= fake_radii), jnp.any(squared <= squared_radius)

    precision, density = map_rows(of_fake, fake)
    recall, coverage = map_rows(of_real, (real, real_radii))
    # Comparisons with NaN are false, and would be counted.
    is_finite = jnp.isfinite(real).all() & jnp.isfinite(fake).all()
    found = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
    return {name: jnp.where(is_finite, jnp.mean(values), jnp.nan) for name, values in found.items()}


def _smallest(values: jax.Array, k: int) -> jax.Array:
    """The smallest value but k: ``[M] -> []``; on CPUs many times faster than `jax.lax.top_k`."""

    def without_smallest(_: int, values: jax.Array) -> jax.Array:
        return jnp.where(jnp.arange(len(values)) == jnp.argmin(values), jnp.inf, values)

    return jnp.min(jax.lax.fori_loop(0, k, without_smallest, values))
