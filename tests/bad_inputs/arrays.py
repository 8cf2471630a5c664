"""Bad inputs of what reads and writes arrays, configs and run folders, and of evaluation."""

import gzip
import json
import math
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.io

import aae_jax
from aae_jax import ModelConfig, Rows, TrainingConfig, algorithm, build, configs, data, evaluation, fit, runs, terms
from aae_jax.checkpoints import checkpoints
from aae_jax.data import Dataset, Split
from aae_jax.data.formats import read_idx, read_mat
from bad_inputs import cases, in_folder
from bad_inputs.pieces import KEY

BYTES = np.random.RandomState(0).randint(0, 256, (50, 4, 3)).astype(np.uint8)
FLOATS = np.float32(BYTES / 255)
TABLE = np.random.RandomState(0).normal(size=(50, 2))
LABELS = np.arange(50) % 3


def npz(name="own.npz", **arrays):
    """Writes a file as users do."""
    return lambda folder: np.savez(folder / name, **arrays)


def npy(images, labels=None):
    def write(folder):
        np.save(folder / "own.npy", images, allow_pickle=True)
        if labels is not None:
            np.save(folder / "own_labels.npy", labels, allow_pickle=True)

    return write


def changed(change, write=None):
    """Writes a good file, and changes its bytes."""

    def given(folder):
        (write or npz(images=BYTES, labels=LABELS))(folder)
        (path,) = folder.iterdir()
        path.write_bytes(change(path.read_bytes()))

    return given


def member(name, content):
    """Writes a zip of one member that numpy would take for an array."""

    def write(folder):
        with zipfile.ZipFile(folder / "own.npz", "w") as file:
            file.writestr(name, content)

    return write


def header(text):
    """The bytes of an array file with a header of one's own."""
    text = text.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)


def load_npz(folder):
    return data.load(folder / "own.npz")


def load_npy(folder):
    return data.load(folder / "own.npy")


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999, 999999, 9999)}"
IN_RANGE = "expected floats in [0, 1]"
NPZ_CASES = in_folder(
    "data.load of .npz",
    {
        "there": (load_npz, None, "own.npz", "no such file"),
        "a file": (load_npz, lambda folder: (folder / "own.npz").mkdir(), "own.npz", "is a folder; expected a file"),
        "not empty": (load_npz, changed(lambda content: b""), "own.npz", "not an .npz file, or a truncated one"),
        "whole": (load_npz, changed(lambda content: content[:-99]), "own.npz", "or a truncated", "numpy.savez"),
        "unharmed": (
            load_npz,
            changed(lambda content: content.replace(content[400:403], b"abc")),
            "own.npz",
            "CRC-32",
        ),
        "an array file within": (load_npz, member("images.npy", b"pixels"), "images are no array", "numpy.savez"),
        "a header within": (load_npz, member("images.npy", header("{'descr'")), "own.npz", "a damaged file"),
        "a size that fits": (load_npz, member("images.npy", header(HUGE)), "own.npz", "allocate"),
        "images by name": (load_npz, npz(pictures=BYTES), "['pictures']", "expected 'images'"),
        "labels by name": (load_npz, npz(images=BYTES, label=LABELS), "['images', 'label']", "expected 'images'"),
        "no objects": (load_npz, npz(images=np.array([{}] * 50)), "own.npz", "Object arrays cannot be loaded"),
        "no objects as labels": (
            load_npz,
            npz(images=BYTES, labels=np.array([None] * 50)),
            "own.npz: ",
            "Object arrays cannot",
        ),
        "some images": (load_npz, npz(images=BYTES[:0]), "shape (0, 4, 3)", "not empty"),
        "some pixels": (load_npz, npz(images=BYTES[:, :0]), "shape (50, 0, 3)", "not empty"),
        "enough for three splits": (load_npz, npz(images=BYTES[:9]), "9 examples are too few", "10 or more"),
        "axes >= 2": (load_npz, npz(images=BYTES[:, 0, 0]), "shape (50,)", "expected [N, H, W]"),
        "axes <= 4": (load_npz, npz(images=BYTES[None, None]), "shape (1, 1, 50, 4, 3)", "expected [N, H, W]"),
        "channels last": (
            load_npz,
            npz(images=BYTES.reshape(10, 3, 4, 5)),
            "shape (10, 3, 4, 5)",
            "numpy.moveaxis(images, 1, -1)",
        ),
        "no integers": (load_npz, npz(images=BYTES.astype(int)), "images are int64", "expected uint8 in 0-255"),
        "no text": (load_npz, npz(images=BYTES.astype(str)), "images are <U3", "expected uint8"),
        "no complex numbers": (load_npz, npz(images=BYTES + 0j), "images are complex128", "expected uint8"),
        "no records": (
            load_npz,
            npz(images=np.zeros((50, 4, 3), [("red", "u1")])),
            "images are [('red', 'u1')]",
            "expected uint8",
        ),
        "no truths": (load_npz, npz(images=BYTES > 9), "images are bool", "expected uint8"),
        "no NaN": (load_npz, npz(images=np.where(BYTES == 7, np.nan, 0.5)), "values that are NaN", "images hold"),
        "no infinity": (load_npz, npz(images=np.where(BYTES == 7, np.inf, 0)), "or infinite", "images hold"),
        "not above 1": (load_npz, npz(images=FLOATS * 255), "images from 0 to 255", IN_RANGE),
        "not below 0": (load_npz, npz(images=FLOATS - 0.5), "images from -0.5", IN_RANGE),
        "tables of floats": (load_npz, npz(images=BYTES[:, 0]), "(50, 3) are uint8", "a table holds floats"),
        "tables without NaN": (load_npz, npz(images=np.where(TABLE > 1, np.nan, TABLE)), "images hold", "NaN or inf"),
        "tables in float32": (load_npz, npz(images=TABLE * 1e300), "beyond the range", "float32"),
        "tables near together": (
            load_npz,
            npz(images=np.where(np.arange(50)[:, None] == 28, 1.0, 1e-100 * TABLE)),
            "too far apart",
            "standardized",
        ),
        "a label each": (load_npz, npz(images=BYTES, labels=LABELS[:49]), "shape (49,)", "expected (50,)"),
        "one label each": (load_npz, npz(images=BYTES, labels=np.eye(50)), "shape (50, 50)", "expected (50,)"),
        "labels whole": (load_npz, npz(images=BYTES, labels=LABELS * 1.0), "labels are float64", "integers"),
        "labels no text": (load_npz, npz(images=BYTES, labels=LABELS.astype(str)), "labels are <U", "integers"),
        "labels >= -1": (load_npz, npz(images=BYTES, labels=LABELS - 2), "labels from -2 to 0", "-1 for unknown"),
        "labels small": (load_npz, npz(images=BYTES, labels=LABELS + 2**15), "labels from 32768", "0 to 32767"),
    },
)
NPZ_CASES[0] = NPZ_CASES[0]._replace(error=FileNotFoundError)

NPY_CASES = [
    *in_folder(
        "data.load of .npy",
        {"there": (load_npy, None, "own.npy", "no such file")},
        error=FileNotFoundError,
    ),
    *in_folder(
        "data.load of .npy",
        {
            "a file": (
                load_npy,
                lambda folder: (folder / "own.npy").mkdir(),
                "own.npy",
                "is a folder; expected a file",
            ),
            "not empty": (load_npy, changed(lambda content: b"", npy(BYTES)), "own.npy", "not an .npy file"),
            "whole": (load_npy, changed(lambda content: content[:-9], npy(BYTES)), "own.npy", "or a truncated one"),
            "a header": (
                load_npy,
                changed(lambda content: header("{'descr'"), npy(BYTES)),
                "own.npy: not an",
                "statement",
            ),
            "a size that fits": (load_npy, changed(lambda content: header(HUGE), npy(BYTES)), "own.npy:", "truncated"),
            "not an .npz": (
                load_npy,
                lambda folder: np.savez(folder / "own.npz", images=BYTES) or (folder / "own.npz").rename("own.npy"),
                "own.npy: not an .npy file",
                "magic",
            ),
            "no objects": (load_npy, npy(np.array([None] * 20)), "own.npy: not an .npy file", "object"),
            "no table": (load_npy, npy(np.zeros((20, 4), np.float32)), "shape (20, 4)", "expected [N, H, W]"),
            "enough for three splits": (load_npy, npy(BYTES[:9]), "shape (9, 4, 3)", "10 or more"),
            "in float32": (load_npy, npy(FLOATS.astype(float)), "images are float64", "uint8 in 0-255 or float32"),
            "no integers": (load_npy, npy(BYTES.astype(int)), "images are int64", "expected uint8"),
            "in range": (load_npy, npy(FLOATS + 1), "images from 1 to 2", IN_RANGE),
            "no NaN": (load_npy, npy(np.where(BYTES == 7, np.float32(np.nan), 0)), "images hold", "NaN or infinite"),
            "a label each": (load_npy, npy(BYTES, LABELS[:9]), "own_labels.npy: labels have shape (9,)", "(50,)"),
            "labels whole": (load_npy, npy(BYTES, LABELS / 2), "own_labels.npy: labels are float64", "integers"),
            "labels >= -1": (load_npy, npy(BYTES, LABELS - 9), "labels from -9 to -7", "-1 for unknown"),
            "labels no objects": (
                load_npy,
                npy(BYTES, np.array([None] * 50)),
                "own_labels.npy: not an .npy",
                "object",
            ),
        },
    ),
]


def idx(content):
    return lambda folder: (folder / "images.gz").write_bytes(content)


def mat(**arrays):
    return lambda folder: scipy.io.savemat(folder / "own.mat", arrays)


def read_gz(folder):
    return read_idx(folder / "images.gz")


def read_own_mat(folder):
    return read_mat(folder / "own.mat")


FIVE = b"\0\0\x08\x01\0\0\0\x05abcde"
PIXELS = np.zeros((32, 32, 3, 4), np.uint8)
FORMAT_CASES = [
    *in_folder("data.formats.read_idx", {"there": (read_gz, None, "images.gz", "no such")}, error=FileNotFoundError),
    *in_folder(
        "data.formats.read_idx",
        {
            "gzipped": (read_gz, idx(FIVE), "images.gz: truncated, or not gzipped", "Not a gzipped file"),
            "whole": (read_gz, idx(gzip.compress(FIVE)[:-9]), "images.gz: truncated", "end-of-stream"),
            "unharmed": (read_gz, idx(gzip.compress(FIVE)[:-8] + bytes(8)), "images.gz: truncated, or", "CRC"),
            "of bytes": (read_gz, idx(gzip.compress(b"\0\0\x0d\x01" + FIVE)), "not an IDX file of bytes", "\\x0d"[:2]),
            "a header": (read_gz, idx(gzip.compress(b"\0")), "not an IDX file", "starts with"),
            "all rows": (read_gz, idx(gzip.compress(FIVE[:-1])), "12 bytes where shape (5,) takes 13", "truncated?"),
            "no more": (read_gz, idx(gzip.compress(FIVE + b"f")), "14 bytes where shape (5,)", "takes 13"),
            "a file": (read_gz, lambda folder: (folder / "images.gz").mkdir(), "images.gz", "Is a directory"),
        },
    ),
    *in_folder(
        "data.formats.read_mat", {"there": (read_own_mat, None, "own.mat", "no such")}, error=FileNotFoundError
    ),
    *in_folder(
        "data.formats.read_mat",
        {
            "of MATLAB": (
                read_own_mat,
                lambda folder: (folder / "own.mat").write_bytes(b"pixels" * 99),
                "own.mat",
                "not a MATLAB file",
            ),
            "X and y": (read_own_mat, mat(X=PIXELS), "with X and y", "or a truncated one"),
            "bytes": (read_own_mat, mat(X=PIXELS / 255, y=np.ones(4)), "X is float64", "expected uint8"),
            "a label each": (read_own_mat, mat(X=PIXELS, y=np.ones(3)), "for 3 labels", "[32, 32, 3, N]"),
            "labels 1 to 10": (read_own_mat, mat(X=PIXELS, y=np.full(4, 11)), "from 11 to 11", "expected 1 to 10"),
        },
    ),
]

ROWS = Split(FLOATS[..., None], LABELS.astype(np.int32))
DATASET = Dataset("own", ROWS, ROWS, ROWS, 3)
HOLED = DATASET.train._replace(image=np.where(ROWS.image > 0.9, np.float32(np.nan), ROWS.image))
DATA_CASES = [
    *cases(
        "data.load",
        {
            "a name": (lambda: data.load(""), "name is ''", "expected 'mnist5k'"),
            "text": (lambda: data.load(None), "name is None", "the path of a file"),
            "a known name": (lambda: data.load("nmist"), "unknown data set 'nmist'", "Did you mean 'mnist'"),
            "an ending that is read": (lambda: data.load("own.csv"), "unknown data set 'own.csv'", "'.npz'"),
        },
    ),
    *in_folder(
        "data.load",
        {
            "data_dir a folder": (
                lambda folder: data.load("mnist", data_dir=folder / "file" / "data"),
                lambda folder: (folder / "file").write_text(""),
                "data_dir is",
                "is a file",
            ),
            **{
                f"{option} for what is kept there": (
                    lambda folder, option=option: data.load("mnist5k", **{option: folder}),
                    None,
                    f"{option} is '",
                    "mnist5k is not kept there",
                )
                for option in ("data_dir", "manual_dir")
            },
        },
    ),
    *in_folder(
        "data.load",
        {
            "manual_dir there": (
                lambda folder: data.load("kmnist", data_dir=folder, manual_dir=folder / "none"),
                None,
                "/none",
                "no such folder, given as manual_dir",
            ),
        },
        error=FileNotFoundError,
    ),
    *cases(
        "data.standardized",
        {
            "a data set": (lambda: data.standardized(BYTES), "dataset is", "expected a Dataset"),
            "no NaN": (lambda: data.standardized(Dataset("own", HOLED, ROWS, ROWS, 3)), "own: images hold", "NaN"),
        },
    ),
    *cases(
        "data.order",
        {
            "a key": (lambda: data.order(0, 0, 5), "key is 0", "jax.random.key(0)"),
            "rows >= 1": (lambda: data.order(KEY, 0, 0), "num_rows is 0", "integer ≥ 1"),
        },
    ),
    *cases(
        "data.labeled_order",
        {
            "a key": (lambda: data.labeled_order(None, 0, 5, 2), "key is None", "jax.random.key(0)"),
            "rows >= 1": (lambda: data.labeled_order(KEY, 0, -5, 2), "num_rows is -5", "integer ≥ 1"),
            "labeled >= 1": (lambda: data.labeled_order(KEY, 0, 5, 0), "num_labeled is 0", "a labeled example"),
        },
    ),
    *cases(
        "data.labeled_subset",
        {
            "some": (lambda: data.labeled_subset(LABELS, 0, 0), "num_labels is 0", "from 1 to 50"),
            "no more than there are": (lambda: data.labeled_subset(LABELS, 51, 0), "num_labels is 51", "from 1 to 50"),
            "known ones": (lambda: data.labeled_subset(LABELS * 0 - 1, 1, 0), "50 training examples 0", "needs some"),
            "a whole number": (lambda: data.labeled_subset(LABELS, 2.5, 0), "num_labels is 2.5", "an integer"),
            "labels whole": (lambda: data.labeled_subset(LABELS / 2, 2, 0), "labels are float64", "integers"),
            "labels >= -1": (lambda: data.labeled_subset(LABELS - 2, 2, 0), "labels hold -2", "integers ≥ -1"),
            "labels a list": (lambda: data.labeled_subset(LABELS[None], 2, 0), "labels must be [N]", "(1, 50)"),
            "seed >= 0": (lambda: data.labeled_subset(LABELS, 2, -1), "seed is -1", "integer ≥ 0"),
            "seed of 32 bits": (lambda: data.labeled_subset(LABELS, 2, 2**32), "seed is 4294967296", "2³² − 1"),
        },
    ),
    *cases(
        "data.blocks",
        {
            "block size >= 1": (lambda: data.blocks(BYTES, LABELS, 0), "block_size is 0", "integer ≥ 1"),
            "start >= 0": (lambda: data.blocks(BYTES, LABELS, 2, start=-1), "start is -1", "integer ≥ 0"),
            "some indices": (lambda: data.blocks(BYTES, LABELS[:0], 2), "indices are 0", "rows of 50"),
            "indices of rows": (lambda: data.blocks(BYTES, LABELS + 48, 2), "up to 50", "rows of 50"),
            "indices >= 0": (lambda: data.blocks(BYTES, LABELS - 1, 2), "indices hold -1", "integers ≥ 0"),
            "indices whole": (lambda: data.blocks(BYTES, LABELS / 2, 2), "indices are float64", "integers"),
            "indices a list": (lambda: data.blocks(BYTES, LABELS[None], 2), "must be [M]", "(1, 50)"),
        },
    ),
]

# --- evaluation

CODES, OTHER = np.random.RandomState(1).normal(size=(2, 64, 2)).astype(np.float32)
HOLES = np.where(CODES > 1, np.nan, CODES)
NAMES = np.arange(64) % 4
PROBABILITIES = np.eye(4)[NAMES]
CELLS = evaluation.equal_probability_cells(CODES, 2)
STATE = evaluation.parzen_state(64, 2)
SIGMAS = np.array([0.5, 1.0])
UNKNOWN = np.full(64, -1)


def sample_prior(key):
    return jax.random.normal(key, (2,))


EVALUATION_CASES = [
    *cases(
        "evaluation.error_rate",
        {
            "one shape": (lambda: evaluation.error_rate(NAMES, NAMES[:9]), "(64,) and (9,)", "[N] both"),
            "labels": (lambda: evaluation.error_rate(NAMES, UNKNOWN), "all 64 are unknown", "need labels"),
            "predictions whole": (
                lambda: evaluation.error_rate(NAMES / 2, NAMES),
                "prediction are float64",
                "integers",
            ),
            "labels >= -1": (lambda: evaluation.error_rate(NAMES, NAMES - 2), "label hold -2", "integers ≥ -1"),
            "some rows": (lambda: evaluation.error_rate([], []), "float64", "expected integers"),
        },
    ),
    *cases(
        "evaluation.head_examples",
        {
            "a matrix": (lambda: evaluation.head_examples(NAMES, NAMES), "probabilities must be [N, K]", "(64,)"),
            "a label each": (lambda: evaluation.head_examples(PROBABILITIES, NAMES[:9]), "label has 9 rows", "64"),
            "labels whole": (
                lambda: evaluation.head_examples(PROBABILITIES, NAMES / 2),
                "label are float",
                "expected integers",
            ),
        },
    ),
    *cases(
        "evaluation.head_rule",
        {"what head_examples checks": (lambda: evaluation.head_rule(NAMES, NAMES), "must be [N, K]", "(64,)")},
    ),
    *cases(
        "evaluation.head_rule_error",
        {
            "labels": (
                lambda: evaluation.head_rule_error(PROBABILITIES, UNKNOWN, PROBABILITIES, NAMES),
                "all 64 are unknown",
                "need labels",
            ),
            "of the same clusters": (
                lambda: evaluation.head_rule_error(PROBABILITIES, NAMES, PROBABILITIES[:, :3], NAMES),
                "(64, 3)",
                "same clusters",
            ),
            "no NaN": (
                lambda: evaluation.head_rule_error(PROBABILITIES * np.nan, NAMES, PROBABILITIES, NAMES),
                "validation_probabilities must be finite",
                "256 of 256",
            ),
        },
    ),
    *cases(
        "evaluation.majority_vote_error",
        {
            "clusters >= 0": (
                lambda: evaluation.majority_vote_error(NAMES, NAMES, NAMES - 1, NAMES),
                "test_cluster hold -1",
                "integers ≥ 0",
            ),
            "clusters whole": (
                lambda: evaluation.majority_vote_error(NAMES / 2, NAMES, NAMES, NAMES),
                "cluster are float64",
                "integers",
            ),
            "a label each": (
                lambda: evaluation.majority_vote_error(NAMES, NAMES[:9], NAMES, NAMES),
                "label has 9 rows",
                "as many as cluster, 64",
            ),
            "some rows": (
                lambda: evaluation.majority_vote_error(NAMES, NAMES, NAMES[:0], NAMES[:0]),
                "test_cluster is empty",
                "a cluster for each",
            ),
        },
    ),
    *cases(
        "evaluation.hungarian_error",
        {
            "clusters >= 0": (lambda: evaluation.hungarian_error(NAMES - 1, NAMES), "cluster hold -1", "integers ≥ 0"),
            "a label each": (lambda: evaluation.hungarian_error(NAMES, NAMES[1:]), "label has 63 rows", "64"),
            "labels": (lambda: evaluation.hungarian_error(NAMES, UNKNOWN), "all 64 are unknown", "need labels"),
        },
    ),
    *cases(
        "evaluation.nearest_label",
        {
            "labels": (lambda: evaluation.nearest_label(CODES, UNKNOWN, OTHER), "all 64 are unknown", "need labels"),
            "a label each": (lambda: evaluation.nearest_label(CODES, NAMES[1:], OTHER), "train_label has 63", "64"),
            "one length": (lambda: evaluation.nearest_label(CODES, NAMES, OTHER[:, :1]), "(64, 1)", "2 numbers"),
            "some codes": (lambda: evaluation.nearest_label(CODES, NAMES, OTHER[:0]), "(0, 2)", "2 numbers"),
            "no NaN": (lambda: evaluation.nearest_label(HOLES, NAMES, OTHER), "train_codes must be finite", "of 128"),
        },
    ),
    *cases(
        "evaluation.nearest_neighbor_error",
        {
            "a label each": (
                lambda: evaluation.nearest_neighbor_error(CODES, NAMES, OTHER, NAMES[1:]),
                "(64,) and (63,)",
                "[N] both",
            ),
            "a label each head": (
                lambda: evaluation.nearest_neighbor_error(OTHER[:4], NAMES[:3], CODES, NAMES),
                "train_label has 3 rows",
                "as many as train_codes, 4",
            ),
        },
    ),
    *cases(
        "evaluation.squared_distances",
        {
            "a matrix": (lambda: evaluation.squared_distances(CODES, CODES[0]), "y must be [M, D]", "(2,)"),
            "one length": (
                lambda: evaluation.squared_distances(CODES[:, :1], CODES),
                "(64, 1) and y (64, 2)",
                "one len",
            ),
        },
    ),
    *cases(
        "evaluation.map_rows",
        {
            "a function": (lambda: evaluation.map_rows(3, CODES), "function is 3", "of one row"),
            "some rows": (lambda: evaluation.map_rows(jnp.sum, CODES[:0]), "(0, 2)", "N ≥ 1"),
            "as many rows": (lambda: evaluation.map_rows(jnp.sum, (CODES, CODES[1:])), "(63, 2)", "[N, ...] each"),
            "block size >= 1": (lambda: evaluation.map_rows(jnp.sum, CODES, block_size=0), "block_size is 0", "≥ 1"),
        },
    ),
    *cases(
        "evaluation.realism",
        {
            "a matrix": (lambda: evaluation.realism(PROBABILITIES[0]), "must be [N, K]", "(4,)"),
            "some rows": (lambda: evaluation.realism(PROBABILITIES[:0]), "(0, 4)", "some rows"),
            "no NaN": (lambda: evaluation.realism(PROBABILITIES * np.nan), "must be finite", "256 of 256"),
            "probabilities": (lambda: evaluation.realism(PROBABILITIES * 9), "from 0 to 9", "0 to 1, of a softmax"),
            "threshold < 1": (lambda: evaluation.realism(PROBABILITIES, threshold=2), "threshold is 2", "fraction"),
        },
    ),
    *cases(
        "evaluation.frechet_distance",
        {
            "a matrix": (lambda: evaluation.frechet_distance(CODES[0], CODES), "features_x must be [N, D]", "(2,)"),
            "rows >= 2": (
                lambda: evaluation.frechet_distance(CODES, CODES[:1]),
                "features_y has shape (1, 2)",
                "2 rows",
            ),
            "one length": (lambda: evaluation.frechet_distance(CODES, CODES[:, :1]), "(64, 1)", "of 2 features"),
            "no NaN": (lambda: evaluation.frechet_distance(HOLES, CODES), "features_x must be finite", "of 128"),
        },
    ),
    *cases(
        "evaluation.precision_recall_coverage",
        {
            "enough rows": (
                lambda: evaluation.precision_recall_coverage(CODES, CODES[:5]),
                "5 fake ones",
                "more than 5",
            ),
            "k >= 1": (lambda: evaluation.precision_recall_coverage(CODES, OTHER, k=0), "k is 0", "integer ≥ 1"),
            "a matrix": (lambda: evaluation.precision_recall_coverage(CODES, NAMES), "fake_features must be", "(64,)"),
        },
    ),
    *cases(
        "evaluation.num_cells_for",
        {
            "codes >= 50": (lambda: evaluation.num_cells_for(49), "at least 50 codes", "got 49"),
            "a whole number": (lambda: evaluation.num_cells_for(99.5), "num_codes is 99.5", "an integer"),
        },
    ),
    *cases(
        "evaluation.equal_probability_cells",
        {
            "a power of two": (lambda: evaluation.equal_probability_cells(CODES, 3), "got 3", "power of two"),
            "divides": (lambda: evaluation.equal_probability_cells(CODES[:63], 2), "(63)", "that divides"),
            "a matrix": (
                lambda: evaluation.equal_probability_cells(NAMES, 2),
                "prior_samples must be [M, Z]",
                "(64,)",
            ),
            "no NaN": (lambda: evaluation.equal_probability_cells(HOLES, 2), "prior_samples must be finite", "of 128"),
            "continuous": (lambda: evaluation.equal_probability_cells(CODES * 0, 2), "coincide", "continuous priors"),
        },
    ),
    *cases(
        "evaluation.cell_counts",
        {
            "cells": (lambda: evaluation.cell_counts(8, CODES), "cells is 8", "expected a Cells"),
            "a matrix": (lambda: evaluation.cell_counts(CELLS, CODES[0]), "codes must be [N, Z]", "(2,)"),
            "as long": (lambda: evaluation.cell_counts(CELLS, CODES[:, :0]), "(64, 0)", "look at coordinate"),
            "no NaN": (lambda: evaluation.cell_counts(CELLS, HOLES), "codes must be finite", "of 128"),
        },
    ),
    *cases(
        "evaluation.hole_fraction",
        {
            "25 codes a cell": (
                lambda: evaluation.hole_fraction(CELLS, CODES[:49]),
                "49 codes for 2 cells",
                "at least 25",
            )
        },
    ),
    *cases(
        "evaluation.parzen_state",
        {
            "images >= 1": (lambda: evaluation.parzen_state(0, 1), "num_test is 0", "integer ≥ 1"),
            "sigmas >= 1": (lambda: evaluation.parzen_state(1, -1), "num_sigmas is -1", "integer ≥ 1"),
        },
    ),
    *cases(
        "evaluation.parzen_update",
        {
            "a state": (
                lambda: evaluation.parzen_update(None, CODES, OTHER, SIGMAS),
                "state is None",
                "a ParzenState",
            ),
            "one length": (
                lambda: evaluation.parzen_update(STATE, CODES[:, :1], OTHER, SIGMAS),
                "(64, 1) and test images (64, 2)",
                "one length",
            ),
            "the same images": (
                lambda: evaluation.parzen_update(STATE, CODES, OTHER[1:], SIGMAS),
                "64 test images and 2 sigmas; got 63",
                "the same at every call",
            ),
            "sigma > 0": (
                lambda: evaluation.parzen_update(STATE, CODES, OTHER, np.array([0.5, 0.0])),
                "sigma is",
                "positive number",
            ),
        },
    ),
    *cases(
        "evaluation.parzen_result",
        {
            "as many sigmas": (lambda: evaluation.parzen_result(STATE, SIGMAS[:1], 2), "sigmas has 1 rows", "sums, 2"),
            "dimensions >= 1": (lambda: evaluation.parzen_result(STATE, SIGMAS, 0), "num_dimensions is 0", "≥ 1"),
            "a state": (lambda: evaluation.parzen_result(9, SIGMAS, 2), "state is 9", "a ParzenState"),
        },
    ),
    *cases(
        "evaluation.parzen_log_likelihood",
        {
            "a matrix": (
                lambda: evaluation.parzen_log_likelihood(CODES[0], OTHER, SIGMAS),
                "samples must be [N, D]",
                "(2,)",
            ),
            "some samples": (
                lambda: evaluation.parzen_log_likelihood(CODES[:0], OTHER, SIGMAS),
                "samples have shape (0, 2)",
                "rows of one length",
            ),
            "sigmas a list": (
                lambda: evaluation.parzen_log_likelihood(CODES, OTHER, 0.5),
                "sigmas must be [S]",
                "shape ()",
            ),
            "sigma > 0": (
                lambda: evaluation.parzen_log_likelihood(CODES, OTHER, [-1.0]),
                "sigma is",
                "positive number",
            ),
            "block size >= 1": (
                lambda: evaluation.parzen_log_likelihood(CODES, OTHER, SIGMAS, block_size=0),
                "block_size is 0",
                "integer ≥ 1",
            ),
        },
    ),
    *cases(
        "evaluation.choose_sigma",
        {
            "samples no NaN": (lambda: evaluation.choose_sigma(HOLES, CODES), "samples must be finite", "of 128"),
            "images no NaN": (lambda: evaluation.choose_sigma(CODES, HOLES), "validation must be finite", "of 128"),
        },
    ),
    *cases(
        "evaluation.fine_sigmas",
        {
            "sigma > 0": (lambda: evaluation.fine_sigmas(0.0), "sigma is 0.0", "positive number"),
            "odd": (lambda: evaluation.fine_sigmas(0.5, 20), "num_sigmas is 20", "an odd number"),
        },
    ),
    *cases(
        "evaluation.mean_and_standard_error",
        {
            "some": (lambda: evaluation.mean_and_standard_error([]), "values is empty", "each test example"),
            "no NaN": (lambda: evaluation.mean_and_standard_error([1.0, np.nan]), "1 of 2", "must be finite"),
            "a list": (lambda: evaluation.mean_and_standard_error(CODES), "values must be [N]", "(64, 2)"),
        },
    ),
    *cases(
        "evaluation.prior_match",
        {
            "a matrix": (lambda: evaluation.prior_match(KEY, NAMES, sample_prior), "codes must be [N, Z]", "(64,)"),
            "no NaN": (lambda: evaluation.prior_match(KEY, HOLES, sample_prior), "codes must be finite", "of 128"),
            "codes >= 50": (lambda: evaluation.prior_match(KEY, CODES[:49], sample_prior), "50 codes", "got 49"),
            "as long as the prior": (
                lambda: evaluation.prior_match(KEY, CODES[:, :1], sample_prior),
                "prior's samples (2,)",
                "(64, 1)",
            ),
            "a key": (lambda: evaluation.prior_match(0, CODES, sample_prior), "key is 0", "jax.random.key(0)"),
            "a function": (lambda: evaluation.prior_match(KEY, CODES, CODES), "sample_prior is", "a function key"),
            "compared >= 2": (
                lambda: evaluation.prior_match(KEY, CODES, sample_prior, num_compared=1),
                "num_compared is 1",
                "integer ≥ 2",
            ),
        },
    ),
    *cases(
        "evaluation.moments",
        {
            "rows >= 2": (lambda: evaluation.moments(CODES[:1]), "samples has 1 rows", "2 or more"),
            "a matrix": (lambda: evaluation.moments(NAMES), "samples must be [N, Z]", "(64,)"),
            "no NaN": (lambda: evaluation.moments(HOLES), "samples must be finite", "of 128"),
        },
    ),
    *cases(
        "evaluation.moment_errors",
        {
            "one length": (lambda: evaluation.moment_errors(CODES[:, :1], CODES), "of 1 numbers", "samples of 2"),
            "samples that vary": (lambda: evaluation.moment_errors(CODES, CODES * 0), "64 prior samples", "that vary"),
        },
    ),
    *cases(
        "evaluation.median_scales",
        {
            "rows >= 2": (lambda: evaluation.median_scales(CODES[:1]), "prior_samples has 1 rows", "2 or more"),
            "factors > 0": (lambda: evaluation.median_scales(CODES, (0.0,)), "A factor is 0.0", "positive number"),
            "no NaN": (lambda: evaluation.median_scales(HOLES), "prior_samples must be finite", "of 128"),
            "that vary": (lambda: evaluation.median_scales(CODES * 0), "prior samples are one", "ones that vary"),
        },
    ),
    *cases(
        "evaluation.squared_mmd",
        {
            "rows >= 2": (lambda: evaluation.squared_mmd(CODES, OTHER[:1], SIGMAS), "y has 1 rows", "2 or more"),
            "one length": (lambda: evaluation.squared_mmd(CODES, OTHER[:, :1], SIGMAS), "y (64, 1)", "one length"),
            "some scale": (
                lambda: evaluation.squared_mmd(CODES, OTHER, SIGMAS[:0]),
                "scales is empty",
                "median_scales",
            ),
        },
    ),
    *cases(
        "evaluation.mmd_null",
        {
            "as many rows": (lambda: evaluation.mmd_null(KEY, CODES, OTHER[1:], SIGMAS), "in x (64)", "got 63"),
            "draws >= 1": (
                lambda: evaluation.mmd_null(KEY, CODES, OTHER, SIGMAS, num_draws=0),
                "num_draws is 0",
                "integer ≥ 1",
            ),
            "a key": (lambda: evaluation.mmd_null(1, CODES, OTHER, SIGMAS), "key is 1", "jax.random.key(0)"),
        },
    ),
    *cases(
        "evaluation.nearest_neighbor_accuracy",
        {
            "rows >= 2": (lambda: evaluation.nearest_neighbor_accuracy(CODES[:1], OTHER), "x has 1 rows", "2 or more"),
            "one length": (lambda: evaluation.nearest_neighbor_accuracy(CODES, OTHER[:, :1]), "(64, 1)", "one length"),
        },
    ),
]

# --- configs and run folders


def model_config(rule, *words, variant="aae", image_shape=(4, 4, 1), **options):
    return {rule: (lambda: ModelConfig(variant, image_shape, **options), *words)}


SMALL = ModelConfig("ae", (2, 2, 1), hidden_sizes=(3,), weight_std=None)
CONFIG_CASES = cases(
    "ModelConfig",
    {
        **model_config("variant by name", "variant is 'clustering'", "mean 'clustering_aae'", variant="clustering"),
        **model_config("prior by name", "prior is 'guassian'", "mean 'gaussian'", prior="guassian"),
        **model_config("posterior by name", "posterior is 'universe'", "mean 'universal'", posterior="universe"),
        **model_config("generator loss by name", "generator_loss is 'mini'", "minimax", generator_loss="mini"),
        **model_config("network by name", "network is 'MLP'", "expected one of mlp", network="MLP"),
        **model_config("encoder norm by name", "encoder_batch_norm is 'on'", "none", encoder_batch_norm="on"),
        **model_config("decoder norm by name", "decoder_batch_norm is True", "hidden", decoder_batch_norm=True),
        **model_config("precision by name", "precision is 32", "expected one of float32", precision=32),
        **model_config("likelihood by name", "likelihood is 'normal'", "bernoulli", likelihood="normal"),
        **model_config("image shape a tuple", "image_shape is 784", "a tuple", image_shape=784),
        **model_config("image shape of 1 or 3", "(28, 28)", "(height, width, channels)", image_shape=(28, 28)),
        **model_config("image sizes >= 1", "image_shape, (28, 0, 1)", "is 0", image_shape=(28, 0, 1)),
        **model_config("image sizes whole", "is 28.0", "expected an integer", image_shape=(28.0, 28, 1)),
        **model_config("classes >= 0", "num_classes is -1", "integer ≥ 0", num_classes=-1),
        **model_config("classes whole", "num_classes is '10'", "integer ≥ 0", num_classes="10"),
        **model_config("clusters >= 0", "num_clusters is -2", "integer ≥ 0", num_clusters=-2),
        **model_config("clusters for clustering alone", "num_clusters is 9", "expected 0", num_clusters=9),
        **model_config("two clusters", "num_clusters is 1", "at least 2", variant="clustering_aae", num_clusters=1),
        **model_config(
            "a cluster a class",
            "num_clusters is 3",
            "as many as the data have classes (4)",
            variant="clustering_aae",
            num_clusters=3,
            num_classes=4,
        ),
        **model_config("prior std > 0", "prior_std is 0", "number above 0", prior_std=0),
        **model_config("prior std a number", "prior_std is '5'", "number above 0", prior_std="5"),
        **model_config("code size >= 1", "code_size is 0", "integer ≥ 1", code_size=0),
        **model_config("code size whole", "code_size is 2.5", "integer ≥ 1", code_size=2.5),
        **model_config(
            "code size of the mixture", "code_size is 3", "expected 2", prior="gaussian_mixture", code_size=3
        ),
        **model_config("eta > 0", "eta is -4.0", "number above 0", eta=-4.0),
        **model_config("noise size >= 1", "noise_size is 0", "integer ≥ 1", noise_size=0),
        **model_config("hidden sizes a tuple", "hidden_sizes is 100", "a tuple", hidden_sizes=100),
        **model_config("hidden sizes >= 1", "hidden_sizes, (9, 0)", "is 0", hidden_sizes=(9, 0)),
        **model_config("hidden sizes whole", "hidden_sizes, (9.5,)", "is 9.5", hidden_sizes=(9.5,)),
        **model_config("weight std > 0", "weight_std is 0.0", "above 0, or None", weight_std=0.0),
        **model_config("likelihood std > 0", "likelihood_std is nan", "number above 0", likelihood_std=math.nan),
        **model_config("shift with scale", "scale None", "expected both", shift=(0.5,)),
        **model_config("a shift a channel", "(0.5, 0.5)", "of 1 numbers", shift=(0.5, 0.5), scale=(1.0, 1.0)),
        **model_config("shift a tuple", "shift is 0.5", "a tuple", shift=0.5, scale=(1.0,)),
        **model_config("shift finite", "shift is inf", "finite numbers", shift=(math.inf,), scale=(1.0,)),
        **model_config("scale > 0", "scale is 0.0", "positive numbers", shift=(0.5,), scale=(0.0,)),
        **model_config(
            "convolutions of images", "'convolutional'", "a table's", image_shape=(4,), network="convolutional"
        ),
        **model_config("labels for a classifier", "the data have 0", "at least 2 classes", variant="classifier"),
        **model_config(
            "a part for each class",
            "gaussian has none",
            "gaussian_mixture or swiss_roll",
            variant="label_conditioned_aae",
            num_classes=3,
        ),
        **model_config(
            "a density for a VAE", "swiss_roll has none", "a density everywhere", variant="vae", prior="swiss_roll"
        ),
        **model_config("posterior of an AAE", "variant is 'ae'", "to be aae", variant="ae", posterior="universal"),
    },
)


def saved(**changes):
    """Writes a run folder whose config has other fields."""

    def write(folder):
        runs.write_json(folder / "config.json", {"model": SMALL})
        settings = json.loads((folder / "config.json").read_text())
        settings["model"].update(changes)
        (folder / "config.json").write_text(json.dumps(settings))

    return write


def trained(config=SMALL):
    def write(folder):
        runs.write_json(folder / "config.json", {"model": SMALL})
        model = build(config)
        configs.save(folder, {name: network.init(KEY) for name, network in model.networks.items()})

    return write


def damaged(folder):
    trained()(folder)
    for path in folder.rglob("*"):
        if path.is_file() and "params" in path.parts and path.stat().st_size:
            path.write_bytes(b"\0" * path.stat().st_size)


def text(content):
    return lambda folder: (folder / "config.json").write_bytes(content)


LOAD_CASES = [
    *in_folder(
        "configs.load",
        {
            "a run folder": (aae_jax.load, None, "There is no config.json", "expected a run folder"),
            "no file": (
                lambda folder: aae_jax.load(folder / "config.json"),
                text(b"{}"),
                "config.json in",
                "expected a run folder",
            ),
            "finished": (aae_jax.load, saved(), "There are no parameters", "go on with --resume"),
            "a best epoch": (
                lambda folder: aae_jax.load(folder, best=True),
                lambda folder: (saved()(folder), (folder / "params").mkdir()),
                "best_params",
                "without best",
            ),
        },
        error=FileNotFoundError,
    ),
    *in_folder(
        "configs.load",
        {
            "JSON": (aae_jax.load, text(b'{"model": '), "config.json is not valid JSON", "Expecting value"),
            "text": (aae_jax.load, text(b"\xff\xfe"), "config.json is not valid JSON", "decode"),
            "an object": (aae_jax.load, text(b"[1, 2]"), "does not describe a model", "it has no 'model'"),
            "a model": (aae_jax.load, text(b'{"model": "aae"}'), "config.json does not", "no 'model'"),
            "known fields": (
                aae_jax.load,
                saved(code_sise=2),
                "unknown fields ['code_sise']",
                "Did you mean 'code_size'",
            ),
            "all fields": (aae_jax.load, text(b'{"model": {"variant": "ae"}}'), "['image_shape'] are", "missing"),
            "numbers as numbers": (aae_jax.load, saved(code_size="2"), "code_size is '2'", "config.json does"),
            "lists as lists": (aae_jax.load, saved(hidden_sizes=3), "hidden_sizes is 3", "config.json does"),
            "known names": (aae_jax.load, saved(prior="gausian"), "Did you mean 'gaussian'", "config.json does"),
        },
    ),
    *in_folder(
        "configs.load",
        {
            "whole parameters": (aae_jax.load, damaged, "cannot be used", "Start anew"),
            "parameters of the model": (
                aae_jax.load,
                trained(ModelConfig("aae", (2, 2, 1), hidden_sizes=(3,), weight_std=None)),
                "checkpoint 1 in",
                "Start anew in another folder",
            ),
        },
    ),
    *in_folder(
        "configs.save",
        {
            "a folder": (
                lambda folder: configs.save(folder / "file" / "run", {"encoder": np.ones(2, np.float32)}),
                lambda folder: (folder / "file").write_text(""),
                "file/run/params cannot be written",
                "Not a directory",
            ),
            "float32": (
                lambda folder: configs.save(folder, {"encoder": jnp.ones(2, jnp.bfloat16)}),
                None,
                "params are of bfloat16",
                "expected float32",
            ),
            "parameters": (lambda folder: configs.save(folder, None), None, "params is NoneType", "by name"),
            "some parameters": (
                lambda folder: configs.save(folder, {}),
                None,
                "params is dict",
                "variables of networks",
            ),
        },
    ),
    *cases("configs.build", {"a config": (lambda: build("aae"), "config is 'aae'", "expected a ModelConfig")}),
    *cases("configs.build_prior", {"a config": (lambda: configs.build_prior({}), "config is {}", "a ModelConfig")}),
    *cases("configs.build_likelihood", {"a config": (lambda: configs.build_likelihood(0), "config is 0", "a ModelC")}),
]


def circle():
    value = []
    value.append(value)
    return value


def below_a_file(folder):
    (folder / "file").write_text("")


RUNS_CASES = [
    *in_folder(
        "runs.write_json",
        {
            "no NaN": (
                lambda folder: runs.write_json(folder / "a.json", [math.nan]),
                None,
                "a.json cannot be",
                "finite",
            ),
            "no circle": (lambda folder: runs.write_json(folder / "a.json", circle()), None, "a.json", "Circular"),
            "below a folder": (
                lambda folder: runs.write_json(folder / "file" / "a.json", 1),
                below_a_file,
                "/file cannot be written",
                "exists",
            ),
            "no folder": (lambda folder: runs.write_json(folder, 1), None, "is a folder", "name of a file"),
        },
    ),
    *in_folder(
        "runs.write_json",
        {"plain values": (lambda folder: runs.write_json(folder / "a.json", {1, 2}), None, "A set cannot", "{1, 2}")},
        error=TypeError,
    ),
    *in_folder(
        "runs.read_json",
        {
            "JSON": (
                lambda folder: runs.read_json(folder / "config.json"),
                text(b"{'a': 1}"),
                "not valid JSON",
                "config",
            ),
            "a file": (lambda folder: runs.read_json(folder), None, "cannot be read", "Is a directory"),
        },
    ),
    *in_folder(
        "runs.read_json",
        {"there": (lambda folder: runs.read_json(folder / "a.json"), None, "There is no a.json", "a run folder")},
        error=FileNotFoundError,
    ),
    *in_folder(
        "runs.add_line",
        {
            "no NaN": (
                lambda folder: runs.add_line(folder / "a.jsonl", {"loss": math.nan}),
                None,
                "a.jsonl",
                "finite num",
            )
        },
    ),
    *in_folder(
        "runs.add_line",
        {"a folder": (lambda folder: runs.add_line(folder / "no" / "a.jsonl", {}), None, "a.jsonl cannot", "No such")},
        error=OSError,
    ),
    *in_folder(
        "runs.write_lines",
        {
            "no infinity": (
                lambda folder: runs.write_lines(folder / "a.jsonl", [{"a": 1}, {"a": math.inf}]),
                None,
                "a.jsonl cannot be written as JSON",
                "finite numbers",
            )
        },
    ),
    *in_folder(
        "runs.read_lines",
        {
            "there": (
                lambda folder: runs.read_lines(folder / "metrics.jsonl"),
                None,
                "no metrics.jsonl",
                "the log of a",
            )
        },
        error=FileNotFoundError,
    ),
    *in_folder(
        "runs.read_lines",
        {
            "whole lines": (
                lambda folder: runs.read_lines(folder / "config.json"),
                text(b'{"epoch": 1}\n{"epo'),
                "config.json",
                "line 2, is not valid JSON",
            )
        },
    ),
    *in_folder(
        "runs.cut_lines",
        {
            "count >= 0": (lambda folder: runs.cut_lines(folder, -1), None, "count is -1", "≥ 0"),
            "whole lines": (
                lambda folder: runs.cut_lines(folder / "config.json", 2),
                text(b'{"epoch": 1}\n{"epo'),
                "config.json",
                "line 2, is not valid JSON",
            ),
        },
    ),
    *in_folder(
        "runs.check_config",
        {
            "no run there": (
                lambda folder: runs.check_config(folder / "config.json", {}, resume=False),
                text(b"{}"),
                "holds a run: resume it (--resume)",
                "--out",
            ),
            "the same settings": (
                lambda folder: runs.check_config(folder / "config.json", {"rate": 2}, resume=True),
                text(b'{"rate": 1}'),
                "rate was 1, is 2",
                "with the same ones",
            ),
            "whole": (
                lambda folder: runs.check_config(folder / "config.json", {}, resume=True),
                text(b'{"rate": '),
                "config.json is not valid JSON",
                "Expecting value",
            ),
        },
    ),
    *in_folder(
        "runs.lock",
        {
            "a folder": (
                lambda folder: runs.lock(folder / "file" / "run").__enter__(),
                below_a_file,
                "file/run cannot be written",
                "Not a directory",
            )
        },
    ),
    *in_folder(
        "runs.make_folder",
        {
            "no file": (
                lambda folder: runs.make_folder(folder / "file"),
                below_a_file,
                "/file cannot be",
                "File exists",
            )
        },
    ),
    *cases(
        "runs.check_committed",
        {
            "clean": (
                lambda: runs.check_committed({"dirty": True, "commit": "0" * 40}),
                "not committed",
                "commit it, and run again",
            ),
        },
    ),
    *cases(
        "runs.without_options",
        {"words": (lambda: runs.without_options("python -m 'own", {"out"}), "python -m 'own", "as in a shell")},
    ),
]

# --- training

SET = Rows(FLOATS[..., None], LABELS.astype(np.int32))
TERMS = {"epochs": 1, "batch_size": 10}


def make(axis_name):
    model = build(ModelConfig("ae", (4, 3, 1), hidden_sizes=(3,), weight_std=None), axis_name=axis_name)
    return algorithm(model, {"reconstruction": optax.sgd(0.1)})


def with_key(axis_name):
    noisy = optax.chain(optax.add_noise(0.1, 0.5, key=0), optax.sgd(0.1))
    return algorithm(build(ModelConfig("ae", (4, 3, 1), hidden_sizes=(3,))), {"reconstruction": noisy})


def train(rows=SET, algorithm=make, below="run", terms=TERMS, **options):
    return lambda folder: fit(algorithm, rows, TrainingConfig(**terms), folder / below, **options)


def begun(**changes):
    """A run that has begun, on other terms."""

    def write(folder):
        runs.write_json(
            folder / "run" / "terms.json", {"seed": 0, "batch_size": 10, "rows": 50, "best": None, **changes}
        )
        (folder / "run" / "metrics.jsonl").write_text("{}\n")

    return write


def rows(seed=0, **changes):
    return lambda: terms.check(SET._replace(**changes), TrainingConfig(**{**TERMS, "seed": seed}))


def told(rule, *words, **options):
    return {rule: (lambda: TrainingConfig(**{**TERMS, **options}), *words)}


LABELED = np.arange(5)
NEAR = np.tile(np.arange(2, dtype=np.int32), (50, 1))
TRAINING_CASES = [
    *cases(
        "TrainingConfig",
        {
            **told("epochs >= 1", "epochs is 0", "integer ≥ 1", epochs=0),
            **told("epochs whole", "epochs is 2.5", "integer ≥ 1", epochs=2.5),
            **told("batch size >= 1", "batch_size is -1", "integer ≥ 1", batch_size=-1),
            **told("batch size a number", "batch_size is '10'", "integer ≥ 1", batch_size="10"),
            **told("seed >= 0", "seed is -1", "expected 0 to 2³² − 1", seed=-1),
            **told("seed of 32 bits", "seed is 4294967296", "expected 0 to 2³² − 1", seed=2**32),
            **told("seed whole", "seed is 0.5", "expected 0 to 2³² − 1", seed=0.5),
            **told("some seed", "seed is ()", "expected 0 to 2³² − 1", seed=()),
            **told("seeds differ", "seed is (1, 1)", "seeds that differ", seed=(1, 1)),
            **told("checkpoint epochs >= 1", "checkpoint_epochs is 0", "integer ≥ 1", checkpoint_epochs=0),
            **told("checkpoint minutes > 0", "checkpoint_minutes is 0", "number above 0", checkpoint_minutes=0),
            **told("minutes no NaN", "checkpoint_minutes is nan", "number above 0", checkpoint_minutes=math.nan),
            **told("devices >= 1", "num_devices is 0", "None for as many", num_devices=0),
            **told("stream by name", "stream is 'yess'", "Did you mean 'yes'?", stream="yess"),
        },
    ),
    *cases(
        "terms.check",
        {
            "rows": (lambda: terms.check(FLOATS, TrainingConfig(**TERMS)), "rows is", "expected a Rows"),
            "a config": (lambda: terms.check(SET, {"epochs": 1}), "config is {'epochs': 1}", "a TrainingConfig"),
            "images an array": (rows(image=FLOATS[..., None].tolist()), "image is a list", "an array"),
            "images divided": (
                rows(image=BYTES[..., None].astype(np.float32)),
                "float32 up to 25",
                "floats in [0, 1]",
            ),
            "images in [0, 1]": (rows(image=2 * SET.image), "float32 up to 2;", "floats in [0, 1]"),
            "some images": (rows(image=SET.image[:0], label=SET.label[:0]), "images have shape (0,", "some rows"),
            "byte order": (rows(image=SET.image.astype(">f4")), "image is >f4", "byte order of this machine"),
            "images with channels": (rows(image=FLOATS), "(50, 4, 3)", "[N, H, W, C]"),
            "images of bytes or floats": (rows(image=BYTES[..., None].astype(int)), "images are int64", "uint8"),
            "no NaN": (rows(image=HOLED.image), "images must be finite", "of 600 numbers"),
            "a label each": (rows(label=SET.label[1:]), "label has shape (49,)", "each of 50 images"),
            "labels whole": (rows(label=np.zeros(50)), "label are float64", "integers"),
            "labels >= -1": (rows(label=SET.label - 2), "label hold -2", "integers ≥ -1"),
            "labels of one seed": (rows(label=SET.label[None]), "label has shape (1, 50)", "expected one axis."),
            "labels of each seed": (
                rows(seed=(0, 1), label=np.stack([SET.label] * 3)),
                "(3, 50)",
                "two of 2 seeds",
            ),
            "neighbors of each": (rows(neighbors=NEAR[1:]), "neighbors has shape (49, 2)", "[50, W]"),
            "neighbors of rows": (rows(neighbors=NEAR + 49), "neighbors are indices up to 50", "of 50 images"),
            "neighbors >= 0": (rows(neighbors=NEAR - 1), "neighbors hold -1", "integers ≥ 0"),
            "neighbors whole": (rows(neighbors=NEAR / 2), "neighbors are float64", "expected integers"),
            "labeled of rows": (rows(labeled=LABELED + 46), "labeled is 5 indices up to 50", "of 50 images"),
            "labeled >= 0": (rows(labeled=LABELED - 1), "labeled hold -1", "integers ≥ 0"),
            "some labeled": (rows(labeled=LABELED[:0]), "labeled is 0 indices", "of 50 images"),
            "labeled have labels": (
                rows(labeled=LABELED, label=np.where(np.arange(50) == 3, -1, SET.label)),
                "whose label is -1",
                "a known label",
            ),
            "a batch": (
                lambda: terms.check(SET, TrainingConfig(epochs=1, batch_size=51)),
                "batch_size is 51",
                "training set has 50 rows",
            ),
            "devices that divide": (
                lambda: terms.check(SET, TrainingConfig(epochs=1, batch_size=10, num_devices=4)),
                "10 cannot be shared by 4",
                "8 and 12",
            ),
            "one seed of a stream": (
                lambda: terms.check(SET, TrainingConfig(epochs=1, batch_size=10, seed=(0, 1), stream="yes")),
                "2 seeds together",
                "one at a time",
            ),
        },
    ),
    *in_folder(
        "loop.fit",
        {
            "algorithm a function": (train(algorithm=None), None, "make_algorithm is None", "axis_name -> algorithm"),
            "evaluate a function": (train(evaluate=3), None, "evaluate is 3", "(params, key)"),
            "names of its own": (
                train(evaluate=lambda *_: {"step": 0}),
                None,
                "evaluate gives ['step']",
                "other names",
            ),
            "no typed keys": (train(algorithm=with_key), None, "holds a typed key", "jax.random.PRNGKey(seed)"),
            "no NaN": (train(SET._replace(image=HOLED.image)), None, "images must be finite", "of 600"),
            "a folder": (train(below="file/run"), below_a_file, "file/run cannot be written", "Not a directory"),
            "no file": (train(below="file"), below_a_file, "/file cannot be written", "File exists"),
        },
    ),
    *in_folder(
        "loop.fit",
        {
            "no run there": (train(), begun(), "A run has begun", "--resume"),
            "seed of the run": (train(resume=True), begun(seed=1), "seed was 1, is 0", "Resume it with the same"),
            "batch of the run": (train(resume=True), begun(batch_size=5), "batch_size was 5, is 10", "--out"),
            "rows of the run": (train(resume=True), begun(rows=49), "rows was 49, is 50", "--out"),
        },
        leaves=(".lock", "checkpoints"),
    ),
]


def written(tree):
    def write(folder):
        with checkpoints(folder / "checkpoints") as saved:
            saved.save(1, tree)

    return write


def restored(like):
    def read(folder):
        with checkpoints(folder / "checkpoints") as saved:
            return saved.restore(like)

    return read


def save_number(number):
    def write(folder):
        with checkpoints(folder / "checkpoints") as saved:
            saved.save(number, {"weights": np.ones(2)})

    return write


CHECKPOINT_CASES = in_folder(
    "checkpoints.checkpoints",
    {
        "a folder": (
            lambda folder: checkpoints(folder / "file").__enter__(),
            below_a_file,
            "/file cannot be written",
            "File exists",
        ),
        "number >= 0": (save_number(-1), written({"weights": np.ones(2)}), "number is -1", "integer ≥ 0"),
        "of the same shapes": (
            restored({"weights": np.ones(3)}),
            written({"weights": np.ones(2)}),
            "checkpoint 1 in",
            "Start anew",
        ),
        "of the same names": (
            restored({"bias": np.ones(2)}),
            written({"weights": np.ones(2)}),
            "cannot be used",
            "in another folder",
        ),
    },
)

CASES = [
    *NPZ_CASES,
    *NPY_CASES,
    *FORMAT_CASES,
    *DATA_CASES,
    *EVALUATION_CASES,
    *CONFIG_CASES,
    *LOAD_CASES,
    *RUNS_CASES,
    *TRAINING_CASES,
    *CHECKPOINT_CASES,
]
