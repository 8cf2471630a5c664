"""Clocks: contenders take turns, so that what disturbs the machine disturbs all of them."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from aae_jax import Rows, TrainingConfig, fit
from aae_jax.types import Algorithm

__all__ = ["Spread", "Work", "finished", "interleaved", "per_call", "ratios", "second_epoch", "spread", "timed"]

_REST = 0.1
"""Seconds between two contenders: some libraries' threads go on spinning for a while when their work is done."""

Work = Callable[[], Any]
"""Does a fixed amount of work, and returns when it is done: what it gives back is waited for."""


class Spread(NamedTuple):
    """Several measurements of one thing.

    Attributes:
        median: of them.
        low: their smallest.
        high: their largest.
    """

    median: float
    low: float
    high: float

    def text(self, scale: float = 1.0, digits: int = 3) -> str:
        """As in "12.3 (11.9 to 14)", in units of 1 / scale."""
        median, low, high = (f"{scale * value:.{digits}g}" for value in self)
        return f"{median} ({low} to {high})"


def spread(values: Sequence[float]) -> Spread:
    """Of one measurement or more."""
    return Spread(statistics.median(values), min(values), max(values))


def finished(result: Any) -> Any:
    """The result, when jax has computed it."""
    return jax.block_until_ready(result)


def timed(work: Work) -> float:
    """Seconds of doing it once."""
    started = time.perf_counter()
    finished(work())
    return time.perf_counter() - started


def second_epoch(make_algorithm: Callable[[str | None], Algorithm], rows: Rows, **terms: Any) -> float:
    """Seconds of the second of two epochs of `fit` on one device; the first compiles.

    Args:
        make_algorithm: see `fit`.
        rows: see `fit`.
        **terms: further fields of `TrainingConfig`.
    """
    with tempfile.TemporaryDirectory() as folder:
        fit(make_algorithm, rows, TrainingConfig(epochs=2, num_devices=1, **terms), folder)
        return json.loads((Path(folder) / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]


def interleaved(contenders: Mapping[str, Work], repetitions: int) -> dict[str, list[float]]:
    """Seconds of every repetition, in rounds: A B C, A B C, and so on.

    Two rounds before the first are not counted: they compile, the second where types settle only in the first result,
    and fill the caches.

    Args:
        contenders: by name.
        repetitions: rounds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for work in 2 * list(contenders.values()):
        timed(work)
    for _ in range(repetitions):
        for name, work in contenders.items():
            time.sleep(_REST)
            seconds[name].append(timed(work))
    return seconds


def per_call(function: Callable[..., Any], *arguments: Any, repetitions: int, least: float = 0.05) -> list[float]:
    """Seconds of one call, several times over; each is a mean of as many calls as fill a moment.

    Args:
        function: to call, compiled; it is called once before.
        *arguments: of the function, none of them donated.
        repetitions: how many means.
        least: seconds of a moment.
    """
    timed(lambda: function(*arguments))
    count = max(1, round(least / max(timed(lambda: function(*arguments)), 1e-6)))

    def work() -> Any:
        return [function(*arguments) for _ in range(count)][-1]

    return [timed(work) / count for _ in range(repetitions)]


def ratios(seconds: Mapping[str, Sequence[float]], reference: str) -> dict[str, Spread]:
    """How many times as long as the reference each contender took, round by round."""
    return {
        name: spread([value / other for value, other in zip(values, seconds[reference], strict=True)])
        for name, values in seconds.items()
    }
