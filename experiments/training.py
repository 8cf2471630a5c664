"""What all experiments share: one model trained to a run folder."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import Rows, TrainingConfig, algorithm, build, configs, fit, row_keys, runs, terms
from aae_jax.adapters import continued, population_moments
from aae_jax.certificates import certificate
from aae_jax.checkpoints import best_params
from aae_jax.configs import ModelConfig
from aae_jax.data import Dataset, Split
from aae_jax.epoch import batch_of
from aae_jax.evaluation import head_rule
from aae_jax.types import Batch, Corruption, Keys, Model, Params
from experiments import reports
from experiments.optimizers import OptimizersOf
from experiments.options import Options

__all__ = [
    "Job",
    "Trained",
    "held_out",
    "train",
    "train_further",
    "train_model",
    "validation_cluster_error",
    "validation_error",
]

_NUM_HELD_OUT = 2000
"""Validation rows that are looked at after each epoch: enough for two digits, few enough not to be waited for."""
_NUM_FOR_MOMENTS = 100_000
"""Training rows that give the population moments of batch norm, of sets that have more."""
_BYTES_FOR_MOMENTS = 2**31
"""And how much memory they take at most, if that is a batch or more."""

Trained = tuple[Model, Params]
Scores = Callable[[Model, Params, Batch], dict[str, jax.Array]]


def validation_error(model: Model, params: Params, validation: Batch) -> dict[str, jax.Array]:
    """Scores for `train`: the fraction of held-out images whose most probable category is not their class."""
    assert model.encode_mean is not None, "a GAN has no codes"
    category = model.encode_mean(params, validation.image)["category"]
    return {"validation/error": _error(category.argmax(-1), validation.label)}


def validation_cluster_error(model: Model, params: Params, validation: Batch) -> dict[str, jax.Array]:
    """Scores for `train`: the error of clusters by the paper's rule, on held-out images that name and are judged."""
    assert model.encode_mean is not None, "a GAN has no codes"
    probabilities = model.encode_mean(params, validation.image)["category"]
    predicted = head_rule(probabilities, validation.label)[probabilities.argmax(-1)]
    return {"validation/error": _error(predicted, validation.label)}


def _error(predicted: jax.Array, label: jax.Array) -> jax.Array:
    """The fraction of labeled rows that are predicted wrongly."""
    known = label >= 0
    return (known & (predicted != label)).sum() / known.sum()


@dataclasses.dataclass(frozen=True)
class Job:
    """One training, as written to its `config.json`."""

    experiment: str
    """Module of the experiment."""
    dataset: str
    """Name of the data set."""
    model: ModelConfig
    """What is trained, as it is judged and loaded."""
    training: TrainingConfig
    """How long and on what terms."""
    settings: Any
    """What else the experiment decides: rates, noise, labels."""
    in_training: ModelConfig | None = None
    """The model while it is trained, where it has another posterior then."""


def train(
    job: Job,
    dataset: Dataset,
    optimizers: OptimizersOf,
    folder: Path,
    *,
    corrupt: Corruption | None = None,
    labels: np.ndarray | None = None,
    labeled: np.ndarray | None = None,
    neighbors: np.ndarray | None = None,
    scores: Scores | None = None,
    start: Params | None = None,
    resume: bool = False,
) -> list[tuple[Trained, Params | None] | None]:
    """Trains one model with one or several seeds, or picks up what was trained of it.

    After every epoch the log gets the negative log-likelihood of held-out images and the certificate of each game.

    Args:
        job: is written to the folder, and on resume compared with what is there.
        dataset: of which the training split is learned from.
        optimizers: see `experiments.optimizers`.
        folder: of this training alone.
        corrupt: see `aae_jax.corruption`.
        labels: `[S, N]`, what each of S seeds knows of the training images' classes; the data set's where None.
        labeled: `[S, L]` indices of the training images whose labels may be used, for models that learn from few.
        neighbors: `[N, W]` indices of training images that are like each one, for models that view them.
        scores: what else the log gets after every epoch, from held-out images; with batch norm of their own moments.
        start: parameters to begin with, of each network; see `adapters.continued`.
        resume: go on where the folder holds a part of this training.

    Returns:
        For each seed the model with the parameters to evaluate it with, and those of its best epoch: with the least
        error of held-out images, or else the least negative log-likelihood. None if it has diverged.
    """

    def make(axis_name: str | None) -> Model:
        made = build(job.in_training or job.model, axis_name=axis_name)
        return made if start is None else continued(made, start)

    model = make(None)
    several = isinstance(job.training.seed, tuple)
    label, chosen = (None if part is None else part if several else part[0] for part in (labels, labeled))
    rows = Rows(
        dataset.train.image,
        dataset.train.label if label is None else label,
        None if chosen is None else chosen.astype(np.int32),
        neighbors,
    )
    terms.check(rows, job.training)
    reports.forget_failed_start(folder)
    runs.check_config(folder / "config.json", job, resume=resume)
    steps_per_epoch = len(rows.image) // job.training.batch_size

    def make_algorithm(axis_name: str | None) -> Any:
        sharded = make(axis_name)
        of_phases = optimizers(sharded, steps_per_epoch, job.training.epochs)
        return algorithm(sharded, of_phases, corrupt=corrupt, axis_name=axis_name)

    validation = held_out(dataset.validation, _NUM_HELD_OUT)

    def evaluate(params: Params, key: jax.Array) -> dict[str, jax.Array]:
        keys = Keys(*row_keys(key, 0, 2 * len(validation.image)).reshape(2, -1))
        found = certificate(model.games, params, keys, validation)
        if model.nll is not None and model.encode_mean is not None:
            codes = model.encode_mean(params, validation.image)
            found["validation/nll"] = model.nll(params, codes, validation.image, validation.label).mean()
        return found | (scores(model, params, validation) if scores else {})

    best = "validation/error" if scores else "validation/nll" if model.nll is not None else None
    fitted = fit(make_algorithm, rows, job.training, folder, evaluate=evaluate, best=best, resume=resume)
    last, of_best = jax.device_get(fitted.params), best and best_params(folder, fitted.params)
    line = runs.read_lines(folder / "metrics.jsonl")[-1] if several else {}
    losses = [value for name, value in line.items() if name.endswith("/loss")]

    judged, with_moments = build(job.model), _with_moments(model, dataset.train, job.training.batch_size)

    def of_seed(params: Params | None, index: int) -> Params | None:
        own = jax.tree.map(lambda leaf: leaf[index], params) if several else params
        return own and with_moments(own)

    return [
        None
        if any(loss[index] is None for loss in losses)
        else ((judged, of_seed(last, index)), of_seed(of_best, index))
        for index in range(len(job.training.seeds))
    ]


def train_model(
    experiment: str,
    config: Options,
    model_config: ModelConfig,
    dataset: Dataset,
    name: str,
    *,
    epochs: int | None = None,
    descent: OptimizersOf | None = None,
    labels: np.ndarray | None = None,
    labeled: np.ndarray | None = None,
    neighbors: np.ndarray | None = None,
    scores: Scores | None = None,
) -> list[Trained | None]:
    """Trains one model of an experiment by its options, with all of its seeds; see `train` for what is not said here.

    Each seed has a folder `seed_K/NAME` with its config, log and parameters, as if it had been trained alone. Several
    are trained together, in `seeds/NAME`.

    Args:
        experiment: its module.
        config: of the experiment.
        model_config: of the model.
        dataset: of which the training split is learned from.
        name: of the model in the run folder.
        epochs: instead of the command's own.
        descent: instead of the command's own optimizers.
        labels: see `train`.
        labeled: see `train`.
        neighbors: see `train`.
        scores: see `train`.
    """
    training = config.training(config.all_seeds(), epochs)
    seeds = training.seeds
    job = Job(experiment, config.dataset, model_config, training, config.settings())
    folders = [config.out / f"seed_{index}" / name for index in range(len(seeds))]
    together = config.out / "seeds" / name if len(seeds) > 1 else folders[0]
    trained = train(
        job,
        dataset,
        descent or config.optimizers(),
        together,
        corrupt=config.corruption(),
        labels=labels,
        labeled=labeled,
        neighbors=neighbors,
        scores=scores,
        resume=config.resume,
    )
    for index, (of_seed, folder) in enumerate(zip(trained, folders, strict=True)):
        if together != folder:
            own = dataclasses.replace(job, training=dataclasses.replace(training, seed=seeds[index]))
            runs.write_json(folder / "config.json", own)
            lines = runs.read_lines(together / "metrics.jsonl")
            of_lines = [{k: v[index] if isinstance(v, list) else v for k, v in line.items()} for line in lines]
            runs.write_lines(folder / "metrics.jsonl", of_lines)
        _save(folder, of_seed)
    return [of_seed and of_seed[0] for of_seed in trained]


def train_further(
    experiment: str,
    config: Options,
    model_config: ModelConfig,
    dataset: Dataset,
    name: str,
    trained: Sequence[Trained | None],
    *,
    in_training: ModelConfig,
    epochs: int,
    descent: OptimizersOf,
) -> list[Trained | None]:
    """Trains one model further, of each of its seeds, from where it is.

    They go on one seed after the other, each in a folder `seed_K/NAME`.

    Args:
        experiment: see `train_model`.
        config: see there.
        model_config: see there.
        dataset: see `train_model`.
        name: see there.
        trained: what `train_model` gave.
        in_training: the model while it is trained: with another posterior, which is how it learns, not what it is.
        epochs: of these trainings.
        descent: of all phases.
    """
    longer = []
    for index, of_seed in enumerate(trained):
        if of_seed is None:
            longer.append(None)
            continue
        training = config.training(config.seed + index, epochs)
        job = Job(experiment, config.dataset, model_config, training, config.settings(), in_training)
        folder = config.out / f"seed_{index}" / name
        corrupt, start, resume = config.corruption(), of_seed[1], config.resume
        try:
            (found,) = train(job, dataset, descent, folder, corrupt=corrupt, start=start, resume=resume)
        except FloatingPointError:
            # As of seeds that are trained together, the others go on.
            if len(trained) == 1:
                raise
            found = None
        _save(folder, found)
        longer.append(found and found[0])
    return longer


def _save(folder: Path, of_seed: tuple[Trained, Params | None] | None) -> None:
    """The parameters of one seed, if it has not diverged: the last ones and those of its best epoch."""
    if of_seed is None:
        return
    (_, last), best = of_seed
    configs.save(folder, last)
    if best is not None:
        configs.save(folder, best, best=True)


def _with_moments(model: Model, split: Split, size: int) -> Callable[[Params], Params]:
    """Population moments for the networks that are normalized, from one pass over (most of) the training set."""
    count = max(size, min(_NUM_FOR_MOMENTS, _BYTES_FOR_MOMENTS // split.image[:1].nbytes))
    rows = Rows(split.image[:count], split.label[:count].astype(np.int32))

    @jax.jit
    def moments(params: Params, rows: Rows) -> Params:
        def batch(index: jax.Array | int) -> Batch:
            return batch_of(rows, index * size + jnp.arange(size))

        # A GAN's are of draws of its prior, of which one batch has enough.
        return population_moments(model, params, batch, len(rows.image) // size if model.encode else 1)

    return lambda params: moments(params, rows)


def held_out(split: Split, most: int | None = None) -> Batch:
    """The first rows of a split as one batch of floats, on the device."""
    count = min(len(split.image), most or len(split.image))
    return batch_of(Rows(jnp.asarray(split.image[:count]), jnp.asarray(split.label[:count])), jnp.arange(count))
