"""From the command to the first finished epoch: imports, the first step, compilation with and without its cache.

    python -m benchmarks.start                                                # minutes on two CPU cores
    python -m benchmarks.start --preset smoke                                 # a minute, to see that it works

Everything runs in fresh processes, whose peak memory is taken down too. `experiments.prior_matching` is watched until
its first epoch is in the log of its first model, then stopped; with a compilation cache that is empty, and with one
that such a run has left.
"""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks import records, timing
from benchmarks.records import Timed
from experiments import command_line

PROGRAMS = {
    "python": "pass",
    "import jax, flax, optax": "import jax, flax, optax",
    "import aae_jax": "import aae_jax",
    "import experiments.prior_matching": "import experiments.prior_matching",
    "first step": "from benchmarks import start; start.first_step()",
}
"""What is run to its end, by its name."""
CACHES = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
"""The user's own words on compilation caches, which these processes must not hear: a full one is not empty."""
EPOCHS = ("first epoch, no cache", "first epoch, cache")


@dataclasses.dataclass(frozen=True)
class Config(Timed):
    """Options of the command."""

    out: Path = Path("runs/benchmarks/start")
    """The folder of the JSON file and the plot."""
    repetitions: int = 5
    """How often everything is measured."""
    experiment: Literal["laptop", "smoke"] = "laptop"
    """The preset of experiments.prior_matching, of which the first epoch is waited for."""
    patience: float = 600.0
    """Seconds after which a process that has not done what it was to do is given up."""

    def check(self) -> None:
        """Checks what can be checked before anything is measured; see `Options`."""
        super().check()
        if not self.patience > 0:
            raise ValueError(f"patience is {self.patience}; expected seconds above 0.")


PRESETS = command_line.preset_field({"laptop": Config(), "smoke": Config(repetitions=1, experiment="smoke")})


def main(config: Config) -> dict[str, Any]:
    """Measures, prints, draws; returns what the JSON file holds."""
    return records.run("start", config, measure, show, draw)


def first_step() -> None:
    """A training step of the paper's AAE, from the import to its loss; one of the programs."""
    import jax
    import jax.numpy as jnp

    from aae_jax import row_keys
    from benchmarks.workloads import Workload, batch_at, make_rows

    workload = Workload()
    algorithm = workload.algorithm()
    state = algorithm.init(jax.random.key(0))
    batch = batch_at(make_rows(workload, 100), jnp.arange(100))
    _, metrics = jax.jit(algorithm.step, donate_argnums=0)(state, row_keys(jax.random.key(1), 0, 100), batch)
    float(metrics["reconstruction/loss"])


def measure(config: Config) -> dict[str, Any]:
    """Seconds and peak memory of every process, in rounds."""
    names = [*PROGRAMS, *EPOCHS]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    mebibytes: dict[str, list[float]] = {name: [] for name in names}

    def keep(name: str, found: tuple[float, float]) -> None:
        seconds[name].append(found[0])
        mebibytes[name].append(found[1])

    for index in range(config.repetitions):
        print(f"round {index + 1} of {config.repetitions}", file=sys.stderr)
        for name, program in PROGRAMS.items():
            keep(name, _process([sys.executable, "-c", program], {"JAX_ENABLE_COMPILATION_CACHE": "false"}, config))
        with tempfile.TemporaryDirectory() as folder:
            for name in EPOCHS:
                keep(name, _first_epoch({"XDG_CACHE_HOME": folder}, config))
    return {"seconds": seconds, "peak_mebibytes": mebibytes}


def _first_epoch(environment: Mapping[str, str], config: Config) -> tuple[float, float]:
    """Seconds until the log has a line, and peak memory until then."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "experiments.prior_matching", "--preset", config.experiment]
        words += ["--out", f"{folder}/run", "--devices", "1"]

        def is_done() -> bool:
            return any(log.stat().st_size for log in Path(folder).glob("run/seed_0/*/metrics.jsonl"))

        return _process(words, environment, config, until=is_done)


def _process(
    words: Sequence[str],
    environment: Mapping[str, str],
    config: Config,
    *,
    until: Callable[[], bool] | None = None,
) -> tuple[float, float]:
    """Runs a process from the root of the checkout.

    Args:
        words: of its command.
        environment: beside that of this process.
        config: says for how long.
        until: asked again and again; the process is stopped once this is so. Where None it runs to its end.

    Returns:
        Seconds until then, and the process's peak memory in MiB.

    Raises:
        ValueError: if it fails, or is not done in time.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words,
            cwd=records.ROOT,
            env={name: value for name, value in os.environ.items() if name not in CACHES} | dict(environment),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        peak = 0.0
        while True:
            peak = _peak_mebibytes(process.pid) or peak
            # The state of the process first: what it has left behind is then complete.
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = time.perf_counter() - started
            if ended or (until is not None and until()) or seconds > config.patience:
                break
            time.sleep(0.005)
        if not ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if seconds > config.patience or (ended and process.returncode != 0):
            last = said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ValueError(f"{' '.join(words[1:3])} did not do what it was to do: {''.join(last)}")
    # On macOS there is no /proc, and this is bytes; on Linux it would hold the memory that this process forked with.
    return seconds, peak or usage.ru_maxrss / 2**20


def _peak_mebibytes(process: int) -> float:
    """Of a running process, since it has its own program; 0 where that is not to be known."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    return 0.0


def show(results: dict[str, Any]) -> None:
    """Prints seconds and peak memory."""
    lines = [
        [name, timing.spread(seconds).text(), timing.spread(results["peak_mebibytes"][name]).text()]
        for name, seconds in results["seconds"].items()
    ]
    records.print_table(["process", "s", "peak MiB"], lines)


def draw(results: dict[str, Any], path: Path) -> None:
    """Draws the seconds."""
    from benchmarks import plots

    plots.bars(path, {"from the command": results["seconds"]}, "s")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
