"""Parzen window log-likelihood: against scipy in float64, streamed, at its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import norm

from aae_jax.data import load
from aae_jax.evaluation import (
    PROTOCOL_SIGMAS,
    choose_sigma,
    fine_sigmas,
    mean_and_standard_error,
    parzen,
    parzen_log_likelihood,
    parzen_result,
    parzen_state,
    parzen_update,
)

log_likelihood = jax.jit(parzen_log_likelihood, static_argnames="block_size")


def reference(samples, test, sigmas):
    squared = cdist(np.asarray(test, np.float64), np.asarray(samples, np.float64), "sqeuclidean")
    return np.stack(
        [
            logsumexp(-squared / (2 * s**2), axis=1)
            - np.log(len(samples))
            - test.shape[1] * np.log(s * np.sqrt(2 * np.pi))
            for s in sigmas
        ]
    )


@pytest.fixture(scope="module")
def digits():
    """Samples, validation and test images: 784 pixels in [0, 1]."""
    splits = load("mnist5k")
    return [
        split.image[:num].reshape(num, -1).astype(np.float32) / 255
        for split, num in ((splits.train, 1000), (splits.validation, 300), (splits.test, 300))
    ]


def test_by_hand():
    # Two samples at 0 and 2, a test point at 0, sigma 1: log((1 + e⁻²) / 2) − log √2π = −0.5662 − 0.9189.
    # Sigma 2: log((1 + e⁻¹ᐟ²) / 2) − log(2 √2π) = −0.2190 − 1.6121.
    values = log_likelihood(jnp.array([[0.0], [2.0]]), jnp.array([[0.0]]), jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(values, [[-1.4851], [-1.8311]], atol=1e-4)


def test_digits_are_as_likely_as_scipy_says_in_float64(digits):
    samples, _, test = digits
    values = np.asarray(log_likelihood(samples, test, PROTOCOL_SIGMAS, block_size=500), np.float64)
    expected = reference(samples, test, PROTOCOL_SIGMAS)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-2)
    np.testing.assert_allclose(values.mean(axis=1), expected.mean(axis=1), rtol=0, atol=1e-3)


def test_blocks_of_any_size_in_any_order_give_the_same(digits):
    samples, _, test = digits
    sigmas, update = np.array([0.1, 0.5]), jax.jit(parzen_update)
    whole = log_likelihood(samples, test, sigmas, block_size=600)
    state = parzen_state(len(test), len(sigmas))
    blocks = (samples[800:], samples[400:800], samples[:400])
    for block in blocks:
        state = update(state, block, test, sigmas)
    assert int(state.num_samples) == len(samples)
    np.testing.assert_allclose(parzen_result(state, sigmas, test.shape[1]), whole, rtol=0, atol=2e-3)
    np.testing.assert_allclose(state.nearest, cdist(test, samples, "sqeuclidean").min(axis=1), rtol=1e-4)
    # The same samples once more: twice the sum, over twice the number.
    for block in blocks:
        state = update(state, block, test, sigmas)
    np.testing.assert_allclose(parzen_result(state, sigmas, test.shape[1]), whole, rtol=0, atol=2e-3)


def test_more_test_images_than_are_looked_at_at_once(digits):
    samples, validation, test = digits
    sigmas, many = np.array([0.1, 0.5]), np.concatenate([test, validation, samples])
    assert len(many) > 3 * parzen._TILE and len(many) % parzen._TILE
    np.testing.assert_allclose(
        log_likelihood(samples, many, sigmas), reference(samples, many, sigmas), rtol=0, atol=1e-2
    )


def test_far_and_coinciding_samples_stay_finite():
    # Far: −(1e4)² / (2 · 0.01) = −5e9, which underflows without the largest term taken out. A sample on the test point
    # after a far one: log(1/2) − log(0.1 √2π).
    samples, test = jnp.array([[0.0], [1e4]]), jnp.array([[2e4], [1e4]])
    values = log_likelihood(samples, test, jnp.array([0.1]), block_size=1)
    peak = -np.log(2) - np.log(0.1 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(values, [[-5e9 + peak, peak]], rtol=1e-6)


def test_the_gradient_of_sigma_by_hand():
    # log p = −d² / 2 σ² − log σ − …, of one sample: d² / σ³ − 1 / σ, at d² = 4.
    samples, test = jnp.array([[2.0]]), jnp.array([[0.0]])
    gradient = jax.grad(lambda sigmas: parzen_log_likelihood(samples, test, sigmas).sum())(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(gradient, [4 - 1, 4 / 8 - 1 / 2], atol=1e-6)


def test_many_samples_estimate_the_density_they_come_from():
    samples = np.random.default_rng(1).normal(size=(50_000, 1)).astype(np.float32)
    test = np.linspace(-1.5, 1.5, 7, dtype=np.float32)[:, None]
    # The estimated density is N(0, 1 + 0.1²), known to √(1 / (2 √π 0.1 p 50,000)) = 1 to 2 %.
    expected = norm(0, np.sqrt(1.01)).logpdf(test[:, 0])
    np.testing.assert_allclose(log_likelihood(samples, test, jnp.array([0.1]))[0], expected, atol=0.07)


def test_sigma_is_chosen_by_the_mean_over_validation_images(digits):
    samples, validation, _ = digits
    sigma, means = choose_sigma(samples, validation)
    np.testing.assert_allclose(means, reference(samples, validation, PROTOCOL_SIGMAS).mean(axis=1), atol=1e-3)
    assert sigma == PROTOCOL_SIGMAS[np.argmax(means)] and 0.1 < sigma < 0.4
    fine = fine_sigmas(sigma, 9)
    assert fine[4] == pytest.approx(sigma)
    assert fine[[0, -1]] == pytest.approx(PROTOCOL_SIGMAS[np.argmax(means) + np.array([-1, 1])])
    better, fine_means = choose_sigma(samples, validation, fine)
    assert better in fine and fine_means.max() > means.max()


def test_the_grid_is_that_of_the_protocol():
    assert PROTOCOL_SIGMAS[[0, 2, -1]] == pytest.approx([0.1, 0.1668, 1.0], abs=1e-4)
    assert len(PROTOCOL_SIGMAS) == 10


def test_standard_error_by_hand():
    # 1 2 3 4: the mean is 2.5, the variance 5/4, √(5/4) / √4 = 0.559.
    assert mean_and_standard_error(jnp.arange(1.0, 5.0)) == pytest.approx((2.5, np.sqrt(5) / 4))
