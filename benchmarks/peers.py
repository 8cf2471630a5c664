"""aae_jax beside PyTorch and pythae: the same networks, the same phases, taking turns on one machine.

    pip install -c constraints.txt -e '.[peers]'                              # beside what the experiments need
    python -m benchmarks.peers                                                # an hour on two CPU cores
    python -m benchmarks.peers --preset smoke                                 # a minute, to see that it works

First, from the same weights, images and prior samples, ten steps of ours and of PyTorch's have to give the same
losses in float64. Then the contenders take turns, each at as many steps as make up `rows` images:

    chunk            aae_jax as `fit` runs it: steps in one compiled loop
    jit_step         aae_jax as in the README: a jitted call per step
    torch_usual      PyTorch as it is usually written: each phase encodes for itself, Adam by default
    torch_eager      PyTorch, no operation more than ours, fused Adam
    torch_compile    the same with its passes and losses compiled
    pythae           its adversarial trainer's own algorithm, of fewer operations; AAE only

The machine has to be idle otherwise: where cores are taken, PyTorch's threads wait for each other for long, and no
ratio means anything.

A ratio is a contender's time over that of the chunk in the same round; given are the median, the least and the most.
Last, what a user waits for: whole epochs of `fit` with its log and progress bar, of a PyTorch loop over a
`DataLoader`, and of pythae over its own; then the batches of an epoch alone, and the reconstruction error of all its
images.
"""

import dataclasses
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import row_keys
from aae_jax.epoch import orders as orders_of
from benchmarks import equality, records, timing
from benchmarks.operations import pythae_operations, usual_operations
from benchmarks.records import Timed
from benchmarks.timing import Work, second_epoch
from benchmarks.workloads import Variant, Workload, batch_at, chunk_of, make_rows
from experiments import command_line

PEERS = ("torch", "pythae")


@dataclasses.dataclass(frozen=True)
class Config(Timed):
    """Options of the command."""

    MAY_BE_ZERO: ClassVar[tuple[str, ...]] = ("epoch_rows",)
    NEEDS: ClassVar[dict[str, str]] = {"epoch_repetitions": "epoch_rows"}

    out: Path = Path("runs/benchmarks/peers")
    """The folder of the JSON file and the plot."""
    variants: tuple[Variant, ...] = ("aae", "semi_supervised_aae")
    """What is trained."""
    batch_sizes: tuple[int, ...] = (100, 1000, 10_000)
    """Rows of a step."""
    width: int = 1000
    """Of the two hidden layers of every network."""
    rows: int = 20_000
    """Images that a contender learns from in one repetition; at least one batch."""
    epoch_rows: int = 20_000
    """Images of an epoch as a user meets it, thousands, in batches of 100; 0 leaves epochs out."""
    epoch_repetitions: int = 3
    """How often an epoch is measured."""
    precision: Literal["float32", "tensorfloat32"] = "float32"
    """Of matrix products, for all contenders; tensorfloat32 is for GPUs, whose tensor cores are faster so."""
    torch_mode: Literal["default", "reduce-overhead", "max-autotune", "none"] = "default"
    """Of torch.compile: "reduce-overhead" records CUDA graphs; "none" leaves torch.compile out."""

    def check(self) -> None:
        """Checks what can be checked before anything is measured; see `Options`."""
        super().check()
        if self.epoch_rows % 1000:
            raise ValueError(f"epoch_rows is {self.epoch_rows}; expected a multiple of 1000, or 0 for no epochs.")


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(
            repetitions=2, batch_sizes=(50, 100), width=32, rows=200, epoch_rows=1000, epoch_repetitions=1
        ),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Measures, prints, draws; returns what the JSON file holds."""
    for package in PEERS:
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"{package} is not installed: pip install -c constraints.txt -e '.[peers]'.")
    # On an accelerator PyTorch wants some of the memory too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    return records.run("peers", config, measure, show, draw)


def measure(config: Config) -> dict[str, Any]:
    """Of each variant: equality, and every contender's seconds per step; then seconds per epoch."""
    from benchmarks import torch_peer

    versions = {name: importlib.metadata.version(name) for name in PEERS}
    peer = {**versions, **torch_peer.configure(config.precision)}
    steps, same = [], {}
    for variant in config.variants:
        workload = _workload(variant, config)
        same[variant] = equality.check(workload, min(config.batch_sizes))
        steps += [_steps(workload, batch_size, config) for batch_size in config.batch_sizes]
    epochs = [_epochs(_workload(variant, config), config) for variant in config.variants if config.epoch_rows]
    return {"peers": peer, "equality": same, "steps": steps, "epochs": epochs}


def _workload(variant: Variant, config: Config) -> Workload:
    """The paper's codes: 8 numbers, or 10 beside ten categories."""
    code = 8 if variant == "aae" else 10
    return Workload(variant, width=config.width, code=code, precision=config.precision)


def _steps(workload: Workload, batch_size: int, config: Config) -> dict[str, Any]:
    """Every contender's seconds per step, in rounds."""
    count = max(1, config.rows // batch_size)
    print(f"{workload.variant}, batches of {batch_size}: {count} steps a repetition", file=sys.stderr)
    contenders = _ours(workload, batch_size, count) | _theirs(workload, batch_size, count, config)
    seconds = timing.interleaved(contenders, config.repetitions)
    costs = workload.costs(batch_size)
    operations = dict.fromkeys(contenders, sum(cost.operations() for cost in costs.values()))
    operations["torch_usual"] = usual_operations(costs)
    if "pythae" in operations:
        operations["pythae"] = pythae_operations(batch_size, width=config.width)
    return {
        "variant": workload.variant,
        "batch_size": batch_size,
        "steps": count,
        "operations_per_step": operations,
        "seconds_per_step": {name: [value / count for value in values] for name, values in seconds.items()},
    }


def _ours(workload: Workload, batch_size: int, count: int) -> dict[str, Work]:
    """A chunk as `fit` runs it, and a jitted call per step."""
    rows = make_rows(workload, batch_size * count)
    chunk = chunk_of(workload.algorithm, rows, batch_size)
    state, sums, *others = chunk.arguments
    held = {"chunk": (state, sums), "step": jax.tree.map(jnp.copy, state)}
    step = jax.jit(workload.algorithm().step, donate_argnums=0)
    run_key = jax.random.key(1)
    orders = jax.random.permutation(run_key, len(rows.image)).reshape(count, batch_size)

    @jax.jit
    def inputs(rows: Any, indices: jax.Array, index: jax.Array) -> Any:
        return row_keys(run_key, index, batch_size), batch_at(rows, indices)

    def run_chunk() -> Any:
        held["chunk"] = chunk.run(*held["chunk"], *others, 0, count)
        return held["chunk"]

    def run_steps() -> Any:
        for index in range(count):
            held["step"], metrics = step(held["step"], *inputs(rows, orders[index], index))
        return held["step"], metrics

    return {"chunk": run_chunk, "jit_step": run_steps}


def _theirs(workload: Workload, batch_size: int, count: int, config: Config) -> dict[str, Work]:
    """PyTorch eager and compiled, and pythae where it has the variant."""
    from benchmarks import pythae_peer, torch_peer

    params = workload.algorithm().init(jax.random.key(0)).params
    rows = make_rows(workload, batch_size * count)
    image, label = torch_peer.on_device(rows.image.reshape(len(rows.image), -1)), torch_peer.on_device(rows.label)

    def work_of(make_step: Callable[..., torch_peer.Step], **options: str) -> Work:
        step = make_step(workload, torch_peer.make_networks(workload, params), **options)
        return lambda: torch_peer.run_steps(workload, step, image, label, batch_size, count)

    contenders = {"torch_usual": work_of(torch_peer.make_usual_step), "torch_eager": work_of(torch_peer.make_step)}
    if config.torch_mode != "none":
        contenders["torch_compile"] = work_of(torch_peer.make_step, mode=config.torch_mode)
    if workload.variant == "aae":
        trainer = pythae_peer.make_trainer(workload, params, np.asarray(rows.image), batch_size)
        contenders["pythae"] = lambda: pythae_peer.run_steps(trainer, image, batch_size, count)
    return contenders


def _epochs(workload: Workload, config: Config) -> dict[str, Any]:
    """Seconds of a whole epoch as a user meets it, of its batches alone and of an evaluation, in rounds.

    Without the time to compile.
    """
    from benchmarks import pythae_peer, torch_peer

    print(f"{workload.variant}: epochs of {config.epoch_rows} images", file=sys.stderr)
    params = workload.algorithm().init(jax.random.key(0)).params
    rows = make_rows(workload, config.epoch_rows)
    loader = torch_peer.make_loader(rows, 100)
    theirs = torch_peer.make_networks(workload, params)
    step = torch_peer.make_step(workload, torch_peer.make_networks(workload, params))
    image = torch_peer.on_device(rows.image.reshape(len(rows.image), -1))
    loading, evaluation = _loading(rows, 100), _evaluation(workload, params, rows)
    np.testing.assert_allclose(evaluation(), torch_peer.run_evaluation(workload, theirs, image), rtol=1e-4)
    epoch = {
        "fit": lambda: second_epoch(workload.algorithm, rows),
        "torch_eager": lambda: timing.timed(lambda: torch_peer.run_epoch(workload, step, loader)),
    }
    if workload.variant == "aae":
        trainer = pythae_peer.make_trainer(workload, params, np.asarray(rows.image), 100)
        epoch["pythae"] = lambda: timing.timed(lambda: pythae_peer.run_epoch(trainer))
    seconds: dict[str, list[float]] = {name: [] for name in epoch}
    for _ in range(config.epoch_repetitions):
        for name, once in epoch.items():
            seconds[name].append(once())
    parts = {
        "loading": {"fit": loading, "torch_eager": lambda: torch_peer.run_loading(loader)},
        "evaluation": {
            "fit": evaluation,
            "torch_eager": lambda: torch_peer.run_evaluation(workload, theirs, image),
        },
    }
    apart = {part: timing.interleaved(contenders, config.epoch_repetitions) for part, contenders in parts.items()}
    return {
        "variant": workload.variant,
        "rows": config.epoch_rows,
        "batch_size": 100,
        "seconds": {"epoch": seconds, **apart},
    }


def _loading(rows: Any, batch_size: int) -> Work:
    """Every batch of an epoch, in its order, as `fit` reads them; nothing is done with them but to add up pixels."""
    count = len(rows.image) // batch_size

    @jax.jit
    def total(rows: Any, run_key: jax.Array) -> jax.Array:
        order = orders_of(run_key, 0, len(rows.image), 0).rows[: count * batch_size].reshape(count, batch_size)
        return jax.lax.scan(lambda sum_, index: (sum_ + batch_at(rows, index).image.sum(), None), 0.0, order)[0]

    return lambda: float(total(rows, jax.random.key(1)))


def _evaluation(workload: Workload, params: Any, rows: Any, size: int = 1000) -> Work:
    """The mean reconstruction error of all images, so many at a time."""
    model = workload.model()
    blocks = np.arange(len(rows.image)).reshape(-1, size)

    @jax.jit
    def mean(params: Any, rows: Any) -> jax.Array:
        def of_block(index: jax.Array) -> jax.Array:
            batch = batch_at(rows, index)
            return model.nll(params, model.encode_mean(params, batch.image), batch.image, batch.label)

        return jax.lax.map(of_block, jnp.asarray(blocks)).mean()

    return lambda: float(mean(params, rows))


def show(results: dict[str, Any]) -> None:
    """Prints milliseconds, ratios to ours, and operations as counted by hand."""
    lines = []
    for entry in results["steps"]:
        seconds, operations = entry["seconds_per_step"], entry["operations_per_step"]
        for name, ratio in timing.ratios(seconds, "chunk").items():
            lines.append(
                [
                    f"{entry['variant']}, {entry['batch_size']}, {name}",
                    timing.spread(seconds[name]).text(1e3),
                    ratio.text(),
                    f"{operations[name] / 1e9:.3g}",
                ]
            )
    records.print_table(["step", "ms", "ratio to chunk", "Gop"], lines)
    lines = []
    for entry in results["epochs"]:
        for part, seconds in entry["seconds"].items():
            for name, ratio in timing.ratios(seconds, "fit").items():
                spread = timing.spread(seconds[name])
                lines.append(
                    [f"{entry['variant']}, {entry['rows']} images, {part}, {name}", *(spread.text(), ratio.text())]
                )
    if lines:
        print()
        records.print_table(["as a user meets it", "s", "ratio to fit"], lines)


def draw(results: dict[str, Any], path: Path) -> None:
    """Draws milliseconds per step, a panel for each variant and batch size."""
    from benchmarks import plots

    plots.bars(
        path,
        {
            f"{entry['variant'].replace('_', ' ')}, batches of {entry['batch_size']}": {
                name: [1e3 * value for value in values] for name, values in entry["seconds_per_step"].items()
            }
            for entry in results["steps"]
        },
        "ms per step",
    )


if __name__ == "__main__":
    command_line.run(main, PRESETS)
