"""Distances, the walk over rows, and the promise that no measure holds a whole distance matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from aae_jax import evaluation


@pytest.mark.parametrize("size", [1, 16, 17, 784])
def test_squared_distances_are_those_of_scipy(size):
    x, y = np.random.default_rng(size).uniform(size=(2, 40, size)).astype(np.float32)
    expected = cdist(x.astype(np.float64), y.astype(np.float64), "sqeuclidean")
    np.testing.assert_allclose(evaluation.squared_distances(x, y), expected, rtol=1e-5, atol=1e-5)


def test_codes_that_nearly_coincide_far_from_the_origin_keep_their_distance():
    # |x|² is 1e6, where float32 steps by 0.06: a matrix product would lose a distance of 0.125² = 0.015625.
    x, y = jnp.array([[1000.0, 0.0]]), jnp.array([[1000.125, 0.0]])
    assert evaluation.squared_distances(x, y).tolist() == [[0.015625]]


def test_far_from_the_origin_long_vectors_are_centered():
    x, y = 1000 + np.random.default_rng(0).normal(size=(2, 20, 50)).astype(np.float32)
    expected = cdist(x.astype(np.float64), y.astype(np.float64), "sqeuclidean")
    np.testing.assert_allclose(evaluation.squared_distances(x, y), expected, rtol=1e-3)


def test_bytes_do_not_wrap_around():
    x, y = np.zeros((1, 30), np.uint8), np.full((1, 30), 255, np.uint8)
    assert evaluation.squared_distances(x, y).tolist() == [[30 * 255.0**2]]


@pytest.mark.parametrize("num_rows", [1, 4, 9])
def test_map_rows_is_vmap_for_any_number_of_rows(num_rows):
    rows = jnp.arange(num_rows), jnp.ones((num_rows, 2))
    first, second = evaluation.map_rows(lambda row: (row[0] * 2, row[0] + row[1]), rows, block_size=4)
    assert first.tolist() == [2 * i for i in range(num_rows)]
    assert second.tolist() == [[i + 1, i + 1] for i in range(num_rows)]


def largest_intermediate(function, *arguments):
    """Numbers in the largest array that the function makes, in loops and calls too."""

    def largest(jaxpr):
        sizes = [variable.aval.size for equation in jaxpr.eqns for variable in equation.outvars]
        parameters = [value for equation in jaxpr.eqns for value in equation.params.values()]
        branches = [each for value in parameters for each in (value if isinstance(value, tuple) else (value,))]
        inner = [getattr(value, "jaxpr", value) for value in branches]
        return max(sizes + [largest(each) for each in inner if hasattr(each, "eqns")], default=0)

    return largest(jax.make_jaxpr(function)(*arguments).jaxpr)


N = 4000
CODES, FEATURES = jax.ShapeDtypeStruct((N, 3), jnp.float32), jax.ShapeDtypeStruct((N, 20), jnp.float32)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda x, y: evaluation.squared_mmd(x, y, jnp.ones(2)), (CODES, CODES)),
        (lambda x, y: evaluation.mmd_null(jax.random.key(0), x, y, jnp.ones(2)), (CODES, CODES)),
        (evaluation.nearest_neighbor_accuracy, (CODES, CODES)),
        (evaluation.precision_recall_coverage, (FEATURES, FEATURES)),
        (lambda x, y: evaluation.parzen_log_likelihood(x, y, jnp.ones(20), block_size=500), (FEATURES, FEATURES)),
    ],
    ids=["squared_mmd", "mmd_null", "nearest_neighbor_accuracy", "precision_recall_coverage", "parzen"],
)
def test_measures_hold_blocks_of_the_distances_only(function, arguments):
    assert largest_intermediate(function, *arguments) < N * N / 4


def test_the_search_for_large_intermediates_finds_those_in_loops():
    def one_block(x, y):
        return evaluation.parzen_log_likelihood(x, y, jnp.ones(2), block_size=N)

    assert largest_intermediate(one_block, CODES, CODES) >= N * N
