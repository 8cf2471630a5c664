"""Image sets of tensorflow-datasets (TFDS), without TensorFlow.

TFDS reads a prepared set without TensorFlow if it was written as array_record. To *prepare* one its own builders want
TensorFlow, for unpacking files and writing PNGs. Four sets come in formats simple enough to be read here instead: a
subclass of the shipped builder, of the same name, version and checksums, gives the same examples in the same order.
Downloads, checksums and the prepared files are all TFDS's own.
"""

import http.client
import importlib.util
import io
import os
import re
import threading
import types
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from aae_jax.checks import check_folder, nearest, one_line
from aae_jax.data import cache
from aae_jax.data.dataset import Dataset, Split, split_at_random
from aae_jax.data.formats import EXAMPLES

__all__ = ["load_tfds"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # PIL's names by number of channels
_SECONDS_TO_ANSWER = 2.5


def load_tfds(
    name: str, *, data_dir: str | os.PathLike | None = None, manual_dir: str | os.PathLike | None = None
) -> Dataset:
    """Loads an image set of TFDS, preparing it first where that has not been done; see `aae_jax.data.load`.

    Args:
        name: as in TFDS, "mnist", "emnist/letters", "cifar10:3.0.2".
        data_dir: where TFDS keeps its data; default ``$TFDS_DATA_DIR``, else ``~/tensorflow_datasets``.
        manual_dir: where the original files are, if they are not to be downloaded.

    Returns:
        A data set of kind "image".

    Raises:
        ValueError: if TFDS does not know the name, or the set cannot be prepared or used.
        FileNotFoundError: if the original files are neither here nor to be had.
    """
    data_dir = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    check_folder("data_dir", data_dir, to_write=False)
    folder = data_dir / "aae_jax" / re.sub(r"[^\w.]", "-", name)
    decoded = cache.read(folder)  # first of all: TFDS itself takes more than a second to import
    if decoded is None:
        builder = _builder(name, data_dir)
        shape_and_num_classes = _image_shape_and_num_classes(builder)  # before gigabytes are downloaded
        _prepare(builder, Path(manual_dir).expanduser() if manual_dir else None)
        decoded = _decode(builder, *shape_and_num_classes)
        cache.write(folder, decoded, Path(builder.data_dir))
    return Dataset(name, *_three_splits(name, decoded.splits), decoded.num_classes)


def _three_splits(name: str, splits: dict[str, Split]) -> tuple[Split, Split, Split]:
    if "test" not in splits:
        return split_at_random(Split(*map(np.concatenate, zip(*splits.values(), strict=True))), name)
    train, test = splits["train"], splits["test"]
    if "validation" in splits:
        return train, splits["validation"], test
    # The rows of a prepared set are in a fixed random order, so its last ones are as good as any.
    num_train = len(train.image) - len(train.image) // 6
    return Split(*(field[:num_train] for field in train)), Split(*(field[num_train:] for field in train)), test


def _builder(name: str, data_dir: Path) -> Any:
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise ValueError(f"{name}: needs tensorflow-datasets: pip install tensorflow-datasets")
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    base_name = re.split("[/:]", name)[0]
    if base_name not in known:
        raise ValueError(
            f"unknown data set {name!r}: expected 'mnist5k', the name of an image set of tensorflow-datasets "
            "('mnist', 'fashion_mnist', 'kmnist', 'svhn_cropped', ...) or a path ending in '.npz' or '.npy'."
            + nearest(name.lower(), ["mnist5k", *known])
        )
    try:
        if name in EXAMPLES:
            return _without_tensorflow(tfds.builder_cls(name), EXAMPLES[name])(data_dir=data_dir)
        return tfds.builder(name, data_dir=data_dir)
    except (ValueError, AssertionError) as error:
        raise ValueError(f"{name}: {one_line(error)}") from error


def _prepare(builder: Any, manual_dir: Path | None) -> None:
    import tensorflow_datasets as tfds

    if builder.data_path.exists():
        if not builder.is_prepared():
            raise ValueError(
                f"{builder.data_path}: not a complete data set of tensorflow-datasets; delete this folder"
            )
        return
    if manual_dir is not None:
        if not manual_dir.is_dir():
            raise FileNotFoundError(f"{manual_dir}: no such folder, given as manual_dir for {builder.name}")
        own = manual_dir / builder.name
        manual_dir = own if own.is_dir() else manual_dir
    elif builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        raise FileNotFoundError(
            f"{builder.name}: cannot be downloaded; give the folder that holds its files as manual_dir: "
            f"{one_line(builder.MANUAL_DOWNLOAD_INSTRUCTIONS)}"
        )
    _check_files_or_network(builder, manual_dir)
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir, force_checksums_validation=builder.name in EXAMPLES, try_download_gcs=False
    )
    try:
        # Any other format could not be read without TensorFlow.
        builder.download_and_prepare(download_config=config, file_format="array_record")
    except tfds.download.DownloadError as error:
        raise FileNotFoundError(f"{builder.name}: {one_line(error)}") from error
    except tfds.core.download.download_manager.NonMatchingChecksumError as error:
        raise ValueError(
            f"{builder.name}: not the original file, or a damaged one: {one_line(error).split(' To debug')[0]}"
        ) from error
    except ImportError as error:
        if "tensorflow" not in str(error):
            raise
        raise ValueError(
            f"{builder.name}: tensorflow-datasets cannot prepare this set without TensorFlow (read it, it can): pip "
            f"install tensorflow, or prepare it elsewhere as array_record and copy it to {builder.data_path}"
        ) from error


def _check_files_or_network(builder: Any, manual_dir: Path | None) -> None:
    """Answers at once where TFDS would try for minutes."""
    from tensorflow_datasets.core.download.resource import get_dl_fname

    files = {url: (info.filename or url, info.checksum) for url, info in (builder.url_infos or {}).items()}
    downloads = Path(builder.data_dir_root, "downloads", builder.name)
    missing = {
        url: name
        for url, (name, checksum) in files.items()
        if not (manual_dir and (manual_dir / name).exists()) and not (downloads / get_dl_fname(url, checksum)).exists()
    }
    # A set with several configurations lists the files of them all; the ones that are here may be those it needs.
    if not missing or (len(missing) < len(files) and builder.name not in EXAMPLES):
        return
    url = next(iter(missing))
    problem = _request(url)
    if problem is None:
        return
    names = list(missing.values())
    raise FileNotFoundError(
        f"{builder.name}: not prepared in {builder.data_path}; its files {', '.join(names[:4])}"
        f"{', ...' if names[4:] else ''} are not in {manual_dir or 'a manual_dir (none was given)'}; and "
        f"{'/'.join(url.split('/')[:3])} does not answer ({problem}). Connect to the network, or give the folder that "
        "holds these files as manual_dir. 'mnist5k' needs no download."
    )


def _request(url: str) -> str | None:
    """Asks for a URL; returns what went wrong, None if there was an answer."""
    problem: str | None = f"no answer in {_SECONDS_TO_ANSWER} s"

    def ask() -> None:
        nonlocal problem
        try:
            urllib.request.urlopen(url, timeout=_SECONDS_TO_ANSWER).close()
            problem = None
        except urllib.error.HTTPError:
            problem = None  # a refusal is an answer too; what it means is for TFDS to say
        except (OSError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error))

    # In a thread, because looking up the host's name does not obey the timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_SECONDS_TO_ANSWER)
    return problem


def _image_shape_and_num_classes(builder: Any) -> tuple[tuple[int, ...], int]:
    import tensorflow_datasets as tfds

    features: dict[str, Any] = dict(builder.info.features.items())
    image, label = features.get("image"), features.get("label")
    if (
        not isinstance(image, tfds.features.Image)
        or image.np_dtype != np.uint8
        or None in image.shape
        or image.shape[-1] not in _MODES
    ):
        raise ValueError(f"{builder.name}: not a set of uint8 images of one size: its 'image' is {image}")
    return image.shape, label.num_classes if isinstance(label, tfds.features.ClassLabel) else 0


def _decode(builder: Any, image_shape: tuple[int, ...], num_classes: int) -> cache.Decoded:
    import tensorflow_datasets as tfds
    from PIL import Image

    available = set(builder.info.splits)
    if "train" not in available:
        raise ValueError(f"{builder.name}: has no training split, only {sorted(available)}")
    splits = {}
    for name in sorted(available & {"train", "validation", "test"}):
        # Images are decoded here, because TFDS decodes by OpenCV where that is installed: other bits for a JPEG.
        try:
            source = builder.as_data_source(name, decoders={"image": tfds.decode.SkipDecoding()})
        except NotImplementedError as error:
            raise ValueError(
                f"{builder.data_path}: was prepared in a format that cannot be read without TensorFlow; "
                "give another data_dir, or delete this folder"
            ) from error
        images = np.empty((len(source), *image_shape), np.uint8)
        labels = np.full(len(source), -1, np.int32)
        for start in range(0, len(source), 1000):  # many at a time is three times as fast as one by one
            rows = range(start, min(start + 1000, len(source)))
            for row, example in zip(rows, source.__getitems__(rows), strict=True):
                with Image.open(io.BytesIO(example["image"])) as image:
                    images[row] = np.asarray(image.convert(_MODES[image_shape[-1]])).reshape(image_shape)
                if num_classes:
                    labels[row] = example["label"]
        splits[name] = Split(images, labels)
    return cache.Decoded(splits, num_classes)


def _without_tensorflow(shipped: Any, examples: Any) -> Any:
    """The shipped builder, reading its files by `examples`, and without unpacking them, which takes TensorFlow.

    As nothing is unpacked, sets whose files bear the same names (MNIST's and Fashion-MNIST's) cannot be mistaken for
    each other in a common folder.
    """

    class Builder(shipped, skip_registration=True):  # type: ignore[call-arg]
        name = shipped.name
        __module__ = shipped.__module__  # where TFDS looks for the checksums
        _generate_examples = examples

        def _split_generators(self, dl_manager):
            download = dl_manager.download
            return super()._split_generators(types.SimpleNamespace(download=download, download_and_extract=download))

    return Builder
