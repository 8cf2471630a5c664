"""Where the time of a training step goes, and how far it is from what the machine can do.

    python -m benchmarks.roofline                                             # minutes on two CPU cores
    python -m benchmarks.roofline --preset smoke                              # seconds, to see that it works

The operations and bytes of each phase are counted by hand (`benchmarks.operations`). On a CPU the compiler counts
operations too, and has to agree to 5 %; on a GPU it does not see into the products, and its counts are left out. The
ceilings are measured: every matrix product of the step at its own shape, alone in a loop, and a copy in memory. A
phase cannot be faster than its products one after the other; the model of its time adds the bytes that its optimizer
moves, at the speed of the copy. The fractions say what part of the measured time that is:

    products         of the products alone: the fraction of the matrix-product ceiling
    model            of products and optimizer: what is left is elementwise work, loss, noise, and waste

Where all that the optimizer touches fits in a cache, it is faster than the copy, and the model's fraction can be
above 1.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from aae_jax import Rows, row_keys, update
from aae_jax.keys import derive
from aae_jax.types import Keys
from benchmarks import ceilings, records, timing
from benchmarks.operations import Cost, Product, of_products
from benchmarks.records import Timed
from benchmarks.workloads import RATE, Variant, Workload, batch_at, chunk_of, make_rows
from experiments import command_line


@dataclasses.dataclass(frozen=True)
class Config(Timed):
    """Options of the command."""

    out: Path = Path("runs/benchmarks/roofline")
    """The folder of the JSON file and the plot."""
    variants: tuple[Variant, ...] = ("aae", "semi_supervised_aae")
    """What is trained."""
    batch_sizes: tuple[int, ...] = (100, 1000)
    """Rows of a step."""
    width: int = 1000
    """Of the two hidden layers of every network."""
    steps: int = 20
    """Steps of a repetition, and calls of each product."""
    copy_mebibytes: int = 256
    """Of the array that is copied."""


TOLERANCE = 0.05
"""Of the compiler's operations over those that are counted by hand, without the elementwise ones."""

PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(repetitions=2, batch_sizes=(20,), width=64, steps=3, copy_mebibytes=8),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Measures, prints, draws; returns what the JSON file holds."""
    return records.run("roofline", config, measure, show, draw)


def measure(config: Config) -> dict[str, Any]:
    """The copy's speed, and for each variant and batch size its step and phases."""
    copy = ceilings.copy_seconds(config.copy_mebibytes, config.repetitions)
    bytes_per_second = 2 * config.copy_mebibytes * 2**20 / timing.spread(copy).median
    entries = []
    for variant in config.variants:
        for batch_size in config.batch_sizes:
            print(f"{variant}, batches of {batch_size}", file=sys.stderr)
            workload = Workload(variant, width=config.width, code=8 if variant == "aae" else 10)
            entries.append(_entry(workload, batch_size, bytes_per_second, config))
    return {"copy_seconds": copy, "copy_bytes_per_second": bytes_per_second, "entries": entries}


def _entry(workload: Workload, batch_size: int, bytes_per_second: float, config: Config) -> dict[str, Any]:
    """Step and phases of a variant at a batch size, with the ceilings of its products."""
    costs = workload.costs(batch_size)
    products = {
        product: ceilings.product_seconds(product, config.steps, config.repetitions)
        for product in sorted({product for cost in costs.values() for product in cost.products + cost.shared})
    }
    least = {product: timing.spread(seconds).median for product, seconds in products.items()}
    measured = {**_phases(workload, batch_size, config), "step": _step(workload, batch_size, config)}
    parts = {}
    for name, (seconds, analysis) in measured.items():
        # The phases are compiled alone, the step whole.
        alone = name != "step"
        of_part = [costs[name]] if alone else list(costs.values())
        parts[name] = _part(of_part, least, bytes_per_second, seconds, analysis, alone=alone)
        _check_counts(f"{workload.variant}, {name}", parts[name])
    return {
        "variant": workload.variant,
        "batch_size": batch_size,
        "products": [
            {**product._asdict(), "operations": product.operations, "seconds": seconds}
            for product, seconds in products.items()
        ],
        "parts": parts,
    }


def _part(
    costs: Sequence[Cost],
    least: Mapping[Product, float],
    bytes_per_second: float,
    seconds: Sequence[float],
    analysis: Mapping[str, float],
    *,
    alone: bool,
) -> dict[str, Any]:
    """A phase or the step: counts by hand and by the compiler, times, fractions."""
    products = [product for cost in costs for product in cost.products + (cost.shared if alone else ())]
    in_products = sum(least[product] for product in products)
    in_optimizer = sum(cost.optimizer_bytes for cost in costs) / bytes_per_second
    median = timing.spread(seconds).median
    return {
        "operations": sum(cost.operations(alone=alone) for cost in costs),
        "product_operations": of_products(products),
        "bytes": sum(cost.bytes(alone=alone) for cost in costs),
        "optimizer_bytes": sum(cost.optimizer_bytes for cost in costs),
        "xla_operations": analysis["flops"],
        "xla_bytes": analysis["bytes accessed"],
        "seconds": list(seconds),
        "product_seconds": in_products,
        "optimizer_seconds": in_optimizer,
        "operations_per_second": of_products(products) / median,
        "ceiling_operations_per_second": of_products(products) / in_products,
        "product_fraction": in_products / median,
        "model_fraction": (in_products + in_optimizer) / median,
    }


def _check_counts(name: str, part: Mapping[str, Any]) -> None:
    """Checks that a CPU does the operations that were counted."""
    ratio = part["xla_operations"] / part["operations"]
    if jax.default_backend() == "cpu" and not abs(ratio - 1) <= TOLERANCE:
        raise ValueError(f"{name}: the compiler counts {ratio:.3f} times the operations counted by hand.")


Measured = tuple[list[float], Mapping[str, float]]
"""Seconds of one step of it, several times, and the compiler's analysis."""


def _phases(workload: Workload, batch_size: int, config: Config) -> dict[str, Measured]:
    """Each phase compiled alone, as many in one loop as make a repetition.

    Every turn has rows and keys of its own: of the same ones the discriminator would learn from the same codes, which
    the compiler would make once, before the loop.
    """
    model, algorithm = workload.model(), workload.algorithm()
    state = algorithm.init(jax.random.key(0))
    rows = make_rows(workload, config.steps * batch_size)
    found = {}
    for position, phase in enumerate(model.phases):
        one = update(phase, optax.adam(RATE))
        untrained = {name: tree for name, tree in state.params.items() if name not in phase.trains}
        trained = {name: state.params[name] for name in phase.trains}

        def inputs(rows: Rows, index: Any, position: int = position) -> Any:
            keys = row_keys(jax.random.key(1), index, batch_size)
            batch = batch_at(rows, index * batch_size + jnp.arange(batch_size))
            return Keys(keys, derive(keys, f"phase {position}")), batch

        def loop(
            changing: Any, untrained: Any, rows: Rows, one: Any = one, inputs: Any = inputs, names: Any = phase.trains
        ) -> Any:
            def body(index: jax.Array, carry: Any) -> Any:
                trained, opt_state, _ = carry
                params, opt_state, metrics = one({**untrained, **trained}, opt_state, *inputs(rows, index))
                return {name: params[name] for name in names}, opt_state, metrics

            return jax.lax.fori_loop(0, config.steps, body, changing)

        opt_state, first = state.opt_states[phase.name], inputs(rows, 0)
        shapes = jax.eval_shape(one, state.params, opt_state, *first)[2]
        changing = (trained, opt_state, jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes))
        run = jax.jit(loop).lower(changing, untrained, rows).compile()
        calls = timing.per_call(run, changing, untrained, rows, repetitions=config.repetitions)
        analysis = jax.jit(one).lower(state.params, opt_state, *first).compile().cost_analysis()
        found[phase.name] = ([seconds / config.steps for seconds in calls], _counts(analysis))
    return found


def _step(workload: Workload, batch_size: int, config: Config) -> Measured:
    """The library's own chunk."""
    chunk = chunk_of(workload.algorithm, make_rows(workload, config.steps * batch_size), batch_size)
    # Its loop is counted once by the compiler, whatever its bounds.
    analysis = chunk.run.lower(*chunk.arguments, 0, config.steps).compile().cost_analysis()
    carry, others = chunk.arguments[:2], chunk.arguments[2:]

    def work() -> Any:
        nonlocal carry
        carry = chunk.run(*carry, *others, 0, config.steps)
        return carry

    seconds = timing.interleaved({"step": work}, config.repetitions)["step"]
    return [value / config.steps for value in seconds], _counts(analysis)


def _counts(analysis: Mapping[str, float]) -> dict[str, float]:
    return {name: float(analysis[name]) for name in ("flops", "bytes accessed")}


def show(results: dict[str, Any]) -> None:
    """Prints counts, the compiler's over ours, times and fractions."""
    print(f"copy: {results['copy_bytes_per_second'] / 1e9:.3g} GB/s\n")
    lines = []
    cpu = jax.default_backend() == "cpu"
    for entry in results["entries"]:
        for name, part in entry["parts"].items():
            lines.append(
                [
                    f"{entry['variant']}, {entry['batch_size']}, {name}",
                    f"{part['operations'] / 1e9:.3g}",
                    f"{part['xla_operations'] / part['operations']:.3f}" if cpu else "-",
                    f"{part['bytes'] / 1e6:.3g}",
                    f"{part['xla_bytes'] / part['bytes']:.2f}",
                    timing.spread(part["seconds"]).text(1e3),
                    f"{1e3 * part['product_seconds']:.3g}",
                    f"{1e3 * part['optimizer_seconds']:.3g}",
                    f"{part['product_fraction']:.2f}",
                    f"{part['model_fraction']:.2f}",
                ]
            )
    heading = ["part", "Gop", "XLA's", "MB", "XLA's", "ms", "products", "optimizer", "fraction", "model"]
    records.print_table(heading, lines)


def draw(results: dict[str, Any], path: Path) -> None:
    """Draws measured times beside those of the products and the optimizer."""
    from benchmarks import plots

    panels = {}
    for entry in results["entries"]:
        bars = panels[f"{entry['variant'].replace('_', ' ')}, batches of {entry['batch_size']}"] = {}
        for name, part in entry["parts"].items():
            bars[name] = [1e3 * value for value in part["seconds"]]
            bars[f"{name}: products, optimizer"] = [1e3 * (part["product_seconds"] + part["optimizer_seconds"])]
    plots.bars(path, panels, "ms")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
