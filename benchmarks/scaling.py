"""How time and memory grow: with the batch, the width, the data set, devices, and seeds trained at once.

    python -m benchmarks.scaling                                              # half an hour on two CPU cores
    python -m benchmarks.scaling --preset smoke                               # a minute, to see that it works

Time is that of a step of the library's own chunk; memory is what XLA plans for it, arguments (state and data) and
temporaries apart. A slope is the exponent of the growth, fitted to the medians: 0 is free, 1 is in proportion. Devices
are fake ones that share the same cores, a process for each count: what they show is the overhead alone. The data lie
on the device; `rows` shows the step, `order` the shuffling of an epoch. `streamed` is the time of a step, over a whole
epoch of `fit`, of small images that are read from a file, which the machine's memory holds where it fits.
"""

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import numpy as np

from aae_jax import Rows, loop
from benchmarks import records, timing
from benchmarks.records import Timed
from benchmarks.timing import Work
from benchmarks.workloads import Chunk, Workload, chunk_of, make_rows, seeds_chunk_of
from experiments import command_line

Axis = Literal["batch", "width", "rows", "order", "streamed", "devices", "seeds"]


@dataclasses.dataclass(frozen=True)
class Config(Timed):
    """Options of the command."""

    OF_SOME: ClassVar[dict[str, tuple[str, tuple[str, ...]]]] = {
        "batch_sizes": ("axes", ("batch", "width", "rows", "devices", "seeds")),
        "widths": ("axes", ("width",)),
        "width": ("axes", ("batch", "rows", "devices", "seeds")),
        "rows": ("axes", ("rows", "order")),
        "streamed_rows": ("axes", ("streamed",)),
        "devices": ("axes", ("devices",)),
        "seeds": ("axes", ("seeds",)),
        "steps": ("axes", ("batch", "width", "rows", "devices", "seeds")),
    }
    """Options that some axes alone read."""

    out: Path = Path("runs/benchmarks/scaling")
    """The folder of the JSON file and the plot."""
    repetitions: int = 5
    """How often everything is measured."""
    axes: tuple[Axis, ...] = ("batch", "width", "rows", "order", "streamed", "devices", "seeds")
    """Along which to measure."""
    batch_sizes: tuple[int, ...] = (100, 200, 500, 1000, 2000)
    """Rows of a step; the first is that of the other axes."""
    widths: tuple[int, ...] = (250, 500, 1000, 2000)
    """Of the hidden layers."""
    width: int = 1000
    """Of the hidden layers, along the other axes."""
    rows: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    """Images in the data set, a byte a pixel."""
    streamed_rows: tuple[int, ...] = (100_000, 1_000_000, 10_000_000)
    """Images of 8 × 8 pixels in a file, by batches of 1000 or fewer and networks of width 16."""
    devices: tuple[int, ...] = (1, 2, 4, 8)
    """That share a batch which all of them divide; on a CPU only."""
    seeds: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Trained at once."""
    steps: int = 10
    """Steps of a repetition."""

    def check(self) -> None:
        """Checks what can be checked before anything is measured; see `Options`."""
        super().check()
        needed = self.steps * self.batch_sizes[0]
        if "rows" in self.axes and min(self.rows) < needed:
            raise ValueError(
                f"rows is {min(self.rows)}; expected at least {needed}, of {self.steps} steps of "
                f"{self.batch_sizes[0]} rows."
            )


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(
            repetitions=2,
            batch_sizes=(24, 48),
            widths=(16, 32),
            width=16,
            rows=(200, 2000),
            streamed_rows=(200, 2000),
            devices=(1, 2),
            seeds=(1, 2),
            steps=3,
        ),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Measures, prints, draws; returns what the JSON file holds."""
    if "devices" in config.axes and jax.default_backend() != "cpu":
        raise ValueError("Devices are fake ones of a CPU; on an accelerator choose other --axes.")
    return records.run("scaling", config, measure, show, draw)


def measure(config: Config) -> dict[str, Any]:
    """Along each axis: seconds, memory, slopes."""
    of_axes: dict[str, Callable[[Config], dict[str, Any]]] = {
        "batch": _batch,
        "width": _width,
        "rows": _rows,
        "order": _order,
        "streamed": _streamed,
        "devices": _devices,
        "seeds": _seeds,
    }
    found = {}
    for axis in config.axes:
        print(axis, file=sys.stderr)
        found[axis] = of_axes[axis](config)
        medians = {place: timing.spread(seconds).median for place, seconds in found[axis]["seconds"].items()}
        found[axis]["slope"] = slope(medians)
    return found


def slope(values: Mapping[Any, float]) -> float | None:
    """The exponent of the growth `{place: value}`, by least squares of logarithms; None for a single place."""
    if len(values) < 2:
        return None
    places = np.log([float(place) for place in values])
    return float(np.polyfit(places, np.log(list(values.values())), 1)[0])


def _batch(config: Config) -> dict[str, Any]:
    workload = Workload(width=config.width)
    return _chunks(
        {size: _chunk(workload, config.steps * size, size) for size in config.batch_sizes},
        config,
    )


def _width(config: Config) -> dict[str, Any]:
    size = config.batch_sizes[0]
    return _chunks(
        {width: _chunk(Workload(width=width), config.steps * size, size) for width in config.widths}, config
    )


def _rows(config: Config) -> dict[str, Any]:
    size, workload = config.batch_sizes[0], Workload(width=config.width)
    return _chunks({count: _chunk(workload, count, size) for count in config.rows}, config)


def _seeds(config: Config) -> dict[str, Any]:
    size, workload = config.batch_sizes[0], Workload(width=config.width)
    rows = make_rows(workload, config.steps * size)
    return _chunks({count: seeds_chunk_of(workload, rows, size, count) for count in config.seeds}, config)


def _order(config: Config) -> dict[str, Any]:
    """Of an epoch's shuffling, in seconds an epoch."""
    key = jax.random.key(0)
    contenders = {str(count): functools.partial(loop._epoch_orders, key, 0, count, 0) for count in config.rows}
    return {"seconds": timing.interleaved(contenders, config.repetitions)}


def _streamed(config: Config) -> dict[str, Any]:
    """Of an epoch over a file."""
    workload = Workload(width=16, image_shape=(8, 8, 1))
    batch_size = min(1000, *config.streamed_rows)
    pixels = np.random.RandomState(0).randint(256, size=64_000, dtype=np.uint8)
    seconds: dict[str, list[float]] = {str(count): [] for count in config.streamed_rows}
    with tempfile.TemporaryDirectory() as folder:
        paths = {count: Path(folder) / f"{count}.npy" for count in config.streamed_rows}
        for count, path in paths.items():
            np.save(path, np.resize(pixels, (count, *workload.image_shape)))
        for _ in range(config.repetitions):
            for count, path in paths.items():
                rows = Rows(np.load(path, mmap_mode="r"), np.full(count, -1, np.int32))
                epoch = timing.second_epoch(workload.algorithm, rows, batch_size=batch_size, stream="yes")
                seconds[str(count)].append(epoch / (count // batch_size))
    return {"seconds": seconds, "batch_size": batch_size}


def _devices(config: Config) -> dict[str, Any]:
    """A process for each count, in rounds."""
    seconds: dict[str, list[float]] = {str(count): [] for count in config.devices}
    batch_size = -(-config.batch_sizes[0] // max(config.devices)) * max(config.devices)
    for _ in range(config.repetitions):
        for count in config.devices:
            call = f"scaling.of_devices({count}, {batch_size}, {config.width}, {config.steps})"
            flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
            done = subprocess.run(
                [sys.executable, "-c", f"from benchmarks import scaling; {call}"],
                cwd=records.ROOT,
                env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise ValueError(f"{count} devices: {done.stderr.strip().splitlines()[-1]}")
            seconds[str(count)].append(json.loads(done.stdout)["seconds"])
    return {"seconds": seconds, "batch_size": batch_size}


def of_devices(num_devices: int, batch_size: int, width: int, steps: int) -> None:
    """Prints the seconds of a step on several devices; runs in a process of its own.

    Args:
        num_devices: of this process.
        batch_size: rows of a step, over all of them.
        width: of the hidden layers.
        steps: that the time is a mean of.
    """
    workload = Workload(width=width)
    chunk = chunk_of(workload.algorithm, make_rows(workload, steps * batch_size), batch_size, num_devices=num_devices)
    print(json.dumps({"seconds": timing.interleaved({"step": _work(chunk, steps)}, 1)["step"][0] / steps}))


def _chunk(workload: Workload, num_rows: int, batch_size: int) -> Chunk:
    return chunk_of(workload.algorithm, make_rows(workload, num_rows), batch_size)


def _work(chunk: Chunk, steps: int) -> Work:
    """Some steps, each time from where the last ones ended."""
    carry, others = chunk.arguments[:2], chunk.arguments[2:]

    def work() -> Any:
        nonlocal carry
        carry = chunk.run(*carry, *others, 0, steps)
        return carry

    return work


def _chunks(chunks: Mapping[int, Chunk], config: Config) -> dict[str, Any]:
    """Seconds per step, in rounds over the places of an axis, and planned memory in MiB."""
    plans = {
        str(place): chunk.run.lower(*chunk.arguments, 0, config.steps).compile().memory_analysis()
        for place, chunk in chunks.items()
    }
    contenders = {str(place): _work(chunk, config.steps) for place, chunk in chunks.items()}
    seconds = timing.interleaved(contenders, config.repetitions)
    arguments = {place: plan.argument_size_in_bytes / 2**20 for place, plan in plans.items()}
    temporary = {place: plan.temp_size_in_bytes / 2**20 for place, plan in plans.items()}
    return {
        "seconds": {place: [value / config.steps for value in values] for place, values in seconds.items()},
        "argument_mebibytes": arguments,
        "temporary_mebibytes": temporary,
        "argument_slope": slope(arguments),
        "temporary_slope": slope(temporary),
    }


def show(results: dict[str, Any]) -> None:
    """Prints times, memory and slopes."""
    lines = []
    for axis, found in results.items():
        for place, seconds in found["seconds"].items():
            memory = [_cell(found.get(kind, {}).get(place)) for kind in ("argument_mebibytes", "temporary_mebibytes")]
            lines.append([f"{axis} {place}", timing.spread(seconds).text(1e3), *memory])
        slopes = [_cell(found.get(kind)) for kind in ("slope", "argument_slope", "temporary_slope")]
        lines.append([f"{axis}: slope", *slopes])
    records.print_table(["", "ms", "arguments, MiB", "temporaries, MiB"], lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draws times along each axis."""
    from benchmarks import plots

    def panel(seconds: Mapping[str, Sequence[float]]) -> dict[float, list[float]]:
        return {float(place): [1e3 * value for value in values] for place, values in seconds.items()}

    plots.lines(path, {axis: panel(found["seconds"]) for axis, found in results.items()}, "ms")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
