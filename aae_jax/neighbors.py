"""Rows that are alike, found without labels: the nearest images of each one, and where walks among them lead."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from aae_jax.checks import check_axes, check_count, check_image, check_indices, check_key
from aae_jax.evaluation import map_rows, squared_distances

__all__ = ["nearest", "upright", "walks"]


def upright(image: jax.Array) -> jax.Array:
    """An image without its slant, moved to the middle, as far as its second and first moments tell.

    Two digits that one hand wrote steeply and another leaning to the right are near each other only then.

    Args:
        image: `[H, W, C]` floats, whose lowest number in each channel is its ground.

    Returns:
        `[H, W, C]`; an image of one tone as it is.

    Raises:
        ValueError: if it is not of floats or of other axes.

    References:
        LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, section III.A ("deslanted").
    """
    check_image("image", image)
    check_axes("image", image, "[H, W, C]")
    given, image = image.dtype, image.astype(jnp.promote_types(image.dtype, jnp.float32))
    ground = image.min((0, 1))
    ink = (image - ground).sum(-1)
    share = ink / jnp.where(ink.sum() > 0, ink.sum(), 1)
    rows, columns = jnp.meshgrid(*map(jnp.arange, ink.shape), indexing="ij")
    middle_row, middle_column = (jnp.where(ink.sum() > 0, (share * at).sum(), at.mean()) for at in (rows, columns))
    down, right = rows - middle_row, columns - middle_column
    height = (share * down**2).sum()
    slant = (share * down * right).sum() / jnp.where(height > 0, height, 1)
    # Where each pixel comes from.
    down, right = (at - at.mean() for at in (rows, columns))
    at = [down + middle_row, right + slant * down + middle_column]
    moved = jax.vmap(lambda channel: map_coordinates(channel, at, order=1), in_axes=-1, out_axes=-1)
    return (moved(image - ground) + ground).astype(given)


def nearest(points: jax.Array | np.ndarray, count: int, rows: jax.Array | np.ndarray | None = None) -> jax.Array:
    """The nearest rows of each row, by the Euclidean distance of all their numbers; not it itself.

    Args:
        points: `[N, ...]` finite floats, such as images that are `upright`.
        count: K, of the nearest, below N.
        rows: `[M]` indices of those whose neighbors are wanted; all where None.

    Returns:
        `[M, K]` int32, nearest first.

    Raises:
        ValueError: if `points` are no floats or, outside `jit`, not finite, `rows` no indices, or `count` is not in 1
            to N − 1.
    """
    check_image("points", points)
    check_count("count", count)
    if np.ndim(points) < 1:
        raise ValueError("points must be [N, ...], got shape ().")
    if count >= len(points):
        raise ValueError(f"count is {count}; expected fewer than the {len(points)} points.")
    rows = np.arange(len(points)) if rows is None else rows
    check_axes("rows", rows, "[M]")
    check_indices("rows", rows, len(points))
    # Distances are taken from the mean of all points, which one bad number spoils.
    if not isinstance(points, jax.core.Tracer) and not _are_finite(points):
        raise ValueError("points hold NaN or infinite numbers, or too large ones; expected finite ones.")
    return _nearest(jnp.asarray(points).reshape(len(points), -1), count, jnp.asarray(rows))


def _are_finite(points: jax.Array | np.ndarray) -> bool:
    """In the numbers that jax makes of them; by numpy, so that those outside a trace can be looked at inside it."""
    points = np.asarray(points)
    with np.errstate(over="ignore"):
        return bool(np.isfinite(points.astype(jax.dtypes.canonicalize_dtype(points.dtype))).all())


@partial(jax.jit, static_argnums=1)
def _nearest(points: jax.Array, count: int, rows: jax.Array) -> jax.Array:
    # Squares of distances between large numbers would all be infinite, as that of a row to itself is made here.
    largest = jnp.abs(points).max()
    points = points / jnp.where(largest > 1e15, largest, 1)

    def of_row(row: jax.Array) -> jax.Array:
        distance = squared_distances(points[row], points).at[row].set(jnp.inf)
        return jax.lax.top_k(-distance, count)[1]

    return map_rows(of_row, rows)


def walks(key: jax.Array, neighbors: jax.Array | np.ndarray, *, steps: int, count: int) -> jax.Array:
    """Where random walks over neighbors end: rows that are alike by way of others, though far from each other.

    Args:
        key: of the walks.
        neighbors: `[N, K]` integers, K ≥ 1, see `nearest`.
        steps: of each walk, each to one of the neighbors of where it is; ≥ 1.
        count: W, walks from each row.

    Returns:
        `[N, W]` int32.

    Raises:
        ValueError: if `neighbors` are not indices of rows, or `steps` or `count` is below 1.
    """
    check_axes("neighbors", neighbors, "[N, K]")
    check_key("key", key)
    check_indices("neighbors", neighbors, len(neighbors))
    if not np.size(neighbors):
        raise ValueError(f"neighbors has shape {np.shape(neighbors)}; expected one or more of each row.")
    neighbors = jnp.asarray(neighbors, jnp.int32)
    check_count("steps", steps)
    check_count("count", count)

    def step(number: jax.Array, at: jax.Array) -> jax.Array:
        way = jax.random.randint(jax.random.fold_in(key, number), at.shape, 0, neighbors.shape[1])
        return neighbors[at, way]

    start = jnp.broadcast_to(jnp.arange(len(neighbors), dtype=jnp.int32)[:, None], (len(neighbors), count))
    return jax.lax.fori_loop(0, steps, step, start)
