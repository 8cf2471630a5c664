"""Corruption: the noise's distribution, one key for one view, and gradients through it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy

from aae_jax import corruption

KEYS = jax.random.split(jax.random.key(0), 20_000)
IMAGE = jnp.array([[0.0, 0.25, 1.0], [0.5, 0.75, 1.0]])

FACTORIES = [
    *(corruption.identity, lambda: corruption.gaussian_noise(0.3), lambda: corruption.dropout(0.2)),
    *(lambda: corruption.view(1.0, stretch=0.3), lambda: corruption.cutout(3)),
]


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
    # So has each part of a chain: 0.3² + 0.4² = 0.5², where the same noise would be of 0.7.
    both = views(corruption.chain(corruption.gaussian_noise(0.3), corruption.gaussian_noise(0.4)))
    np.testing.assert_allclose(both.var(0), 0.5**2, atol=5 * 0.5**2 * math.sqrt(2 / len(KEYS)))


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


def test_affine_views_are_affine_maps_of_the_drawn_amounts():
    amounts = {"rotation": 20.0, "shear": 0.3, "scale": 0.2, "shift": 3.0}
    view = jax.jit(jax.vmap(corruption.affine(**amounts), (0, None)))
    # Where a channel says each pixel's row and another its column, a view says where its pixels come from.
    places = np.moveaxis(np.indices((41, 31), float), 0, -1)
    digit = np.random.default_rng(0).random((41, 31, 1))
    middle, inner = (np.array(digit.shape[:2]) - 1) / 2, np.s_[12:29, 12:19]
    image = jnp.asarray(np.concatenate([places, digit], axis=-1), jnp.float32)
    found = {name: [] for name in ("rotation", "shear", "rows", "columns", "down", "right")}
    for one in np.asarray(view(KEYS[:300], image), float):
        here = np.c_[(places - middle)[inner].reshape(-1, 2), np.ones(17 * 7)]
        solution, *_ = np.linalg.lstsq(here, one[inner][..., :2].reshape(-1, 2) - middle, rcond=None)
        matrix, shift = solution[:2].T, solution[2]
        np.testing.assert_allclose(here @ solution + middle, one[inner][..., :2].reshape(-1, 2), atol=1e-3)
        reference = scipy.ndimage.affine_transform(
            digit[..., 0], matrix, offset=middle + shift - matrix @ middle, order=1, mode="constant"
        )
        np.testing.assert_allclose(one[inner][..., 2], reference[inner], atol=1e-3)
        # Rotation · [[1, 0], [shear, 1]] · diag(1 + scales): the second column is the rotation's, by a scale.
        columns = np.hypot(*matrix[:, 1])
        turn = np.arctan2(-matrix[0, 1], matrix[1, 1])
        slanted = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) @ matrix
        parts = (np.rad2deg(turn), slanted[1, 0] / slanted[0, 0], slanted[0, 0] - 1, columns - 1, *shift)
        for values, value in zip(found.values(), parts, strict=True):
            values.append(value)
    for (name, values), most in zip(found.items(), (20.0, 0.3, 0.2, 0.2, 3.0, 3.0), strict=True):
        assert np.abs(values).max() <= most + 1e-3, name
        # Evenly from one end to the other: the distribution of the uniform one, and each by itself.
        assert scipy.stats.kstest(values, scipy.stats.uniform(-most, 2 * most).cdf).pvalue > 1e-3, name
    assert np.abs(np.corrcoef(list(found.values())) - np.eye(6)).max() < 0.25


def test_cutout_sets_a_square_to_zero_that_is_anywhere():
    image, size = jnp.ones((6, 9, 2)), 4
    cut = np.asarray(jax.vmap(corruption.cutout(size), (0, None))(KEYS, image) == 0)
    np.testing.assert_array_equal(cut[..., 0], cut[..., 1])
    rows, columns = cut[..., 0].any(2), cut[..., 0].any(1)
    np.testing.assert_array_equal(cut[..., 0], rows[:, :, None] & columns[:, None, :])
    for along, length in ((rows, 6), (columns, 9)):
        # Each place of the square that leaves a part of it inside, as often as the others.
        inside = np.array([[start <= place < start + size for place in range(length)] for start in range(-3, length)])
        place = (along[:, None] == inside).all(-1)
        assert (place.sum(1) == 1).all()
        assert scipy.stats.chisquare(place.sum(0)).pvalue > 1e-3
    np.testing.assert_array_equal(corruption.cutout(0)(KEYS[0], image), image)


def test_a_view_is_an_affine_one_and_then_cut():
    whole, image = corruption.view(0.5, stretch=0.2), jnp.ones((5, 5, 1))
    affine = corruption.affine(rotation=7.5, shear=0.125, scale=0.2, shift=1)
    np.testing.assert_array_equal(whole(KEYS[0], image), affine(KEYS[0], image))
    both = corruption.chain(affine, corruption.cutout(3))
    cut = corruption.view(0.5, stretch=0.2, cutout_size=3)
    np.testing.assert_array_equal(cut(KEYS[0], image), both(KEYS[0], image))


def test_nothing_turned_or_moved_is_the_image():
    still, image = corruption.affine(rotation=0, shear=0, scale=0, shift=0), jnp.arange(30.0).reshape(5, 3, 2)
    np.testing.assert_allclose(still(KEYS[0], image), image, atol=1e-5)


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
