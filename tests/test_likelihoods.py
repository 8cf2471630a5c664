"""Likelihoods: that nll and mean read the raw output alike, on real digits and by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.test_util import check_grads
from sklearn.datasets import load_digits

from aae_jax import likelihoods, losses

ALL = {
    "bernoulli": likelihoods.bernoulli(),
    "gaussian": likelihoods.gaussian(0.3),
    "half_squared_error of a sigmoid": likelihoods.half_squared_error(jax.nn.sigmoid),
    "half_squared_error of a linear output": likelihoods.half_squared_error(jax.nn.identity),
}
SIGMOID = ["bernoulli", "half_squared_error of a sigmoid"]


@pytest.fixture(scope="module")
def digits():
    """`[20, 8, 8, 1]` in [0, 1]: genuine digits, coarse ones."""
    return (load_digits().images[:20, ..., None] / 16).astype(np.float32)


def test_means_by_hand():
    raw = jnp.array([0.0, math.log(3), -2.0])
    sigmoid = [1 / 2, 3 / 4, 1 / (1 + math.exp(2))]
    means = [likelihood.mean(raw) for likelihood in ALL.values()]
    np.testing.assert_allclose(means, [sigmoid, raw, sigmoid, raw], rtol=1e-6)


def test_nlls_by_hand():
    # Raw 0 and image 1: −log ½; −log N(1; 0, 0.3²) = ½ log 2π + log 0.3 + 1 / 0.18; ½ (½ − 1)²; ½ (0 − 1)²
    gaussian = 0.5 * math.log(2 * math.pi) + math.log(0.3) + 1 / 0.18
    nlls = [likelihood.nll(jnp.zeros(1), jnp.ones(1)) for likelihood in ALL.values()]
    np.testing.assert_allclose(nlls, [math.log(2), gaussian, 0.125, 0.5], rtol=1e-6)


def test_nlls_of_digits_are_scipys(digits):
    raw = np.random.default_rng(0).normal(size=digits.shape).astype(np.float32)
    binary = np.round(digits)
    nlls = jax.vmap(likelihoods.bernoulli().nll)(raw, binary)
    expected = -scipy.stats.bernoulli.logpmf(binary, scipy.special.expit(raw)).sum((1, 2, 3))
    np.testing.assert_allclose(nlls, expected, rtol=1e-5)
    nlls = jax.vmap(likelihoods.gaussian(0.3).nll)(raw, digits)
    expected = -scipy.stats.norm.logpdf(digits, raw, 0.3).sum((1, 2, 3))
    np.testing.assert_allclose(nlls, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_the_best_constant_output_has_the_mean_digit_as_its_mean(name, digits):
    # All of these are proper: of outputs that do not look at the image, the cheapest one says the mean image. There
    # the slope of the nll is zero; a nll that read the output otherwise than `mean` does would be lowest elsewhere.
    likelihood, average = ALL[name], np.clip(digits.mean(0), 0.05, 0.95)
    images = digits + average - digits.mean(0)  # the same digits, moved to a mean inside (0, 1)
    raw = scipy.special.logit(average) if name in SIGMOID else average
    np.testing.assert_allclose(likelihood.mean(raw), average, rtol=1e-5)
    slope = jax.jit(jax.grad(lambda raw: jax.vmap(likelihood.nll, (None, 0))(raw, images).mean()))
    assert np.abs(slope(raw)).max() < 1e-4 * np.abs(slope(raw + 1)).max()


@pytest.mark.parametrize("name", ALL)
def test_gradients_at_one_digit_and_far_out(name, digits):
    image = digits[0, 2:5, 2:5]
    with jax.enable_x64(True):
        raw = np.linspace(-2.0, 2.0, image.size).reshape(image.shape)
        nll = jax.jit(lambda raw: ALL[name].nll(raw, image.astype(float)))
        check_grads(nll, (raw,), order=1, modes=["rev"])
    value, slope = jax.jit(jax.value_and_grad(ALL[name].nll))(
        np.where(image > 0.5, -1e4, 1e4).astype(np.float32), image
    )
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_gaussian_with_std_1_is_half_the_squared_error_and_a_constant(digits):
    raw = jnp.zeros(digits[0].shape)
    difference = likelihoods.gaussian().nll(raw, digits[0]) - losses.half_squared_error(raw, digits[0])
    np.testing.assert_allclose(difference, 32 * math.log(2 * math.pi), rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_output_and_image_have_the_same_shape(name):
    with pytest.raises(ValueError, match="expected the same for both"):
        ALL[name].nll(jnp.zeros(64), jnp.zeros((8, 8, 1)))


@pytest.mark.parametrize("std", [0, -1.0, math.nan])
def test_std_is_positive(std):
    with pytest.raises(ValueError, match=f"std is {std}; expected a positive number"):
        likelihoods.gaussian(std)


def test_link_is_a_function():
    with pytest.raises(ValueError, match="link is 'sigmoid'; expected a function"):
        likelihoods.half_squared_error("sigmoid")


def test_a_standard_deviation_can_be_learned():
    # Of three pixels that are off by 1, 2 and 2: 3 log std + 9 / (2 std²) and a constant, so 3 / std − 9 / std³.
    raw, image = jnp.zeros(3), jnp.array([1.0, 2.0, 2.0])
    slope = jax.jit(jax.vmap(jax.grad(lambda std: likelihoods.gaussian(std).nll(raw, image))))
    np.testing.assert_allclose(slope(jnp.array([1.0, 2.0])), [-6, 3 / 2 - 9 / 8], rtol=1e-6)
