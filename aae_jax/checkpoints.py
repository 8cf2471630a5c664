"""Checkpoints by orbax, with a digest of their own: orbax restores a flipped byte without a word.

Each checkpoint holds a pytree of arrays and the SHA-256 of every leaf. Only arrays and JSON are read, never pickles.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np

from aae_jax.checks import check_count
from aae_jax.types import Tree

__all__ = ["Checkpoints", "checkpoints", "digests"]

_KEPT = 2


def digests(tree: Tree) -> dict[str, str]:
    """The SHA-256 of each leaf's name, shape, dtype and bytes, by the leaf's path."""
    result = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name, value = jax.tree_util.keystr(path), np.asarray(leaf)
        header = f"{name} {value.shape} {value.dtype.str} "
        result[name] = hashlib.sha256(header.encode() + np.ascontiguousarray(value).tobytes()).hexdigest()
    return result


class Checkpoints:
    """The checkpoints of one run folder; see `checkpoints`. A class because orbax's manager owns threads."""

    def __init__(self, folder: Path) -> None:
        import orbax.checkpoint as ocp

        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"The folder of checkpoints {folder} cannot be written: {error.strerror}.") from None
        self._ocp = ocp
        # Orbax logs through absl every step of every save, and the traceback of what it raises anyway.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self._manager = ocp.CheckpointManager(
            folder.absolute(), options=ocp.CheckpointManagerOptions(max_to_keep=_KEPT, create=True)
        )

    def save(self, number: int, tree: Tree) -> None:
        """Writes a checkpoint in the background; it counts only once it is whole.

        Args:
            number: larger than those before: the step. One that is there already is left as it is.
            tree: of arrays; may be donated or changed after the call returns.

        Raises:
            ValueError: if `number` is negative.
            OSError: if this one or the one before could not be written: the disk is full, say. Whole ones stay.
        """
        check_count("number", number, 0)
        if number in self._manager.all_steps():
            return
        self._write(number, tree)

    def replace(self, number: int, tree: Tree) -> None:
        """Writes a checkpoint in place of the one of the same number, see `save`."""
        if number in self._manager.all_steps():
            self._manager.delete(number)
        self._write(number, tree)

    def _write(self, number: int, tree: Tree) -> None:
        ocp = self._ocp
        # Copies: views of the device's memory would change under a donation while they are written.
        tree = jax.tree.map(np.array, tree)
        arguments = ocp.args.Composite(state=ocp.args.StandardSave(tree), digests=ocp.args.JsonSave(digests(tree)))
        with self._clear_errors():
            written = self._manager.save(number, args=arguments)
        assert written, f"checkpoint {number} comes after a later one"

    def _delete_after(self, number: int) -> None:
        """Damaged ones would stand in the way: orbax writes no checkpoint before one that is there."""
        for later in self._manager.all_steps():
            if later > number:
                self._manager.delete(later)

    def finish(self) -> None:
        """Waits until the last checkpoint is written.

        Raises:
            OSError: if it could not be.
        """
        with self._clear_errors():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Ends orbax's threads."""
        self._manager.close()

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Whatever orbax and tensorstore raise where they cannot write.
            problem = str(error).splitlines()[0].rsplit(": ", 1)[-1]
            raise OSError(
                f"A checkpoint could not be written to {self._manager.directory} ({problem}). Those before it are "
                "whole: make room, then go on with --resume."
            ) from error

    def restore(self, like: Tree) -> tuple[int, Tree] | None:
        """The newest whole checkpoint as `(number, tree)`; None where there is none at all.

        A damaged one is reported by a warning, the one before it is used, and the damaged one deleted.

        Args:
            like: a tree of arrays or shapes that the checkpoint must match.

        Raises:
            ValueError: if there are checkpoints, but every one of them is damaged or does not match.
        """
        ocp = self._ocp
        device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like)
        arguments = ocp.args.Composite(state=ocp.args.StandardRestore(target), digests=ocp.args.JsonRestore())
        problems: list[str] = []
        for number in sorted(self._manager.all_steps(), reverse=True):
            try:
                restored = self._manager.restore(number, args=arguments)
                if digests(restored.state) == restored.digests:
                    self._delete_after(number)
                    return number, restored.state
                problem = "its arrays differ from the digests that were saved with them"
            except Exception as error:  # Whatever orbax and tensorstore raise on damaged files.
                problem = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            problems.append(f"checkpoint {number} in {self._manager.directory} cannot be used: {problem}")
            logging.getLogger(__name__).warning("%s", problems[-1])
        if problems:
            raise ValueError("; ".join(problems) + ". Start anew in another folder, or delete this one.")
        return None


@contextmanager
def checkpoints(folder: Path) -> Iterator[Checkpoints]:
    """Opens the checkpoints in a folder; leaving the block waits until the last one is written."""
    opened = Checkpoints(folder)
    try:
        yield opened
        opened.finish()
    finally:
        with contextlib.suppress(Exception):
            opened.finish()
        opened.close()
