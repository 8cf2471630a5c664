"""How well the aggregated posterior q(z) fills the prior p(z): every measure beside what chance makes of it."""

from collections.abc import Callable

import jax
import numpy as np
from numpy.typing import ArrayLike

from aae_jax.checks import check_axes, check_count, check_finite, check_function, check_key
from aae_jax.evaluation.holes import equal_probability_cells, hole_fraction, num_cells_for
from aae_jax.evaluation.two_sample import (
    median_scales,
    mmd_null,
    moment_errors,
    nearest_neighbor_accuracy,
    squared_mmd,
)

__all__ = ["prior_match"]

NUM_REFERENCE = 65_536


def prior_match(
    key: jax.Array,
    codes: ArrayLike,
    sample_prior: Callable[[jax.Array], jax.Array],
    *,
    num_compared: int = 5000,
) -> dict[str, float]:
    """Compares codes with the prior that they are to fill.

    A number ending in ``_null`` is the same measure for as many fresh prior samples in place of the codes. Runs on the
    host, and compiles the measures that look at all pairs.

    Args:
        key: consumed by the prior samples and the null's coins.
        codes: ``[N, Z]``, N ≥ 50, of held-out images. The q(z) of a model with a random posterior is made of
            posterior samples, not of means.
        sample_prior: ``key -> [Z]``, one sample of the whole prior, such as ``lambda key: prior.sample(key, -1)``.
        num_compared: the measures that look at all pairs, MMD² and nearest neighbors, read at most so many of the
            codes, the first ones.

    Returns:
        floats by name:

        - ``hole_fraction``, ``hole_fraction_null``: see `aae_jax.evaluation.hole_fraction`; cells are built on 65,536
          prior samples.
        - ``mmd_squared``, ``mmd_squared_null_mean``, ``mmd_squared_null_std``, ``mmd_squared_null_95``: see
          `aae_jax.evaluation.squared_mmd`; scales are those of `aae_jax.evaluation.median_scales`.
        - ``nearest_neighbor_accuracy``, ``nearest_neighbor_accuracy_null``: 0.5 = indistinguishable.
        - ``mean_error``, ``mean_error_null``, ``covariance_error``, ``covariance_error_null``: see
          `aae_jax.evaluation.moment_errors`.

    Raises:
        ValueError: if codes are not ``[N, Z]`` of the prior's Z, too few, or not finite.

    Example:
        >>> import jax
        >>> sample_prior = lambda key: jax.random.normal(key, (2,))
        >>> collapsed = 0.1 * jax.random.normal(jax.random.key(0), (500, 2))
        >>> measured = prior_match(jax.random.key(1), collapsed, sample_prior)
        >>> measured["hole_fraction"] > 0.7, measured["hole_fraction_null"]
        (True, 0.0)
    """
    codes = np.asarray(codes)
    check_axes("codes", codes, "[N, Z]")
    check_finite("codes", codes)
    check_key("key", key)
    check_function("sample_prior", sample_prior, "key -> [Z]")
    check_count("num_compared", num_compared, 2)
    num_codes, num_cells = len(codes), num_cells_for(len(codes))
    sample_shape = jax.eval_shape(sample_prior, key).shape
    if sample_shape != codes.shape[1:]:
        raise ValueError(f"codes must be [N, Z] like the prior's samples {sample_shape}, got shape {codes.shape}.")
    sample_key, coin_key = jax.random.split(key)
    samples = np.asarray(jax.vmap(sample_prior)(jax.random.split(sample_key, NUM_REFERENCE + 2 * num_codes)))
    reference, real, fresh = np.split(samples, [NUM_REFERENCE, NUM_REFERENCE + num_codes])
    cells = equal_probability_cells(reference, num_cells)
    compared = slice(num_compared)

    def measures(candidates: np.ndarray) -> dict[str, float]:
        accuracy = jax.jit(nearest_neighbor_accuracy)(candidates[compared], real[compared])
        return {
            "hole_fraction": hole_fraction(cells, candidates),
            "nearest_neighbor_accuracy": float(accuracy),
            **moment_errors(candidates, reference),
        }

    scales = median_scales(reference)
    mmd = jax.jit(squared_mmd)(codes[compared], real[compared], scales)
    null = np.asarray(jax.jit(mmd_null)(coin_key, fresh[compared], real[compared], scales))
    return {
        **measures(codes),
        **{f"{name}_null": value for name, value in measures(fresh).items()},
        "mmd_squared": float(mmd),
        "mmd_squared_null_mean": float(null.mean()),
        "mmd_squared_null_std": float(null.std()),
        "mmd_squared_null_95": float(np.quantile(null, 0.95)),
    }
