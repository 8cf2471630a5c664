"""Squared Euclidean distances, and the walk over rows that keeps distance matrices in bounded memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from aae_jax.checks import check_axes, check_count, check_function

__all__ = ["map_rows", "squared_distances"]

MAX_DIRECT = 16
"""Vectors up to this length are subtracted one coordinate at a time."""


def squared_distances(x: jax.Array, y: jax.Array) -> jax.Array:
    """Squared Euclidean distances of vectors `x` to all rows of `y`.

    Short vectors (codes) are subtracted coordinate by coordinate, which is exact where they nearly coincide. Long ones
    (images, features) go through one matrix product, |x|² + |y|² − 2 x·y about the mean of `y`: in float32 that is
    off by about 1e-7 (|x|² + |y|²), which is 1e-5 for digits of 784 pixels in [0, 1] whose squared distances are
    10 to 100.

    Args:
        x: ``[..., D]``.
        y: ``[M, D]``.

    Returns:
        ``[..., M]``, float32 or wider, never negative.

    Raises:
        ValueError: if the vectors are not of one length.

    Example:
        >>> squared_distances(jnp.array([0.0, 0.0]), jnp.array([[3.0, 4.0], [0.0, 1.0]])).tolist()
        [25.0, 1.0]
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    check_axes("y", y, "[M, D]")
    if x.shape[-1:] != y.shape[-1:]:
        raise ValueError(f"x has shape {x.shape} and y {y.shape}; expected vectors of one length.")
    dtype = jnp.result_type(x, y, jnp.float32)
    x, y = x.astype(dtype), y.astype(dtype)
    if y.shape[-1] <= MAX_DIRECT:
        zero = jnp.zeros((*x.shape[:-1], len(y)), dtype)
        return sum(((x[..., i, None] - y[:, i]) ** 2 for i in range(y.shape[-1])), zero)
    center = jnp.mean(y, axis=0)
    x, y = x - center, y - center
    # By default accelerators round the factors of a float32 product to ten bits or fewer: too few to subtract.
    products = jnp.matmul(x, y.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(jnp.sum(x**2, axis=-1)[..., None] + jnp.sum(y**2, axis=-1) - 2 * products, 0)


def map_rows(function: Callable[[Any], Any], rows: Any, *, block_size: int = 256) -> Any:
    """Applies a function of one row to every row, in blocks.

    What the function makes on its way, such as a row of a distance matrix, exists for one block at a time.

    Args:
        function: of one row.
        rows: arrays ``[N, ...]``.
        block_size: rows at once.

    Returns:
        the function's results, ``[N, ...]``.

    Raises:
        ValueError: if there are no rows, or not as many in each array.
    """
    check_function("function", function, "of one row")
    check_count("block_size", block_size)
    counts = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(rows)}
    if len(counts) != 1 or counts <= {(), (0,)}:
        raise ValueError(f"rows are {[*map(jnp.shape, jax.tree.leaves(rows))]}; expected [N, ...] each, N ≥ 1.")
    num_rows = jax.tree.leaves(rows)[0].shape[0]
    num_blocks = -(-num_rows // block_size)
    block_size = -(-num_rows // num_blocks)

    def split(leaf: jax.Array) -> jax.Array:
        # Copies of the last row fill the last block, so that one compiled body serves all.
        filled = jnp.pad(leaf, [(0, num_blocks * block_size - num_rows)] + [(0, 0)] * (leaf.ndim - 1), mode="edge")
        return filled.reshape(num_blocks, block_size, *leaf.shape[1:])

    results = jax.lax.map(jax.vmap(function), jax.tree.map(split, rows))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num_rows], results)
