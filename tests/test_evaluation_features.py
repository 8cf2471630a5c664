"""Realism, Fréchet distance, precision and recall: by hand, against scipy, and on digits."""

import jax
import numpy as np
import pytest
import scipy.linalg
from scipy.spatial.distance import cdist

from aae_jax.data import load
from aae_jax.evaluation import frechet_distance, precision_recall_coverage, realism

NAMES = ("precision", "recall", "density", "coverage")


@pytest.fixture(scope="module")
def digits():
    """Sixty random projections of digits, and their labels: 1,000 training and 1,000 test rows."""
    splits = load("mnist5k")
    projection = np.random.default_rng(0).normal(size=(784, 60)) / 28
    return [
        ((split.image[:1000].reshape(1000, -1) / 255 @ projection).astype(np.float32), split.label[:1000])
        for split in (splits.train, splits.test)
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_precision_and_recall_of_what_is_no_number_are_none(value):
    real, fake = np.random.default_rng(0).normal(size=(2, 20, 30)).astype(np.float32)
    for features in (real, fake):
        kept, features[3, 2] = features[3, 2], value
        assert np.isnan([*precision_recall_coverage(real, fake).values()]).all()
        features[3, 2] = kept
    assert np.isfinite([*precision_recall_coverage(real, fake).values()]).all()


def test_realism_by_hand():
    # The largest of each row: 0.95, 0.9, 0.4; only the first exceeds 0.9.
    probabilities = [[0.95, 0.05, 0.0], [0.05, 0.05, 0.9], [0.3, 0.3, 0.4]]
    assert realism(probabilities) == pytest.approx({"mean_confidence": 0.75, "fraction_confident": 1 / 3})
    assert realism(probabilities, threshold=0.5)["fraction_confident"] == pytest.approx(2 / 3)


# --- Fréchet distance


def reference_frechet(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    covariance_x, covariance_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(covariance_x @ covariance_y).real
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(covariance_x + covariance_y - 2 * root)


def test_frechet_distance_by_hand():
    # Means (0, 0) and (3, 0), variances (2, 2) and (8, 0): 9 + (√2 − √8)² + (√2 − 0)² = 9 + 2 + 2.
    x = np.array([[1.0, 1], [-1, 1], [1, -1], [-1, -1]]) * np.sqrt(3 / 2)
    y = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]]) * np.sqrt(6) + [3, 0]
    assert frechet_distance(x, y) == pytest.approx(13.0)


def test_frechet_distance_in_one_dimension():
    # Variances 2 and 8: (√2 − √8)² = 2.
    assert frechet_distance([[-1.0], [1.0]], [[-2.0], [2.0]]) == pytest.approx(2.0)


def test_frechet_distance_is_that_of_scipy(digits):
    (train, _), (test, _) = digits
    for x, y in ((train, test), (train[:500], 2 * test + 1)):
        assert frechet_distance(x, y) == pytest.approx(reference_frechet(x, y), rel=1e-6)
        assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-9)


def test_frechet_distance_bears_singular_covariances(digits):
    flat = np.concatenate([digits[0][0], np.zeros((1000, 5))], axis=1)  # pixels that are always black
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(flat, flat + 1) == pytest.approx(65)


def test_frechet_distance_sees_what_is_missing(digits):
    (train, label), (test, _) = digits
    null = frechet_distance(train, test)
    assert frechet_distance(train[label < 5], test) > 3 * null
    assert frechet_distance(np.repeat(train[:10], 100, axis=0), test) > 3 * null


# --- precision, recall, density, coverage


def reference_prdc(real, fake, k):
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    real_radius = np.sort(cdist(real, real), axis=1)[:, k]
    fake_radius = np.sort(cdist(fake, fake), axis=1)[:, k]
    across = cdist(real, fake)
    in_real = across <= real_radius[:, None]
    return {
        "precision": in_real.any(axis=0).mean(),
        "recall": (across <= fake_radius).any(axis=1).mean(),
        "density": in_real.sum(axis=0).mean() / k,
        "coverage": in_real.any(axis=1).mean(),
    }


def measure(real, fake, k=5):
    result = jax.jit(precision_recall_coverage, static_argnames="k")(real, fake, k=k)
    assert set(result) == set(NAMES)
    return {name: float(value) for name, value in result.items()}


def test_precision_recall_by_hand():
    # k = 1. Reals 0, 1, 4, 10 reach 1, 1, 3, 6; fakes 2, 3, 3.5 reach 1, 0.5, 0.5.
    # 2 is in the balls of 1, 4; 3 of 4; 3.5 of 4. So precision 1, density (2 + 1 + 1) / 3.
    # Real 1 is in the ball of 2, real 4 in that of 3.5: recall 2/4. Balls of 1 and 4 hold a fake, and that of 10
    # reaches to 4, no fake: coverage 2/4.
    real, fake = np.array([[0.0], [1.0], [4.0], [10.0]]), np.array([[2.0], [3.0], [3.5]])
    expected = {"precision": 1.0, "recall": 0.5, "density": 4 / 3, "coverage": 0.5}
    assert measure(real, fake, k=1) == pytest.approx(expected)


def test_precision_recall_are_those_of_whole_matrices(digits):
    (train, _), (test, _) = digits
    assert measure(test, train) == pytest.approx(reference_prdc(test, train, 5), abs=2e-3)
    # The fifth neighbor among eight equal rows is one of them: balls without extent.
    duplicates = np.repeat(train[:125], 8, axis=0)
    assert measure(test, duplicates)["recall"] == reference_prdc(test, duplicates, 5)["recall"] == 0


def test_real_digits_cover_real_digits_and_others_do_not(digits):
    (train, label), (test, _) = digits
    null = measure(test, train)
    # Equal distributions: 1 − 2⁻⁵ = 0.97 covered, density about 1.
    assert null["coverage"] == pytest.approx(0.97, abs=0.03) and null["density"] == pytest.approx(1, abs=0.15)
    half = measure(test, np.repeat(train[label < 5], 2, axis=0)[:1000])
    assert half["precision"] > 0.7 and half["coverage"] < 0.65
    noise = measure(test, np.random.default_rng(0).normal(size=train.shape).astype(np.float32) * 3)
    assert noise["precision"] < 0.1 and noise["coverage"] < 0.1


def test_too_few_rows_for_k_are_refused():
    with pytest.raises(ValueError, match="k = 5 neighbors need more than 5 rows, got 9 real and 5 fake"):
        precision_recall_coverage(np.zeros((9, 2)), np.zeros((5, 2)))
