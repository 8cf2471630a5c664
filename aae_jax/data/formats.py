"""The files that data sets are distributed in, read into arrays and checked."""

import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["EXAMPLES", "read_idx", "read_mat"]


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Reads a gzipped IDX file of bytes, the format of MNIST.

    Args:
        path: the file.

    Returns:
        uint8, of the shape that the file names.

    Raises:
        ValueError: if the file is truncated or of another format.

    References:
        http://yann.lecun.com/exdb/mnist/, "The IDX file format".
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: truncated, or not gzipped ({error})") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: not an IDX file of bytes: it starts with {content[:4]!r}")
    num_dimensions = content[3]
    header = 4 + 4 * num_dimensions
    shape = struct.unpack(f">{num_dimensions}I", content[4:header].ljust(header - 4, b"\0"))
    if len(content) != header + math.prod(shape):
        raise ValueError(
            f"{path}: {len(content)} bytes where shape {shape} takes {header + math.prod(shape)}: truncated?"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_mat(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Reads the MATLAB file of one split of the cropped Street View House Numbers.

    Args:
        path: the file.

    Returns:
        Images, `[N, 32, 32, 3]` uint8, and labels, `[N]` in 0-9 (the file calls the digit 0 by 10).

    Raises:
        ValueError: if the file is truncated or holds anything else.

    References:
        http://ufldl.stanford.edu/housenumbers/, "Format 2: Cropped Digits".
    """
    import scipy.io

    try:
        content = scipy.io.loadmat(os.fspath(path), variable_names=("X", "y"))
        images, labels = content["X"], content["y"].ravel()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except Exception as error:  # a damaged file makes scipy raise almost anything
        raise ValueError(f"{path}: not a MATLAB file with X and y, or a truncated one ({error})") from error
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)):
        raise ValueError(
            f"{path}: X is {images.dtype} {images.shape} for {len(labels)} labels; expected uint8 [32, 32, 3, N]"
        )
    if not np.isin(labels, range(1, 11)).all():
        raise ValueError(f"{path}: labels in y from {labels.min()} to {labels.max()}; expected 1 to 10")
    return np.moveaxis(images, -1, 0), labels % 10


def _idx_examples(
    builder: Any, num_examples: int, data_path: str | os.PathLike, label_path: str | os.PathLike
) -> Iterator[tuple[int, dict]]:
    from PIL import Image

    images, labels = read_idx(data_path), read_idx(label_path)
    if not len(images) == len(labels) == num_examples:
        raise ValueError(
            f"{data_path}, {label_path}: {len(images)} images, {len(labels)} labels; expected {num_examples}"
        )
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield index, {"image": Image.fromarray(image), "label": int(label)}


def _mat_examples(builder: Any, split_prefix: str, filepath: str | os.PathLike) -> Iterator[tuple[int, dict]]:
    from PIL import Image

    for index, (image, label) in enumerate(zip(*read_mat(filepath), strict=True)):
        yield index, {"image": Image.fromarray(image), "label": int(label), "id": f"{split_prefix}{index:06d}"}


EXAMPLES = {
    "mnist": _idx_examples,
    "fashion_mnist": _idx_examples,
    "kmnist": _idx_examples,
    "svhn_cropped": _mat_examples,
}
"""Methods `_generate_examples` for builders of tensorflow-datasets, in place of those that need TensorFlow."""
