"""Devices at the edge: the same function on one device, by `jax.pmap` on a part of each batch, or on seeds apart."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from aae_jax.checks import check_count
from aae_jax.types import Tree

__all__ = [
    "AXIS",
    "Layout",
    "compiled",
    "first_row",
    "here",
    "layout",
    "num_usable_devices",
    "over_seeds",
    "own_rows",
    "placed",
]

AXIS = "devices"
"""The name of the mapped axis over which batches are sharded."""


def num_usable_devices(batch_size: int, num_devices: int | None = None) -> int:
    """How many devices share a batch.

    Args:
        batch_size: rows of the global batch.
        num_devices: asked for; the largest number of devices that divides the batch where None. Several processes
            that train together use all that they have.

    Raises:
        ValueError: if that many devices are not there, or do not divide the batch.
    """
    check_count("batch_size", batch_size)
    available = jax.device_count()
    if jax.process_count() > 1:
        if num_devices not in (None, available):
            raise ValueError(
                f"{num_devices} devices were asked for; {jax.process_count()} processes that train together use all "
                f"of their {available}."
            )
        num_devices = available
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


class Layout(NamedTuple):
    """What each device does.

    Attributes:
        num_devices: that share the work.
        num_rows: rows of each batch that one device holds.
        shares: "nothing" on one device; "rows" of each batch, or whole "seeds".
    """

    num_devices: int
    num_rows: int
    shares: Literal["nothing", "rows", "seeds"]

    @property
    def axis_name(self) -> str | None:
        """The axis name to give to networks and algorithms: None unless devices share each batch."""
        return AXIS if self.shares == "rows" else None


def layout(batch_size: int, num_seeds: int, num_devices: int | None = None) -> Layout:
    """Who does what: devices share the seeds where there are enough, which needs no talk between them, else the batch.

    Args:
        batch_size: rows of the global batch.
        num_seeds: trained together; 0 for a single run.
        num_devices: asked for; as many as go where None.

    Raises:
        ValueError: if that many devices are not there, or do not divide the batch.
    """
    check_count("num_seeds", num_seeds, 0)
    available = jax.device_count()
    if num_seeds and jax.process_count() > 1:
        raise ValueError(f"{num_seeds} seeds cannot be trained together by several processes; start one run for each.")
    if num_seeds >= (num_devices or available) > 1:
        count = num_devices or max(count for count in range(1, available + 1) if num_seeds % count == 0)
        if 1 < count <= available and num_seeds % count == 0:
            return Layout(count, batch_size, "seeds")
    count = num_usable_devices(batch_size, num_devices)
    return Layout(count, batch_size // count, "rows" if count > 1 else "nothing")


def first_row(num_rows: int, axis_name: str | None) -> jax.Array | int:
    """The global index of the first of the `num_rows` rows that this device holds."""
    return 0 if axis_name is None else jax.lax.axis_index(axis_name) * num_rows


def own_rows(layout: Layout) -> np.ndarray:
    """`[B]`, which rows of each batch lie on devices of this process: all, unless there are several."""
    devices = _mesh(layout).devices
    return np.repeat([device.process_index == jax.process_index() for device in devices], layout.num_rows)


def _mesh(layout: Layout) -> Mesh:
    """The devices that share the work, along `AXIS`."""
    return Mesh(np.array(jax.devices()[: layout.num_devices]), (AXIS,))


def over_seeds(function: Callable[..., Any], in_axes: Sequence[Any]) -> Callable[..., Any]:
    """A function of one seed as one of several, whose arrays have a leading axis.

    On accelerators by `jax.vmap`, which fills them. On CPUs one seed after the other within the program: their
    matrix products are slower in batches than one by one.

    Args:
        function: of arrays.
        in_axes: as of `jax.vmap`: 0 or None for each argument, or a tree of them.
    """
    if jax.default_backend() != "cpu":
        return jax.vmap(function, in_axes=tuple(in_axes))

    def one_by_one(*arguments: Any) -> Any:
        axes = jax.tree.leaves(_of_leaves(in_axes, arguments, lambda axis: axis is None))
        leaves, structure = jax.tree.flatten(arguments)
        shared = [leaf if is_shared else None for leaf, is_shared in zip(leaves, axes, strict=True)]

        def of_seed(own: list[Any]) -> Any:
            rest = iter(own)
            whole = [next(rest) if leaf is None else leaf for leaf in shared]
            return function(*jax.tree.unflatten(structure, whole))

        return jax.lax.map(of_seed, [leaf for leaf, is_shared in zip(leaves, axes, strict=True) if not is_shared])

    return one_by_one


def _of_leaves(in_axes: Any, arguments: Any, of_axis: Callable[[Any], Any]) -> Any:
    """A tree like `arguments` with `of_axis(axis)` at each leaf."""
    return jax.tree.map(
        lambda axis, argument: jax.tree.map(lambda _: of_axis(axis), argument),
        tuple(in_axes),
        arguments,
        is_leaf=lambda axis: axis is None,
    )


def compiled(
    function: Callable[..., Any],
    layout: Layout,
    *,
    donate_argnums: tuple[int, ...],
    in_axes: Sequence[Any] | None = None,
) -> Callable[..., Any]:
    """`function` jitted; where devices share the work, mapped over them.

    Devices that share each batch run it with the axis `AXIS`, all arguments replicated, and pick their own rows by
    `first_row`. Devices that share the seeds do not know of each other.

    Args:
        function: of one seed.
        layout: who does what.
        donate_argnums: as of `jax.jit`.
        in_axes: where the arguments have an axis of seeds, see `over_seeds`; None for a single run.
    """
    of_all = function if in_axes is None else over_seeds(function, in_axes)
    if layout.shares == "nothing":
        return jax.jit(of_all, donate_argnums=donate_argnums)
    mesh = _mesh(layout)
    if layout.shares == "seeds":
        assert in_axes is not None, "there are seeds to share"

        def apart(*arguments: Any) -> Any:
            specs = _of_leaves(
                in_axes, arguments, lambda axis: PartitionSpec() if axis is None else PartitionSpec(AXIS)
            )
            mapped = jax.shard_map(of_all, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False)
            return mapped(*arguments)

        return jax.jit(apart, donate_argnums=donate_argnums)
    if jax.process_count() > 1:
        everywhere = PartitionSpec()
        shared = jax.shard_map(of_all, mesh=mesh, in_specs=everywhere, out_specs=everywhere, check_vma=False)
        return jax.jit(shared, donate_argnums=donate_argnums)
    # Everything is replicated, but pmap wants an axis to map over: an argument that nobody reads.
    num_arguments = len(inspect.signature(function).parameters)
    mapped = jax.pmap(
        lambda *arguments: of_all(*arguments[:-1]),
        AXIS,
        in_axes=(*[None] * num_arguments, 0),
        out_axes=None,
        devices=list(mesh.devices),
        donate_argnums=donate_argnums,
    )
    return lambda *arguments: mapped(*arguments, np.arange(layout.num_devices))


def placed(tree: Tree, *, layout: Layout, of_seeds: bool) -> Tree:
    """A tree of arrays on the devices that work with it: whole on each, or each seed where it is trained.

    Args:
        tree: of arrays.
        layout: who does what.
        of_seeds: whether the arrays' first axis is that of the seeds.
    """
    if layout.num_devices == 1:
        return jax.device_put(tree, jax.devices()[0])
    spec = PartitionSpec(AXIS) if of_seeds and layout.shares == "seeds" else PartitionSpec()
    sharding = NamedSharding(_mesh(layout), spec)
    if jax.process_count() > 1:
        return jax.tree.map(lambda leaf: _everywhere(leaf, sharding), tree)
    return jax.device_put(tree, sharding)


def here(tree: Tree) -> Tree:
    """Replicated arrays as this process's own, where there are several processes."""
    return tree if jax.process_count() == 1 else jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def _everywhere(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """An array that each process has, as one on the devices of all; `jax.device_put` would compare them first."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(
            _everywhere(jax.random.key_data(leaf), sharding), impl=jax.random.key_impl(leaf)
        )
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])
