"""Several processes that train together, on one host or many: who they are, and what they have to agree on.

All of them run the same program on the same data, and share the rows of each batch. Only the first one writes to the
run folder, and only the first one reads checkpoints: the others are told.

One that fails must not leave the others waiting, and one that is merely slow must not fail them: they meet by way of
JAX's coordination service, which waits for any time but notices who has died. The devices' own meetings do not wait:
Gloo, on CPUs, gives up after half a minute.
"""

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aae_jax.types import Tree

__all__ = ["agreed", "ending_together", "from_first", "is_first", "join", "own_folder", "wait"]

_HEARTBEAT_SECONDS = 30
"""Without a sign of life for so long a process counts as dead, and JAX ends the others."""
_SHUTDOWN_SECONDS = 15
"""So long a process that fails waits for the others at its end, before JAX ends them. Those that do not fail meet
first, see `join`."""
_PATIENCE_SECONDS = 7 * 24 * 3600
"""How long they wait for one that lives."""


def join(
    coordinator: str, num_processes: int | None = None, process: int | None = None
) -> contextlib.AbstractContextManager[None]:
    """Makes this process one of several, at once, before JAX is first used.

    Args:
        coordinator: "HOST:PORT" of the first process; or "auto" where SLURM, a TPU pod or another cluster that JAX
            knows says who is who.
        num_processes: how many there are; None with "auto".
        process: which this one is, from 0; None with "auto".

    Returns:
        The context of all that they do. At its end they wait for each other, however long one of them works alone;
        after an error nobody waits, and JAX ends the others within a minute.

    Raises:
        ValueError: unless these go together; with "auto" where there is no such cluster; in the first process if the
            port is taken.
    """
    if coordinator == "auto":
        if num_processes is not None or process is not None:
            raise ValueError("With the coordinator 'auto' the cluster numbers the processes: leave both numbers out.")
        address = None
    else:
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ValueError(
                f"The coordinator is {coordinator!r}; expected HOST:PORT of the first process, or 'auto'."
            )
        if num_processes is None or num_processes < 1 or process is None or not 0 <= process < num_processes:
            raise ValueError(
                f"There are {num_processes} processes and this is number {process}; expected, beside the coordinator, "
                "at least 1, and a number from 0 to one less."
            )
        if process == 0:
            _check_free(int(port))
        address = coordinator
    # JAX would catch SIGTERM, and leave it to the program to ask whether it came.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            address,
            num_processes,
            process,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
        )
    except ValueError as error:
        if address is not None:
            raise
        raise ValueError(
            f"JAX finds no cluster that numbers the processes ({error}): give HOST:PORT of the first one, how many "
            "there are and which this one is."
        ) from None
    return _together()


def _check_free(port: int) -> None:
    """JAX would crash."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=both).close()
    except OSError as error:
        raise ValueError(
            f"The coordinator cannot have port {port} of this machine ({error.strerror}): choose another one, the "
            "same for all processes."
        ) from None


@contextlib.contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except SystemExit as end:
        if not end.code:
            wait()
        raise
    wait()


def wait() -> None:
    """Until all processes are here, or one of them has died, of which this one then dies."""
    if jax.process_count() > 1:
        from orbax.checkpoint import multihost

        multihost.get_barrier_sync_fn()(key="wait", timeout_ms=_PATIENCE_SECONDS * 1000)


@contextlib.contextmanager
def ending_together(*errors: type[BaseException]) -> Iterator[None]:
    """All processes leave the block when the last one does.

    Args:
        *errors: that all of them raise when one does; after others nobody waits.
    """
    try:
        yield
    except errors:
        wait()
        raise
    wait()


def is_first() -> bool:
    """Whether this process is the one that writes; a single one is."""
    return jax.process_index() == 0


def agreed(*numbers: int) -> list[int]:
    """The largest of each number among all processes, which all of them get at the same place of the program."""
    if jax.process_count() == 1:
        return list(numbers)
    from jax.experimental import multihost_utils

    wait()
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
