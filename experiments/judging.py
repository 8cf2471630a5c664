"""What is asked of trained models: their codes and likelihoods, and by a classifier of real images their samples."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aae_jax import Rows, derive
from aae_jax.data import Dataset, Split
from aae_jax.epoch import batch_of
from aae_jax.evaluation import FEWEST_CODES
from aae_jax.types import Batch, Codes, Model, Params
from experiments import training
from experiments.options import Options
from experiments.reports import Evidence, Metrics
from experiments.training import Trained

__all__ = [
    "by_both",
    "class_probabilities",
    "encoded",
    "in_data_units",
    "mean_nll",
    "pictures",
    "splits",
    "train_judge",
]

_JUDGE_EPOCHS = 20
"""Of a classifier that judges samples, at most."""

AnyArray = TypeVar("AnyArray", jax.Array, np.ndarray)


def splits(dataset: Dataset) -> dict[str, Split]:
    """Its three splits by name."""
    return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}


def pictures(split: Split, dataset: Dataset) -> np.ndarray:
    """All images of a split in [0, 1], standardized or not; rows of a table in their own units."""
    images = split.image / np.float32(255) if split.image.dtype == np.uint8 else split.image
    return np.asarray(in_data_units(images, dataset))


def in_data_units(images: AnyArray, dataset: Dataset) -> AnyArray | jax.Array:
    """Images or rows as models take and give them, in the units of the data, if those were standardized."""
    if dataset.shift is None or dataset.scale is None:
        return images
    return images * jnp.asarray(dataset.scale, images.dtype) + jnp.asarray(dataset.shift, images.dtype)


def encoded(model: Model, params: Params, split: Split, *, size: int = 1000) -> Codes:
    """The mean codes of all rows of a split, as arrays of numpy, some at a time."""
    encode_mean = model.encode_mean
    assert encode_mean is not None, "a GAN has no codes"

    @jax.jit
    def of_rows(params: Params, rows: Rows) -> Codes:
        return encode_mean(params, batch_of(rows, jnp.arange(len(rows.image))).image)

    parts = [
        of_rows(params, Rows(split.image[start : start + size], split.label[start : start + size]))
        for start in range(0, len(split.image), size)
    ]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


def by_both(
    dataset: Dataset, key: jax.Array, judge: Callable[[Split, jax.Array], tuple[Metrics, Evidence]]
) -> tuple[Metrics, Evidence]:
    """What a judge says by test images, and beside it, called "validation/...", by those that choices are made by.

    Args:
        dataset: of whose validation images nothing is said where they are too few for a hole fraction.
        key: of the test images' judging; the validation images' has one of its own.
        judge: `(split, key) -> (metrics, evidence)`.
    """
    metrics, evidence = judge(dataset.test, key)
    if len(dataset.validation.image) >= FEWEST_CODES:
        of_validation, _ = judge(dataset.validation, derive(key, "validation"))
        metrics |= {f"validation/{name}": value for name, value in of_validation.items()}
    return metrics, evidence


def mean_nll(model: Model, params: Params, codes: Codes, batch: Batch) -> float:
    """The mean negative log-likelihood of images given their codes, in nats."""
    assert model.nll is not None, "it has a decoder"
    return float(jax.jit(model.nll)(params, codes, batch.image, batch.label).mean())


def train_judge(experiment: str, config: Options, dataset: Dataset) -> dict[str, list[Trained | None]]:
    """Classifiers of real images, to judge samples by, under the name "classifier"; none where there are no classes.

    They are the same whatever the models are that they judge: of the width, noise and optimizer of `Options`, and of
    no more epochs than it takes to overfit.
    """
    if dataset.num_classes < 2:
        return {}
    own = ("preset", "width", "noise_std", "epochs")
    shared = {field.name for field in dataclasses.fields(Options)} - {*own}
    judge = Options(**{name: getattr(config, name) for name in shared}, epochs=min(config.epochs, _JUDGE_EPOCHS))
    model_config = judge.model_config("classifier", dataset)
    return {"classifier": training.train_model(experiment, judge, model_config, dataset, "classifier")}


def class_probabilities(judge: Trained, images: ArrayLike, *, size: int = 1000) -> np.ndarray:
    """What the classifier says of images in the units that it was trained on, `[N, K]`."""
    images = np.asarray(images)
    return encoded(*judge, Split(images, np.full(len(images), -1, np.int32)), size=size)["category"]
