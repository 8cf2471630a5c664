"""The README's table of performance, from what is recorded.

    python -m benchmarks.table                                                # prints it
    python -m benchmarks.table --write                                        # writes it into README.md

Every number comes from a JSON file under benchmarks/results, which a benchmark wrote with `--record`; none is typed.
Ratios are bold; a time stands beside the name of its machine only.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from aae_jax import runs
from benchmarks import records, start, timing
from experiments import command_line, tables

README = records.ROOT / "README.md"
BEGIN, END = "<!-- performance -->", "<!-- end performance -->"
NOT_MEASURED = "*not measured*"
VARIANTS = {"aae": "AAE", "semi_supervised_aae": "semi-supervised AAE"}
PEERS = ("torch_usual", "torch_eager", "torch_compile", "pythae")
BATCH_SIZES = (100, 1000, 10_000)


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command."""

    preset: Literal["all"] = "all"
    """There is one."""
    write: bool = False
    """Write README.md."""


PRESETS = command_line.preset_field({"all": Config()})


def main(config: Config) -> None:
    """Prints the table, or writes it into the README."""
    text = markdown(recorded(records.RESULTS))
    if config.write:
        README.write_text(tables.inserted(README.read_text(), BEGIN, END, text))
        print(README.name)
    else:
        print(text)


def recorded(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What is recorded, by the name of its benchmark, at the paper's width, in float32, and not by the preset smoke.

    Args:
        folder: of the JSON files.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        one = runs.read_json(path)
        # In older records the precision of JAX, "highest", stands for float32.
        in_float32 = one["config"].get("precision", "float32") in ("float32", "highest")
        if one["config"]["preset"] != "smoke" and one["config"].get("width", 1000) == 1000 and in_float32:
            found.setdefault(one["benchmark"], []).append(one)
    return found


def markdown(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """The tables: steps of training beside peers, the rest, and what is promised.

    Args:
        found: see `recorded`.
    """
    text = [
        "Time of a training step over that of `aae_jax` (above 1: `aae_jax` is faster), median and range:",
        "",
        "| model | batch | PyTorch as usual | PyTorch, lean | lean, compiled | pythae, its own algorithm | `aae_jax` "
        "| machine |",
        "|" + "---|" * 8,
    ]
    for variant, words in VARIANTS.items():
        for batch_size in BATCH_SIZES:
            stem = f"| {words} | {batch_size:,} |"
            lines = list(_peer_cells(found.get("peers", []), variant, batch_size))
            text += [f"{stem} {cells} |" for cells in lines or [f"{NOT_MEASURED} | | | | |"]]
    text += ["", "| what | ratio | time | machine |", "|" + "---|" * 4]
    for words, benchmark, cells in (
        ("matrix products' share of a step, AAE, batch 100", "roofline", _fraction("product_fraction", 100)),
        ("matrix products' share of a step, AAE, batch 1,000", "roofline", _fraction("product_fraction", 1000)),
        ("products' and optimizer's share, AAE, batch 100", "roofline", _fraction("model_fraction", 100)),
        (
            "a step of several seeds at once, over as many steps one by one: below 1, together is faster",
            "scaling",
            _seeds,
        ),
        ("`import aae_jax`, over jax, flax and optax alone", "start", _import),
        ("command to first epoch on `mnist5k`, warm cache, over no cache", "start", _first_epoch),
        ("Parzen window, matrix product's share", "parzen", _parzen),
    ):
        lines = []
        for one in found.get(benchmark, []):
            measured = cells(one)
            if measured is not None:
                ratio, seconds = measured
                lines.append(f"| {words} | **{ratio}** | {seconds} | {runs.machine(one['environment'])} |")
        text += lines or [f"| {words} | {NOT_MEASURED} | | |"]
    text += ["", "| what is promised | measured | machine |", "|" + "---|" * 3]
    for words, benchmark, cell in (
        (
            "devices, processes, seeds and streams change no parameter: largest difference, SGD in float64",
            "invariance",
            _largest_difference("float64"),
        ),
        (
            "the same in float32, where sums in another order round otherwise",
            "invariance",
            _largest_difference("float32"),
        ),
        (
            "runs that are killed, cut short, spoiled or robbed of their disk go on to the same bytes, or say in a "
            "line why they cannot begin",
            "faults",
            _survived,
        ),
    ):
        promised = [
            f"| {words} | {cell(one['results'])} | {runs.machine(one['environment'])} |"
            for one in found.get(benchmark, [])
        ]
        text += promised or [f"| {words} | {NOT_MEASURED} | |"]
    return "\n".join(text)


def _peer_cells(found: list[dict[str, Any]], variant: str, batch_size: int) -> Iterator[str]:
    """Of each machine that measured a variant at a batch size."""
    for one in found:
        for entry in one["results"]["steps"]:
            if (entry["variant"], entry["batch_size"]) == (variant, batch_size):
                seconds = entry["seconds_per_step"]
                ratios = timing.ratios(seconds, "chunk")
                cells = [_ratio(ratios[name]) if name in ratios else "" for name in PEERS]
                cells += [_time(timing.spread(seconds["chunk"]).median), runs.machine(one["environment"])]
                yield " | ".join(cells)


Cells = tuple[str, str] | None
"""A ratio and a time; None where a run has not measured them."""


def _fraction(name: str, batch_size: int) -> Any:
    def cells(one: Mapping[str, Any]) -> Cells:
        for entry in one["results"]["entries"]:
            if (entry["variant"], entry["batch_size"]) == ("aae", batch_size):
                part = entry["parts"]["step"]
                return f"{part[name]:.2f}", _time(timing.spread(part["seconds"]).median)
        return None

    return cells


def _seeds(one: Mapping[str, Any]) -> Cells:
    seconds = one["results"].get("seeds", {}).get("seconds", {})
    most = max(map(int, seconds), default=1)
    if most == 1 or "1" not in seconds:
        return None
    ratio = timing.ratios(seconds, "1")[str(most)]
    return f"{ratio.median / most:.2f}× for {most}", _time(timing.spread(seconds[str(most)]).median)


def _import(one: Mapping[str, Any]) -> Cells:
    return _of_start(one, "import aae_jax", "import jax, flax, optax")


def _first_epoch(one: Mapping[str, Any]) -> Cells:
    return _of_start(one, start.EPOCHS[1], start.EPOCHS[0]) if one["config"]["experiment"] == "laptop" else None


def _of_start(one: Mapping[str, Any], name: str, reference: str) -> Cells:
    seconds = one["results"]["seconds"]
    return f"{timing.ratios(seconds, reference)[name].median:.2f}×", _time(timing.spread(seconds[name]).median)


def _parzen(one: Mapping[str, Any]) -> Cells:
    config, results = one["config"], one["results"]
    work = f"{config['samples']:,} samples × {config['test']:,} images"
    return f"{results['fraction']:.2f}", f"{_time(results['whole_seconds'])}: {work}"


def _largest_difference(precision: str) -> Callable[[Mapping[str, Any]], str]:
    def cell(results: Mapping[str, Any]) -> str:
        found = results["differences"].get(precision)
        if not found:
            return NOT_MEASURED
        largest = max(difference for of_ways in found.values() for difference in of_ways.values())
        return f"**{largest:.1e}** of the largest at most, {len(found)} variants"

    return cell


def _survived(results: Mapping[str, Any]) -> str:
    faults = results["faults"]
    kills = sum(row["fault"].startswith("SIGKILL") for row in faults)
    return f"**{sum(row['survived'] for row in faults)} of {len(faults)}**, {kills} of them kills of one run"


def _ratio(ratio: timing.Spread) -> str:
    return f"**{ratio.median:.2f}×** ({ratio.low:.2f} to {ratio.high:.2f})"


def _time(seconds: float) -> str:
    for scale, unit in ((60, "min"), (1, "s"), (1e-3, "ms")):
        if seconds >= scale or unit == "ms":
            return f"{seconds / scale:.3g} {unit}"
    raise AssertionError


if __name__ == "__main__":
    command_line.run(main, PRESETS)
