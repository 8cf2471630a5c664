"""A run of several seeds, and what it leaves behind: `final.json` and the evidence of its numbers."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aae_jax import runs
from aae_jax.data import Dataset
from experiments.options import Options

__all__ = ["Evidence", "Metrics", "logs", "print_metrics", "run_seeds", "summarize", "text_of", "write_final"]

AnyOptions = TypeVar("AnyOptions", bound=Options)
Metrics = dict[str, float]
Evidence = dict[str, np.ndarray]


def run_seeds(
    experiment: str,
    config: AnyOptions,
    dataset: Dataset,
    of_seed: Callable[[AnyOptions, Dataset, int, Path], tuple[Metrics, Evidence]],
) -> dict[str, Any]:
    """An experiment's seeds, one after the other, and its `final.json`; returns the metrics.

    Args:
        experiment: its module's name.
        config: of the experiment.
        dataset: to learn from and to judge on.
        of_seed: `(config, dataset, seed, folder) -> (metrics, evidence)`, trains and judges one seed.
    """
    started = time.time()
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
