"""aae_jax beside PyTorch and pythae: the same networks, the same phases, taking turns on one machine.

    pip install -c constraints.txt -e '.[peers]'                              # beside what the experiments need
    python -m benchmarks.peers                                                # an hour on two CPU cores
    python -m benchmarks.peers --preset smoke                                 # a minute, to see that it works

First, from the same weights, images and prior samples, ten steps of ours and of PyTorch's have to give the same
losses in float64. Then the contenders take turns, each at as many steps as make up `rows` images:

    chunk            aae_jax as `fit` runs it: steps in one compiled loop
    jit_step         aae_jax as in the README: a jitted call per step
    torch_eager      PyTorch, no operation more than ours, fused Adam
    torch_compile    the same with its passes and losses compiled
    pythae           its adversarial trainer's own algorithm, of fewer operations; AAE only

A ratio is a contender's time over that of the chunk in the same round; given are the median, the least and the most.
Last, whole epochs as a user meets them: `fit` with its log and progress bar, a PyTorch loop over a `DataLoader`, and
pythae's epoch over its own.
"""

import dataclasses
import importlib.metadata
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import TrainingConfig, fit, row_keys
from aae_jax.keys import derive
from aae_jax.types import Keys
from benchmarks import records, timing
from benchmarks.operations import pythae_operations
from benchmarks.records import Options
from benchmarks.timing import Work
from benchmarks.workloads import Variant, Workload, batch_at, chunk_of, make_rows
from experiments import command_line

CHECKED_STEPS = 10
TOLERANCE = 1e-6
"""Largest relative difference of a loss that still counts as the same, in float64. In float32 Adam makes whole steps
of rounding where gradients are about zero, so that losses part slowly; how far is reported, and proves nothing."""


@dataclasses.dataclass(frozen=True)
class Config(Options):
    """Options of the command."""

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
    """Images of an epoch as a user meets it, in batches of 100; 0 leaves epochs out."""
    epoch_repetitions: int = 3
    """How often an epoch is measured."""
    precision: Literal["highest", "high"] = "highest"
    """Of matrix products, for all contenders: float32, or what an accelerator makes of it in tensor cores."""
    torch_mode: Literal["default", "reduce-overhead", "max-autotune", "none"] = "default"
    """Of torch.compile: "reduce-overhead" records CUDA graphs; "none" leaves torch.compile out."""


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
    for package in ("torch", "pythae"):
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"{package} is not installed: pip install -c constraints.txt -e '.[peers]'.")
    return records.run("peers", config, measure, show, draw)


def measure(config: Config) -> dict[str, Any]:
    """Of each variant: equality, and every contender's seconds per step; then seconds per epoch."""
    import torch

    torch.set_float32_matmul_precision(config.precision)
    torch.manual_seed(0)
    steps, equality = [], {}
    with jax.default_matmul_precision({"highest": "highest", "high": "tensorfloat32"}[config.precision]):
        for variant in config.variants:
            workload = _workload(variant, config)
            equality[variant] = check_equality(workload, min(config.batch_sizes))
            steps += [_steps(workload, batch_size, config) for batch_size in config.batch_sizes]
        epochs = [_epochs(_workload(variant, config), config) for variant in config.variants if config.epoch_rows]
    versions = {name: importlib.metadata.version(name) for name in ("torch", "pythae")}
    peer = {**versions, "threads": torch.get_num_threads(), "cuda": torch.version.cuda}
    return {"peers": peer, "equality": equality, "steps": steps, "epochs": epochs}


def _workload(variant: Variant, config: Config) -> Workload:
    """The paper's codes: 8 numbers, or 10 beside ten categories."""
    return Workload(variant, width=config.width, code=8 if variant == "aae" else 10)


def check_equality(workload: Workload, batch_size: int) -> dict[str, Any]:
    """Ten steps of ours and of PyTorch's, from the same weights, images and samples of the priors.

    Returns:
        The largest relative difference of any phase's loss in any step, in float64 and in float32, and the losses.

    Raises:
        ValueError: if a loss in float64 differs by more than one part in a million.
    """
    found = {"batch_size": batch_size}
    for name, is_double in (("float64", True), ("float32", False)):
        with jax.enable_x64(is_double):
            losses = _losses(workload, batch_size)
        ours, theirs = (np.array(list(of_one.values())) for of_one in losses.values())
        difference = float(np.max(np.abs(ours - theirs) / np.abs(ours)))
        found[name] = {"largest_relative_difference": difference, "losses": losses}
        print(f"{workload.variant}: losses of {CHECKED_STEPS} steps in {name} differ by {difference:.1e} at most")
        if is_double and not difference <= TOLERANCE:
            raise ValueError(
                f"The losses of {workload.variant} differ by {difference:.1e}: this is not the same work."
            )
    return found


def _losses(workload: Workload, batch_size: int) -> dict[str, dict[str, list[float]]]:
    """By `aae_jax` and by PyTorch: every phase's loss in each step."""
    import torch

    from benchmarks import torch_peer

    model, algorithm = workload.model(), workload.algorithm()
    # Networks make weights in float32 always.
    state = jax.tree.map(
        lambda leaf: leaf.astype(jnp.result_type(float)) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        algorithm.init(jax.random.key(0)),
    )
    theirs = torch_peer.make_step(workload, torch_peer.make_networks(workload, state.params))
    ours = jax.jit(algorithm.step)
    rows = make_rows(workload, CHECKED_STEPS * batch_size)
    # Samples of the priors are drawn in the second phase, the discriminator's.
    position = [phase.name for phase in model.phases].index("discriminator")
    found: dict[str, dict[str, list[float]]] = {"aae_jax": {}, "torch": {}}
    for index in range(CHECKED_STEPS):
        batch = batch_at(rows, index * batch_size + jnp.arange(batch_size))
        keys = row_keys(jax.random.key(1), index, batch_size)
        draws = Keys(keys, derive(keys, f"phase {position}"))
        real = [game.real(state.params, draws, batch) for game in model.games]
        state, metrics = ours(state, keys, batch)
        image, label, *samples = (
            torch.tensor(np.asarray(value)).to(torch_peer.device())
            for value in (batch.image.reshape(batch_size, -1), batch.label, *real)
        )
        labeled = (image, label.long()) if workload.variant == "semi_supervised_aae" else None
        for name, loss in theirs(image, samples, labeled).items():
            found["aae_jax"].setdefault(name, []).append(float(metrics[f"{name}/loss"]))
            found["torch"].setdefault(name, []).append(float(loss))
    return found


def _steps(workload: Workload, batch_size: int, config: Config) -> dict[str, Any]:
    """Every contender's seconds per step, in rounds."""
    count = max(1, config.rows // batch_size)
    print(f"{workload.variant}, batches of {batch_size}: {count} steps a repetition", file=sys.stderr)
    contenders = _ours(workload, batch_size, count) | _theirs(workload, batch_size, count, config)
    seconds = timing.interleaved(contenders, config.repetitions)
    by_hand = sum(cost.operations() for cost in workload.costs(batch_size).values())
    operations = dict.fromkeys(contenders, by_hand)
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
    import torch

    from benchmarks import pythae_peer, torch_peer

    params = workload.algorithm().init(jax.random.key(0)).params
    rows = make_rows(workload, batch_size * count)
    image = torch.tensor(np.asarray(rows.image).reshape(len(rows.image), -1)).to(torch_peer.device())
    label = torch.tensor(np.asarray(rows.label)).long().to(torch_peer.device())

    def steps_of(mode: str | None) -> Work:
        step = torch_peer.make_step(workload, torch_peer.make_networks(workload, params), mode=mode)
        return lambda: torch_peer.run_steps(workload, step, image, label, batch_size, count)

    contenders = {"torch_eager": steps_of(None)}
    if config.torch_mode != "none":
        contenders["torch_compile"] = steps_of(config.torch_mode)
    if workload.variant == "aae":
        trainer = pythae_peer.make_trainer(workload, params, np.asarray(rows.image), batch_size)
        contenders["pythae"] = lambda: pythae_peer.run_steps(trainer, image, batch_size, count)
    return contenders


def _epochs(workload: Workload, config: Config) -> dict[str, Any]:
    """Seconds of a whole epoch as a user meets it, in rounds; without the time to compile."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from benchmarks import pythae_peer, torch_peer

    print(f"{workload.variant}: epochs of {config.epoch_rows} images", file=sys.stderr)
    params = workload.algorithm().init(jax.random.key(0)).params
    rows = make_rows(workload, config.epoch_rows)
    image = torch.tensor(np.asarray(rows.image).reshape(len(rows.image), -1)).to(torch.float32) / 255
    loader = DataLoader(TensorDataset(image, torch.tensor(np.asarray(rows.label)).long()), 100, shuffle=True)
    step = torch_peer.make_step(workload, torch_peer.make_networks(workload, params))
    seconds: dict[str, list[float]] = {"fit": [], "torch_eager": []}
    if workload.variant == "aae":
        trainer = pythae_peer.make_trainer(workload, params, np.asarray(rows.image), 100)
        seconds["pythae"] = []
    for _ in range(config.epoch_repetitions):
        seconds["fit"].append(_second_epoch(workload, rows))
        seconds["torch_eager"].append(timing.timed(lambda: torch_peer.run_epoch(workload, step, loader)))
        if "pythae" in seconds:
            seconds["pythae"].append(timing.timed(lambda: pythae_peer.run_epoch(trainer)))
    return {"variant": workload.variant, "rows": config.epoch_rows, "batch_size": 100, "seconds": seconds}


def _second_epoch(workload: Workload, rows: Any) -> float:
    """Of a fit of two; the first compiles."""
    with tempfile.TemporaryDirectory() as folder:
        fit(workload.algorithm, rows, TrainingConfig(epochs=2, num_devices=1), folder)
        return json.loads((Path(folder) / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]


def show(results: dict[str, Any]) -> None:
    """Prints milliseconds, ratios to ours, and operations."""
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
        for name, ratio in timing.ratios(entry["seconds"], "fit").items():
            spread = timing.spread(entry["seconds"][name])
            lines.append([f"{entry['variant']}, {entry['rows']} images, {name}", spread.text(), ratio.text()])
    if lines:
        print()
        records.print_table(["epoch", "s", "ratio to fit"], lines)


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
