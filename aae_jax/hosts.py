"""Several processes that train together, on one host or many: who they are, and what they have to agree on.

All of them run the same program on the same data, and share the rows of each batch. Only the first one writes to the
run folder, and only the first one reads checkpoints: the others are told.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aae_jax.types import Tree

__all__ = ["agreed", "from_first", "is_first", "join", "own_folder"]

_HEARTBEAT_SECONDS = 30
"""Without a sign of life for so long a process counts as dead, and JAX ends the others."""
_SHUTDOWN_SECONDS = 24 * 3600
"""The others wait for the first one, which evaluates and draws alone."""


def join(coordinator: str, num_processes: int | None = None, process: int | None = None) -> None:
    """Makes this process one of several, before JAX is first used.

    Args:
        coordinator: "HOST:PORT" of the first process; or "auto" where SLURM, a TPU pod or another cluster that JAX
            knows says who is who.
        num_processes: how many there are; None with "auto".
        process: which this one is, from 0; None with "auto".

    Raises:
        ValueError: unless these go together.
    """
    if coordinator == "auto":
        if num_processes is not None or process is not None:
            raise ValueError("With the coordinator 'auto' the cluster numbers the processes: leave both numbers out.")
        address = None
    else:
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(
                f"The coordinator is {coordinator!r}; expected HOST:PORT of the first process, or 'auto'."
            )
        if num_processes is None or num_processes < 1 or process is None or not 0 <= process < num_processes:
            raise ValueError(
                f"There are {num_processes} processes and this is number {process}; expected at least 1, and a "
                "number from 0 to one less."
            )
        address = coordinator
    jax.distributed.initialize(
        address,
        num_processes,
        process,
        heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
    )


def is_first() -> bool:
    """Whether this process is the one that writes; a single one is."""
    return jax.process_index() == 0


def agreed(*numbers: int) -> list[int]:
    """The largest of each number among all processes, which all of them get at the same place of the program."""
    if jax.process_count() == 1:
        return list(numbers)
    from jax.experimental import multihost_utils

    return [int(number) for number in multihost_utils.process_allgather(np.array(numbers)).max(axis=0)]


def from_first(tree: Tree) -> Tree:
    """What the first process has, bit by bit; the others give a tree of the same shapes and types."""
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    def of_leaf(leaf: Any) -> np.ndarray:
        leaf = np.asarray(leaf)
        # As bytes: what JAX sums up to broadcast floats need not keep their bits.
        given = multihost_utils.broadcast_one_to_all(np.frombuffer(leaf.tobytes(), np.uint8))
        return np.frombuffer(np.asarray(given).tobytes(), leaf.dtype).reshape(leaf.shape)

    return jax.tree.map(of_leaf, tree)


@contextlib.contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """The folder for the first process; for the others one that is thrown away."""
    if is_first():
        yield folder
    else:
        with tempfile.TemporaryDirectory() as own:
            yield Path(own) / folder.name
