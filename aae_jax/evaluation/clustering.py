"""Error of classes and clusters, by the paper's rule and by the usual others. All errors are fractions.

Rows whose label is unknown (−1) do not count anywhere.
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aae_jax.checks import check_axes, check_finite, check_integers, check_rows
from aae_jax.evaluation.distances import map_rows, squared_distances

__all__ = [
    "error_rate",
    "head_examples",
    "head_rule",
    "head_rule_error",
    "hungarian_error",
    "majority_vote_error",
    "nearest_label",
    "nearest_neighbor_error",
]


def error_rate(prediction: ArrayLike, label: ArrayLike) -> float:
    """Fraction of labeled rows whose prediction is not their label.

    Args:
        prediction: ``[N]`` class indices; −1, no prediction, is an error.
        label: ``[N]``, −1 where unknown.

    Returns:
        the fraction.

    Raises:
        ValueError: if the shapes differ or no row is labeled.

    Example:
        >>> error_rate([0, 1, 2, 2], [0, 1, 1, -1])
        0.3333333333333333
    """
    prediction, label = np.asarray(prediction), np.asarray(label)
    if prediction.shape != label.shape or label.ndim != 1:
        raise ValueError(f"prediction and label must be [N] both, got {prediction.shape} and {label.shape}.")
    check_integers("prediction", prediction)
    return float(np.mean((prediction != label)[_known(label)]))


def head_examples(probabilities: ArrayLike, label: ArrayLike) -> jax.Array:
    """The labeled example that each cluster is surest of: its index.

    Of several that it is as sure of, to the last bit, the first one counts: a cluster may be sure of hundreds. It can
    be traced; where no row is labeled, it is the first row.

    Args:
        probabilities: ``[N, K]``, q(y given x) of validation examples.
        label: ``[N]``, −1 where unknown.

    Returns:
        ``[K]`` indices of rows.

    Raises:
        ValueError: if the shapes do not fit, or labels are no integers.

    Example:
        >>> head_examples([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], [5, 5, 8]).tolist()
        [0, 2]
    """
    label = jnp.asarray(label)
    check_axes("probabilities", probabilities, "[N, K]")
    check_axes("label", label, "[N]")
    check_rows(probabilities=probabilities, label=label)
    check_integers("label", label)
    return jnp.argmax(jnp.where(label[:, None] >= 0, jnp.asarray(probabilities), -jnp.inf), axis=0)


def head_rule(probabilities: ArrayLike, label: ArrayLike) -> jax.Array:
    """Label of each cluster by the paper's rule: that of the example which the cluster is surest of.

    Args:
        probabilities: see `head_examples`.
        label: see there.

    Returns:
        ``[K]`` class indices; where no row is labeled, every cluster's label is −1.

    Raises:
        ValueError: if the shapes do not fit, or labels are no integers.

    Example:
        >>> head_rule([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], [5, 5, 8]).tolist()
        [5, 8]

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, section 6.
    """
    return jnp.asarray(label)[head_examples(probabilities, label)]


def head_rule_error(
    validation_probabilities: ArrayLike,
    validation_label: ArrayLike,
    test_probabilities: ArrayLike,
    test_label: ArrayLike,
) -> float:
    """Clustering error of the paper's Table 3: `head_rule` on validation examples labels the clusters.

    Args:
        validation_probabilities: ``[V, K]``, q(y given x).
        validation_label: ``[V]``.
        test_probabilities: ``[N, K]``.
        test_label: ``[N]``.

    Returns:
        the fraction of test examples in a cluster with another label.

    Raises:
        ValueError: if the shapes do not fit, a probability is not finite, or a split has no label.
    """
    _known(np.asarray(validation_label))
    check_finite("validation_probabilities", validation_probabilities)
    check_finite("test_probabilities", test_probabilities)
    if np.ndim(test_probabilities) != 2 or np.shape(test_probabilities)[1:] != np.shape(validation_probabilities)[1:]:
        raise ValueError(
            f"test_probabilities has shape {np.shape(test_probabilities)} and validation_probabilities "
            f"{np.shape(validation_probabilities)}; expected [N, K] and [V, K] of the same clusters."
        )
    cluster_label = np.asarray(head_rule(validation_probabilities, validation_label))
    return error_rate(cluster_label[np.argmax(np.asarray(test_probabilities), axis=1)], test_label)


def majority_vote_error(
    validation_cluster: ArrayLike, validation_label: ArrayLike, test_cluster: ArrayLike, test_label: ArrayLike
) -> float:
    """Clustering error where most of a cluster's validation examples say its label, the smaller one in a tie.

    Args:
        validation_cluster: ``[V]`` cluster indices.
        validation_label: ``[V]``.
        test_cluster: ``[N]``; a cluster without validation examples has no label, hence errs.
        test_label: ``[N]``.

    Returns:
        the fraction of test examples in a cluster with another label.

    Raises:
        ValueError: if the shapes do not fit, a cluster is no index, or a split has no label.
    """
    test_cluster = np.asarray(test_cluster)
    _check_clusters("test_cluster", test_cluster)
    votes = _contingency(validation_cluster, validation_label, num_clusters=int(np.max(test_cluster)) + 1)
    cluster_label = np.where(np.any(votes, axis=1), np.argmax(votes, axis=1), -1)
    return error_rate(cluster_label[test_cluster], test_label)


def hungarian_error(cluster: ArrayLike, label: ArrayLike) -> float:
    """Clustering error under the best matching of clusters to classes, one to one; 1 − what is called ACC.

    With more clusters than classes, the examples of clusters that are left over are errors. The matching is made on
    the examples that are scored.

    Args:
        cluster: ``[N]`` cluster indices.
        label: ``[N]``.

    Returns:
        the fraction of unmatched examples.

    Raises:
        ValueError: if the shapes do not fit, a cluster is no index, or no row is labeled.

    References:
        Kuhn, "The Hungarian method for the assignment problem", 1955.
    """
    from scipy.optimize import linear_sum_assignment

    counts = _contingency(cluster, label)
    num_matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return float((counts.sum() - num_matched) / counts.sum())


def nearest_label(train_codes: ArrayLike, train_label: ArrayLike, codes: ArrayLike) -> np.ndarray:
    """The label of the nearest labeled training code.

    Args:
        train_codes: ``[M, Z]``.
        train_label: ``[M]``; rows without one (−1) are not asked.
        codes: ``[N, Z]``.

    Returns:
        ``[N]`` labels.

    Raises:
        ValueError: if no training code is labeled, or the shapes do not fit.

    Example:
        >>> nearest_label([[0.0], [1.0]], [3, 4], [[0.2], [0.7], [5.0]]).tolist()
        [3, 4, 4]
    """
    train_label = np.asarray(train_label)
    check_axes("train_codes", train_codes, "[M, Z]")
    check_axes("codes", codes, "[N, Z]")
    check_rows(train_codes=train_codes, train_label=train_label)
    if np.shape(codes)[1] != np.shape(train_codes)[1] or not np.shape(codes)[0]:
        raise ValueError(
            f"codes has shape {np.shape(codes)}; expected some of {np.shape(train_codes)[1]} numbers each."
        )
    check_finite("train_codes", train_codes)
    check_finite("codes", codes)
    known = _known(train_label)
    train = jnp.asarray(np.asarray(train_codes)[known])
    nearest = map_rows(lambda row: jnp.argmin(squared_distances(row, train)), jnp.asarray(codes))
    return train_label[known][np.asarray(nearest)]


def nearest_neighbor_error(
    train_codes: ArrayLike, train_label: ArrayLike, test_codes: ArrayLike, test_label: ArrayLike
) -> float:
    """Error of a test code that takes the label of the nearest labeled training code, or of the nearest cluster head.

    See `nearest_label`.

    Args:
        train_codes: ``[M, Z]``.
        train_label: ``[M]``.
        test_codes: ``[N, Z]``.
        test_label: ``[N]``.

    Returns:
        the fraction of errors.
    """
    return error_rate(nearest_label(train_codes, train_label, test_codes), test_label)


def _check_clusters(name: str, cluster: np.ndarray) -> None:
    """A negative index would count from the end."""
    check_axes(name, cluster, "[N]")
    check_integers(name, cluster, least=0)
    if not cluster.size:
        raise ValueError(f"{name} is empty; expected a cluster for each example.")


def _known(label: np.ndarray) -> np.ndarray:
    check_axes("label", label, "[N]")
    check_integers("label", label, least=-1)
    known = label >= 0
    if not np.any(known):
        raise ValueError(f"Errors need labels: all {label.size} are unknown (−1).")
    return known


def _contingency(cluster: ArrayLike, label: ArrayLike, num_clusters: int = 0) -> np.ndarray:
    """How many examples of each cluster have each label: ``[K, classes]``."""
    cluster, label = np.asarray(cluster), np.asarray(label)
    _check_clusters("cluster", cluster)
    check_rows(cluster=cluster, label=label)
    known = _known(label)
    counts = np.zeros((max(num_clusters, int(np.max(cluster)) + 1), int(np.max(label)) + 1), np.int64)
    np.add.at(counts, (cluster[known], label[known]), 1)
    return counts
