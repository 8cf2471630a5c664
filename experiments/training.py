"""What all experiments share: one model trained to a run folder, and a run of several seeds with its evidence."""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import Rows, TrainingConfig, algorithm, build, configs, fit, row_keys, runs
from aae_jax.adapters import population_moments
from aae_jax.certificates import certificate
from aae_jax.configs import ModelConfig
from aae_jax.data import Dataset, Split
from aae_jax.loop import batch_of
from aae_jax.types import Batch, Codes, Corruption, Keys, Model, Params
from experiments.optimizers import OptimizersOf
from experiments.options import Options

__all__ = [
    "Evidence",
    "Job",
    "Metrics",
    "encoded",
    "held_out",
    "logs",
    "print_metrics",
    "run_seeds",
    "summarize",
    "text_of",
    "train",
    "write_final",
]

_NUM_HELD_OUT = 2000
"""Validation rows that are looked at after each epoch: enough for two digits, few enough not to be waited for."""

AnyOptions = TypeVar("AnyOptions", bound=Options)
Metrics = dict[str, float]
Evidence = dict[str, np.ndarray]
Scores = Callable[[Model, Params, Batch], dict[str, jax.Array]]


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
    """What else the experiment decides: rates, noise, labels."""


def train(
    job: Job,
    dataset: Dataset,
    optimizers: OptimizersOf,
    folder: Path,
    *,
    corrupt: Corruption | None = None,
    labeled: np.ndarray | None = None,
    scores: Scores | None = None,
    resume: bool = False,
) -> tuple[Model, Params]:
    """Trains one model, or picks up what was trained of it.

    After every epoch the log gets the negative log-likelihood of held-out images and the certificate of each game.

    Args:
        job: is written to the folder, and on resume compared with what is there.
        dataset: of which the training split is learned from.
        optimizers: see `experiments.optimizers`.
        folder: of this training alone.
        corrupt: see `aae_jax.corruption`.
        labeled: `[L]` indices of the training images whose labels may be used, for models that learn from few.
        scores: what else the log gets after every epoch, from held-out images; with batch norm of their own moments.
        resume: go on where the folder holds a part of this training.

    Returns:
        The model and the parameters to evaluate it with.
    """
    model = build(job.model)
    runs.check_config(folder / "config.json", job, resume=resume)
    rows = Rows(dataset.train.image, dataset.train.label, None if labeled is None else labeled.astype(np.int32))
    steps_per_epoch = len(rows.image) // job.training.batch_size

    def make_algorithm(axis_name: str | None) -> Any:
        sharded = build(job.model, axis_name=axis_name)
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


def held_out(split: Split, most: int | None = None) -> Batch:
    """The first rows of a split as one batch of floats, on the device."""
    count = min(len(split.image), most or len(split.image))
    return batch_of(Rows(jnp.asarray(split.image[:count]), jnp.asarray(split.label[:count])), jnp.arange(count))


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


def run_seeds(
    experiment: str,
    config: AnyOptions,
    of_seed: Callable[[AnyOptions, Dataset, int, Path], tuple[Metrics, Evidence]],
) -> dict[str, Any]:
    """An experiment's seeds, one after the other, and its `final.json`; returns the metrics.

    Args:
        experiment: its module's name.
        config: of the experiment.
        of_seed: `(config, dataset, seed, folder) -> (metrics, evidence)`, trains and judges one seed.
    """
    started = time.time()
    dataset = config.load()
    folders = [config.out / f"seed_{index}" for index in range(config.seeds)]
    found = [of_seed(config, dataset, config.seed + index, folder) for index, folder in enumerate(folders)]
    metrics = summarize([metrics for metrics, _ in found])
    write_final(config.out, experiment, config, metrics, started, [evidence for _, evidence in found])
    return metrics


def summarize(of_seeds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Metrics of several seeds as `{name: value}` for one, else `{name: {mean, std, values}}`."""
    if len(of_seeds) == 1:
        return dict(of_seeds[0])
    result = {}
    for name in of_seeds[0]:
        values = [metrics[name] for metrics in of_seeds]
        result[name] = {"mean": statistics.fmean(values), "std": statistics.stdev(values), "values": values}
    return result


def text_of(value: Any, scale: float = 1.0) -> str:
    """A metric of one or several seeds in a few digits; "-" where there is none."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return f"{scale * value['mean']:.4g} ± {scale * value['std']:.2g}"
    return f"{scale * value:.4g}"


def print_metrics(metrics: Mapping[str, Any], lines: Mapping[str, str]) -> None:
    """Prints some metrics, one a line: errors in percent.

    Args:
        metrics: of a run.
        lines: `{metric: what it is}`.
    """
    for name, words in lines.items():
        is_error = name.endswith("error")
        value = text_of(metrics.get(name), 100 if is_error else 1)
        print(f"{words:60}{value:>20}{' %' if is_error else ''}")


def write_final(
    folder: Path,
    experiment: str,
    config: Any,
    metrics: Mapping[str, Any],
    started: float,
    evidence: Sequence[Mapping[str, np.ndarray]],
) -> None:
    """Writes `final.json`: what was measured, from which config, on which machine, by which command.

    Args:
        folder: the run folder.
        experiment: module of the experiment.
        config: of the experiment.
        metrics: by name, see `summarize`.
        started: `time.time()` when the command began.
        evidence: of each seed, small arrays that its numbers are computed from, written beside it as
            `evidence_0.npz` and so on.
    """
    for index, arrays in enumerate(evidence):
        with (folder / f"evidence_{index}.npz").open("wb") as file:
            np.savez_compressed(file, **arrays)
    training = sum(line["seconds"] for log in sorted(folder.rglob("metrics.jsonl")) for line in logs(log))
    runs.write_json(
        folder / "final.json",
        {
            "experiment": experiment,
            "config": config,
            "metrics": metrics,
            "environment": runs.environment(),
            # Of this process, and of the epochs' training, which a resumed process did only in part.
            "minutes": round((time.time() - started) / 60, 2),
            "training_minutes": round(training / 60, 2),
            **runs.provenance(),
        },
    )


def logs(path: Path) -> list[dict[str, float]]:
    """The lines of a `metrics.jsonl`."""
    return [json.loads(line) for line in path.read_text().splitlines()]
