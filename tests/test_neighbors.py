"""Images that are alike: upright ones, the nearest, and walks among them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.ndimage import map_coordinates

from aae_jax import data, neighbors


@pytest.fixture(scope="module")
def digits():
    train = data.load("mnist5k").train
    return jnp.asarray(train.image[:1000] / np.float32(255)), train.label[:1000]


def moments(image):
    """Mean row and column of the ink, and its covariance matrix, by NumPy."""
    ink = np.asarray(image, float).sum(-1)
    at = np.stack(np.meshgrid(*map(np.arange, ink.shape), indexing="ij")).reshape(2, -1)
    return np.average(at, axis=1, weights=ink.ravel()), np.cov(at, aweights=ink.ravel(), ddof=0)


def test_upright_digits_are_in_the_middle_and_lean_neither_way(digits):
    for image in digits[0][:20]:
        middle, covariance = moments(neighbors.upright(image))
        _, before = moments(image)
        np.testing.assert_allclose(middle, 13.5, atol=0.1)
        # A height of 5 pixels and a slant of 1 % are 0.25.
        assert abs(covariance[0, 1]) < 0.25
        # Between two pixels an image is their mean, which adds a quarter of a pixel's square at most.
        np.testing.assert_allclose(covariance[0, 0], before[0, 0], atol=0.3)


def test_slanted_and_moved_digits_are_the_same_upright(digits):
    rows, columns = jnp.meshgrid(jnp.arange(28.0), jnp.arange(28.0), indexing="ij")
    for image in digits[0][:20]:
        at = [rows + 1, columns - 2 + 0.2 * (rows - 13.5)]
        other = map_coordinates(image[..., 0], at, order=1)[..., None]
        far = jnp.linalg.norm(image - other)
        assert far > 4
        assert jnp.linalg.norm(neighbors.upright(image) - neighbors.upright(other)) < far / 3


@pytest.mark.parametrize("tone", [0.0, 0.7])
def test_an_image_of_one_tone_is_left_as_it_is(tone):
    image = jnp.full((6, 5, 2), tone)
    np.testing.assert_allclose(neighbors.upright(image), image, atol=1e-6)


def test_an_added_ground_changes_nothing(digits):
    for image in digits[0][:20]:
        np.testing.assert_allclose(neighbors.upright(image - 3), neighbors.upright(image) - 3, atol=1e-4)


def test_nearest_rows_of_a_table_are_those_of_all_distances():
    points = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
    found = np.asarray(neighbors.nearest(points, 4))
    distance = ((points[:, None].astype(float) - points) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    np.testing.assert_array_equal(found, distance.argsort(axis=1)[:, :4])
    assert found.dtype == np.int32
    rows = np.array([299, 0, 7])
    np.testing.assert_array_equal(neighbors.nearest(points, 4, rows), found[rows])
    np.testing.assert_array_equal(neighbors.nearest(points, 4, rows.astype(np.uint32)), found[rows])
    # Arrays of jax too, with the rows alone traced.
    traced = jax.jit(lambda rows: neighbors.nearest(jnp.asarray(points), 4, rows))(rows)
    np.testing.assert_array_equal(traced, found[rows])


def test_no_row_is_its_own_neighbor_however_large_its_numbers_are():
    found = neighbors.nearest(np.array([[0.0], [1e20], [2e20], [3.1e20]], np.float32), 2)
    assert found.tolist() == [[1, 2], [0, 2], [1, 3], [2, 1]]


def test_nearest_digits_are_more_often_of_one_class_when_upright(digits):
    image, label = digits
    upright, as_they_are = (
        np.asarray(neighbors.nearest(images, 5)) for images in (jax.vmap(neighbors.upright)(image), image)
    )
    same, before = ((label[found] == label[:, None]).mean() for found in (upright, as_they_are))
    assert same > 0.87 and same > before + 0.03


def test_walks_go_step_by_step_along_neighbors():
    # Each row's neighbors are the next one and the one after: a walk goes as far as its coins say.
    near = (np.arange(100)[:, None] + np.array([1, 2])) % 100
    ends = np.asarray(neighbors.walks(jax.random.key(0), near, steps=10, count=200))
    far = (ends - np.arange(100)[:, None]) % 100
    assert far.shape == (100, 200) and far.min() >= 10 and far.max() <= 20
    # Binomial: mean 15, variance 2.5, of 20,000 walks.
    np.testing.assert_allclose([far.mean(), far.var()], [15, 2.5], atol=0.1)
    again = neighbors.walks(jax.random.key(0), near, steps=10, count=200)
    np.testing.assert_array_equal(ends, again)
    for dtype in (np.uint8, np.int8, np.uint32):
        others = neighbors.walks(jax.random.key(0), near.astype(dtype), steps=10, count=200)
        assert others.dtype == jnp.int32 and (others == ends).all()


def test_walks_among_digits_mostly_stay_in_their_class(digits):
    image, label = digits
    near = neighbors.nearest(jax.vmap(neighbors.upright)(image), 3)
    ends = neighbors.walks(jax.random.key(0), near, steps=12, count=20)
    assert (label[np.asarray(ends)] == label[:, None]).mean() > 0.75


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neighbors.upright(np.zeros((4, 3, 1), np.uint8)), "bytes are divided by 255 first"),
        (lambda: neighbors.upright(np.zeros((4, 3))), r"image must be \[H, W, C\], got shape \(4, 3\)"),
        (
            lambda: neighbors.nearest(np.zeros((4, 3), np.uint8), 1),
            "points is uint8; expected floats: bytes are divided",
        ),
        (lambda: neighbors.nearest(np.zeros((4, 3)), 1, np.array([4])), "rows are indices up to 4 of 4 rows"),
        (
            lambda: neighbors.nearest(np.zeros((4, 3)), 1, np.array([[0, 1]])),
            r"rows must be \[M\], got",
        ),
        (lambda: neighbors.nearest(np.array([[0.0], [1.0], [np.nan]]), 1), "points hold NaN or infinite numbers"),
        (lambda: neighbors.nearest(np.float32(1), 1), r"points must be \[N, ...\], got shape \(\)"),
        (lambda: neighbors.nearest(np.zeros((4, 3)), 0), "count is 0; expected an integer ≥ 1"),
        (lambda: neighbors.nearest(np.zeros((4, 3)), 4), "count is 4; expected fewer than the 4 points"),
        (
            lambda: neighbors.walks(jax.random.key(0), np.zeros(4, int), steps=1, count=1),
            r"neighbors must be \[N, K\]",
        ),
        (lambda: neighbors.walks(jax.random.key(0), np.zeros((4, 1)), steps=1, count=1), "neighbors are float64"),
        (lambda: neighbors.walks(jax.random.key(0), np.full((4, 1), -1), steps=1, count=1), "neighbors hold -1"),
        (lambda: neighbors.walks(jax.random.key(0), np.full((4, 1), 4), steps=1, count=1), "up to 4 of 4 rows"),
        (
            lambda: neighbors.walks(jax.random.key(0), np.zeros((4, 0), int), steps=1, count=1),
            r"neighbors has shape \(4, 0\); expected one or more of each row",
        ),
        (lambda: neighbors.walks(jax.random.key(0), np.zeros((4, 1), int), steps=0, count=1), "steps is 0"),
        (lambda: neighbors.walks(jax.random.key(0), np.zeros((4, 1), int), steps=1, count=0), "count is 0"),
        (lambda: neighbors.walks(0, np.zeros((4, 1), int), steps=1, count=1), "key is 0; expected a key"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
