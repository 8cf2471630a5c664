"""Rows of a data set that is larger than memory, read ahead by grain in the order in which training visits them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from aae_jax.checks import check_axes, check_count, check_integers

__all__ = ["blocks"]

_AHEAD = 2
"""Blocks that are read before they are asked for, each by a thread."""


def blocks(
    image: Any, indices: np.ndarray, block_size: int, *, start: int = 0, own: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """The rows at some indices, a block at a time.

    Args:
        image: `[N, ...]`, an array or a memory map.
        indices: `[M]` in the order in which they are wanted.
        block_size: rows of a block; the last block is filled up with the first row of the indices.
        start: the first block that is wanted.
        own: `[block_size]`, which rows of a block to read; the others are zeros. None for all.

    Returns:
        An iterator of `[block_size, ...]` arrays.

    Raises:
        ValueError: if indices are no rows of the image, there are none, or a count is none.

    Example:
        >>> [block.tolist() for block in blocks(np.arange(10) * 10, np.array([3, 1, 2]), 2)]
        [[30, 10], [20, 30]]
        >>> [block.tolist() for block in blocks(np.arange(10) * 10, np.array([3, 1]), 2, own=np.array([False, True]))]
        [[0, 10]]
    """
    check_count("block_size", block_size)
    check_count("start", start, 0)
    check_axes("indices", indices, "[M]")
    check_integers("indices", indices, least=0)
    if not len(indices) or np.max(indices) >= len(image):
        raise ValueError(
            f"indices are {len(indices)}, up to {max(indices, default=None)}; expected rows of {len(image)}."
        )
    own = np.ones(block_size, bool) if own is None else own
    return _read_ahead(_Blocks(image, indices, np.flatnonzero(own), block_size), start)


def _read_ahead(blocks: "_Blocks", start: int) -> Iterator[np.ndarray]:
    import grain

    source = grain.MapDataset.source(blocks)
    options = grain.ReadOptions(num_threads=_AHEAD, prefetch_buffer_size=_AHEAD)
    yield from source[start:].to_iter_dataset(options)


class _Blocks:
    """What grain asks for, by number. A class because grain wants an object with a length."""

    def __init__(self, image: Any, indices: np.ndarray, places: np.ndarray, block_size: int) -> None:
        self._image, self._indices, self._places, self._size = image, indices, places, block_size

    def __len__(self) -> int:
        return -(-len(self._indices) // self._size)

    def __getitem__(self, number: Any) -> np.ndarray:
        wanted = self._indices[int(number) * self._size :][: self._size]
        wanted = np.concatenate([wanted, np.repeat(self._indices[:1], self._size - len(wanted))])
        # From the front of the file to its end: a disk is faster so.
        order = self._places[np.argsort(wanted[self._places], kind="stable")]
        block = np.zeros((self._size, *self._image.shape[1:]), self._image.dtype)
        block[order] = self._image[wanted[order]]
        return block
