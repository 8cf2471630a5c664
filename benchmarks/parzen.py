"""The Parzen window log-likelihood of ten thousand test images, streamed, beside plain NumPy.

    python -m benchmarks.parzen                                               # a minute on two CPU cores
    python -m benchmarks.parzen --preset paper                                # ten million samples: 20 minutes there
    python -m benchmarks.parzen --preset smoke                                # seconds, to see that it works

Samples and test images are drawn at random: what they are costs no time. The ceiling is the matrix product that the
squared distances need, at the shape of a block, alone in a loop. NumPy does a slice of the same work in float64, block
by block, and its log-likelihoods have to be ours.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax.evaluation import parzen
from aae_jax.progress import progress
from benchmarks import records, timing
from benchmarks.records import Timed
from experiments import command_line

TOLERANCE = 0.01
"""Nats by which an image's log-likelihood may be off in float32, at sigmas of 0.1 and more; see `parzen`."""


@dataclasses.dataclass(frozen=True)
class Config(Timed):
    """Options of the command."""

    preset: Literal["laptop", "smoke", "paper"] = "laptop"
    """Gives the defaults of the others: a minute on two CPU cores, seconds, or the paper's ten million samples."""
    out: Path = Path("runs/benchmarks/parzen")
    """The folder of the JSON file and the plot."""
    repetitions: int = 5
    """How often a block, its matrix product and NumPy's slice are measured, in rounds."""
    samples: int = 100_000
    """That stand for the model, in whole blocks; streamed once."""
    test: int = 10_000
    """Images whose log-likelihood is asked for."""
    size: int = 784
    """Numbers per image."""
    sigmas: int = 1
    """How many standard deviations at once, from 0.1 to 1."""
    block: int = 1000
    """Samples at once."""
    slice_samples: int = 1000
    """Samples of the slice that NumPy sees."""
    slice_test: int = 1000
    """Test images of the slice that NumPy sees."""

    def check(self) -> None:
        """Checks what can be checked before anything is measured; see `Options`."""
        super().check()
        if self.samples % self.block:
            raise ValueError(f"{self.samples} samples are not whole blocks of {self.block}.")


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(repetitions=2, samples=2000, test=500, size=64, block=500, slice_samples=200, slice_test=100),
        "paper": Config(samples=10_000_000),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Measures, prints, draws; returns what the JSON file holds."""
    return records.run("parzen", config, measure, show, draw)


def measure(config: Config) -> dict[str, Any]:
    """Equality with NumPy, seconds of a block in rounds, and seconds of the whole stream."""
    sigmas = np.geomspace(0.1, 1, config.sigmas) if config.sigmas > 1 else np.array([0.2])
    make = jax.jit(lambda key: jax.random.uniform(key, (config.block, config.size)))
    test = jax.random.uniform(jax.random.key(0), (config.test, config.size))
    update = jax.jit(parzen.parzen_update, donate_argnums=0)
    samples = make(jax.random.key(1))
    difference = _difference(config, sigmas)

    product = jax.jit(lambda samples, test: jnp.matmul(samples, test.T, precision=jax.lax.Precision.HIGHEST))
    few, some = (np.asarray(make(jax.random.key(2)))[: config.slice_samples], np.asarray(test)[: config.slice_test])
    state = parzen.parzen_state(config.test, config.sigmas)

    def block() -> Any:
        nonlocal state
        state = update(state, samples, test, sigmas)
        return state

    seconds = timing.interleaved(
        {
            "block": block,
            "product": lambda: product(samples, test),
            "numpy": lambda: reference(few, some, sigmas),
        },
        config.repetitions,
    )
    whole = _stream(config, make, update, test, sigmas)
    product_seconds = timing.spread(seconds["product"]).median
    num_blocks = config.samples // config.block
    return {
        "largest_difference": difference,
        "seconds": seconds,
        "whole_seconds": whole,
        "pairs": config.samples * config.test,
        "pairs_of_block": config.block * config.test,
        "pairs_of_numpy": len(few) * len(some),
        "operations_per_second": 2 * config.samples * config.test * config.size / whole,
        "ceiling_operations_per_second": 2 * config.block * config.test * config.size / product_seconds,
        "fraction": num_blocks * product_seconds / whole,
        "block_fraction": product_seconds / timing.spread(seconds["block"]).median,
    }


def _stream(config: Config, make: Any, update: Any, test: jax.Array, sigmas: np.ndarray) -> float:
    """Seconds of all samples, drawn on the way, until their log-likelihoods are there."""
    state = parzen.parzen_state(config.test, config.sigmas)
    num_blocks = config.samples // config.block
    started = time.perf_counter()
    with progress("parzen", 0, num_blocks, unit="block") as bar:
        for index in range(num_blocks):
            state = update(state, make(jax.random.key(index)), test, sigmas)
            # Calls return at once; a bar that runs ahead of the work would say nothing, and hold all samples.
            jax.block_until_ready(state)
            bar.update(1)
    values = np.asarray(parzen.parzen_result(state, sigmas, config.size))
    seconds = time.perf_counter() - started
    if not np.isfinite(values).all():
        raise FloatingPointError("A log-likelihood is not finite.")
    return seconds


def reference(samples: np.ndarray, test: np.ndarray, sigmas: np.ndarray, *, block: int = 1000) -> np.ndarray:
    """The same log-likelihoods in plain NumPy, in float64, by the running log of a sum.

    Args:
        samples: ``[N, D]``.
        test: ``[T, D]``.
        sigmas: ``[S]``.
        block: samples at once.

    Returns:
        ``[S, T]`` nats.
    """
    test = test.astype(np.float64)
    total = np.full((len(sigmas), len(test)), -np.inf)
    for start in range(0, len(samples), block):
        part = samples[start : start + block].astype(np.float64)
        squared = (part**2).sum(1)[:, None] + (test**2).sum(1) - 2 * part @ test.T
        for row, sigma in enumerate(sigmas):
            exponents = -squared / (2 * sigma**2)
            most = exponents.max(0)
            total[row] = np.logaddexp(total[row], most + np.log(np.exp(exponents - most).sum(0)))
    constants = test.shape[1] * np.log(sigmas * np.sqrt(2 * np.pi)) + np.log(len(samples))
    return total - constants[:, None]


def _difference(config: Config, sigmas: np.ndarray) -> float:
    """Nats between ours and NumPy's on the slice, at most.

    Raises:
        ValueError: if that is more than rounding.
    """
    random = np.random.default_rng(0)
    samples = random.random((config.slice_samples, config.size), np.float32)
    test = random.random((config.slice_test, config.size), np.float32)
    ours = parzen.parzen_log_likelihood(jnp.asarray(samples), jnp.asarray(test), sigmas, block_size=config.block)
    difference = float(np.abs(np.asarray(ours) - reference(samples, test, sigmas)).max())
    print(f"log-likelihoods differ from NumPy's by {difference:.1e} nats at most")
    if not difference <= TOLERANCE:
        raise ValueError(f"Log-likelihoods differ from NumPy's by {difference:.1e} nats: this is not the same work.")
    return difference


def show(results: dict[str, Any]) -> None:
    """Prints seconds, pairs per second and fractions of the ceiling."""
    seconds = results["seconds"]
    lines = []
    for name, count in (("block", "pairs_of_block"), ("product", "pairs_of_block"), ("numpy", "pairs_of_numpy")):
        rate = timing.spread([results[count] / value for value in seconds[name]])
        lines.append([name, timing.spread(seconds[name]).text(1e3), rate.text(1e-6)])
    records.print_table(["", "ms", "million pairs per second"], lines)
    print(f"\nall samples: {results['whole_seconds']:.4g} s, {results['fraction']:.2f} of the matrix-product ceiling")


def draw(results: dict[str, Any], path: Path) -> None:
    """Draws nanoseconds per pair of a sample and a test image."""
    from benchmarks import plots

    counts = {"block": "pairs_of_block", "product": "pairs_of_block", "numpy": "pairs_of_numpy"}
    pairs = {
        name: [1e9 * value / results[counts[name]] for value in seconds]
        for name, seconds in results["seconds"].items()
    }
    plots.bars(path, {"per pair of a sample and a test image": pairs}, "ns")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
