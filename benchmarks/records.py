"""What a benchmark leaves behind: one JSON file of config, machine and all repetitions, and a tracked copy of it."""

import dataclasses
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from aae_jax import runs

__all__ = ["RESULTS", "ROOT", "Options", "Timed", "print_table", "record", "run"]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PLACES = ("out", "record")
"""Options that say what becomes of the numbers, and have no part in them."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options that all benchmarks share."""

    MAY_BE_ZERO: ClassVar[tuple[str, ...]] = ()
    """Counts that may be 0; all others are 1 at least."""

    preset: Literal["laptop", "smoke"] = "laptop"
    """Gives the defaults of the others: minutes on two CPU cores, or seconds, to see that it works."""
    out: Path = Path("runs/benchmarks")
    """The folder of the JSON file and the plot."""
    record: bool = False
    """Keep the JSON file in benchmarks/results, under the machine's name; the code has to be committed."""

    def check(self) -> None:
        """Checks what can be checked before anything is measured.

        Raises:
            ValueError: for a count below 1, a choice of nothing, or a trial that is to be kept.
        """
        if self.record and self.preset == "smoke":
            raise ValueError(
                "The preset smoke is a trial, whose numbers are not kept: leave out --record, or --preset smoke."
            )
        for name in (field.name for field in dataclasses.fields(self)):
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            if not values:
                raise ValueError(f"{name} is empty; expected at least one value.")
            least = 0 if name in self.MAY_BE_ZERO else 1
            for count in (one for one in values if type(one) is int):
                if count < least:
                    raise ValueError(f"{name} is {count}; expected at least {least}.")


@dataclasses.dataclass(frozen=True)
class Timed(Options):
    """Options of what is measured again and again."""

    repetitions: int = 9
    """How often everything is measured."""


AnyOptions = TypeVar("AnyOptions", bound=Options)


def run(
    name: str,
    config: AnyOptions,
    measure: Callable[[AnyOptions], dict[str, Any]],
    show: Callable[[dict[str, Any]], None],
    draw: Callable[[dict[str, Any], Path], None],
) -> dict[str, Any]:
    """Measures, writes, prints, draws, and keeps what is to be kept.

    Args:
        name: of the benchmark, its module.
        config: of the benchmark.
        measure: `config -> results`, plain numbers, strings, lists and dicts.
        show: prints a small table of the results.
        draw: `(results, path)` of a plot.

    Returns:
        What the JSON file holds.

    Raises:
        ValueError: before anything is measured: see `Options.check`; for a folder that cannot be written or that
            another process is at work in, and where numbers are to be kept from code that is not committed.
    """
    config.check()
    provenance = runs.provenance()
    if config.record:
        runs.check_committed(provenance)
    path = config.out / f"{name}.json"
    with runs.lock(config.out):
        started = time.time()
        results = measure(config)
        if runs.provenance() != provenance:
            # Processes that a benchmark starts read the code anew.
            provenance["dirty"] = True
        runs.write_json(
            path,
            {
                "benchmark": name,
                "config": config,
                "environment": runs.environment(),
                "minutes": round((time.time() - started) / 60, 2),
                **provenance,
                "results": results,
            },
        )
    written = runs.read_json(path)
    show(written["results"])
    draw(written["results"], config.out / f"{name}.png")
    print(f"\n{path} and {name}.png" + (f"; kept as {record(path).relative_to(ROOT)}" if config.record else ""))
    return written


def record(path: Path) -> Path:
    """Keeps a benchmark's JSON file, without the places of this machine; returns where.

    Raises:
        ValueError: if the code that measured was not committed.
    """
    written = runs.read_json(path)
    runs.check_committed(written)
    written["config"] = {name: value for name, value in written["config"].items() if name not in PLACES}
    written["command"] = runs.without_options(written["command"], {"out"}, {"record"})
    kept = RESULTS / f"{written['benchmark']}_{_slug(runs.machine(written['environment']))}.json"
    runs.write_json(kept, written)
    return kept


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns as wide as what stands in them, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    for row in (heading, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
