"""A run that is killed, cut short, and robbed of its disk ends as if nothing had been.

    python -m benchmarks.faults                                               # four minutes on two CPU cores
    python -m benchmarks.faults --kills 4 --epochs 20                         # a minute

SIGKILL strikes while a checkpoint is written, inside an epoch, and while a checkpoint is restored; then come SIGTERM,
a truncated checkpoint, a flipped byte, a limit on the size of files in place of a full disk, and a folder that cannot
be made. After each the run goes on, or says in one line why it cannot. In the end its parameters have to be those of a
run that nobody disturbed, byte for byte. Ends with status 1 where they are not.
"""

import dataclasses
import functools
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from benchmarks import plots, records
from benchmarks.records import Options
from experiments import command_line

MOMENTS = ("during a checkpoint's write", "inside an epoch", "during a restore")


@dataclasses.dataclass(frozen=True)
class Config(Options):
    """Options of the command."""

    preset: Literal["laptop", "smoke"] = "laptop"
    """Gives the defaults of the others: minutes on two CPU cores, or fewer, to see that it works."""
    out: Path = Path("runs/benchmarks/faults")
    """The folder of the JSON file, the plot and the runs; it has to be new."""
    kills: int = 21
    """By SIGKILL, in turn at each of the three moments."""
    epochs: int = 60
    """Of the run, more than there are kills."""


PRESETS = command_line.preset_field({"laptop": Config(), "smoke": Config(kills=3, epochs=8)})


def main(config: Config) -> dict[str, Any]:
    """Disturbs, prints; raises where a run did not come to its end."""
    if config.epochs <= config.kills + 2:
        raise ValueError(f"epochs is {config.epochs}; expected more than the kills ({config.kills}) and 2.")
    if (config.out / "whole").exists():
        raise ValueError(f"{config.out} holds runs already; choose another folder (--out).")
    written = records.run("faults", config, _measure, _show, plots.faults)
    lost = [row["fault"] for row in written["results"]["faults"] if not row["survived"]]
    if lost:
        raise SystemExit(f"lost: {', '.join(lost)}")
    return written


def _measure(config: Config) -> dict[str, Any]:
    whole = config.out / "whole"
    _finish(whole, config.epochs)
    expected = (whole / "params.npy").read_bytes()
    faults: list[dict[str, Any]] = []

    def survived(folder: Path) -> bool:
        _finish(folder, config.epochs)
        return (folder / "params.npy").read_bytes() == expected

    killed = config.out / "killed"
    struck = list(_kill_again_and_again(killed, config))
    alive = survived(killed)
    faults += [{"fault": f"SIGKILL {moment}", "at": at, "survived": alive} for moment, at in struck]

    told = config.out / "told"
    process = _start(told, config.epochs)
    _wait(lambda: _epochs_of(told) >= 2, process)
    process.send_signal(signal.SIGTERM)
    status = process.wait()
    done = _epochs_of(told)
    faults.append({"fault": "SIGTERM", "at": f"epoch {done}", "survived": status == 143 and survived(told)})

    for name, spoil in (("a truncated checkpoint", _truncate), ("a flipped byte", _flip)):
        folder = config.out / name.replace(" ", "_")
        process = _start(folder, config.epochs)
        _wait(lambda folder=folder: _epochs_of(folder) >= 4, process)
        process.send_signal(signal.SIGTERM)
        process.wait()
        at = spoil(folder)
        faults.append({"fault": name, "at": at, "survived": survived(folder)})

    full = config.out / "full"
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (300_000, 300_000))
    process = _start(full, config.epochs, preexec_fn=limit)
    message = _last_line(process, full)
    clear = process.returncode == 2 and "could not be written" in message
    faults.append({"fault": "a full disk", "at": message[:150], "survived": clear and survived(full)})

    (config.out / "a_file").touch()
    process = _start(config.out / "a_file" / "below", config.epochs)
    message = _last_line(process, config.out)
    refused = process.returncode == 2 and "cannot be written" in message
    faults.append({"fault": "a folder below a file", "at": message[:150], "survived": refused})
    return {"faults": faults}


def _start(folder: Path, epochs: int, **options: Any) -> subprocess.Popen:
    words = [sys.executable, "-m", "benchmarks.faults_worker", str(folder), str(epochs)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)


def _last_line(process: subprocess.Popen, folder: Path) -> str:
    """What a run that ends says of it, without the place of its folder on this machine."""
    last = process.communicate()[1].strip().splitlines()[-1]
    return last.replace(str(folder.absolute()), "FOLDER").replace(str(folder), "FOLDER")


def _finish(folder: Path, epochs: int) -> None:
    """Lets the run come to its end."""
    process = _start(folder, epochs)
    error = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(f"The run in {folder} could not go on: {error[-2000:]}")


def _kill_again_and_again(folder: Path, config: Config) -> Iterator[tuple[str, str]]:
    """Kills a run at each moment in turn; yields which one it was, and how far the run had come."""
    chance = random.Random(0)
    marker = folder.with_suffix(".restoring")
    for number in range(config.kills):
        # There has to be a checkpoint before the first kill: nothing is lost otherwise.
        goal = max(2, _epochs_of(folder) + 1)
        moment = MOMENTS[number % len(MOMENTS)] if _epochs_of(folder) else MOMENTS[0]
        marker.unlink(missing_ok=True)
        process = _start(folder, config.epochs)
        if moment == "during a restore":
            _wait(marker.exists, process)
        else:
            _wait(lambda goal=goal: _epochs_of(folder) >= goal, process)
            if moment == "inside an epoch":
                _wait(lambda: not _is_written(folder), process)
                time.sleep(chance.uniform(0, 0.2))
            else:
                _wait(lambda: _is_written(folder), process)
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError("The run ended before it was struck; give it more epochs.")
        yield moment, f"epoch {_epochs_of(folder)}"


def _wait(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    """Until a condition holds, or the process has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.001)


def _epochs_of(folder: Path) -> int:
    log = folder / "metrics.jsonl"
    return log.read_text().count("\n") if log.exists() else 0


def _is_written(folder: Path) -> bool:
    """Whether a checkpoint is being written: it has another name until it is whole."""
    return any((folder / "checkpoints").glob("*tmp*"))


def _arrays_of_newest(folder: Path) -> Path:
    newest = max(
        (path for path in (folder / "checkpoints").iterdir() if path.name.isdigit()), key=lambda p: int(p.name)
    )
    return max(
        (path for path in (newest / "state").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )


def _truncate(folder: Path) -> str:
    path = _arrays_of_newest(folder)
    os.truncate(path, path.stat().st_size // 2)
    return f"half of {path.stat().st_size * 2:,} bytes"


def _flip(folder: Path) -> str:
    path = _arrays_of_newest(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return f"bit 0 of byte {len(content) // 2:,}"


def _show(results: dict[str, Any]) -> None:
    rows = [[row["fault"], row["at"][:60], "survived" if row["survived"] else "LOST"] for row in results["faults"]]
    records.print_table(["fault", "at", ""], rows)
    alive = sum(row["survived"] for row in results["faults"])
    print(f"\n{len(rows)} faults, {alive} survived, {len(rows) - alive} lost")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
