"""Devices, seeds and streams change nothing: parameters after a hundred steps, against one seed on one device.

    python -m benchmarks.invariance                                           # half an hour on two CPU cores
    python -m benchmarks.invariance --variants aae vae                        # minutes
    python -m benchmarks.invariance --preset smoke                            # a minute, to see that it works

Every variant descends for a hundred steps by SGD with momentum, on real digits, with noise and dropout: on 2, 4 and 8
(fake) devices, as one of ten seeds that are trained together, streamed from the host, and by two processes of two
devices each. The largest difference of any parameter, over the largest parameter, has to be at most 1e-10 in float64;
in float32 it is reported. A control in float64, in which all devices draw the same noise, has to break the bound. Ends
with status 1 where a bound is broken. What was trained is kept, and a run that was stopped goes on from there, as
long as the code is the same and committed.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aae_jax import runs
from aae_jax.progress import progress
from benchmarks import plots, records
from benchmarks.invariance_worker import VARIANTS
from benchmarks.records import Options
from experiments import command_line

BOUND = 1e-10
SEED = 4
ALONE = "one seed, one device"
WAYS: dict[str, dict[str, Any]] = {
    "2 devices": {"devices": 2},
    "4 devices": {"devices": 4},
    "8 devices": {"devices": 8},
    "ten seeds": {"seeds": list(range(10))},
    "streamed": {"streamed": True},
    "2 processes": {"devices": 4, "processes": 2},
}
CONTROL = {"control": {"devices": 4}}


@dataclasses.dataclass(frozen=True)
class Config(Options):
    """Options of the command."""

    out: Path = Path("runs/benchmarks/invariance")
    """The folder of the JSON file and the plot."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Which variants to train."""
    precisions: tuple[Literal["float64", "float32"], ...] = ("float64", "float32")
    """In which arithmetic."""


PRESETS = command_line.preset_field({"laptop": Config(), "smoke": Config(variants=("aae",), precisions=("float64",))})


def main(config: Config) -> dict[str, Any]:
    """Measures, prints; raises where a bound is broken."""
    unknown = [name for name in config.variants if name not in VARIANTS]
    if unknown:
        raise ValueError(f"There are no variants {unknown}; expected some of {list(VARIANTS)}.")
    written = records.run("invariance", config, _measure, _show, plots.differences)
    broken = _broken(written["results"])
    if broken:
        raise SystemExit(f"broken: {'; '.join(broken)}")
    return written


def _measure(config: Config) -> dict[str, Any]:
    jobs = [
        {"variant": variant, "precision": precision, "processes": processes, "ways": ways, "same_noise": False}
        for precision in config.precisions
        for variant in config.variants
        for processes, ways in _by_processes({ALONE: {}, **_ways(variant)}).items()
    ]
    control = {"variant": config.variants[0], "precision": "float64", "same_noise": True}
    control |= {"processes": 1, "ways": _by_processes({ALONE: {}, **CONTROL})[1]}
    results: dict[str, Any] = {"bound": BOUND, "differences": {precision: {} for precision in config.precisions}}
    code = runs.provenance()
    kept = None if code["dirty"] is not False else config.out / "trainings" / code["commit"]
    # Most of a training's time is that of its compilation, on one core.
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("invariance", 0, 1 + len(jobs), unit="process") as bar:
        found = []
        for parameters in pool.map(lambda job: _trained(job, kept), [*jobs, control]):
            found.append(parameters)
            bar.update(1)
    *of_jobs, of_control = found
    trained: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for job, parameters in zip(jobs, of_jobs, strict=True):
        trained.setdefault((job["precision"], job["variant"]), {}).update(parameters)
    for (precision, variant), parameters in trained.items():
        of_ways = {way: _difference(parameters[ALONE], parameters[way]) for way in _ways(variant)}
        results["differences"][precision][variant] = of_ways
    difference = _difference(of_control[ALONE], of_control["control"])
    return {**results, "control": {"variant": control["variant"], "difference": difference}}


def _ways(variant: str) -> dict[str, dict[str, Any]]:
    """All but the stream, where neighbors may be any images of the training set."""
    of_neighbors = VARIANTS[variant].view_of == "neighbor"
    return {name: way for name, way in WAYS.items() if not (of_neighbors and way.get("streamed"))}


def _by_processes(ways: dict[str, dict[str, Any]]) -> dict[int, dict[str, dict[str, Any]]]:
    """The ways by how many processes they take; what takes one shares it, and JAX starts once for all of them."""
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for name, way in ways.items():
        terms = {"seeds": [SEED], **way}
        found.setdefault(terms.pop("processes", 1), {})[name] = terms
    return found


def _trained(job: dict[str, Any], kept: Path | None) -> dict[str, np.ndarray]:
    """The parameters of the seed that is compared, by way, from a process of its own or several.

    They are kept in a folder of the commit's name, where there is one and the code is still that one, and found there
    by a later run of it.
    """
    name = "_".join([job["precision"], job["variant"], str(job["processes"]), *job["ways"]]).replace(" ", "-")
    if kept is not None and (kept / f"{name}.npz").exists():
        return _arrays(kept / f"{name}.npz")
    devices = max(way.get("devices", 1) for way in job["ways"].values()) // job["processes"]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        path, workers, errors = Path(folder) / "params.npz", [], []
        coordinator = f"localhost:{free_port()}"
        for process in range(job["processes"]):
            of_process = {**job, "process": process, "coordinator": coordinator}
            words = [sys.executable, "-m", "benchmarks.invariance_worker", json.dumps(of_process), str(path)]
            errors.append(Path(folder) / f"errors_{process}")
            with errors[-1].open("w") as file:
                # A worker ends with this process, whatever ends it: nobody is then left to hold its standard input.
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": file}
                workers.append(subprocess.Popen(words, env=environment, **pipes))
        if any([worker.wait() for worker in workers]):
            ends = [
                f"status {worker.returncode}\n{error.read_text()[-3000:]}"
                for worker, error in zip(workers, errors, strict=True)
            ]
            raise RuntimeError("\n".join([f"{job} failed:", *ends]))
        trained = _arrays(path)
    compared = {way: trained[way][terms["seeds"].index(SEED)] for way, terms in job["ways"].items()}
    code = runs.provenance()
    if kept is not None and (code["dirty"], code["commit"]) == (False, kept.name):
        runs.make_folder(kept)
        np.savez(kept / f"unfinished_{name}.npz", **compared)
        (kept / f"unfinished_{name}.npz").replace(kept / f"{name}.npz")
    return compared


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())


def _broken(results: dict[str, Any]) -> list[str]:
    exact = results["differences"].get("float64", {})
    broken = [
        f"{variant}, {way}: {value:.1e} is above {BOUND:.0e}"
        for variant, of_ways in exact.items()
        for way, value in of_ways.items()
        if not value <= BOUND
    ]
    if not results["control"]["difference"] > BOUND:
        broken.append("the control, which has to differ, does not")
    return broken


def _show(results: dict[str, Any]) -> None:
    for precision, found in results["differences"].items():
        rows = [
            [variant, *(f"{of_ways[way]:.1e}" if way in of_ways else "refused" for way in WAYS)]
            for variant, of_ways in found.items()
        ]
        records.print_table([precision, *WAYS], rows)
        print()
    control = results["control"]
    print(f"control, the same noise on four devices: {control['variant']} differs by {control['difference']:.1e}")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
