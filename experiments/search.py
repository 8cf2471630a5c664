"""How a setting is chosen: several values of an option beside each other, by errors on validation images alone.

    python -m experiments.search                                              # about 6 minutes on two CPU cores
    python -m experiments.search --experiment semi_supervised --values 0.01 0.05 0.2
    python -m experiments.search --preset smoke                               # seconds, to see that it works

Each value is a run of the experiment, in a folder of its own; what has been trained already is not trained again. What
counts is the error of the last epoch on validation images, as the runs have logged it: test images have no part here.
"""

import dataclasses
import importlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aae_jax import runs
from experiments import command_line, reports
from experiments.options import APART, check_selection

SEARCHES = Path(__file__).resolve().parent / "searches"
METRIC = "validation/error"
Logs = Mapping[str, Mapping[str, list[dict[str, Any]]]]
"""Of a run, see `reports.seed_logs`."""
OWN = {"out", "data_dir", "manual_dir"}
"""Options of a run that are its own, or say where things lie on one machine."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command."""

    preset: Literal["laptop", "smoke"] = "laptop"
    """Gives the defaults of the others: minutes on two CPU cores, or seconds, to see that it works."""
    experiment: Literal["semi_supervised", "clustering", "dimension_reduction"] = "clustering"
    """Those that log errors on validation images."""
    option: str = "view_rate"
    """Of the experiment."""
    values: tuple[str, ...] = ("0.001", "0.003", "0.01")
    """Of the option."""
    arguments: str = "--preset best --dataset mnist5k"
    """The other words of the experiment's command, the same for all values: --arguments='--preset best --seeds 3'."""
    out: Path = Path("runs/search")
    """The folder of the runs, with search.json and errors.png."""
    record: str | None = None
    """Keep search.json in experiments/searches, under this name; the code has to be committed."""


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(
            values=("0.01", "0.1"), arguments="--preset smoke --view-amount 1", out=Path("runs/search_smoke")
        ),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, compares, draws; returns what search.json holds."""
    module, commands = _commands(config)
    provenance = runs.provenance()
    if config.record is not None:
        runs.check_committed(provenance)
    logs: dict[str, Logs] = {}

    def unless_diverged(own: Any) -> bool:
        try:
            module.main(own)
        except FloatingPointError as error:
            print(f"diverged: {error}")
            return False
        return True

    for value, words in commands.items():
        print(f"\n{config.option} {value}")
        if not command_line.run(unless_diverged, module.PRESETS, arguments=words):
            logs[value] = {}
            continue
        logs[value] = reports.seed_logs(config.out / value)
        if config.record is not None:
            final = runs.read_json(config.out / value / "final.json")
            runs.check_committed(final)
            if final["commits"] != [provenance["commit"]]:
                raise ValueError(
                    f"The run in {config.out / value} is of {final['commits']}; expected {provenance['commit']} "
                    "alone: run the search again in another folder (--out)."
                )
    if not any(logs.values()):
        raise ValueError(f"All of {', '.join(config.values)} have diverged; expected a value that trains.")
    errors = {value: last_errors(of_value) for value, of_value in logs.items()}
    arguments = runs.without_options(config.arguments, OWN)
    words = ["--experiment", config.experiment, "--option", config.option, "--values", *config.values]
    found = {
        **{"experiment": config.experiment, "option": config.option, "arguments": arguments, "errors": errors},
        **{"environment": runs.environment(), **provenance},
        "command": f"python -m experiments.search {shlex.join([*words, f'--arguments={arguments}'])}",
    }
    runs.write_json(config.out / "search.json", found)
    print("\n".join(["", *table(found)]))
    draw(config, logs)
    if config.record is not None:
        runs.write_json(SEARCHES / f"{config.record}.json", found)
    print(f"\n{config.out}: search.json, errors.png, and a run for each value")
    return found


def _commands(config: Config) -> tuple[Any, dict[str, list[str]]]:
    """The experiment's module and, by value, the words of its command, all of which it takes."""
    check_selection("values", config.values)
    if config.record is not None and Path(config.record).name != config.record:
        raise ValueError(f"record is {config.record!r}; expected the name of a file, without a path.")
    module = importlib.import_module(f"experiments.{config.experiment}")
    option = config.option.replace("-", "_")
    if option in (*APART, *module.Config.JUDGING):
        raise ValueError(f"option is {config.option!r}, on which no training depends; expected one that changes them.")
    given = shlex.split(runs.without_options(config.arguments, ()))
    for name in ("out", config.option):
        if f"--{name}".replace("_", "-") in [word.split("=")[0].replace("_", "-") for word in given]:
            raise ValueError(f"arguments hold --{name.replace('_', '-')}, which the search itself sets; leave it out.")
    commands, read = {}, []
    for value in config.values:
        words = [*given, f"--{config.option.replace('_', '-')}", value, "--out", str(config.out / value), "--resume"]
        own = command_line.run(lambda own: own.check() or own, module.PRESETS, arguments=words)
        commands[value] = words
        read.append(getattr(own, option))
    # Words that differ can be one number.
    check_selection("values", read)
    return module, commands


def last_errors(logs: Logs) -> dict[str, list[float | None]]:
    """By model, the error of each seed's last epoch on validation images, as a run has logged them.

    None of a seed that has diverged, and no model where all have.

    Raises:
        ValueError: if there are logs without any error.
    """
    lasts = {model: [lines[-1].get(METRIC) for lines in of_seeds.values()] for model, of_seeds in logs.items()}
    errors = {model: of for model, of in lasts.items() if any(error is not None for error in of)}
    if logs and not errors:
        raise ValueError(f"No model of {sorted(logs)} has logged {METRIC}; expected data with labels.")
    return errors


def table(found: Mapping[str, Any]) -> list[str]:
    """The lines of a table in Markdown: a row for each value, a column for each model, the lowest error in bold."""
    errors = found["errors"]
    models = _models(errors)
    lines = [f"| {found['option']} | " + " | ".join(models) + " |", "|" + "---|" * (len(models) + 1)]
    trained = {
        value: {model: [error for error in of.get(model, ()) if error is not None] for model in models}
        for value, of in errors.items()
    }
    best = {model: min(np.mean(of[model]) for of in trained.values() if of[model]) for model in models}
    for value, of in trained.items():
        cells = []
        for model in models:
            if not of[model]:
                cells.append("diverged")
                continue
            summary = reports.summarize([{METRIC: error} for error in of[model]])[METRIC]
            text = f"{reports.text_of(summary, 100)} %"
            lost = len(errors[value][model]) - len(of[model])
            text += f", and {lost} diverged" if lost else ""
            cells.append(f"**{text}**" if np.mean(of[model]) == best[model] else text)
        lines.append(f"| {value} | " + " | ".join(cells) + " |")
    return lines


def _models(of_values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """All models, in order: a value that has diverged has none."""
    return list(dict.fromkeys(model for of in of_values.values() for model in of))


def draw(config: Config, logs: Mapping[str, Logs]) -> None:
    """Draws the errors against epochs, a line for each value and seed."""
    from experiments import figures

    models = _models(logs)
    figure, axes = figures.grid_of((1, len(models)), size=4)
    for panel, model in zip(axes[0], models, strict=True):
        lines = {f"{value}, {seed}": log for value, of in logs.items() for seed, log in of.get(model, {}).items()}
        figures.curves(panel, lines, METRIC, f"{model}, by {config.option}", log=True)
        panel.set_ylabel("error on validation images")
    figures.save_figure(figure, config.out / "errors.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
