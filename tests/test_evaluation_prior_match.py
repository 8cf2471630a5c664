"""All measures of q(z) against p(z) together: equal distributions look like the null, controls are found."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aae_jax.evaluation import prior_match

NUM_CODES = 1000


def sample_prior(key):
    return 5 * jax.random.normal(key, (2,))


def draws(seed):
    return 5 * np.random.default_rng(seed).normal(size=(NUM_CODES, 2)).astype(np.float32)


def measure(codes, seed=0):
    return prior_match(jax.random.key(seed), codes, sample_prior, num_compared=500)


@pytest.fixture(scope="module")
def null():
    return measure(draws(1))


def test_it_gives_every_measure_beside_its_null_as_plain_floats(null):
    paired = ["hole_fraction", "nearest_neighbor_accuracy", "mean_error", "covariance_error"]
    mmd = ["mmd_squared", "mmd_squared_null_mean", "mmd_squared_null_std", "mmd_squared_null_95"]
    assert set(null) == {*paired, *[f"{name}_null" for name in paired], *mmd}
    assert json.loads(json.dumps(null)) == null and all(type(value) is float for value in null.values())


def test_prior_samples_look_like_the_null(null):
    assert null["hole_fraction"] == null["hole_fraction_null"] == 0
    for accuracy in (null["nearest_neighbor_accuracy"], null["nearest_neighbor_accuracy_null"]):
        assert abs(accuracy - 0.5) < 0.06
    # Standard errors of a mean of 1,000 and of a variance: 1/√1000 = 0.03, √(2/1000) = 0.045.
    for name in ("mean_error", "mean_error_null", "covariance_error", "covariance_error_null"):
        assert 0 < null[name] < 0.13
    assert abs(null["mmd_squared"]) < 5 * null["mmd_squared_null_std"]
    assert abs(null["mmd_squared_null_mean"]) < null["mmd_squared_null_std"]
    assert null["mmd_squared_null_mean"] < null["mmd_squared_null_95"] < 4 * null["mmd_squared_null_std"]


def test_the_null_does_not_depend_on_the_codes(null):
    other = measure(draws(2) * 3 + 1)
    assert {name: other[name] for name in other if "null" in name} == {
        name: null[name] for name in null if "null" in name
    }


def test_a_key_is_a_result(null):
    assert measure(draws(1)) == null
    assert measure(draws(1), seed=1)["mmd_squared_null_std"] != null["mmd_squared_null_std"]


@pytest.mark.parametrize(
    ("spoil", "found_by"),
    [
        (lambda z: z + 2.5, ["mmd_squared", "mean_error"]),
        (lambda z: 0.1 * z, ["mmd_squared", "nearest_neighbor_accuracy", "covariance_error", "hole_fraction"]),
        # A Gaussian with the prior's mean and covariance, and all of it on a ring: moments do not see it.
        (
            lambda z: 5 * np.sqrt(2) * z / np.linalg.norm(z, axis=1, keepdims=True),
            ["mmd_squared", "nearest_neighbor_accuracy", "hole_fraction"],
        ),
    ],
    ids=["shifted", "collapsed", "ring"],
)
def test_what_does_not_match_is_found(spoil, found_by):
    measured = measure(spoil(draws(3)))
    threshold = {
        "mmd_squared": 5 * measured["mmd_squared_null_95"],
        "nearest_neighbor_accuracy": 0.6,
        "mean_error": 0.25,
        "covariance_error": 0.5,
        "hole_fraction": 0.3,
    }
    assert {name for name in threshold if measured[name] > threshold[name]} == set(found_by)


def test_only_the_first_rows_enter_the_measures_of_pairs():
    codes = draws(4)
    half_spoiled = np.concatenate([codes[:500], codes[500:] + 100])
    clean, spoiled = measure(codes), measure(half_spoiled)
    assert spoiled["mmd_squared"] == clean["mmd_squared"]
    assert spoiled["nearest_neighbor_accuracy"] == clean["nearest_neighbor_accuracy"]
    assert spoiled["hole_fraction"] >= clean["hole_fraction"] and spoiled["mean_error"] > 1


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (jnp.full((60, 2), jnp.nan), "120 of 120 numbers are not finite"),
        (np.zeros(60), r"\[N, Z\], got shape \(60,\)"),
        (np.zeros((60, 3)), r"like the prior's samples \(2,\), got shape \(60, 3\)"),
        (np.zeros((49, 2)), "at least 50 codes, got 49"),
    ],
    ids=["nan", "vector", "size", "few"],
)
def test_wrong_codes_are_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        measure(codes)
