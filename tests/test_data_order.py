"""The order of rows, and which of them have labels."""

import jax
import numpy as np
import pytest

from aae_jax.data import labeled_order, labeled_subset, order

KEY = jax.random.key(3)


def test_order_visits_every_row_once_and_differs_between_epochs_and_keys():
    orders = [order(KEY, 0, 50), order(KEY, 1, 50), order(jax.random.key(4), 0, 50)]
    for rows in orders:
        assert rows.dtype == np.int32
        np.testing.assert_array_equal(np.sort(rows), np.arange(50))
    assert len({tuple(rows.tolist()) for rows in orders}) == 3
    np.testing.assert_array_equal(orders[1], order(KEY, 1, 50))


def test_orders_are_the_same_when_traced():
    traced = jax.jit(lambda epoch: (order(KEY, epoch, 50), labeled_order(KEY, epoch, 50, 8)))(1)
    np.testing.assert_array_equal(traced[0], order(KEY, 1, 50))
    np.testing.assert_array_equal(traced[1], labeled_order(KEY, 1, 50, 8))


def test_labeled_order_shuffles_each_cycle_anew():
    rows = np.asarray(labeled_order(KEY, 0, 50, 8))
    assert rows.shape == (50,) and rows.dtype == np.int32
    # 50 = 6 * 8 + 2: six whole cycles, and two examples of a seventh.
    cycles = rows[:48].reshape(6, 8)
    np.testing.assert_array_equal(np.sort(cycles, axis=1), np.tile(np.arange(8), (6, 1)))
    assert len({tuple(cycle) for cycle in cycles.tolist()}) == 6
    assert len(set(rows[48:].tolist())) == 2
    assert labeled_order(KEY, 1, 50, 8).tolist() != rows.tolist()


def test_labeled_order_is_not_that_of_all_rows():
    assert labeled_order(KEY, 0, 50, 50).tolist() != order(KEY, 0, 50).tolist()


def test_labeled_order_with_more_examples_than_rows():
    rows = labeled_order(KEY, 0, 5, 50).tolist()
    assert len(set(rows)) == 5 and max(rows) < 50


def test_labeled_order_needs_examples():
    with pytest.raises(ValueError, match="num_labeled is 0"):
        labeled_order(KEY, 0, 5, 0)


LABELS = np.random.RandomState(1).permutation(np.repeat([0, 1, 2, -1], [40, 30, 3, 20])).astype(np.int32)


def counts(chosen):
    return np.bincount(LABELS[chosen], minlength=3).tolist()


def test_labeled_subset_is_balanced_as_far_as_classes_reach():
    assert counts(labeled_subset(LABELS, 6, 0)) == [2, 2, 2]
    # 7 = 3 * 2 + 1: one class gives one more.
    assert sorted(counts(labeled_subset(LABELS, 7, 0))) == [2, 2, 3]
    # Class 2 has only three: 23 = 10 + 10 + 3.
    assert counts(labeled_subset(LABELS, 23, 0)) == [10, 10, 3]
    # All that have a label: 40 + 30 + 3 = 73.
    everyone = labeled_subset(LABELS, 73, 0)
    np.testing.assert_array_equal(np.sort(everyone), np.flatnonzero(LABELS >= 0))


def test_labeled_subset_depends_on_the_seed_alone_and_grows_at_its_end():
    small, large, other = labeled_subset(LABELS, 6, 0), labeled_subset(LABELS, 30, 0), labeled_subset(LABELS, 6, 1)
    np.testing.assert_array_equal(small, labeled_subset(LABELS, 6, 0))
    np.testing.assert_array_equal(small, large[:6])
    assert set(small.tolist()) != set(other.tolist())


def test_labeled_subset_is_uniform_within_a_class():
    # Each of 40 examples of class 0 is chosen with probability 10/40 in 400 draws: 100 times, standard deviation
    # sqrt(400 * 1/4 * 3/4) = 8.7; five of them are 43.
    hits = np.zeros(len(LABELS), int)
    for seed in range(400):
        hits[labeled_subset(LABELS, 23, seed)] += 1
    assert np.abs(hits[LABELS == 0] - 100).max() < 43


@pytest.mark.parametrize(
    ("labels", "num_labels", "message"),
    [
        (LABELS, 74, "num_labels is 74: of 93 training examples 73 have a label; choose from 1 to 73"),
        (LABELS, 0, "num_labels is 0"),
        (np.full(9, -1), 3, "of 9 training examples 0 have a label, and this task needs some"),
    ],
)
def test_labeled_subset_refuses(labels, num_labels, message):
    with pytest.raises(ValueError, match=message):
        labeled_subset(labels, num_labels, 0)
