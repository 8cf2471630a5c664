"""A data set in memory: arrays, labels and fixed splits."""

import dataclasses
from typing import Literal, NamedTuple

import numpy as np

from aae_jax.checks import check_instance

__all__ = ["Dataset", "Split", "split_at_random", "standardized"]


class Split(NamedTuple):
    """Some rows of a data set.

    Attributes:
        image: ``[N, H, W, C]`` uint8 in 0-255 or float32 in [0, 1] (or `standardized`); for a table ``[N, D]``
            float32, standardized.
        label: ``[N]`` int32, −1 where unknown.
    """

    image: np.ndarray
    label: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits, the same ones each time that the same data set is loaded.

    Attributes:
        name: what `load` was asked for.
        train: rows to learn from.
        validation: rows to choose settings by.
        test: rows to report on.
        num_classes: labels are below this number; 0 where no row has a label.
        kind: "image" or "table".
        shift: ``[D]`` float64, what was subtracted from the columns of a table: ``row = image * scale + shift``;
            ``[C]`` of images that are standardized, else None.
        scale: ``[D]`` or ``[C]`` float64, what they were divided by then, or None.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    num_classes: int
    kind: Literal["image", "table"] = "image"
    shift: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one example, ``(H, W, C)`` or ``(D,)``."""
        return self.train.image.shape[1:]


def standardized(dataset: Dataset) -> Dataset:
    """The images with mean 0 and standard deviation 1 in each channel over the training split, as float32.

    Args:
        dataset: of images; a table is standardized already, and comes back as it is.

    Raises:
        ValueError: if it is no data set, or holds values that are not finite.

    References:
        Makhzani et al. 2016, appendix A, on SVHN and TFD.
    """
    check_instance("dataset", dataset, Dataset, "aae_jax.data.load")
    if dataset.shift is not None:
        return dataset

    def floats(image: np.ndarray) -> np.ndarray:
        return image / np.float32(255) if image.dtype == np.uint8 else image

    def moment(of: np.ndarray) -> np.ndarray:
        return of.mean((0, 1, 2), dtype=np.float64)

    values = floats(dataset.train.image)
    shift = moment(values)
    deviation = np.sqrt(moment(np.square(values - shift.astype(np.float32))))
    if not np.isfinite(deviation).all():
        raise ValueError(f"{dataset.name}: images hold values that are NaN or infinite")
    scale = np.where(deviation > 0, deviation, 1.0)

    def scaled(split: Split) -> Split:
        return Split(((floats(split.image) - shift) / scale).astype(np.float32), split.label)

    train, validation, test = map(scaled, (dataset.train, dataset.validation, dataset.test))
    return dataclasses.replace(dataset, train=train, validation=validation, test=test, shift=shift, scale=scale)


def split_at_random(rows: Split, name: str) -> tuple[Split, Split, Split]:
    """Cuts rows that come without splits into 70 % train, 10 % validation and 20 % test, by a fixed permutation.

    Args:
        rows: all rows.
        name: what an error calls them.

    Returns:
        Train, validation and test.

    Raises:
        ValueError: if there are fewer than ten rows, too few for three splits.
    """
    num_rows = len(rows.image)
    if num_rows < 10:
        raise ValueError(
            f"{name}: {num_rows} examples are too few to split into train, validation and test (10 or more)"
        )
    # RandomState, not default_rng: NumPy promises that its stream never changes, so the splits never do.
    permutation = np.random.RandomState(0).permutation(num_rows)
    num_validation, num_test = num_rows // 10, num_rows // 5
    test, validation, train = np.split(permutation, [num_test, num_test + num_validation])
    return rows_at(rows, train), rows_at(rows, validation), rows_at(rows, test)


def rows_at(rows: Split, index: np.ndarray) -> Split:
    """The rows at the given indices, copied."""
    return Split(rows.image[index], rows.label[index])
