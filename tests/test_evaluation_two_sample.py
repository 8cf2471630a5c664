"""Moments, maximum mean discrepancy and nearest neighbors between two sets of codes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.spatial.distance import cdist

from aae_jax.evaluation import (
    median_scales,
    mmd_null,
    moment_errors,
    moments,
    nearest_neighbor_accuracy,
    squared_mmd,
)

SCALES = np.array([0.5, 2.0], np.float32)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


null_draws = jax.jit(functools.partial(mmd_null, scales=SCALES, num_draws=400))


def kernel(x, y):
    squared = cdist(np.asarray(x, np.float64), np.asarray(y, np.float64), "sqeuclidean")
    return np.mean([s**2 / (s**2 + squared) for s in SCALES.astype(np.float64)], axis=0)


def reference_mmd(x, y):
    """Gretton et al. 2012, Lemma 6, first estimate: sums over i ≠ j."""
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    n, m = len(x), len(y)
    return (xx.sum() - np.trace(xx)) / n / (n - 1) + (yy.sum() - np.trace(yy)) / m / (m - 1) - 2 * xy.mean()


def reference_pairwise_mmd(x, y):
    """The second estimate: h(i, j) = k(x_i, x_j) + k(y_i, y_j) − k(x_i, y_j) − k(x_j, y_i), over i ≠ j."""
    h = kernel(x, x) + kernel(y, y) - kernel(x, y) - kernel(y, x)
    return (h.sum() - np.trace(h)) / len(x) / (len(x) - 1)


# --- moments


def test_moments_are_those_of_numpy():
    samples = normal(0, 50, 3)
    result = moments(jnp.asarray(samples))
    np.testing.assert_allclose(result["mean"], samples.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(result["covariance"], np.cov(samples.astype(np.float64), rowvar=False), rtol=1e-6)


def test_moment_errors_by_hand():
    prior = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    # The prior's covariance is diag(2/3, 2/3), its trace 4/3; that of the codes is four times as large.
    # |(3, 4)| / √(4/3) = 5 √(3/4), and |4 C − C| / |C| = 3.
    errors = moment_errors(2 * prior + [3.0, 4.0], prior)
    assert errors == pytest.approx({"mean_error": 5 * np.sqrt(3 / 4), "covariance_error": 3.0})


# --- maximum mean discrepancy


def test_median_scales_by_hand():
    # Pairs (0, 2), (5, 9), (1, 2) are 2, 4, 1 apart, the median is 2; the seventh sample has no partner.
    samples = np.array([[0.0], [2.0], [5.0], [9.0], [1.0], [2.0], [99.0]])
    assert median_scales(samples, (0.5, 3.0)).tolist() == [1.0, 6.0]


def test_squared_mmd_by_hand():
    # With s = 1: k = 1, 1/2, 1/5 at distances 0, 1, 2. Within x: 1/2. Within y: 1/5.
    # Across (0,0) (0,2) (1,0) (1,2): (1 + 1/5 + 1/2 + 1/2) / 4 = 0.55. Together 0.7 − 1.1 = −0.4.
    x, y = jnp.array([[0.0], [1.0]]), jnp.array([[0.0], [2.0]])
    assert float(jax.jit(squared_mmd)(x, y, jnp.ones(1))) == pytest.approx(-0.4)


def test_squared_mmd_is_the_estimate_of_the_paper_for_unequal_sizes():
    x, y = normal(1, 400, 3), normal(2, 250, 3) * 1.1
    assert float(jax.jit(squared_mmd)(x, y, SCALES)) == pytest.approx(reference_mmd(x, y), abs=1e-6)


def test_squared_mmd_can_be_differentiated_where_codes_coincide():
    x, y = jnp.array([[0.0, 1.0], [0.5, 0.5]]), jnp.array([[0.0, 1.0], [1.0, -1.0], [2.0, 0.0]])
    loss = jax.jit(functools.partial(squared_mmd, y=y, scales=SCALES))
    check_grads(loss, (x,), order=1, modes=["rev"], atol=1e-2, rtol=1e-2)


def test_mmd_null_is_the_pairwise_estimate_with_pairs_exchanged():
    x, y = normal(3, 150, 2), normal(4, 150, 2)
    key = jax.random.key(5)
    draws = null_draws(key, x, y)
    coins = np.asarray(jax.random.rademacher(key, (150, 400), jnp.float32)) > 0
    for draw, stays in zip(draws[:4], coins.T[:4, :, None], strict=True):
        expected = reference_pairwise_mmd(np.where(stays, x, y), np.where(stays, y, x))
        assert float(draw) == pytest.approx(expected, abs=1e-6)


def test_mmd_null_spreads_as_fresh_samples_do():
    fresh = [reference_mmd(*normal(seed, 2, 150, 2)) for seed in range(400)]
    null = np.asarray(null_draws(jax.random.key(0), *normal(1000, 2, 150, 2)))
    # One pair of sets behind all its draws: their spread itself varies by about a tenth.
    assert np.std(null) == pytest.approx(np.std(fresh), rel=0.3)
    assert np.quantile(null, 0.95) == pytest.approx(np.quantile(fresh, 0.95), rel=0.4)
    assert abs(np.mean(null)) < 4 * np.std(null) / np.sqrt(len(null))


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.float16])
def test_mmd_null_is_that_of_the_same_numbers_in_float32(dtype):
    x, y = 100 * jax.random.bernoulli(jax.random.key(0), shape=(2, 50, 20)).astype(dtype)
    exact = mmd_null(jax.random.key(1), *(each.astype(jnp.float32) for each in (x, y)), jnp.array([300.0]))
    np.testing.assert_allclose(mmd_null(jax.random.key(1), x, y, jnp.array([300.0])), exact, atol=1e-6)


def test_mmd_null_wants_equal_sizes():
    with pytest.raises(ValueError, match=r"as many rows in y as in x \(3\), got 2"):
        mmd_null(jax.random.key(0), jnp.zeros((3, 1)), jnp.zeros((2, 1)), SCALES)


# --- nearest neighbors


def reference_accuracy(x, y):
    """Whole distance matrix, argmin; for sets without ties."""
    pool = np.concatenate([x, y]).astype(np.float64)
    distances = cdist(pool, pool)
    np.fill_diagonal(distances, np.inf)
    is_x = np.arange(len(pool)) < len(x)
    correct = is_x[np.argmin(distances, axis=1)] == is_x
    return (correct[is_x].mean() + correct[~is_x].mean()) / 2


def test_nearest_neighbor_accuracy_of_what_is_no_number_is_none():
    x = jnp.array([[0.0], [1.0], [2.0]])
    assert jnp.isnan(nearest_neighbor_accuracy(x, x.at[1].set(jnp.nan)))


def test_the_median_distance_of_bytes_does_not_wrap():
    bytes_, numbers = (np.array([[0], [255], [255], [0]], dtype) for dtype in (np.uint8, np.float64))
    np.testing.assert_array_equal(median_scales(bytes_), median_scales(numbers))


def test_nearest_neighbor_accuracy_by_hand():
    # x: 0, 1, 5; y: 1.5, 9. Nearest: 0 -> 1 (x, right), 1 -> 1.5 (y, wrong), 5 -> 1.5 (y, wrong): 1/3.
    # 1.5 -> 1 (x, wrong), 9 -> 5 (x, wrong): 0. Their average is 1/6.
    x, y = jnp.array([[0.0], [1.0], [5.0]]), jnp.array([[1.5], [9.0]])
    assert float(nearest_neighbor_accuracy(x, y)) == pytest.approx(1 / 6)


@pytest.mark.parametrize("size", [2, 20])
def test_nearest_neighbor_accuracy_is_that_of_the_whole_matrix(size):
    x, y = normal(6, 300, size), normal(7, 200, size) * 1.5
    assert float(nearest_neighbor_accuracy(x, y)) == pytest.approx(reference_accuracy(x, y), abs=1e-6)


def test_nearest_neighbor_accuracy_at_its_limits():
    x = normal(8, 200, 2)
    assert float(nearest_neighbor_accuracy(x, x + 100)) == 1
    assert float(nearest_neighbor_accuracy(x, x)) == 0  # a twin of each in the other set
    one_hot = np.eye(3, dtype=np.float32)[np.arange(90) % 3]
    assert float(nearest_neighbor_accuracy(one_hot, one_hot)) == 0.5  # ties everywhere, and equal distributions
    collapsed = np.zeros((200, 2), np.float32)
    # Each collapsed code finds its like, and of the others only the one next to them finds a collapsed one.
    assert float(nearest_neighbor_accuracy(collapsed, x)) > 0.98


def test_nearest_neighbor_accuracy_is_half_for_equal_distributions_of_unequal_sizes():
    accuracy = jax.jit(nearest_neighbor_accuracy)
    accuracies = [accuracy(normal(seed, 300, 2), normal(100 + seed, 100, 2)) for seed in range(10)]
    # Ten times 400 guesses that depend on each other in part: a standard error of about 0.012.
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.05)
