"""Errors of classes and clusters: by hand, by brute force, against scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from aae_jax.data import load
from aae_jax.evaluation import (
    error_rate,
    head_examples,
    head_rule,
    head_rule_error,
    hungarian_error,
    majority_vote_error,
    nearest_neighbor_error,
)


def test_error_rate_leaves_unlabeled_rows_out():
    # Of the labels 0, 1, 2 one is missed; the prediction −1 for label 2 is an error, the label −1 does not count.
    assert error_rate([0, 1, -1, 0], [0, 1, 2, -1]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="all 2 are unknown"):
        error_rate([0, 1], [-1, -1])
    with pytest.raises(ValueError, match=r"got \(2, 1\) and \(2,\)"):
        error_rate([[0], [1]], [0, 1])


# Five validation examples and three clusters; the surest of each cluster: rows 1, 2 and 4.
VALIDATION = np.array([[0.6, 0.3, 0.1], [0.8, 0.1, 0.1], [0.0, 0.9, 0.1], [0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
VALIDATION_LABEL = np.array([7, 5, 8, 7, 6])


def test_head_rule_by_hand():
    assert head_rule(VALIDATION, VALIDATION_LABEL).tolist() == [5, 8, 6]
    assert head_examples(VALIDATION, VALIDATION_LABEL).tolist() == [1, 2, 4]
    # Without the label of row 1 the surest of cluster 0 is row 3.
    assert head_rule(VALIDATION, np.where(np.arange(5) == 1, -1, VALIDATION_LABEL)).tolist() == [7, 8, 6]
    # Of two that a cluster is as sure of, the first.
    assert head_rule([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [3, 4, 5, 6]).tolist() == [4, 6]


def test_head_rule_and_majority_vote_differ_where_the_surest_is_in_the_minority():
    test = np.array([[0.9, 0.1, 0.0], [0.5, 0.2, 0.3], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    test_label = np.array([5, 7, 8, 7])
    # Heads say 5 8 6: predictions 5 5 8 6 against 5 7 8 7, two errors of four.
    assert head_rule_error(VALIDATION, VALIDATION_LABEL, test, test_label) == 0.5
    # Votes: cluster 0 holds 7 5 7, cluster 1 holds 8, cluster 2 holds 6: predictions 7 7 8 6, two errors.
    clusters, test_clusters = VALIDATION.argmax(axis=1), test.argmax(axis=1)
    assert majority_vote_error(clusters, VALIDATION_LABEL, test_clusters, test_label) == 0.5
    assert majority_vote_error(clusters, VALIDATION_LABEL, test_clusters, np.array([7, 7, 8, 6])) == 0
    assert head_rule_error(VALIDATION, VALIDATION_LABEL, test, np.array([5, 5, 8, 6])) == 0


def test_majority_vote_at_its_limits():
    # Cluster 0: labels 2 and 1 tie, the smaller wins. Cluster 3 has no votes: an error. The vote of −1 is none.
    assert majority_vote_error([0, 0, 1, 1], [2, 1, 4, -1], [0, 0, 1, 3], [1, 2, 4, 0]) == 0.5


def brute_force_error(cluster, label, num_clusters, num_classes):
    width = max(num_clusters, num_classes)
    counts = np.zeros((width, width))
    np.add.at(counts, (cluster, label), 1)
    best = max(counts[range(width), each].sum() for each in itertools.permutations(range(width)))
    return 1 - best / len(label)


@pytest.mark.parametrize(("num_clusters", "num_classes"), [(3, 3), (5, 3), (3, 5)])
def test_hungarian_error_is_that_of_the_best_permutation(num_clusters, num_classes):
    generator = np.random.default_rng(num_clusters)
    label = generator.integers(num_classes, size=200)
    cluster = np.where(generator.uniform(size=200) < 0.6, label, generator.integers(num_clusters, size=200))
    cluster = (cluster + 1) % num_clusters
    expected = brute_force_error(cluster, label, num_clusters, num_classes)
    assert hungarian_error(cluster, label) == pytest.approx(expected)


def test_hungarian_error_by_hand():
    assert hungarian_error([2, 2, 0, 0, 1], [0, 0, 1, 1, 2]) == 0  # a renaming
    # Four clusters, two classes: 0 -> 0 and 2 -> 1 hold four of six; clusters 1 and 3 are left over.
    assert hungarian_error([0, 0, 1, 2, 2, 3], [0, 0, 0, 1, 1, 1]) == pytest.approx(2 / 6)
    assert hungarian_error([0, 0, 1, 2, 2, 3], [0, 0, -1, 1, 1, -1]) == 0


def test_nearest_head_by_hand():
    heads, head_label = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]), [3, 1, 3]
    codes = np.array([[1.0, 1.0], [3.0, 1.0], [0.0, 9.0], [1.0, 2.5]])
    # Nearest heads 0 1 2 2, hence 3 1 3 3.
    assert nearest_neighbor_error(heads, head_label, codes, [3, 1, 3, 1]) == 0.25


def test_nearest_neighbor_error_is_that_of_scikit_learn_on_digits():
    splits = load("mnist5k")
    train, test = (
        (split.image[:800].reshape(800, -1).astype(np.float32) / 255, split.label[:800])
        for split in (splits.train, splits.test)
    )
    classifier = KNeighborsClassifier(1, algorithm="brute").fit(*train)
    expected = 1 - classifier.score(*test)
    assert 0.05 < expected < 0.3
    assert nearest_neighbor_error(*train, *test) == pytest.approx(expected, abs=1e-6)


def test_neighbors_without_a_label_are_not_asked():
    assert nearest_neighbor_error([[0.0], [1.0]], [3, -1], [[0.9], [0.1]], [3, 3]) == 0
