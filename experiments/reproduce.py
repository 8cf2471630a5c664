"""The paper's tables beside ours: what is measured, by which command, and what is not.

    python -m experiments.reproduce                                           # prints the tables
    python -m experiments.reproduce --run table2-100                          # runs an item's command
    python -m experiments.reproduce --record runs/semi_supervised             # keeps a finished run's small files
    python -m experiments.reproduce --write                                   # writes RESULTS.md and README.md

Every number of ours comes from a `final.json` under experiments/results, which a run of committed code left and whose
evidence stands beside it; none is typed. The paper's stand in `experiments.items`.
"""

import dataclasses
import itertools
import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from aae_jax import runs
from aae_jax.checks import check_count, nearest
from experiments import command_line, reports, search
from experiments.items import ITEMS, REMARKS, Item

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results"
README = ROOT / "README.md"
BEGIN, END = "<!-- results -->", "<!-- end results -->"
HEADLINES = (
    *("table1-10k", "table1-10k-code-5", "table1-10m"),
    *("table2-100", "table2-views-100", "table2-1000", "table2-views-1000", "table2-all", "table2-views-all"),
    *("table3-16", "table3-chosen-16", "table3-chosen-30"),
    *("figure2-aae-gaussian", "figure2-vae-gaussian", "figure4-gaussian-mixture", "figure4-views-gaussian-mixture"),
    *("figure4-swiss-roll", "figure4-noise-swiss-roll", "figure7", "figure7-told"),
    *("figure11-2d-1000", "figure11-views-2d-1000", "figure11-2d-100", "figure11-views-2d-100"),
    *("figure11-2d-unsupervised", "figure11-chosen-2d-unsupervised", "figure11-10d-100", "figure11-views-10d-100"),
)
"""Items that the README shows."""
CURVES = ("errors.png", "curves.png")
"""Pictures of a run that are kept: of each seed, error or loss against epochs."""
PLACES = {"out", "data_dir", "manual_dir", "resume", "coordinator", "processes", "process"}
"""Options that say where things lie on one machine, and have no part in a result."""

SELECTIONS = {"panels", "priors"}
"""Options that say which models to train: of those that a run has, an item's metric names its own."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command."""

    run: str | None = None
    """Run the command of an item, by its name in the first column."""
    preset: Literal["laptop", "smoke", "best", "paper"] = "laptop"
    """Of the command that is run; some have no best."""
    seeds: int = 1
    """Of the command that is run."""
    data_dir: str | None = None
    """Where tensorflow-datasets keeps its data, for the command that is run."""
    manual_dir: str | None = None
    """A folder with MNIST's original files, if they need not be downloaded, for the command that is run."""
    out: Path | None = None
    """The run folder of the command that is run; by default runs/ITEM."""
    resume: bool = False
    """Go on with the run in that folder."""
    record: Path | None = None
    """Keep the small files of a finished run in experiments/results."""
    name: str | None = None
    """Of the results folder that is recorded; by default that of the run folder."""
    write: bool = False
    """Write RESULTS.md, and the table of the README."""


PRESETS = command_line.preset_field(dict.fromkeys(("laptop", "smoke", "best", "paper"), Config()))


def main(config: Config) -> None:
    """Prints the tables, or does what the options ask for."""
    _check(config)
    if config.run is not None:
        _run(config)
    elif config.record is not None:
        print(record(config.record, config.name or config.record.name))
    elif config.write:
        (ROOT / "RESULTS.md").write_text(markdown())
        README.write_text(inserted(README.read_text(), BEGIN, END, headlines()))
        print(f"{ROOT / 'RESULTS.md'} and {README.name}")
    else:
        print(markdown())


def _check(config: Config) -> None:
    """Checks the options before anything is done, and that they ask for one thing."""
    check_count("seeds", config.seeds)
    asked = [name for name in ("run", "record", "write") if getattr(config, name) not in (None, False)]
    if len(asked) > 1:
        raise ValueError(f"The options {' and '.join(asked)} were given; expected one of them at a time.")
    if config.run is not None and config.run not in ITEMS:
        near = nearest(config.run, ITEMS)
        raise ValueError(f"run is {config.run!r}; expected an item, by its name in RESULTS.md.{near}")
    for option, of in (("name", "record"), ("out", "run"), ("resume", "run")):
        if getattr(config, option) and of not in asked:
            raise ValueError(f"{option} is {str(getattr(config, option))!r}, which goes with --{of} alone.")


def _run(config: Config) -> None:
    assert config.run is not None, "an item was asked for"
    places = {name: getattr(config, name) for name in ("data_dir", "manual_dir")}
    options = {"preset": config.preset, "seeds": config.seeds, "out": config.out or Path("runs", config.run), **places}
    words = [sys.executable, *command(ITEMS[config.run], {k: v for k, v in options.items() if v is not None})]
    words += ["--resume"] if config.resume else []
    print(shlex.join(words), file=sys.stderr, flush=True)
    # In place of this process, so that signals reach the one that has something to save.
    os.execv(sys.executable, words)


def command(item: Item, options: Mapping[str, Any]) -> list[str]:
    """What measures an item, without the interpreter.

    Args:
        item: of the paper.
        options: of the experiment, beside those of the item.
    """
    words = ["-m", f"experiments.{item.experiment}"]
    for name, value in {"dataset": "mnist", **item.options, **options}.items():
        values = [] if value is True else value if isinstance(value, list) else [value]
        if value is not False:
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def record(folder: Path, name: str) -> Path:
    """Keeps what a finished run has measured, and the evidence of it, without the places of this machine.

    Args:
        folder: of the run.
        name: of the folder in experiments/results.

    Returns:
        That folder.

    Raises:
        FileNotFoundError: if the run is not finished.
        ValueError: if the run's code was not committed, its `final.json` is none, or `name` is a path.
    """
    if not name or Path(name).name != name:
        raise ValueError(f"name is {name!r}; expected the name of a folder, without a path.")
    final = runs.read_json(folder / "final.json")
    missing = [name for name in ("commit", "dirty") if not isinstance(final, dict) or name not in final]
    if missing:
        raise ValueError(f"{folder / 'final.json'} lacks {missing}; expected what a finished experiment leaves.")
    commits = final.get("commits", [final["commit"]])
    if final["dirty"] is not False or len(commits) != 1 or not final["commit"]:
        raise ValueError(
            f"The run in {folder} is of code that was not committed, or of several commits "
            f"({', '.join(map(str, commits))}); run it again from one."
        )
    final["config"] = {option: value for option, value in final["config"].items() if option not in PLACES}
    final["config"]["dataset"] = Path(final["config"]["dataset"]).name
    final["command"] = runs.without_options(final["command"], PLACES - {"resume"}, {"resume"})
    evidence = sorted(folder.glob("evidence_*.npz"))
    if not evidence:
        raise ValueError(f"There is no evidence in {folder}; expected what a finished experiment leaves.")
    kept = RESULTS / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in [*evidence, *(folder / name for name in CURVES if (folder / name).exists())]:
        shutil.copyfile(path, kept / path.name)
    runs.write_json(kept / "final.json", final)
    return kept


def results() -> dict[str, dict[str, Any]]:
    """All that is recorded, by the name of its folder."""
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*/final.json"))}


def measured(item: Item, recorded: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The runs that measured an item, of those that are recorded, see `results`."""
    options = {"dataset": "mnist", **item.options}

    def fits(final: Mapping[str, Any]) -> bool:
        config = final["config"]
        return (
            final["experiment"] == item.experiment
            and item.metric in final["metrics"]
            # What a run's code had no option for, it did not do.
            and all(option in SELECTIONS or config.get(option, False) == value for option, value in options.items())
        )

    return {name: final for name, final in recorded.items() if fits(final)}


def markdown() -> str:
    """RESULTS.md: a table for each of the paper's, a row for each recorded run of an item."""
    recorded = results()
    text = [
        "# Results",
        "",
        "Made by `python -m experiments.reproduce --write` from the files in `experiments/results`: there is the",
        "evidence of each number, with its config and its machine, and of newer runs a picture of the errors of each",
        "seed against epochs. Ours is mean ± standard deviation over seeds; minutes are those of training, of all",
        "seeds and models together, by the clock, whatever else the machine did.",
    ]
    heading = "| item | | paper | best public code | ours | seeds | preset | epochs | device | minutes | commit |"
    for table in dict.fromkeys(item.table for item in ITEMS.values()):
        text += ["", f"## {table}", "", heading, "|" + "---|" * 11]
        for name, item in ITEMS.items():
            if item.table == table:
                stem = f"| {name} | {item.words} | {item.paper} | {item.public} |"
                text += [f"{stem} {cells}" for cells in _rows(item, recorded)] or [
                    f"{stem} {_not_measured(item)} |" + " |" * 6
                ]
        if table in REMARKS:
            text += ["", *textwrap.wrap(REMARKS[table], 119)]
    text += [
        "",
        "## Again with a fresh seed",
        "",
        "Beside the 99 % prediction interval of the seeds before (Student's t).",
        "",
        *_fresh_seeds(recorded),
        "",
        "## How settings were chosen",
        "",
        "By errors on validation images after the last epoch, by `python -m experiments.search`; the lowest is bold.",
    ]
    for path in sorted(search.SEARCHES.glob("*.json")):
        found = runs.read_json(path)
        stem = f"`{found['command']}`, commit {found['commit'][:7]}, {runs.machine(found['environment'])}:"
        text += ["", stem, "", *search.table(found)]
    text += [
        "",
        "## Commands",
        "",
        "Each with the folder of the files of its data set, where they need no download, and at its commit: what a",
        "preset means may have changed since.",
        "",
    ]
    text += [f"- `{final['command']}`: `{name}`, commit {final['commit'][:7]}" for name, final in recorded.items()]
    return "\n".join(text) + "\n"


def headlines() -> str:
    """The README's table: of each item the run with the most seeds, and of those the longest."""
    recorded, text = results(), ["| | | paper | ours | seeds |", "|" + "---|" * 5]
    tables = [ITEMS[name].table for name in HEADLINES]
    for item, above in zip([ITEMS[name] for name in HEADLINES], ["", *tables[:-1]], strict=True):
        runs_of_item = measured(item, recorded).values()
        stem = f"| {item.table if item.table != above else ''} | {item.words} | {item.paper} |"
        if runs_of_item:
            final = max(runs_of_item, key=lambda final: (_num_seeds(final), final["config"]["epochs"]))
            text.append(f"{stem} **{_number(item, final)}** | {_num_seeds(final)} |")
        else:
            text.append(f"{stem} {_not_measured(item)} | |")
    return "\n".join(text)


def inserted(page: str, begin: str, end: str, text: str) -> str:
    """A page with a text between two markers.

    Raises:
        ValueError: if they are not there.
    """
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"The README has no {begin} and {end} to write between.")
    return f"{before}{begin}\n{text}\n{end}{after}"


def _rows(item: Item, recorded: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for name, final in measured(item, recorded).items():
        config, minutes = final["config"], final.get("training_minutes", final["minutes"])
        yield (
            f"**{_number(item, final)}** | {_num_seeds(final)} | {config['preset']} | {config['epochs']} | "
            f"{runs.machine(final['environment'])} | {minutes:.{0 if minutes >= 10 else 1}f} | "
            f"[{final['commit'][:7]}](experiments/results/{name}) |"
        )


def _fresh_seeds(recorded: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Runs of one seed that differ from a run of several in nothing else."""

    def same(final: Mapping[str, Any]) -> dict[str, Any]:
        return {option: value for option, value in final["config"].items() if option not in ("seed", "seeds")}

    for item in ITEMS.values():
        of_item = measured(item, recorded).values()
        for fresh, several in itertools.product(of_item, of_item):
            first, last = (several["config"]["seed"] + index for index in (0, several["config"]["seeds"] - 1))
            seed, alone = fresh["config"]["seed"], fresh["config"]["seeds"] == 1
            if alone and _num_seeds(several) > 1 and same(fresh) == same(several) and not first <= seed <= last:
                low, high = reports.prediction_interval(several["metrics"][item.metric]["values"])
                scale, value = 100 if item.metric.endswith("error") else 1, fresh["metrics"][item.metric]
                yield (
                    f"- {item.table.split(':')[0]}, {item.words}, seed {seed}: **{_number(item, fresh)}**, "
                    f"{'inside' if low <= value <= high else 'outside'} of {scale * low:.3g} to {scale * high:.3g}, "
                    f"of seeds {first} to {last}"
                )


def _not_measured(item: Item) -> str:
    return f"*not measured: {item.missing}*"


def _number(item: Item, final: Mapping[str, Any]) -> str:
    value, error = final["metrics"][item.metric], final["metrics"].get(f"{item.metric}_standard_error")
    number = reports.text_of(value, 100 if item.metric.endswith("error") else 1)
    return number if isinstance(value, dict) or error is None else f"{number} (standard error {error:.2g})"


def _num_seeds(final: Mapping[str, Any]) -> int:
    return final["config"]["seeds"] - len(final.get("diverged_seeds", ()))


if __name__ == "__main__":
    command_line.run(main, PRESETS)
