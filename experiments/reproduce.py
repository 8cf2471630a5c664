"""The paper's tables beside ours: what is measured, by which command, and what is not.

    python -m experiments.reproduce                                           # prints the tables
    python -m experiments.reproduce --run table2-100                          # runs an item's command
    python -m experiments.reproduce --record runs/semi_supervised             # keeps a finished run's small files
    python -m experiments.reproduce --record runs/a runs/b runs/c             # of other seeds each, as one result
    python -m experiments.reproduce --write                                   # writes RESULTS.md and README.md

Every number of ours comes from a `final.json` under experiments/results, which a run of committed code left and whose
evidence stands beside it; none is typed. The paper's stand in `experiments.items`.
"""

import dataclasses
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from aae_jax import runs
from aae_jax.checks import check_count, nearest
from experiments import command_line, reports
from experiments.items import ITEMS, Item
from experiments.tables import RESULTS, headlines, inserted, markdown

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- results -->", "<!-- end results -->"
PLACES = {"out", "data_dir", "manual_dir", "resume", "coordinator", "processes", "process"}
"""Options that say where things lie on one machine, and have no part in a result."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command."""

    run: str | None = None
    """Run the command of an item, by its name in the first column."""
    preset: Literal["laptop", "smoke", "best", "unlabeled", "paper", "svhn"] = "laptop"
    """Of the command that is run; some have no best, and only one each has unlabeled and svhn."""
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
    record: tuple[Path, ...] = ()
    """Keep the small files of a finished run in experiments/results; those of several as one result, if they differ in
    their seeds alone."""
    name: str | None = None
    """Of the results folder that is recorded; by default that of the (first) run folder."""
    write: bool = False
    """Write RESULTS.md, and the table of the README."""


PRESETS = command_line.preset_field(dict.fromkeys(get_args(get_type_hints(Config)["preset"]), Config()))


def main(config: Config) -> None:
    """Prints the tables, or does what the options ask for."""
    _check(config)
    if config.run is not None:
        _run(config)
    elif config.record:
        print(record(config.record, config.name or config.record[0].resolve().name))
    elif config.write:
        (ROOT / "RESULTS.md").write_text(markdown())
        README.write_text(inserted(README.read_text(), BEGIN, END, headlines()))
        print(f"{ROOT / 'RESULTS.md'} and {README.name}")
    else:
        print(markdown())


def _check(config: Config) -> None:
    """Checks the options before anything is done, and that they ask for one thing."""
    check_count("seeds", config.seeds)
    asked = [name for name in ("run", "record", "write") if getattr(config, name) not in (None, False, ())]
    if len(asked) > 1:
        raise ValueError(f"The options {' and '.join(asked)} were given; expected one of them at a time.")
    if config.run is not None and config.run not in ITEMS:
        near = nearest(config.run, ITEMS)
        raise ValueError(f"run is {config.run!r}; expected an item, by its name in RESULTS.md.{near}")
    if config.run is not None and ITEMS[config.run].past:
        raise ValueError(
            f"run is {config.run!r}, whose options mean something else by now; expected another item, or check out "
            "the commit of its row in RESULTS.md and give its command there."
        )
    of_run = dict.fromkeys(("preset", "seeds", "data_dir", "manual_dir", "out", "resume"), "run")
    for option, of in {"name": "record", **of_run}.items():
        if getattr(config, option) != getattr(Config, option) and of not in asked:
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
        option = name.replace("_", "-")
        if isinstance(value, bool):
            # What another preset does, an item without it has to leave out.
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", *map(str, value if isinstance(value, list) else [value])]
    return words


def record(folders: Sequence[Path], name: str) -> Path:
    """Keeps what finished runs have measured, drawn, and have as evidence, without the places of this machine.

    Args:
        folders: of a run, or of several that differ in their seeds alone.
        name: of the folder in experiments/results.

    Returns:
        That folder.

    Raises:
        FileNotFoundError: if a run is not finished.
        ValueError: if a run's code was not committed, its `final.json` is none, the runs differ in more than their
            seeds, or `name` is a path.
    """
    if not name or Path(name).name != name or name == "..":
        raise ValueError(f"name is {name!r}; expected the name of a folder, without a path.")
    kept = RESULTS / name
    if kept.resolve() in [folder.resolve() for folder in folders]:
        raise ValueError(f"{kept} is where results are kept; expected the folder of a run.")
    finals = [_finished(folder) for folder in folders]
    final = reports.joined(finals)
    # Whole before it takes the place of what is there.
    new, old = RESULTS / f".{name}", RESULTS / f".{name}.old"
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    new.mkdir(parents=True)
    for folder, own in zip(folders, finals, strict=True):
        before = own["config"]["seed"] - final["config"]["seed"]
        for path in folder.glob("evidence_*.npz"):
            shutil.copyfile(path, new / f"evidence_{before + reports.seed_index(path)}.npz")
        for path in folder.glob("*.png"):
            after = f"_seed_{own['config']['seed']}" if before else ""
            shutil.copyfile(path, new / f"{path.stem}{after}.png")
    runs.write_json(new / "final.json", final)
    if kept.exists():
        kept.rename(old)
    new.rename(kept)
    shutil.rmtree(old, ignore_errors=True)
    return kept


def _finished(folder: Path) -> dict[str, Any]:
    """The `final.json` of a run that can be recorded, without the places of this machine."""
    final = runs.read_json(folder / "final.json")
    missing = [name for name in ("commit", "dirty") if not isinstance(final, dict) or name not in final]
    if missing:
        raise ValueError(f"{folder / 'final.json'} lacks {missing}; expected what a finished experiment leaves.")
    commits = final.get("commits", [final["commit"]])
    if final["dirty"] is not False or commits != [final["commit"]] or not final["commit"]:
        raise ValueError(
            f"The run in {folder} is of code that was not committed, or of several commits "
            f"({', '.join(map(str, commits))}); run it again from one."
        )
    if not any(folder.glob("evidence_*.npz")):
        raise ValueError(f"There is no evidence in {folder}; expected what a finished experiment leaves.")
    final["config"] = {option: value for option, value in final["config"].items() if option not in PLACES}
    if "dataset" in final["config"]:
        final["config"]["dataset"] = Path(final["config"]["dataset"]).name
    final["command"] = runs.without_options(final["command"], PLACES - {"resume"}, {"resume"})
    return final


if __name__ == "__main__":
    command_line.run(main, PRESETS)
