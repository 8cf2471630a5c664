"""Devices at the edge: the same function, once on one device, or by `jax.pmap` on a shard of the batch each."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from aae_jax.types import Tree

__all__ = ["AXIS", "axis", "compiled", "first_row", "num_usable_devices", "replicated"]

AXIS = "devices"
"""The name of the mapped axis over which batches are sharded."""


def num_usable_devices(batch_size: int, num_devices: int | None = None) -> int:
    """How many devices share a batch.

    Args:
        batch_size: rows of the global batch.
        num_devices: asked for; the largest number of local devices that divides the batch where None.

    Raises:
        ValueError: if that many devices are not there, or do not divide the batch.
    """
    available = jax.local_device_count()
    divisors = [count for count in range(1, available + 1) if batch_size % count == 0]
    if num_devices is None:
        return divisors[-1]
    if not 1 <= num_devices <= available:
        raise ValueError(f"{num_devices} devices were asked for; this machine has {available}.")
    if num_devices not in divisors:
        lower = batch_size - batch_size % num_devices
        nearest = [size for size in (lower, lower + num_devices) if size > 0]
        raise ValueError(
            f"A batch of {batch_size} cannot be shared by {num_devices} devices; the nearest sizes that can are "
            f"{' and '.join(map(str, nearest))}."
        )
    return num_devices


def axis(num_devices: int) -> str | None:
    """The axis name to give to networks and algorithms: None on one device."""
    return AXIS if num_devices > 1 else None


def first_row(num_rows: int, axis_name: str | None) -> jax.Array | int:
    """The global index of the first of the `num_rows` rows that this device holds."""
    return 0 if axis_name is None else jax.lax.axis_index(axis_name) * num_rows


def compiled(function: Callable[..., Any], num_devices: int, *, donate_argnums: tuple[int, ...]) -> Callable[..., Any]:
    """`function` jitted on one device, or mapped over several with all arguments and results replicated.

    On several devices the function runs with the axis `AXIS`, and picks its own rows by `first_row`.
    """
    if num_devices == 1:
        return jax.jit(function, donate_argnums=donate_argnums)
    # Everything is replicated, but pmap wants an axis to map over: an argument that nobody reads.
    in_axes = (*(None for _ in inspect.signature(function).parameters), 0)
    mapped = jax.pmap(
        lambda *arguments: function(*arguments[:-1]),
        AXIS,
        in_axes=in_axes,
        out_axes=None,
        devices=jax.local_devices()[:num_devices],
        donate_argnums=donate_argnums,
    )
    return lambda *arguments: mapped(*arguments, np.arange(num_devices))


def replicated(tree: Tree, num_devices: int) -> Tree:
    """A tree of arrays placed whole on each of the devices."""
    devices = jax.local_devices()[:num_devices]
    if num_devices == 1:
        return jax.device_put(tree, devices[0])
    return jax.device_put(tree, NamedSharding(Mesh(devices, (AXIS,)), PartitionSpec()))
