"""A run of several seeds, and what it leaves behind: `final.json` and the evidence of its numbers."""

import contextlib
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aae_jax import hosts, runs
from aae_jax.data import Dataset
from experiments.options import Options

__all__ = [
    "Evidence",
    "Metrics",
    "check_config",
    "first_seed",
    "forget_failed_start",
    "joined",
    "prediction_interval",
    "print_files",
    "print_metrics",
    "run_seeds",
    "seed_index",
    "seed_logs",
    "summarize",
    "text_of",
    "write_final",
]

AnyOptions = TypeVar("AnyOptions", bound=Options)
Metrics = dict[str, float]
Evidence = dict[str, np.ndarray]


def run_seeds(
    experiment: str,
    config: AnyOptions,
    dataset: Dataset,
    train: Callable[[AnyOptions, Dataset], Mapping[str, Sequence[Any]]],
    judge: Callable[[AnyOptions, Dataset, int, dict[str, Any]], tuple[Metrics, Evidence]],
) -> dict[str, Any]:
    """Trains an experiment's seeds together, judges one after the other, writes `final.json`; returns the metrics.

    Args:
        experiment: its module's name.
        config: of the experiment.
        dataset: to learn from and to judge on.
        train: `(config, dataset) -> {model's name: what was trained, for each seed}`, None for a seed that diverged.
        judge: `(config, dataset, seed's index, {model's name: what was trained}) -> (metrics, evidence)`.

    Raises:
        FloatingPointError: if all seeds diverged.
        SystemExit: after the training in all processes but the first, which judges alone.
    """
    with hosts.own_folder(config.out) as out, runs.lock(out):
        return _run_seeds(experiment, dataclasses.replace(config, out=out), dataset, train, judge)


def _run_seeds(
    experiment: str, config: AnyOptions, dataset: Dataset, train: Callable[..., Any], judge: Callable[..., Any]
) -> dict[str, Any]:
    started = time.time()
    # What the models' own configs cannot tell: how many seeds share the folder.
    whole = {"experiment": experiment, "dataset": config.dataset, "seed": config.seed, "seeds": config.seeds}
    forget_failed_start(config.out)
    check_config(config.out, whole, resume=config.resume)
    provenance = _provenance(config.out)
    trained = train(config, dataset)
    if not hosts.is_first():
        raise SystemExit(0)
    of_seeds = [{name: models[index] for name, models in trained.items()} for index in range(config.seeds)]
    converged = [index for index, models in enumerate(of_seeds) if None not in models.values()]
    if not converged:
        raise FloatingPointError(f"All {config.seeds} seeds diverged; lower learning rates are the usual cure.")
    found = {index: judge(config, dataset, index, of_seeds[index]) for index in converged}
    metrics = summarize([metrics for metrics, _ in found.values()])
    evidence = {index: arrays for index, (_, arrays) in found.items()}
    diverged = [config.seed + index for index in range(config.seeds) if index not in found]
    write_final(config.out, experiment, config, metrics, started, evidence, diverged=diverged, begun=provenance)
    return metrics


def check_config(folder: Path, config: Mapping[str, Any], *, resume: bool) -> None:
    """Writes what a run's folder is to hold, or on resume checks that it is the same; see `runs.check_config`.

    Raises:
        ValueError: if the folder holds another run, or a result that was kept.
    """
    path = folder / "config.json"
    if (folder / "final.json").exists() and not path.exists():
        raise ValueError(
            f"{folder} holds a final.json and no config.json: a result that was kept, not a run; expected another "
            "folder: give it (--out)."
        )
    runs.check_config(path, config, resume=resume)


def forget_failed_start(folder: Path) -> None:
    """Removes config and commits of what ended before its first epoch and checkpoint: it leaves nothing to protect.

    Args:
        folder: of a run, or of one training. A `config.json` that is neither's stays.
    """
    path = folder / "config.json"
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    kept = {"metrics.jsonl", "final.json"}
    if any(path.name in kept or {"checkpoints", "params"} & {*path.parts} for path in files):
        return
    with contextlib.suppress(OSError, ValueError):
        config = runs.read_json(path)
        of_ours = ("experiment", "dataset", "seed", "seeds"), ("experiment", "dataset", "model", "training")
        if isinstance(config, dict) and any({*fields} <= {*config} for fields in of_ours):
            # What begins there next is not of these commits.
            (folder / "commits.json").unlink(missing_ok=True)
            path.unlink()


def _provenance(folder: Path) -> dict[str, Any]:
    """The commits of all commands that worked in the folder, and whether any of them was of changed code."""
    now, path = runs.provenance(), folder / "commits.json"
    known = runs.read_json(path) if path.exists() else {"commits": [], "dirty": False}
    commits = [*known["commits"], *([] if now["commit"] in known["commits"] else [now["commit"]])]
    written = {"commits": commits, "dirty": None if now["dirty"] is None else known["dirty"] or now["dirty"]}
    runs.write_json(path, written)
    return {**written, "commit": now["commit"]}


def first_seed(folder: Path) -> int:
    """The index of the first seed of a run that has evidence: that did not diverge.

    Raises:
        FileNotFoundError: if there is none.
    """
    found = [seed_index(path) for path in folder.glob("evidence_*.npz")]
    if not found:
        raise FileNotFoundError(f"There is no evidence_0.npz or the like in {folder}: expected a finished run.")
    return min(found)


def seed_index(path: Path) -> int:
    """Of a seed, from the name of its evidence or its folder."""
    return int(path.stem.split("_")[1])


def summarize(of_seeds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Metrics of several seeds as `{name: value}` for one, else `{name: {mean, std, values}}`."""
    if len(of_seeds) == 1:
        return dict(of_seeds[0])
    result = {}
    for name in of_seeds[0]:
        values = [metrics[name] for metrics in of_seeds]
        result[name] = {"mean": statistics.fmean(values), "std": statistics.stdev(values), "values": values}
    return result


def joined(finals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several runs of other seeds have measured, as if they were one, on as many cores as any of them had.

    Args:
        finals: each a `final.json`.

    Raises:
        ValueError: if they differ in more than their seeds, or these do not follow each other.
    """
    if len(finals) == 1:
        return dict(finals[0])
    finals = sorted(finals, key=lambda final: final["config"]["seed"])
    seeds = [final["config"]["seed"] + index for final in finals for index in range(final["config"]["seeds"])]
    if seeds != [*range(seeds[0], seeds[0] + len(seeds))]:
        raise ValueError(f"The runs are of the seeds {seeds}; expected some that follow each other.")
    several = {"seed": seeds[0], "seeds": len(seeds)}
    cores = {"cores": max(final["environment"]["cores"] for final in finals)}
    one, *others = (
        {"experiment": final["experiment"], "commit": final["commit"], **final["environment"], **final["config"]}
        | {**several, **cores}
        for final in finals
    )
    differing = {name for other in others for name in {**one, **other} if one.get(name) != other.get(name)}
    if differing:
        raise ValueError(f"The runs differ in {', '.join(sorted(differing))}; expected other seeds alone.")
    metrics = [values for final in finals for values in _of_seeds(final["metrics"])]
    return {
        **finals[0],
        "config": {**finals[0]["config"], **several},
        "environment": {**finals[0]["environment"], **cores},
        "metrics": summarize(metrics),
        "diverged_seeds": [seed for final in finals for seed in final["diverged_seeds"]],
        "command": " && ".join(final["command"] for final in finals),
        **{name: round(sum(final[name] for final in finals), 2) for name in ("minutes", "training_minutes")},
    }


def _of_seeds(metrics: Mapping[str, Any]) -> list[dict[str, float]]:
    """What `summarize` has made them of."""
    values = {name: value["values"] if isinstance(value, dict) else [value] for name, value in metrics.items()}
    return [dict(zip(values, of_seed, strict=True)) for of_seed in zip(*values.values(), strict=True)]


def prediction_interval(values: Sequence[float], probability: float = 0.99) -> tuple[float, float]:
    """Where one more draw of a normal distribution lies with a probability, by Student's t.

    Args:
        values: two draws or more.
        probability: of lying within.
    """
    from scipy.stats import t

    mean, std, count = statistics.fmean(values), statistics.stdev(values), len(values)
    half = float(t.ppf((1 + probability) / 2, count - 1)) * std * math.sqrt(1 + 1 / count)
    return mean - half, mean + half


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


def print_files(folder: Path) -> None:
    """Prints what a finished run has left in its folder: `final.json`, its pictures, and its models if any."""
    names = ["final.json", *sorted(path.name for path in folder.glob("*.png"))]
    models = f"; models in {folder}/seed_0" if (folder / "seed_0").exists() else ""
    print(f"\n{folder}: {', '.join(names)}{models}")


def write_final(
    folder: Path,
    experiment: str,
    config: Any,
    metrics: Mapping[str, Any],
    started: float,
    evidence: Mapping[int, Mapping[str, np.ndarray]],
    *,
    diverged: Sequence[int] = (),
    begun: Mapping[str, Any] | None = None,
) -> None:
    """Writes `final.json`: what was measured, from which config, on which machine, by which command.

    Args:
        folder: the run folder.
        experiment: module of the experiment.
        config: of the experiment.
        metrics: by name, see `summarize`.
        started: `time.time()` when the command began.
        evidence: of each seed, by its index, small arrays that its numbers are computed from, written beside it as
            `evidence_0.npz` and so on.
        diverged: seeds that are not in the metrics, since their training came to no end.
        begun: commit, commits and dirtiness when the command began; the same as at its end where None.
    """
    # Whole files in place of those before: a run that is judged anew has its final.json all the while.
    partial = {folder / f".evidence_{index}.npz": arrays for index, arrays in evidence.items()}
    for path, arrays in partial.items():
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)
    for path in partial:
        path.replace(folder / path.name.removeprefix("."))
    for path in folder.glob("evidence_*.npz"):
        if seed_index(path) not in evidence:
            path.unlink()
    # The logs of seeds that were trained together are copies of one.
    joint = sorted((folder / "seeds").glob("*/metrics.jsonl"))
    copies = {log.parent.name for log in joint}
    alone = [log for log in sorted(folder.glob("seed_*/*/metrics.jsonl")) if log.parent.name not in copies]
    training = sum(line["seconds"] for log in [*joint, *alone] for line in runs.read_lines(log))
    runs.write_json(
        folder / "final.json",
        {
            "experiment": experiment,
            "config": config,
            "metrics": metrics,
            "diverged_seeds": list(diverged),
            "environment": runs.environment(),
            # Of this process, and of the epochs' training, which a resumed process did only in part.
            "minutes": round((time.time() - started) / 60, 2),
            "training_minutes": round(training / 60, 2),
            **runs.provenance(),
            **(begun or {}),
        },
    )


def seed_logs(folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The logs of a run, `{model: {"seed 3": lines of its metrics.jsonl, ...}}`, seeds in order, by their numbers."""
    first = runs.read_json(folder / "config.json")["seed"]
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for seed in sorted(folder.glob("seed_*"), key=seed_index):
        for path in sorted(seed.glob("*/metrics.jsonl")):
            found.setdefault(path.parent.name, {})[f"seed {first + seed_index(seed)}"] = runs.read_lines(path)
    return found
