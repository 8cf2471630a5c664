"""Sets of tensorflow-datasets: small made-up files for every path and error, and the real MNIST where it is there."""

import gzip
import hashlib
import os
import struct
import sys
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
import scipy.io
from PIL import Image

from aae_jax.data import cache, load
from aae_jax.data import tfds as room
from aae_jax.data.formats import read_idx, read_mat

RANDOM = np.random.RandomState(0)


@pytest.fixture(scope="module")
def tfds():
    return pytest.importorskip("tensorflow_datasets")


@pytest.fixture
def no_network(monkeypatch):
    """Fails each request at once, as a machine without a network does; TFDS must not be asked to download."""

    def refuse(url, timeout):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def pairs(*splits):
    """Images with their labels, in an order of their own."""
    return sorted((image.tobytes(), int(label)) for split in splits for image, label in zip(*split, strict=True))


# --- Formats


def idx(array, kind=8):
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_read_idx(tmp_path):
    path = tmp_path / "images.gz"
    array = RANDOM.randint(0, 256, (5, 4, 3)).astype(np.uint8)
    path.write_bytes(gzip.compress(idx(array)))
    found = read_idx(path)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.uint8


IDX = idx(np.arange(60, dtype=np.uint8).reshape(5, 4, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(gzip.compress(IDX)[:-12], "truncated, or not gzipped", id="cut short"),
        pytest.param(IDX, "truncated, or not gzipped", id="not gzipped"),
        # 4 bytes, three sizes of 4 and 5 * 4 * 3 pixels: 16 + 60 = 76.
        pytest.param(gzip.compress(IDX[:-1]), r"75 bytes where shape \(5, 4, 3\) takes 76", id="a byte less"),
        pytest.param(gzip.compress(IDX + b"\0"), "77 bytes where shape", id="a byte more"),
        pytest.param(gzip.compress(IDX[:9]), "9 bytes where shape", id="half a header"),
        pytest.param(gzip.compress(b""), "not an IDX file of bytes", id="empty"),
        pytest.param(gzip.compress(idx(np.zeros(3, np.float32), kind=13)), "not an IDX file of bytes", id="floats"),
    ],
)
def test_read_idx_refuses(tmp_path, content, message):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"images.gz: {message}"):
        read_idx(path)


def mat(path, num_rows):
    """Writes a file like those of SVHN: rows last, and the digit 0 called 10."""
    images = RANDOM.randint(0, 256, (num_rows, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(num_rows) % 10
    scipy.io.savemat(path, {"X": np.moveaxis(images, 0, -1), "y": np.where(labels == 0, 10, labels)[:, None]})
    return images, labels


def test_read_mat(tmp_path):
    path = tmp_path / "train_32x32.mat"
    images, labels = mat(path, 12)
    found = read_mat(path)
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], labels)


def test_read_mat_refuses(tmp_path):
    path = tmp_path / "train_32x32.mat"
    images, _ = mat(path, 12)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"train_32x32.mat: not a MATLAB file with X and y, or a truncated one"):
        read_mat(path)
    pixels = np.moveaxis(images, 0, -1)
    for content, message in [
        ({"X": pixels}, "not a MATLAB file with X and y"),
        ({"X": pixels, "y": np.ones((11, 1))}, "for 11 labels; expected uint8"),
        ({"X": pixels / 255, "y": np.ones((12, 1))}, "X is float64"),
        ({"X": pixels, "y": np.zeros((12, 1))}, "labels in y from 0.0 to 0.0; expected 1 to 10"),
    ]:
        scipy.io.savemat(path, content)
        with pytest.raises(ValueError, match=message):
            read_mat(path)
    with pytest.raises(FileNotFoundError):
        read_mat(tmp_path / "none.mat")


# --- The sets whose files are read here


def expect(monkeypatch, tfds, name, folder):
    """Lets the shipped builder expect the checksums of the files in a folder."""
    shipped = tfds.builder_cls(name)
    expected = {}
    for url, info in shipped.url_infos.items():
        content = (folder / info.filename).read_bytes()
        checksum = hashlib.sha256(content).hexdigest()
        expected[url] = type(info)(size=len(content), checksum=checksum, filename=info.filename)
    monkeypatch.setattr(shipped, "url_infos", expected)


def test_svhn(tmp_path, monkeypatch, tfds, no_network):
    folder = tmp_path / "files" / "svhn_cropped"
    folder.mkdir(parents=True)
    train, test, _ = (
        mat(folder / f"{split}_32x32.mat", num) for split, num in (("train", 24), ("test", 7), ("extra", 3))
    )
    expect(monkeypatch, tfds, "svhn_cropped", folder)
    dataset = load("svhn_cropped", data_dir=tmp_path / "data", manual_dir=tmp_path / "files")
    assert (dataset.num_classes, dataset.image_shape) == (10, (32, 32, 3))
    # A sixth of 24 is 4.
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [20, 4, 7]
    assert dataset.train.image.dtype == np.uint8 and dataset.train.label.dtype == np.int32
    assert pairs(dataset.train, dataset.validation) == pairs(train)
    assert pairs(dataset.test) == pairs(test)


MNIST_FILES = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
]


@pytest.fixture
def mnist_like(tmp_path):
    """A folder with five images under each of MNIST's names."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in MNIST_FILES:
        array = np.zeros((5, 28, 28) if "images" in name else 5, np.uint8)
        (folder / name).write_bytes(gzip.compress(idx(array)))
    return folder


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_files_of_another_set_are_noticed(tmp_path, tfds, mnist_like, no_network, name):
    with pytest.raises(ValueError, match=rf"{name}: not the original file, .*{mnist_like}/.*\.gz, has wrong checksum"):
        load(name, data_dir=tmp_path / "data", manual_dir=mnist_like)


def test_fewer_examples_than_the_set_has(tmp_path, monkeypatch, tfds, mnist_like, no_network):
    expect(monkeypatch, tfds, "mnist", mnist_like)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz, .* 5 images, 5 labels; expected 60000"):
        load("mnist", data_dir=tmp_path / "data", manual_dir=mnist_like)


def test_files_missing_and_no_network(tmp_path, tfds, mnist_like, no_network):
    (mnist_like / MNIST_FILES[1]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load("kmnist", data_dir=tmp_path / "data", manual_dir=mnist_like)
    assert str(caught.value) == (
        f"kmnist: not prepared in {tmp_path}/data/kmnist/3.0.1; its files {MNIST_FILES[1]} are not in {mnist_like}; "
        "and http://codh.rois.ac.jp does not answer (Name or service not known). Connect to the network, or give the "
        "folder that holds these files as manual_dir. 'mnist5k' needs no download."
    )
    with pytest.raises(FileNotFoundError, match=f"{MNIST_FILES[0]}.* are not in a manual_dir"):
        load("kmnist", data_dir=tmp_path / "data")
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder, given as manual_dir for kmnist"):
        load("kmnist", data_dir=tmp_path / "data", manual_dir=tmp_path / "nowhere")


def test_a_network_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch, tfds):
    release = threading.Event()

    def hang(url, timeout):
        release.wait(60)
        raise urllib.error.URLError("too late")

    monkeypatch.setattr(urllib.request, "urlopen", hang)
    monkeypatch.setattr(room, "_SECONDS_TO_ANSWER", 0.01)
    with pytest.raises(FileNotFoundError, match=r"does not answer .no answer in 0.01 s"):
        load("mnist", data_dir=tmp_path)
    release.set()


def test_a_refused_download(tmp_path, monkeypatch, tfds):
    """With a network the download is TFDS's own affair, and what it reports is passed on."""

    def refuse(url, timeout):
        raise urllib.error.HTTPError(url, 403, "Forbidden", {}, None)

    def download_and_prepare(self, **options):
        raise tfds.download.DownloadError("Failed to get url.\nHTTP code: 403.")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(tfds.builder_cls("mnist"), "download_and_prepare", download_and_prepare)
    with pytest.raises(FileNotFoundError, match=r"mnist: Failed to get url. HTTP code: 403."):
        load("mnist", data_dir=tmp_path)


# --- Any other set


@pytest.fixture(scope="module")
def made_up(tfds):
    """Registers three small sets, as a user of TFDS may: one like most, and two that cannot be prepared."""
    images = RANDOM.randint(0, 256, (30, 6, 5, 3)).astype(np.uint8)
    features = tfds.features

    class Base(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=features.FeaturesDict(
                    {"image": features.Image(shape=(6, 5, 3)), "label": features.ClassLabel(num_classes=3)}
                ),
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for index, image in enumerate(images):
                yield index, {"image": Image.fromarray(image), "label": index % 3}

    class MadeUpImages(Base):
        pass

    class MadeUpTensorflow(Base):
        def _generate_examples(self):
            from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow

            yield 0, {"image": tensorflow.zeros([6, 5, 3]), "label": 0}

    class MadeUpSizes(Base):
        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=features.FeaturesDict({"image": features.Image()}))

    return images, np.arange(30) % 3


def test_a_set_without_test_split(tmp_path, made_up):
    dataset = load("made_up_images", data_dir=tmp_path)
    assert (dataset.num_classes, dataset.image_shape) == (3, (6, 5, 3))
    # 70 %, 10 % and 20 % of 30.
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [21, 3, 6]
    assert pairs(dataset.train, dataset.validation, dataset.test) == pairs(made_up)


def test_own_splits_of_a_set_are_kept():
    rows = {
        name: (np.full((12, 1), index), np.arange(12)) for index, name in enumerate(["train", "validation", "test"])
    }
    splits = {name: room.Split(*fields) for name, fields in rows.items()}
    assert [split.image[0, 0] for split in room._three_splits("own", splits)] == [0, 1, 2]
    del splits["validation"]
    train, validation, test = room._three_splits("own", splits)
    assert (train.label.tolist(), validation.label.tolist()) == (list(range(10)), [10, 11])
    assert test.label.tolist() == list(range(12))


def test_decoded_arrays_are_used_again_until_their_source_changes(tmp_path, monkeypatch, made_up):
    dataset = load("made_up_images", data_dir=tmp_path)
    folder = tmp_path / "aae_jax" / "made_up_images"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "train.image.npy", "train.label.npy"]

    with monkeypatch.context() as without_tfds:
        without_tfds.setitem(sys.modules, "tensorflow_datasets", None)  # importing it is an error now
        again = load("made_up_images", data_dir=tmp_path)
    assert pairs(again.train) == pairs(dataset.train)

    source = next((tmp_path / "made_up_images" / "1.0.0").glob("*array_record*"))
    os.utime(source, ns=(0, 0))
    assert cache.read(folder) is None
    load("made_up_images", data_dir=tmp_path)
    assert cache.read(folder) is not None

    for damaged in sorted(folder.iterdir()):
        damaged.write_bytes(damaged.read_bytes()[:-1])
        assert cache.read(folder) is None
        damaged.write_bytes(b"")
        assert cache.read(folder) is None
        assert pairs(load("made_up_images", data_dir=tmp_path).train) == pairs(dataset.train)


def test_data_that_cannot_be_kept_is_still_loaded(tmp_path, made_up):
    (tmp_path / "aae_jax").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot keep the decoded arrays"):
        dataset = load("made_up_images", data_dir=tmp_path)
    assert len(dataset.train.image) == 21


def test_sets_that_cannot_be_used(tmp_path, tfds, made_up):
    with pytest.raises(ValueError, match=r"made_up_tensorflow: .* cannot prepare this set without TensorFlow"):
        load("made_up_tensorflow", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"made_up_sizes: not a set of uint8 images of one size: .*None, None, 3"):
        load("made_up_sizes", data_dir=tmp_path)
    with pytest.raises(ValueError, match="imagenet2012: not a set of uint8 images of one size"):
        load("imagenet2012", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"emnist/none: .*BuilderConfig none not found"):
        load("emnist/none", data_dir=tmp_path)
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"3.0.1: not a complete data set of tensorflow-datasets; delete this folder"):
        load("mnist", data_dir=tmp_path)


def test_a_set_prepared_for_tensorflow(tmp_path, made_up):
    load("made_up_images", data_dir=tmp_path)
    folder = tmp_path / "made_up_images" / "1.0.0"
    info, records = folder / "dataset_info.json", next(folder.glob("*array_record*"))
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    records.rename(folder / records.name.replace("array_record", "tfrecord"))
    with pytest.raises(ValueError, match=r"made_up_images/1.0.0: was prepared in a format that cannot be read"):
        load("made_up_images", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "close"), [("minst", "mnist"), ("MNIST5K", "mnist5k"), ("fashion-mnist", "fashion_mnist"), ("svhn", None)]
)
def test_unknown_names(tfds, name, close):
    with pytest.raises(ValueError, match=f"unknown data set '{name}': expected 'mnist5k', .*") as caught:
        load(name)
    assert ("Did you mean" in str(caught.value)) == (close is not None)
    assert close is None or str(caught.value).endswith(f"Did you mean '{close}'?")


def test_without_tensorflow_datasets(tmp_path, monkeypatch):
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"mnist: .*pip install tensorflow-datasets"):
        load("mnist", data_dir=tmp_path)


# --- The real MNIST


def test_the_embedded_digits_are_original_ones(mnist_files):
    originals = pairs(tuple(read_idx(mnist_files / name) for name in MNIST_FILES[:2]))
    digits = load("mnist5k")
    embedded = pairs(digits.train, digits.validation, digits.test)
    assert len({*embedded}) == 5000 and {*embedded} <= {*originals}


@pytest.fixture(scope="module")
def mnist(mnist_files, tfds, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("mnist")
    return load("mnist", data_dir=data_dir, manual_dir=mnist_files), data_dir


@pytest.mark.slow
def test_mnist_is_made_of_the_original_files(mnist, mnist_files):
    dataset, _ = mnist
    train_images, train_labels, test_images, test_labels = (read_idx(mnist_files / name) for name in MNIST_FILES)
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [50000, 10000, 10000]
    assert (dataset.num_classes, dataset.image_shape) == (10, (28, 28, 1))
    # No image occurs twice (seen below), so that each original is in one split alone, with its label.
    assert pairs(dataset.train, dataset.validation) == pairs((train_images, train_labels))
    assert pairs(dataset.test) == pairs((test_images, test_labels))
    assert len({image.tobytes() for image in train_images}) == 60000
    # The validation split is no class apart: about 1,000 of each, standard deviation about 30.
    assert np.abs(np.bincount(dataset.validation.label) - np.bincount(train_labels) / 6).max() < 150


@pytest.mark.slow
def test_mnist_is_decoded_once(mnist, monkeypatch):
    dataset, data_dir = mnist
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    again = load("mnist", data_dir=data_dir)
    for one, other in zip(
        (dataset.train, dataset.validation, dataset.test), (again.train, again.validation, again.test), strict=True
    ):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.label, other.label)
