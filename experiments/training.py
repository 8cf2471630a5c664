"""What all experiments share: one model trained to a run folder, and a summary of several seeds."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aae_jax import Rows, TrainingConfig, algorithm, build, configs, fit, row_keys, runs
from aae_jax.adapters import population_moments
from aae_jax.certificates import certificate
from aae_jax.configs import ModelConfig
from aae_jax.data import Dataset, Split
from aae_jax.loop import batch_of
from aae_jax.types import Batch, Corruption, Keys, Model, Optimizers, Params

__all__ = ["Job", "adam", "held_out", "model_options", "summarize", "train", "write_final"]

_NUM_HELD_OUT = 2000
"""Validation rows that are looked at after each epoch: enough for two digits, few enough not to be waited for."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One training, as written to its `config.json`."""

    experiment: str
    """Module of the experiment."""
    dataset: str
    """Name of the data set."""
    model: ModelConfig
    """What is trained."""
    training: TrainingConfig
    """How long and on what terms."""
    settings: Any
    """The experiment's own config."""


def train(
    job: Job,
    dataset: Dataset,
    optimizers: Callable[[Model, int], Optimizers],
    folder: Path,
    *,
    corrupt: Corruption | None = None,
    resume: bool = False,
) -> tuple[Model, Params]:
    """Trains one model, or picks up what was trained of it.

    After every epoch the log gets the negative log-likelihood of held-out images and the certificate of each game.

    Args:
        job: is written to the folder, and on resume compared with what is there.
        dataset: of which the training split is learned from.
        optimizers: `(model, steps in all) -> {phase: optimizer}`.
        folder: of this training alone.
        corrupt: see `aae_jax.corruption`.
        resume: go on where the folder holds a part of this training.

    Returns:
        The model and the parameters to evaluate it with.
    """
    model = build(job.model)
    runs.check_config(folder / "config.json", job, resume=resume)
    rows = Rows(dataset.train.image, dataset.train.label)
    num_steps = job.training.epochs * (len(rows.image) // job.training.batch_size)

    def make_algorithm(axis_name: str | None) -> Any:
        sharded = build(job.model, axis_name=axis_name)
        return algorithm(sharded, optimizers(sharded, num_steps), corrupt=corrupt, axis_name=axis_name)

    validation = held_out(dataset.validation, _NUM_HELD_OUT)

    def evaluate(params: Params, key: jax.Array) -> dict[str, jax.Array]:
        keys = Keys(*row_keys(key, 0, 2 * len(validation.image)).reshape(2, -1))
        scores = certificate(model.games, params, keys, validation)
        if model.nll is not None:
            codes = model.encode_mean(params, validation.image)
            scores["validation/nll"] = model.nll(params, codes, validation.image, validation.label).mean()
        return scores

    state = fit(make_algorithm, rows, job.training, folder, evaluate=evaluate, resume=resume)
    params = _with_moments(model, jax.device_get(state.params), rows, job.training.batch_size)
    configs.save(folder, params)
    return model, params


def _with_moments(model: Model, params: Params, rows: Rows, size: int) -> Params:
    """Population moments for the networks that are normalized, from one pass over the training set."""

    def moments(params: Params, rows: Rows) -> Params:
        def batch(index: jax.Array | int) -> Batch:
            return batch_of(rows, index * size + jnp.arange(size))

        return population_moments(model, params, batch, len(rows.image) // size)

    return jax.jit(moments)(params, rows)


def adam(rates: Mapping[str, float], *, first_decay: Mapping[str, float]) -> Callable[[Model, int], Optimizers]:
    """Adam for every phase, its rate falling to a twentieth along a cosine.

    Args:
        rates: first learning rates by phase.
        first_decay: Adam's b1 by phase; a game wants little memory (Radford et al., 2016: 0.5).
    """

    def make(model: Model, num_steps: int) -> Optimizers:
        return {
            phase.name: optax.adam(
                optax.cosine_decay_schedule(rates[phase.name], num_steps, alpha=0.05), b1=first_decay[phase.name]
            )
            for phase in model.phases
        }

    return make


def model_options(dataset: Dataset) -> dict[str, Any]:
    """The fields of a `ModelConfig` that a data set decides: shapes, classes, and what suits a table."""
    options: dict[str, Any] = {"image_shape": dataset.image_shape, "num_classes": dataset.num_classes}
    if dataset.shift is not None and dataset.scale is not None:
        shift, scale = (tuple(float(number) for number in column) for column in (dataset.shift, dataset.scale))
        options |= {"likelihood": "gaussian", "shift": shift, "scale": scale}
    return options


def held_out(split: Split, most: int | None = None) -> Batch:
    """The first rows of a split as one batch of floats, on the device."""
    count = min(len(split.image), most or len(split.image))
    return batch_of(Rows(jnp.asarray(split.image[:count]), jnp.asarray(split.label[:count])), jnp.arange(count))


def summarize(of_seeds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Metrics of several seeds as `{name: value}` for one, else `{name: {mean, std, values}}`."""
    if len(of_seeds) == 1:
        return dict(of_seeds[0])
    result = {}
    for name in of_seeds[0]:
        values = [metrics[name] for metrics in of_seeds]
        result[name] = {"mean": statistics.fmean(values), "std": statistics.stdev(values), "values": values}
    return result


def write_final(
    folder: Path, experiment: str, config: Any, metrics: Mapping[str, Any], started: float, **arrays: np.ndarray
) -> None:
    """Writes `final.json`: what was measured, from which config, on which machine, by which command.

    Args:
        folder: the run folder.
        experiment: module of the experiment.
        config: of the experiment.
        metrics: by name, see `summarize`.
        started: `time.time()` when the command began.
        **arrays: small arrays that numbers are computed from, written beside it as `evidence.npz`.
    """
    if arrays:
        with (folder / "evidence.npz").open("wb") as file:
            np.savez_compressed(file, **arrays)
    runs.write_json(
        folder / "final.json",
        {
            "experiment": experiment,
            "config": config,
            "metrics": metrics,
            "environment": runs.environment(),
            "minutes": round((time.time() - started) / 60, 2),
            **runs.provenance(),
        },
    )
