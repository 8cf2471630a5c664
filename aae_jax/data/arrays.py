"""A user's own arrays: an ``.npz`` file of images or of a table, or an ``.npy`` file of images that is mapped."""

import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aae_jax.checks import one_line
from aae_jax.data.dataset import Dataset, Split, split_at_random

__all__ = ["load_npy", "load_npz"]

_MAX_LABEL = 2**15 - 1
"""Networks have an output for each class up to the largest."""
_END_BYTES = 22
"""Of the record that ends a zip; the number of its members stands at the eleventh."""


def load_npz(path: str) -> Dataset:
    """Reads, checks and splits an ``.npz`` file; see `aae_jax.data.load` for what it may hold.

    Args:
        path: the file.

    Returns:
        A data set of kind "image" or, for two-dimensional `images`, "table".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or holds anything else.
    """
    found = _read(path)
    images = found["images"]
    if images.ndim not in (2, 3, 4) or 0 in images.shape:
        raise ValueError(
            f"{path}: images have shape {images.shape}; expected [N, H, W], [N, H, W, C] or [N, D], not empty"
        )
    labels = _check_labels(path, found.get("labels"), len(images))
    num_classes = int(labels.max()) + 1
    if images.ndim == 2:
        return _table(path, images, labels, num_classes)
    images = _check_images(path, images)
    train, validation, test = split_at_random(Split(images, labels), path)
    return Dataset(path, train, validation, test, num_classes)


def load_npy(path: str) -> Dataset:
    """Maps an ``.npy`` file of images; see `aae_jax.data.load` for what it may hold.

    Its rows stay on the disk; of floats no more than some thousand are looked at here.

    Args:
        path: the file.

    Returns:
        A data set of kind "image", whose splits are views of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or holds anything else.
    """
    images = _map(path)
    if images.ndim not in (3, 4) or 0 in images.shape or len(images) < 10:
        raise ValueError(f"{path}: images have shape {images.shape}; expected [N, H, W] or [N, H, W, C], 10 or more")
    beside = Path(path).with_name(f"{Path(path).stem}_labels.npy")
    labels = _check_labels(str(beside), np.asarray(_map(str(beside))) if beside.exists() else None, len(images))
    _check_images(path, np.asarray(images[:: max(1, len(images) // 5000)]))
    if images.dtype not in (np.uint8, np.float32):
        raise ValueError(f"{path}: images are {images.dtype}; expected uint8 in 0-255 or float32 in [0, 1]")
    images = images if images.ndim == 4 else images[..., None]
    places = [len(images) * 7 // 10, len(images) * 8 // 10]
    splits = zip(np.split(images, places), np.split(labels, places), strict=True)
    train, validation, test = (Split(*of_split) for of_split in splits)
    return Dataset(path, train, validation, test, int(labels.max()) + 1)


def _map(path: str) -> np.ndarray:
    _check_file(path)
    try:
        # By name: numpy.load would open an .npz or a pickle whatever it is called.
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header makes numpy raise almost anything
        raise ValueError(f"{path}: not an .npy file, or a truncated one: {one_line(error)}") from error


def _read(path: str) -> dict[str, np.ndarray]:
    _check_file(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not an .npz file, or a truncated one; write it by numpy.savez(path, images=...)")
    try:
        # Objects are never unpickled: that would run whatever code the file asks for.
        # Opened here: of a damaged file numpy would leave its own open.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            keys = set(file.files)
            _check_directory(opened, len(file.files))
            # A file with "label" or "y" is not taken for one without labels.
            if "images" not in keys or keys - {"images", "labels"}:
                raise ValueError(f"its arrays are {sorted(keys)}; expected 'images' and, if there are any, 'labels'")
            found = {key: file[key] for key in keys}
            if odd := [key for key, value in found.items() if not isinstance(value, np.ndarray)]:
                raise ValueError(f"its {' and '.join(odd)} are no array of numpy; write it by numpy.savez")
            return found
    except (ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: {one_line(error)}") from error
    except Exception as error:  # a damaged file makes zipfile and numpy raise almost anything, MemoryError too
        raise ValueError(f"{path}: a damaged file ({one_line(error)})") from error


def _check_directory(file: BinaryIO, num_found: int) -> None:
    """The one part of a zip without a checksum: a flipped bit there can hide an array, the labels say."""
    place = file.seek(-_END_BYTES, 2)
    end = file.read(_END_BYTES)
    file.seek(place)
    # After a comment the record stands elsewhere; numpy writes none.
    num_named = int.from_bytes(end[10:12], "little")
    if end[:4] == b"PK\5\6" and num_named != num_found:
        raise ValueError(f"a damaged file: it names {num_named} arrays, and {num_found} can be found")


def _check_file(path: str) -> None:
    if Path(path).is_dir():
        raise ValueError(f"{path}: is a folder; expected a file")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")


def _check_labels(path: str, labels: np.ndarray | None, num_rows: int) -> np.ndarray:
    if labels is None:
        return np.full(num_rows, -1, np.int32)
    if labels.shape != (num_rows,):
        raise ValueError(f"{path}: labels have shape {labels.shape}; expected ({num_rows},), one for each image")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{path}: labels are {labels.dtype}; expected integers")
    if labels.min() < -1 or labels.max() > _MAX_LABEL:
        raise ValueError(
            f"{path}: labels from {labels.min()} to {labels.max()}; expected 0 to {_MAX_LABEL}, or -1 for unknown"
        )
    return labels.astype(np.int32)


def _check_images(path: str, images: np.ndarray) -> np.ndarray:
    if images.ndim == 4 and images.shape[1] in (1, 3, 4) and images.shape[-1] > 4:
        raise ValueError(
            f"{path}: images of shape {images.shape} have their channels first; expected [N, H, W, C]: "
            "numpy.moveaxis(images, 1, -1)"
        )
    if images.dtype != np.uint8:
        if not np.issubdtype(images.dtype, np.floating):
            raise ValueError(f"{path}: images are {images.dtype}; expected uint8 in 0-255 or floats in [0, 1]")
        _check_finite(path, images)
        if images.min() < 0 or images.max() > 1:
            raise ValueError(
                f"{path}: images from {images.min():g} to {images.max():g}; expected floats in [0, 1] or uint8"
            )
        images = images.astype(np.float32)
    return images if images.ndim == 4 else images[..., None]


def _check_finite(path: str, images: np.ndarray) -> None:
    num_bad = images.size - np.count_nonzero(np.isfinite(images))
    if num_bad:
        raise ValueError(f"{path}: images hold {num_bad} values that are NaN or infinite")


def _table(path: str, table: np.ndarray, labels: np.ndarray, num_classes: int) -> Dataset:
    if not np.issubdtype(table.dtype, np.floating):
        raise ValueError(
            f"{path}: images of shape {table.shape} are {table.dtype}; a table holds floats, and images are "
            "[N, H, W] or [N, H, W, C]"
        )
    _check_finite(path, table)
    largest = np.finfo(np.float32).max
    if np.abs(table).max() > largest:
        raise ValueError(f"{path}: images hold values beyond the range of float32")
    splits = split_at_random(Split(table.astype(np.float64), labels), path)
    known = splits[0].image  # all that may be known of the columns: the training split
    deviation = known.std(axis=0)
    # Rounding can give a constant column a tiny deviation, and underflow can give none to one that is not constant.
    constant = (np.ptp(known, axis=0) == 0) | (deviation == 0)
    shift = np.where(constant, known[0], known.mean(axis=0))
    scale = np.where(constant, 1.0, deviation)
    rows = [(split.image - shift) / scale for split in splits]
    if max(np.abs(row).max() for row in rows) > largest:
        raise ValueError(f"{path}: a column's values lie too far apart to be standardized")
    train, validation, test = (
        Split(row.astype(np.float32), split.label) for row, split in zip(rows, splits, strict=True)
    )
    return Dataset(path, train, validation, test, num_classes, "table", shift, scale)
