"""The paper's tables beside ours: what is measured, by which command, and what is not.

    python -m experiments.reproduce                                           # prints the tables
    python -m experiments.reproduce --run table2-100                          # runs an item's command
    python -m experiments.reproduce --record runs/semi_supervised             # keeps a finished run's small files
    python -m experiments.reproduce --write                                   # writes RESULTS.md

Every number of ours comes from a `final.json` under experiments/results, which a run of committed code left and whose
evidence stands beside it; none is typed. The paper's are those of arXiv:1511.05644v2; "best public code" is the best
result that we found reported in a public repository of adversarial autoencoders, with its name.
"""

import dataclasses
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from aae_jax import runs
from experiments import command_line, reports

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results"
PLACES = {"out", "data_dir", "manual_dir", "resume"}
"""Options that say where things lie on one machine, and have no part in a result."""


@dataclasses.dataclass(frozen=True)
class Item:
    """A number of the paper."""

    table: str
    """Where it stands there."""
    words: str
    """What it is."""
    paper: str
    """What the paper says."""
    public: str
    """The best result of a public implementation."""
    experiment: str
    """Module of ours."""
    metric: str
    """Its name in `final.json`; an error is a fraction there, and percent in the table."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of the experiment, beside the data set."""


TABLE_1 = "Table 1: log-likelihood of MNIST test images by Parzen windows, nats (higher is better)"
TABLE_2 = "Table 2: semi-supervised test error on MNIST, %"
TABLE_3 = "Table 3: clustering test error on MNIST by the paper's rule, %"
FIGURE_2 = "Fig. 2: fraction of the prior's mass that held-out MNIST codes leave empty (hole fraction)"
FIGURE_4 = "Fig. 4: MNIST test codes in another class's part of the prior, %"
FIGURE_7 = "Fig. 7: MNIST samples in which a classifier of real images sees another class than asked for, %"
FIGURE_11 = "Fig. 11: test error of MNIST in a code of reduced dimension, %"
NONE = "none found"
TEN = {"samples": 10_000}
ITEMS = {
    "table1-10k": Item(
        TABLE_1, "AAE, 10,000 samples", "340 ± 2", "377.5 ± 3.6 (1henrypage)", "likelihood", "aae/log_likelihood", TEN
    ),
    "table1-10m": Item(
        TABLE_1,
        "AAE, ten million samples",
        "427",
        "412.2 (1henrypage, 500,000 samples)",
        "likelihood",
        "aae/many/log_likelihood",
        {"many_samples": 10_000_000},
    ),
    "table1-gan": Item(
        TABLE_1, "GAN, 10,000 samples", "225 ± 2", "397.7 (1henrypage)", "likelihood", "gan/log_likelihood", TEN
    ),
    "table1-vae": Item(TABLE_1, "VAE, 10,000 samples", "not given", NONE, "likelihood", "vae/log_likelihood", TEN),
    "table2-100": Item(
        TABLE_2,
        "100 labels",
        "1.90 ± 0.10",
        "about 4 (musyoku, validation)",
        "semi_supervised",
        "semi_supervised_aae/test/error",
        {"labels": 100},
    ),
    "table2-1000": Item(
        TABLE_2,
        "1000 labels",
        "1.60 ± 0.08",
        "2.9 (conan7882, 1280 labels)",
        "semi_supervised",
        "semi_supervised_aae/test/error",
        {"labels": 1000},
    ),
    "table2-all": Item(
        TABLE_2,
        "all (50,000) labels",
        "0.85 ± 0.02",
        NONE,
        "semi_supervised",
        "semi_supervised_aae/test/error",
        {"labels": 0},
    ),
    **{
        f"table2-plain-{labels or 'all'}": Item(
            TABLE_2,
            f"plain network, {labels or 'all'} labels",
            paper,
            NONE,
            "semi_supervised",
            "plain_network/test/error",
            {"labels": labels},
        )
        for labels, paper in ((100, "25.80"), (1000, "8.73"), (0, "1.25"))
    },
    "table3-16": Item(TABLE_3, "16 clusters", "9.55 ± 2.05", NONE, "clustering", "head_rule/error", {"clusters": 16}),
    "table3-30": Item(TABLE_3, "30 clusters", "4.10 ± 1.13", NONE, "clustering", "head_rule/error", {"clusters": 30}),
    **{
        f"figure2-{model}-{prior}".replace("_", "-"): Item(
            FIGURE_2,
            f"{model.upper()}, {prior.replace('_', ' ')}",
            "picture",
            "pictures",
            "prior_matching",
            f"{model}_{prior}/hole_fraction",
        )
        for prior in ("gaussian", "gaussian_mixture")
        for model in ("aae", "vae", "ae")
    },
    **{
        f"figure4-{prior}".replace("_", "-"): Item(
            FIGURE_4,
            f"{prior.replace('_', ' ')}, a fifth of the images labeled",
            "picture",
            "pictures",
            "label_prior",
            f"{prior}/component/error",
            {"labeled_fraction": 0.2},
        )
        for prior in ("gaussian_mixture", "swiss_roll")
    },
    "figure7": Item(
        FIGURE_7, "style of 15 numbers", "picture", "pictures", "style_content", "samples/error", {"style_size": 15}
    ),
    **{
        f"figure11-{panel}".replace("_", "-"): Item(
            FIGURE_11,
            words,
            paper,
            public,
            "dimension_reduction",
            f"{panel}/category/error",
            {"panels": [panel], "clusters": 20},
        )
        for panel, words, paper, public in (
            ("2d_1000", "2-D, 1000 labels", "4.20", NONE),
            ("2d_100", "2-D, 100 labels", "6.08", NONE),
            ("2d_unsupervised", "2-D, no labels, 20 clusters", "about 13.5", "about 40 (musyoku, training set)"),
            ("10d_100", "10-D, 100 labels", "3.90", "26.0 (1henrypage)"),
        )
    },
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command."""

    run: str | None = None
    """Run the command of an item, by its name in the first column, on MNIST."""
    preset: Literal["laptop", "smoke", "paper"] = "laptop"
    """Of the command that is run."""
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
    """Write RESULTS.md."""


PRESETS = command_line.preset_field({"laptop": Config(), "smoke": Config(), "paper": Config()})


def main(config: Config) -> None:
    """Prints the tables, or does what the options ask for."""
    if config.run is not None:
        _run(config)
    elif config.record is not None:
        print(record(config.record, config.name or config.record.name))
    elif config.write:
        (ROOT / "RESULTS.md").write_text(markdown())
        print(ROOT / "RESULTS.md")
    else:
        print(markdown())


def _run(config: Config) -> None:
    if config.run not in ITEMS:
        raise ValueError(f"There is no item {config.run!r}; expected one of {', '.join(ITEMS)}.")
    places = {name: getattr(config, name) for name in ("data_dir", "manual_dir")}
    options = {"preset": config.preset, "seeds": config.seeds, "out": config.out or Path("runs", config.run), **places}
    words = [sys.executable, *command(ITEMS[config.run], {k: v for k, v in options.items() if v is not None})]
    words += ["--resume"] if config.resume else []
    print(shlex.join(words), file=sys.stderr, flush=True)
    # In place of this process, so that signals reach the one that has something to save.
    os.execv(sys.executable, words)


def command(item: Item, options: Mapping[str, Any]) -> list[str]:
    """What measures an item on MNIST, without the interpreter.

    Args:
        item: of the paper.
        options: of the experiment, beside those of the item.
    """
    words = ["-m", f"experiments.{item.experiment}"]
    for name, value in {"dataset": "mnist", **item.options, **options}.items():
        words += [f"--{name.replace('_', '-')}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    return words


def record(folder: Path, name: str) -> Path:
    """Keeps what a finished run has measured, and the evidence of it, without the places of this machine.

    Args:
        folder: of the run.
        name: of the folder in experiments/results.

    Returns:
        That folder.

    Raises:
        ValueError: if the run's code was not committed.
    """
    final = runs.read_json(folder / "final.json")
    commits = final.get("commits", [final["commit"]])
    if final["dirty"] is not False or len(commits) != 1 or not final["commit"]:
        raise ValueError(
            f"The run in {folder} is of code that was not committed, or of several commits "
            f"({', '.join(map(str, commits))}); run it again from one."
        )
    final["config"] = {option: value for option, value in final["config"].items() if option not in PLACES}
    final["config"]["dataset"] = Path(final["config"]["dataset"]).name
    final["command"] = runs.without_options(final["command"], PLACES - {"resume"}, {"resume"})
    kept = RESULTS / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in folder.glob("evidence_*.npz"):
        shutil.copyfile(path, kept / path.name)
    runs.write_json(kept / "final.json", final)
    return kept


def results() -> dict[str, dict[str, Any]]:
    """All that is recorded, by the name of its folder."""
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*/final.json"))}


def measured(item: Item) -> list[dict[str, Any]]:
    """The recorded runs on MNIST that measured an item."""

    def fits(final: Mapping[str, Any]) -> bool:
        config = final["config"]
        return (
            final["experiment"] == item.experiment
            and config["dataset"] == "mnist"
            and item.metric in final["metrics"]
            and all(option == "panels" or config[option] == value for option, value in item.options.items())
        )

    return [final for final in results().values() if fits(final)]


_NOT_MEASURED = "*not measured: no run recorded yet* |" + " |" * 6


def markdown() -> str:
    """RESULTS.md: a table for each of the paper's, a row for each recorded run of an item."""
    text = [
        "# Results",
        "",
        "Made by `python -m experiments.reproduce --write` from the files in `experiments/results`: there is the",
        "evidence of each number, with its config and its machine. Ours is mean ± standard deviation over seeds;",
        "minutes are those of training, of all seeds and models together.",
    ]
    heading = "| item | | paper | best public code | ours | seeds | preset | epochs | device | minutes | commit |"
    for table in dict.fromkeys(item.table for item in ITEMS.values()):
        text += ["", f"## {table}", "", heading, "|" + "---|" * 11]
        for name, item in ITEMS.items():
            if item.table == table:
                stem = f"| {name} | {item.words} | {item.paper} | {item.public} |"
                text += [f"{stem} {cells}" for cells in _rows(item)] or [f"{stem} {_NOT_MEASURED}"]
    text += [
        "",
        "## Commands",
        "",
        "Each with the folder of the files of its data set, where they need no download.",
        "",
    ]
    text += [f"- `{final['command']}`: `{name}`, commit {final['commit'][:7]}" for name, final in results().items()]
    return "\n".join(text) + "\n"


def _rows(item: Item) -> Iterator[str]:
    for final in measured(item):
        value, config, machine = final["metrics"][item.metric], final["config"], final["environment"]
        is_error = item.metric.endswith("error")
        number = reports.text_of(value, 100 if is_error else 1)
        if not isinstance(value, dict) and f"{item.metric}_standard_error" in final["metrics"]:
            number += f" (standard error {reports.text_of(final['metrics'][f'{item.metric}_standard_error'])})"
        device = (
            machine["device"] if machine["device"] != "cpu" else f"{machine['processor']}, {machine['cores']} cores"
        )
        minutes = final.get("training_minutes", final["minutes"])
        seeds = config["seeds"] - len(final.get("diverged_seeds", ()))
        yield (
            f"**{number}** | {seeds} | {config['preset']} | {config['epochs']} | {device} | {minutes:.0f} | "
            f"{final['commit'][:7]} |"
        )


if __name__ == "__main__":
    command_line.run(main, PRESETS)
