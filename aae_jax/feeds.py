"""What the device is given of a training set: all at once, or where it is too large a span of steps after another.

Either way training visits the same rows in the same order, by the same program.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from aae_jax.data import blocks
from aae_jax.epoch import Orders, Rows

__all__ = ["Span", "Stream", "is_streamed", "streamed_spans"]

Stream = Literal["auto", "yes", "no"]

_LARGE = 2**31
"""Bytes from which on images are streamed unless somebody says otherwise."""
_SPAN_BYTES = 2**26
"""Of the images of a span, about."""


class Span(NamedTuple):
    """Steps of an epoch, and what they read.

    Attributes:
        rows: on the device.
        orders: of these rows.
        first: the step of the epoch, from 0, that reads the first of the orders.
        last: the first step of the epoch that is no longer of the span.
    """

    rows: Rows
    orders: Orders
    first: int
    last: int


def is_streamed(rows: Rows, stream: Stream) -> bool:
    """Whether a training set goes to the device in parts.

    Args:
        rows: as arrays of numpy or jax, or memory maps.
        stream: "yes", "no", or "auto" for those of 2 GiB and more.
    """
    return stream == "yes" or (stream == "auto" and rows.image.nbytes >= _LARGE)


def streamed_spans(
    rows: Rows, orders: Orders, own: np.ndarray, num_steps: int, done: int, place: Callable[[Any], Any]
) -> Iterator[Span]:
    """The spans of one epoch from some step on, each read while the one before is trained on.

    Args:
        rows: the training set, images in memory or as a memory map.
        orders: of the epoch.
        own: `[B]`, which rows of each batch this process's devices hold. Only these are read: the others, on which
            other processes work, are zeros.
        num_steps: of the epoch.
        done: of its steps.
        place: puts a tree of arrays on the devices.
    """
    batch_size = len(own)
    row_bytes = rows.image.dtype.itemsize * int(np.prod(rows.image.shape[1:]))
    steps = max(1, min(num_steps, _SPAN_BYTES // (row_bytes * batch_size)))
    size, label = steps * batch_size, np.asarray(rows.label)
    parts = [np.asarray(orders.rows)[: num_steps * batch_size]]
    if rows.labeled is not None and orders.labeled is not None:
        parts.append(np.asarray(rows.labeled)[np.asarray(orders.labeled)[: num_steps * batch_size]])
    start = done // steps
    place_in_span = jnp.arange(size, dtype=jnp.int32)
    # The labeled rows of a span follow its others.
    in_order = Orders(place_in_span, place_in_span if len(parts) == 2 else None)
    labeled = place_in_span + size if len(parts) == 2 else None
    of_span = np.tile(own, steps)
    images = zip(*(blocks(rows.image, part, size, start=start, own=of_span) for part in parts), strict=True)
    for number, of_parts in enumerate(images, start):
        indices = [np.resize(part[number * size :][:size], size) for part in parts]
        image = np.concatenate(of_parts) if len(of_parts) > 1 else of_parts[0]
        span = Rows(image, label[np.concatenate(indices)], labeled)  # type: ignore[arg-type]
        on_device, of_device = place((span, in_order))
        yield Span(on_device, of_device, number * steps, min((number + 1) * steps, num_steps))
