"""Checkpoints by orbax, with a digest of their own: orbax restores a flipped byte without a word.

Each checkpoint holds a pytree of arrays and the SHA-256 of every leaf. Only arrays and JSON are read, never pickles.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aae_jax import hosts, runs
from aae_jax.checks import check_count
from aae_jax.types import Tree

__all__ = ["Best", "Checkpoints", "best_params", "checkpoints", "digests"]


def digests(tree: Tree) -> dict[str, str]:
    """The SHA-256 of each leaf's name, shape, dtype and bytes, by the leaf's path."""
    result = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name, value = jax.tree_util.keystr(path), np.asarray(leaf)
        header = f"{name} {value.shape} {value.dtype.str} "
        result[name] = hashlib.sha256(header.encode() + np.ascontiguousarray(value).tobytes()).hexdigest()
    return result


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no word of why"])[0]


class Checkpoints:
    """The checkpoints of one run folder; see `checkpoints`. A class because orbax's manager owns threads."""

    def __init__(self, folder: Path, kept: int) -> None:
        import orbax.checkpoint as ocp

        runs.make_folder(folder)
        self._ocp = ocp
        self._unusable: list[int] = []
        # Orbax logs through absl every step of every save, and the traceback of what it raises anyway.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        options = {}
        if jax.process_count() > 1:
            # Of several processes that train together only the first one has checkpoints, and waits for nobody.
            alone = ocp.options.MultiprocessingOptions(active_processes={0}, barrier_sync_key_prefix="first")
            options["multiprocessing_options"] = alone
        self._manager = ocp.CheckpointManager(
            folder.absolute(), options=ocp.CheckpointManagerOptions(max_to_keep=kept, create=False, **options)
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
        self._delete_unusable()
        if number in self._manager.all_steps():
            return
        self._write(number, tree)

    def add(self, tree: Tree) -> None:
        """Writes a checkpoint numbered after the last one, see `save`."""
        self._delete_unusable()
        self._write((self._manager.latest_step() or 0) + 1, tree)

    def newest(self) -> int | None:
        """The number of the last checkpoint, whole or not; None where there is none."""
        return self._manager.latest_step()

    def _write(self, number: int, tree: Tree) -> None:
        ocp = self._ocp
        # Copies: views of the device's memory would change under a donation while they are written.
        tree = jax.tree.map(np.array, tree)
        arguments = ocp.args.Composite(state=ocp.args.StandardSave(tree), digests=ocp.args.JsonSave(digests(tree)))
        with self._clear_errors():
            written = self._manager.save(number, args=arguments)
        if not written:
            raise ValueError(
                f"number is {number}, and {self._manager.directory} has checkpoint {self.newest()}; expected a later "
                "one."
            )

    def _delete_unusable(self) -> None:
        """Those that could not be restored would stand in the way: orbax writes no checkpoint before a later one.

        Not at once: what could not be read may have been whole, on a disk that was away.
        """
        while self._unusable:
            self._manager.delete(self._unusable.pop())

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
            problem = _first_line(error).rsplit(": ", 1)[-1]
            raise OSError(
                f"A checkpoint could not be written to {self._manager.directory} ({problem}). Those before it are "
                "whole: make room, then go on with --resume."
            ) from error

    def restore(self, like: Tree) -> tuple[int, Tree] | None:
        """The newest whole checkpoint as `(number, tree)`; None where there is none at all.

        A damaged one is reported by a warning, the one before it is used, and the damaged one deleted when the next
        one is written.

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
        unusable: list[int] = []
        for number in sorted(self._manager.all_steps(), reverse=True):
            try:
                restored = self._manager.restore(number, args=arguments)
                if digests(restored.state) == restored.digests:
                    self._unusable = unusable
                    return number, restored.state
                problem = "its arrays differ from the digests that were saved with them"
            except Exception as error:  # Whatever orbax and tensorstore raise on damaged files.
                problem = f"{type(error).__name__}: {_first_line(error)}"
            unusable.append(number)
            problems.append(f"checkpoint {number} in {self._manager.directory} cannot be used: {problem}")
            logging.getLogger(__name__).warning("%s", problems[-1])
        if problems:
            raise ValueError("; ".join(problems) + ". Start anew in another folder, or delete this one.")
        return None


class _NoCheckpoints(Checkpoints):
    """Those of all processes but the first: nothing is written, nothing is there."""

    def __init__(self) -> None:
        pass

    def _write(self, number: int, tree: Tree) -> None:
        pass

    save = _write

    def add(self, tree: Tree) -> None:
        """Nothing."""

    def newest(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""

    close = finish

    def restore(self, like: Tree) -> None:
        """Nothing."""


class Best:
    """The parameters of the epoch with the least value so far, of each seed; a class because it remembers them.

    Args:
        saved: their checkpoints, of which the newest counts.
        like: the parameters as arrays or shapes; with several seeds all leaves have that axis first.
        values: of the epochs before, a number or a list of the seeds' each.
    """

    def __init__(self, saved: Checkpoints, like: Tree, values: Iterable[Any]) -> None:
        self._saved, self._kept = saved, None
        self._least: Any = np.inf
        # A damaged one has been warned of; the best of what follows replaces it.
        with contextlib.suppress(ValueError):
            restored = saved.restore(like)
            # A run that was killed may have kept an epoch that its log does not reach yet. It comes to it again.
            self._kept = restored and restored[1]
            # Where nothing is kept, no epoch of the log is the best of those that are.
            for value in values if restored else ():
                self._least = np.fmin(self._least, np.array(value, float))

    def offer(self, value: Any, params: Tree) -> None:
        """Keeps the parameters of the seeds whose value is less than in every epoch before.

        Args:
            value: a number, or a list of the seeds'; None is never less.
            params: of all seeds, on the device.
        """
        value = np.array(value, float)
        is_less = value < self._least
        if not is_less.any():
            return
        self._least = np.fmin(self._least, value)

        def chosen(new: Any, old: Any) -> np.ndarray:
            return np.where(is_less.reshape(is_less.shape + (1,) * (np.ndim(new) - is_less.ndim)), new, old)

        params = jax.device_get(params)
        self._kept = params if self._kept is None or is_less.all() else jax.tree.map(chosen, params, self._kept)
        self._saved.add(self._kept)

    def finish(self) -> None:
        """Waits until they are written, see `Checkpoints.finish`."""
        self._saved.finish()


def best_params(folder: Path, like: Tree) -> Tree | None:
    """What `Best` has kept in the folder of a run; None where that is nothing, or damaged (of which a warning tells).

    Args:
        folder: of one training.
        like: the parameters as arrays or shapes.
    """
    if not (folder / "best").is_dir():
        return None
    with checkpoints(folder / "best", kept=1) as saved, contextlib.suppress(ValueError):
        restored = saved.restore(like)
        return restored and restored[1]
    return None


@contextmanager
def checkpoints(folder: Path, *, kept: int = 2) -> Iterator[Checkpoints]:
    """Opens the checkpoints in a folder; leaving the block waits until the last one is written.

    Args:
        folder: is made if need be.
        kept: how many of the newest stay.
    """
    opened = Checkpoints(folder, kept) if hosts.is_first() else _NoCheckpoints()
    try:
        yield opened
        opened.finish()
    finally:
        with contextlib.suppress(Exception):
            opened.finish()
        opened.close()
