"""The hole fraction: how much of the prior's mass the codes leave empty.

The prior is cut into cells of equal probability, the leaves of a median-split k-d tree on its samples, which works for
any sampler. A cell in which codes are missing is a hole: a decoder that is asked there was never trained there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from aae_jax.checks import check_axes, check_count, check_finite, check_instance

__all__ = ["FEWEST_CODES", "Cells", "cell_counts", "equal_probability_cells", "hole_fraction", "num_cells_for"]

MIN_EXPECTED = 25
"""Codes that a cell must expect before its emptiness means anything."""

FEWEST_CODES = 2 * MIN_EXPECTED
"""Fewer are less than two cells."""

HOLE = 0.25
"""A hole holds under this share of the expected count."""


class Cells(NamedTuple):
    """A k-d tree of C leaves, C a power of two. Node i has the children 2 i + 1 (lower) and 2 i + 2 (upper).

    Attributes:
        dimension: ``[C - 1]`` int32, the coordinate that a node looks at.
        threshold: ``[C - 1]``, above which a code goes to the upper child.
    """

    dimension: np.ndarray
    threshold: np.ndarray


def num_cells_for(num_codes: int) -> int:
    """The largest power of two that leaves each cell at least 25 expected codes.

    Raises:
        ValueError: for fewer than 50 codes, which is less than two cells.

    Example:
        >>> num_cells_for(1000), num_cells_for(10_000)
        (32, 256)
    """
    check_count("num_codes", num_codes, 0)
    if num_codes < FEWEST_CODES:
        raise ValueError(f"The hole fraction needs at least {FEWEST_CODES} codes, got {num_codes}.")
    return 1 << (int(num_codes) // MIN_EXPECTED).bit_length() - 1


def equal_probability_cells(prior_samples: ArrayLike, num_cells: int) -> Cells:
    """Cuts a continuous prior into cells of equal probability: halves at the median, halves of halves, and so on.

    Each cell is cut across the coordinate in which its own samples vary most. The cells' probabilities are equal up
    to the scatter of the samples, a relative √(num_cells / M).

    Args:
        prior_samples: ``[M, Z]``, M a multiple of `num_cells`; 65,536 by convention.
        num_cells: a power of two, see `num_cells_for`.

    Returns:
        the tree.

    Raises:
        ValueError: if `num_cells` is no power of two, does not divide M, or if so many samples coincide that there
            are no cells of equal probability (a discrete prior).
    """
    samples = np.asarray(prior_samples)
    check_axes("prior_samples", samples, "[M, Z]")
    check_finite("prior_samples", samples)
    check_count("num_cells", num_cells, 0)
    if num_cells < 2 or num_cells & (num_cells - 1) or len(samples) % num_cells:
        raise ValueError(
            f"num_cells must be a power of two, at least 2, that divides the number of prior samples ({len(samples)}),"
            f" got {num_cells}."
        )
    groups = samples[None]
    dimensions, thresholds = [], []
    while len(groups) < num_cells:
        num_groups, size, _ = groups.shape
        dimension = np.argmax(np.var(groups, axis=1), axis=1)
        coordinate = np.take_along_axis(groups, dimension[:, None, None], axis=2)[..., 0]
        order = np.argpartition(coordinate, size // 2 - 1, axis=1)
        dimensions.append(dimension)
        thresholds.append(np.take_along_axis(coordinate, order[:, size // 2 - 1, None], axis=1)[:, 0])
        groups = np.take_along_axis(groups, order[..., None], axis=1).reshape(2 * num_groups, size // 2, -1)
    cells = Cells(np.concatenate(dimensions).astype(np.int32), np.concatenate(thresholds))
    counts = cell_counts(cells, samples)
    if np.max(np.abs(counts * (num_cells / len(samples)) - 1)) > 0.5:
        raise ValueError(
            f"Prior samples coincide: cells meant to hold {len(samples) // num_cells} of them hold {counts.min()} to "
            f"{counts.max()}. The hole fraction is for continuous priors."
        )
    return cells


def cell_counts(cells: Cells, codes: ArrayLike) -> np.ndarray:
    """How many codes lie in each cell.

    Args:
        cells: of `equal_probability_cells`.
        codes: ``[N, Z]``.

    Returns:
        ``[C]``, in the order of the leaves.

    Raises:
        ValueError: if codes are not ``[N, Z]``, lack a coordinate that the cells look at, or are not finite.
    """
    codes = np.asarray(codes)
    check_instance("cells", cells, Cells, "equal_probability_cells")
    check_axes("codes", codes, "[N, Z]")
    check_finite("codes", codes)
    if codes.shape[1] <= np.max(cells.dimension):
        raise ValueError(f"codes has shape {codes.shape}; the cells look at coordinate {np.max(cells.dimension)}.")
    node = np.zeros(len(codes), np.intp)
    for _ in range(len(cells.threshold).bit_length()):
        coordinate = np.take_along_axis(codes, cells.dimension[node, None], axis=1)[:, 0]
        node = 2 * node + 1 + (coordinate > cells.threshold[node])
    return np.bincount(node - len(cells.threshold), minlength=len(cells.threshold) + 1)


def hole_fraction(cells: Cells, codes: ArrayLike) -> float:
    """Fraction of the prior's mass that lies in holes: cells with under a quarter of the expected codes.

    The null is binomial: of N prior samples, a cell of probability 1 / C holds Binomial(N, 1 / C). Where 25 are
    expected, 6 or fewer come once in 160,000 cells, so prior samples show no holes and a hole is no accident; where
    10 are expected, 2 or fewer would come once in 360. The same number for fresh prior samples belongs beside it, see
    `aae_jax.evaluation.prior_match`.

    A cell is reached by log2 C cuts. In two dimensions that makes a fine mesh; in ten, each coordinate is halved about
    once, and only holes as large as an orthant show. There the measures of `aae_jax.evaluation.two_sample` see more.

    Args:
        cells: of `equal_probability_cells`.
        codes: ``[N, Z]``, at least 25 a cell.

    Returns:
        the fraction.

    Raises:
        ValueError: for fewer than 25 codes a cell, see also `cell_counts`.
    """
    counts = cell_counts(cells, codes)
    if np.mean(counts) < MIN_EXPECTED:
        raise ValueError(
            f"There are {counts.sum()} codes for {len(counts)} cells; expected at least {MIN_EXPECTED} a cell, see "
            "num_cells_for."
        )
    return float(np.mean(counts < HOLE * np.mean(counts)))
