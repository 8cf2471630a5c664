"""The pages that are made of what is recorded: RESULTS.md and the README's table, the paper's numbers beside ours."""

import itertools
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aae_jax import runs
from experiments import reports, search
from experiments.items import ITEMS, Item
from experiments.remarks import PICTURES, REMARKS

__all__ = ["RESULTS", "headlines", "inserted", "markdown", "measured", "results"]

RESULTS = Path(__file__).resolve().parent / "results"
HEADLINES = (
    *("table1-10k", "table1-10k-code-5", "table1-10k-code-noise", "table1-10k-code-noise-fine", "table1-10m"),
    *("table2-100", "table2-views-100", "table2-1000", "table2-views-1000", "table2-all", "table2-views-all"),
    *("table3-16", "table3-alike-16", "table3-30", "table3-alike-30"),
    *("figure2-aae-gaussian", "figure2-vae-gaussian", "figure2-refined-aae-gaussian", "figure2-refined-vae-gaussian"),
    *("figure2-aae-gaussian-mixture", "figure2-vae-gaussian-mixture"),
    *("figure2-refined-aae-gaussian-mixture", "figure2-refined-vae-gaussian-mixture"),
    *("figure4-gaussian-mixture", "figure4-views-gaussian-mixture"),
    *("figure4-swiss-roll", "figure4-noise-swiss-roll", "figure7", "figure7-told"),
    *("figure11-2d-1000", "figure11-views-2d-1000", "figure11-2d-100", "figure11-views-2d-100"),
    *("figure11-2d-unsupervised", "figure11-alike-2d-unsupervised", "figure11-10d-100", "figure11-views-10d-100"),
)
"""Items that the README shows."""
SELECTIONS = {"models", "panels", "priors"}
"""Options that say which models to train: of those that a run has, an item's metric names its own."""


def results() -> dict[str, dict[str, Any]]:
    """All that is recorded, by the name of its folder."""
    kept = [path for path in sorted(RESULTS.glob("*/final.json")) if not path.parent.name.startswith(".")]
    return {path.parent.name: json.loads(path.read_text()) for path in kept}


def measured(item: Item, recorded: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The runs that measured an item, of those that are recorded, see `results`."""
    options = {"dataset": "mnist", **item.options}

    def fits(final: Mapping[str, Any]) -> bool:
        return (
            final["experiment"] == item.experiment
            and item.metric in final["metrics"]
            and all(option in SELECTIONS or _option(final, option) == value for option, value in options.items())
        )

    return {name: final for name, final in recorded.items() if fits(final)}


def markdown() -> str:
    """RESULTS.md: a table for each of the paper's, a row for each recorded run of an item."""
    recorded = results()
    text = [
        "# Results",
        "",
        "Made by `python -m experiments.reproduce --write` from the files in `experiments/results`: there is the",
        "evidence of each number, with its config and its machine, and of newer runs pictures: of the errors of each",
        "seed against epochs, and those below. Ours is mean ± standard deviation over seeds; minutes are those of",
        "training, of all seeds and models together, by the clock, whatever else the machine did. An item is run",
        "again, with today's presets, by `python -m experiments.reproduce --run ITEM --preset PRESET --seeds N`; to",
        "repeat a row, check out its commit and give its command, see Commands.",
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
        text += _pictures(table, recorded)
    text += [
        "",
        "## Again with a fresh seed",
        "",
        "Beside the 99 % prediction interval of the seeds before (Student's t); of three seeds it is wide, and where",
        "it reaches below 0 or beyond 100 % it says little.",
        "",
        *_fresh_seeds(recorded),
        "",
        "## Some settings, compared",
        "",
        "By errors on validation images after the last epoch, by `python -m experiments.search`; the lowest is bold.",
        "Others were tried by hand, on validation images too.",
    ]
    for path in sorted(search.SEARCHES.glob("*.json")):
        found = runs.read_json(path)
        stem = f"`{found['command']}`, commit {found['commit'][:7]}, {runs.machine(found['environment'])}:"
        text += ["", stem, "", *search.table(found)]
    text += [
        "",
        "## Commands",
        "",
        "Of the commit that is named: what a preset means may have changed since. `--data-dir` says where the data",
        "set is kept, `--manual-dir` where its files are, if they need no download.",
        "",
    ]
    text += [f"- `{final['command']}`: `{name}`, commit {final['commit'][:7]}" for name, final in recorded.items()]
    return "\n".join(text) + "\n"


def headlines() -> str:
    """The README's table: of each item the run with the most seeds, and of those the longest."""
    recorded, text = results(), ["| | | paper | ours | seeds |", "|" + "---|" * 5]
    above = ""
    for item in (ITEMS[name] for name in HEADLINES):
        runs_of_item = measured(item, recorded).values()
        stem = f"| {item.table if item.table != above else ''} | {item.words} | {item.paper} |"
        above = item.table
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


def _pictures(table: str, recorded: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Of the runs that kept a picture that of the one with the most items of the table, and of those the last."""
    items = [item for item in ITEMS.values() if item.table == table]
    of_runs = [name for item in items for name in measured(item, recorded)]
    for picture, words in PICTURES.get(table, {}).items():
        kept = [name for name in of_runs[::-1] if (RESULTS / name / picture).exists()]
        if kept:
            name = max(kept, key=kept.count)
            yield from ("", f"![{Path(picture).stem} of {name}](experiments/results/{name}/{picture})", "")
            seed = recorded[name]["config"]["seed"] + reports.first_seed(RESULTS / name)
            yield f"*{words}; `{name}`, seed {seed}.*"


def _fresh_seeds(recorded: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Runs of one seed that differ from a run of several in nothing else that makes a difference."""

    def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        options = {*one["config"], *other["config"]} - SELECTIONS - {"seed", "seeds", "checkpoint_epochs", "devices"}
        return all(_option(one, option) == _option(other, option) for option in options)

    for item in ITEMS.values():
        of_item = measured(item, recorded).values()
        for fresh, several in itertools.product(of_item, of_item):
            first, last = (several["config"]["seed"] + index for index in (0, several["config"]["seeds"] - 1))
            seed, alone = fresh["config"]["seed"], fresh["config"]["seeds"] == 1
            if alone and _num_seeds(several) > 1 and same(fresh, several) and not first <= seed <= last:
                low, high = reports.prediction_interval(several["metrics"][item.metric]["values"])
                scale, value = _scale(item), fresh["metrics"][item.metric]
                yield (
                    f"- {item.table.split(':')[0]}, {item.words}, seed {seed}: **{_number(item, fresh)}**, "
                    f"{'inside' if low <= value <= high else 'outside'} of {scale * low:.3g} to {scale * high:.3g}, "
                    f"of seeds {first} to {last}"
                )


def _option(final: Mapping[str, Any], option: str) -> Any:
    """An option of a run: what its code had no option for, it did not do."""
    return final["config"].get(option, False)


def _not_measured(item: Item) -> str:
    return f"*not measured: {item.missing}*"


def _number(item: Item, final: Mapping[str, Any]) -> str:
    value, error = final["metrics"][item.metric], final["metrics"].get(f"{item.metric}_standard_error")
    number = reports.text_of(value, _scale(item))
    return number if isinstance(value, dict) or error is None else f"{number} (standard error {error:.2g})"


def _scale(item: Item) -> int:
    """Errors are fractions, and percent in the tables."""
    return 100 if item.metric.endswith("error") else 1


def _num_seeds(final: Mapping[str, Any]) -> int:
    return final["config"]["seeds"] - len(final.get("diverged_seeds", ()))
