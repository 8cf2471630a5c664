"""Decoded arrays on disk, so that a data set is decoded once: ``.npy`` files and a manifest of their source."""

import contextlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from aae_jax.data.dataset import Split

__all__ = ["Decoded", "read", "write"]

_MANIFEST = "manifest.json"


class Decoded(NamedTuple):
    """A prepared set's arrays, before any split of ours.

    Attributes:
        splits: ``{"train": Split, ...}`` in the set's own order.
        num_classes: 0 where the set has no labels.
    """

    splits: dict[str, Split]
    num_classes: int


def read(folder: Path) -> Decoded | None:
    """Reads what `write` wrote.

    Args:
        folder: where it was written.

    Returns:
        The arrays; None if there are none, or if their source has changed since or is gone.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        if manifest["files"] != _fingerprint(Path(manifest["source"])):
            return None
        splits = {
            name: Split(*(_array(folder, name, field) for field in Split._fields)) for name in manifest["splits"]
        }
        return Decoded(splits, manifest["num_classes"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None  # not there, or not ours: decode again


def write(folder: Path, decoded: Decoded, source: Path) -> None:
    """Writes arrays for later calls of `read`; warns, and goes on, where that is not possible.

    Args:
        folder: where to.
        decoded: the arrays.
        source: the folder that they were decoded from; when any of its files changes, the arrays are not used again.
    """
    manifest = {
        "source": str(source.absolute()),
        "files": _fingerprint(source),
        "splits": list(decoded.splits),
        "num_classes": decoded.num_classes,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The manifest goes first and comes last: whoever is interrupted in between leaves nothing that is believed.
        (folder / _MANIFEST).unlink(missing_ok=True)
        for name, split in decoded.splits.items():
            for field, array in zip(Split._fields, split, strict=True):
                with _replacing(folder / f"{name}.{field}.npy") as file:
                    np.save(file, array, allow_pickle=False)
        with _replacing(folder / _MANIFEST) as file:
            file.write(json.dumps(manifest, indent=1).encode())
    except OSError as error:
        warnings.warn(f"{folder}: cannot keep the decoded arrays, they will be decoded again ({error})", stacklevel=2)


def _array(folder: Path, name: str, field: str) -> np.ndarray:
    return np.load(folder / f"{name}.{field}.npy", allow_pickle=False)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a file under another name until it is complete, so that no reader ever sees half of it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _fingerprint(source: Path) -> list[list]:
    files = sorted(path for path in source.iterdir() if path.is_file())
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
