"""Heads: what a code is, what its noise is, and what the Gaussian head is charged."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from aae_jax import heads, priors
from aae_jax.types import Prior

FACTORIES = [heads.deterministic, heads.gaussian, partial(heads.isotropic, std=0.5), heads.categorical]

KEYS = jax.random.split(jax.random.key(0), 100_000)


def test_deterministic_head_is_the_raw_output():
    head, raw = heads.deterministic(3), jnp.array([1.0, -2.0, 1e4])
    assert head.size == 3
    np.testing.assert_array_equal(head.sample(KEYS[0], raw), raw)
    np.testing.assert_array_equal(head.mean(raw), raw)


def test_categorical_head_is_the_softmax_and_draws_nothing():
    head, raw = heads.categorical(3), jnp.array([0.0, math.log(2), math.log(5)])
    assert head.size == 3
    for code in (head.sample(KEYS[0], raw), head.sample(KEYS[1], raw), head.mean(raw)):
        np.testing.assert_allclose(code, [1 / 8, 2 / 8, 5 / 8], rtol=1e-6)
    np.testing.assert_array_equal(head.mean(np.array([1e4, 0, -1e4], np.float32)), [1, 0, 0])


def test_gaussian_head_draws_from_the_distribution_that_it_names():
    head, mean, std = heads.gaussian(2), np.array([1.0, -3.0]), np.array([0.5, 2.0])
    assert head.size == 4
    raw = jnp.array([*mean, *(2 * np.log(std))])
    np.testing.assert_allclose(head.mean(raw), mean)
    codes = np.asarray(jax.jit(jax.vmap(head.sample, (0, None)))(KEYS, raw))
    # Standard errors: of a mean std / √n, of a variance std² √(2 / n), of a correlation 1 / √n.
    error = 5 / math.sqrt(len(codes))
    np.testing.assert_array_less(abs(codes.mean(0) - mean), error * std)
    np.testing.assert_array_less(abs(codes.var(0) - std**2), math.sqrt(2) * error * std**2)
    assert abs(np.corrcoef(codes.T)[0, 1]) < error


def test_gaussian_head_is_reparametrized():
    # code = mean + exp(½ log_variance) · noise, so d code / d mean = 1 and d code / d log_variance = ½ (code − mean).
    head, raw = heads.gaussian(2), jnp.array([1.0, -3.0, 0.4, -0.6])
    sample = jax.jit(head.sample)
    jacobian, code = jax.jit(jax.jacobian(sample, argnums=1))(KEYS[0], raw), np.asarray(sample(KEYS[0], raw))
    np.testing.assert_allclose(jacobian[:, :2], np.eye(2))
    np.testing.assert_allclose(jacobian[:, 2:], np.diag(0.5 * (code - [1, -3])), rtol=1e-5, atol=1e-7)
    # Nothing is left of the noise where the variance vanishes.
    np.testing.assert_array_equal(sample(KEYS[0], jnp.array([1.0, -3.0, -1e4, -1e4])), [1, -3])


def test_isotropic_head_is_the_gaussian_one_of_that_standard_deviation():
    isotropic, mean = heads.isotropic(2, 0.25), jnp.array([1.0, -3.0])
    assert isotropic.size == 2
    np.testing.assert_array_equal(isotropic.mean(mean), mean)
    raw = jnp.array([*mean, *2 * [2 * math.log(0.25)]])
    for key in KEYS[:3]:
        np.testing.assert_allclose(isotropic.sample(key, mean), heads.gaussian(2).sample(key, raw), rtol=1e-6)


def test_isotropic_head_takes_a_standard_deviation_that_is_traced():
    def code(std):
        return heads.isotropic(2, std).sample(KEYS[0], jnp.zeros(2))

    noise = code(1.0)
    np.testing.assert_allclose(jax.vmap(code)(jnp.array([0.5, 2.0])), [0.5 * noise, 2 * noise], rtol=1e-6)
    np.testing.assert_allclose(jax.jacobian(code)(0.5), noise, rtol=1e-6)


@pytest.mark.parametrize("factory", FACTORIES)
def test_heads_under_vmap_and_jit_and_their_gradients(factory):
    head = factory(2)
    raw = np.linspace(-1, 1, 3 * head.size, dtype=np.float32).reshape(3, head.size)
    together = jax.jit(jax.vmap(head.sample))(KEYS[:3], raw)
    assert together.shape == (3, 2)
    np.testing.assert_allclose(together[2], jax.jit(head.sample)(KEYS[2], raw[2]), rtol=1e-5)
    with jax.enable_x64(True):
        sample = jax.jit(lambda raw: head.sample(KEYS[0], raw))
        check_grads(sample, (raw[2].astype(float),), order=1, modes=["rev"])


def test_mean_and_log_variance_split_the_last_axis():
    mean, log_variance = heads.mean_and_log_variance(jnp.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(mean, [[0, 1], [4, 5], [8, 9]])
    np.testing.assert_array_equal(log_variance, [[2, 3], [6, 7], [10, 11]])
    with pytest.raises(ValueError, match=r"shape \(3,\).*even last axis"):
        heads.mean_and_log_variance(jnp.zeros(3))


def test_posterior_kl_takes_the_closed_form_where_there_is_one():
    # KL(N(1, 4) ‖ N(0, 25)) = log 5/2 + (4 + 1) / 50 − ½, whatever the code
    kl = jax.jit(heads.posterior_kl(priors.gaussian(1, std=5.0)))
    raw = jnp.array([1.0, math.log(4)])
    expected = math.log(2.5) + 0.1 - 0.5
    np.testing.assert_allclose([kl(raw, jnp.zeros(1)), kl(raw, jnp.ones(1))], expected, rtol=1e-5)


def test_posterior_kl_else_compares_densities_at_the_code():
    # At code 0, log N(0; 1, 4) + 7 = −½ log 8π − 1/8 + 7. At code 2 the posterior is as dense, and the prior 2 · label
    # less: by default the label is −1.
    kl = jax.jit(heads.posterior_kl(Prior(1, lambda key, label: jnp.zeros(1), lambda z, label: -7 - z[0] * label)))
    raw, zero, two = jnp.array([1.0, math.log(4)]), jnp.zeros(1), jnp.full(1, 2.0)
    expected = -0.5 * math.log(8 * math.pi) - 1 / 8 + 7
    found = [kl(raw, zero), kl(raw, two), kl(raw, two, 3)]
    np.testing.assert_allclose(found, [expected, expected - 2, expected + 6], rtol=1e-6)


def test_posterior_kl_by_samples_agrees_with_the_closed_form():
    prior, head, raw = priors.gaussian(2, std=3.0), heads.gaussian(2), jnp.array([1.0, -2.0, 0.5, -1.0])
    estimate = heads.posterior_kl(prior._replace(kl=None))
    estimates = np.asarray(jax.jit(jax.vmap(lambda key: estimate(raw, head.sample(key, raw))))(KEYS))
    exact = jax.jit(heads.posterior_kl(prior))(raw, jnp.zeros(2))
    assert abs(estimates.mean() - exact) < 5 * estimates.std() / math.sqrt(len(KEYS))


def test_posterior_kl_refuses_a_prior_without_density():
    with pytest.raises(ValueError, match="neither a closed-form kl nor a log_density"):
        heads.posterior_kl(priors.swiss_roll())


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("size", [0, -1, 2.0, None])
def test_sizes_are_counts(factory, size):
    with pytest.raises(ValueError, match=f"size is {size}; expected an integer ≥ 1"):
        factory(size)
