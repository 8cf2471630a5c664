"""Which rows an epoch visits, in which order, and which of them have labels."""

from numbers import Integral

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax.checks import check_axes, check_count, check_integers, check_key

__all__ = ["labeled_order", "labeled_subset", "order"]

_LABELED = 2**31 - 1  # an epoch that never comes: keys of the labeled rows' order start from here


def order(key: jax.Array, epoch: jax.Array | int, num_rows: int) -> jax.Array:
    """The order of an epoch's rows.

    Args:
        key: the run's key for data, `[]`; not consumed, the same for every epoch.
        epoch: `[]` int, may be traced.
        num_rows: rows of the training split.

    Returns:
        `[num_rows]` int32, every row once.

    Raises:
        ValueError: if `key` is no key or `num_rows` is below 1.

    Example:
        >>> import jax
        >>> first, second = (order(jax.random.key(0), epoch, 5) for epoch in (0, 1))
        >>> sorted(first.tolist()), first.tolist() == second.tolist()
        ([0, 1, 2, 3, 4], False)
    """
    check_key("key", key)
    check_count("num_rows", num_rows)
    return jax.random.permutation(jax.random.fold_in(key, epoch), jnp.arange(num_rows, dtype=jnp.int32))


def labeled_order(key: jax.Array, epoch: jax.Array | int, num_rows: int, num_labeled: int) -> jax.Array:
    """The order in which an epoch visits the labeled examples: all of them again and again, newly shuffled each time.

    An epoch is a pass over the training split, of which the labeled examples are often a small part, so that each of
    them is seen `num_rows / num_labeled` times an epoch.

    Args:
        key: the run's key for data, `[]`, as for `order`, whose draws these are independent of.
        epoch: `[]` int, may be traced.
        num_rows: how many are visited: rows of the training split.
        num_labeled: how many labeled examples there are.

    Returns:
        `[num_rows]` int32, places in the labeled set.

    Raises:
        ValueError: if `key` is no key, or `num_rows` or `num_labeled` is below 1.

    Example:
        >>> import jax
        >>> [sorted(cycle) for cycle in labeled_order(jax.random.key(0), 0, 6, 3).reshape(2, 3).tolist()]
        [[0, 1, 2], [0, 1, 2]]
    """
    check_key("key", key)
    check_count("num_rows", num_rows)
    check_count("num_labeled", num_labeled, expected=": there must be a labeled example")
    epoch_key = jax.random.fold_in(jax.random.fold_in(key, _LABELED), epoch)
    num_cycles = -(-num_rows // num_labeled)
    cycles = jax.vmap(lambda cycle: order(epoch_key, cycle, num_labeled))(jnp.arange(num_cycles))
    return cycles.reshape(-1)[:num_rows]


def labeled_subset(labels: np.ndarray, num_labels: int, seed: int) -> np.ndarray:
    """Chooses at random, and balanced over the classes, the examples whose labels training may see.

    Every class gives as many examples as every other, within one, unless it has no more to give. The examples of a
    smaller `num_labels` are the first of a larger one's with the same seed.

    Args:
        labels: `[N]` ints of the training split; rows labeled −1 are never chosen.
        num_labels: how many to choose; as many as have a label gives them all.
        seed: other seeds give other examples.

    Returns:
        `[num_labels]` int64 row indices, without repeats.

    Raises:
        ValueError: if fewer examples have a label, `num_labels` is below 1, or labels or seed are no integers.

    Example:
        >>> import numpy as np
        >>> labels = np.array([0, 0, 0, 0, 1, 1, -1])
        >>> sorted(labels[labeled_subset(labels, 4, seed=0)].tolist())
        [0, 0, 1, 1]

    References:
        Makhzani et al. 2016, section 5, where labeled examples are random and balanced over the classes.
    """
    labels = np.asarray(labels)
    check_axes("labels", labels, "[N]")
    check_integers("labels", labels, least=-1)
    check_count("seed", seed, 0)
    if seed >= 2**32:
        raise ValueError(f"seed is {seed}; expected 0 to 2³² − 1.")
    if not isinstance(num_labels, Integral):
        raise ValueError(f"num_labels is {num_labels!r}; expected an integer.")
    random = np.random.RandomState(seed)  # its stream never changes, unlike default_rng's
    known = random.permutation(np.flatnonzero(labels >= 0))
    if not 1 <= num_labels <= len(known):
        raise ValueError(
            f"num_labels is {num_labels}: of {len(labels)} training examples {len(known)} have a label"
            + (f"; choose from 1 to {len(known)}" if len(known) else ", and this task needs some")
        )
    classes, class_of = np.unique(labels[known], return_inverse=True)
    # Every class deals its examples in its own random order; a round takes one from each class that has any left.
    turn = np.empty(len(known), int)
    for index in range(len(classes)):
        turn[class_of == index] = np.arange(np.count_nonzero(class_of == index))
    seat = random.permutation(len(classes))
    return known[np.lexsort((seat[class_of], turn))][:num_labels]
