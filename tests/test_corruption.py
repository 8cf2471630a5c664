"""Corruption: the noise's distribution, one key for one view, and gradients through it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aae_jax import corruption

KEYS = jax.random.split(jax.random.key(0), 20_000)
IMAGE = jnp.array([[0.0, 0.25, 1.0], [0.5, 0.75, 1.0]])

FACTORIES = [corruption.identity, lambda: corruption.gaussian_noise(0.3), lambda: corruption.dropout(0.2)]


def views(corrupt):
    return np.asarray(jax.jit(jax.vmap(corrupt, (0, None)))(KEYS, IMAGE))


def test_identity_leaves_the_image():
    np.testing.assert_array_equal(corruption.identity()(KEYS[0], IMAGE), IMAGE)


def test_gaussian_noise_has_its_std_around_the_image_and_is_not_clipped():
    noisy, std = views(corruption.gaussian_noise(0.3)), 0.3
    # Five standard errors of a mean, std / √n, and of a variance, std² √(2 / n)
    np.testing.assert_allclose(noisy.mean(0), IMAGE, atol=5 * std / math.sqrt(len(KEYS)))
    np.testing.assert_allclose(noisy.var(0), std**2, atol=5 * std**2 * math.sqrt(2 / len(KEYS)))
    assert noisy.min() < 0
    assert noisy.max() > 1
    # Pixels have noise of their own.
    assert abs(np.corrcoef(noisy.reshape(-1, 6).T) - np.eye(6)).max() < 5 / math.sqrt(len(KEYS))


def test_dropout_keeps_the_expectation():
    dropped = views(corruption.dropout(0.2))
    # A pixel is 0, or itself by 1 / 0.8.
    kept = dropped != 0
    np.testing.assert_allclose(dropped, np.where(kept, np.asarray(IMAGE) / 0.8, 0), rtol=1e-6)
    # Five standard errors of a fraction, √(0.2 · 0.8 / n), where the image is not black itself
    error = 5 * math.sqrt(0.16 / len(KEYS))
    np.testing.assert_allclose(kept.mean(0), np.where(IMAGE > 0, 0.8, 0), atol=error)
    np.testing.assert_allclose(dropped.mean(0), IMAGE, atol=error / 0.8)
    # Pixels fall independently.
    bright = kept.reshape(-1, 6)[:, 1:]
    assert abs(np.corrcoef(bright.T) - np.eye(5)).max() < 5 / math.sqrt(len(KEYS))


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_key_is_a_view_of_the_images_shape_and_dtype(factory):
    corrupt, image = factory(), jnp.full((8, 8, 1), 0.5)
    first, again, other = (corrupt(key, image) for key in (KEYS[0], KEYS[0], KEYS[1]))
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() == (factory is corruption.identity)
    for dtype in (jnp.float16, jnp.float32, jnp.float64):
        with jax.enable_x64(dtype == jnp.float64):
            view = jax.eval_shape(corrupt, KEYS[0], jax.ShapeDtypeStruct((8, 8, 1), dtype))
        assert (view.shape, view.dtype) == ((8, 8, 1), dtype)


def test_no_noise_is_no_corruption():
    np.testing.assert_array_equal(corruption.gaussian_noise(0.0)(KEYS[0], IMAGE), IMAGE)
    np.testing.assert_array_equal(corruption.dropout(0.0)(KEYS[0], IMAGE), IMAGE)


def test_gradients_pass_through_noise_and_through_kept_pixels():
    def slope(corrupt):
        return jax.grad(lambda image: corrupt(KEYS[0], image).sum())(IMAGE + 1)

    np.testing.assert_array_equal(slope(corruption.gaussian_noise(0.3)), 1)
    dropout = corruption.dropout(0.5)
    np.testing.assert_array_equal(slope(dropout), np.where(dropout(KEYS[0], IMAGE + 1) > 0, 2, 0))


@pytest.mark.parametrize("std", [-0.1, math.nan])
def test_std_is_not_negative(std):
    with pytest.raises(ValueError, match=f"std is {std}; expected a number ≥ 0"):
        corruption.gaussian_noise(std)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 20, math.nan])
def test_rate_is_a_fraction(rate):
    with pytest.raises(ValueError, match=rf"rate is {rate}; expected a fraction in \[0, 1\)"):
        corruption.dropout(rate)
