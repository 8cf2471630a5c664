"""Run folders: what a run writes beside its checkpoints, whole or not at all, and how it is read back."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aae_jax.checks import check_count

__all__ = [
    "add_line",
    "check_committed",
    "check_config",
    "cut_lines",
    "environment",
    "lock",
    "machine",
    "make_folder",
    "provenance",
    "read_json",
    "read_lines",
    "without_options",
    "write_json",
    "write_lines",
]


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, atomically; frozen dataclasses and numpy scalars become plain values.

    Raises:
        ValueError: for numbers that JSON does not know.
        TypeError: for what is no plain value.
        OSError: if the file cannot be written.
    """
    _replace(path, _text(path, value, indent=2) + "\n")


def _text(path: Path, value: Any, *, indent: int | None = None) -> str:
    try:
        return json.dumps(value, indent=indent, default=_plain, allow_nan=False)
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be written as JSON: {error}; expected finite numbers, None for others."
        ) from None


def make_folder(folder: Path) -> None:
    """Makes a folder, with those above it.

    Raises:
        ValueError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The run folder {folder} cannot be written: {error.strerror}.") from None


def _replace(path: Path, text: str) -> None:
    """Puts a whole file in place of what is there, or leaves that."""
    make_folder(path.parent)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected the name of a file.")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is not JSON, or no file.
    """
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"There is no {path.name} in {path.parent}: expected a run folder.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from None


def add_line(path: Path, line: dict[str, Any]) -> None:
    """Adds one line to a file of JSON lines.

    Raises:
        ValueError: for numbers that JSON does not know.
        OSError: if the file cannot be written.
    """
    text = _text(path, line)
    try:
        with path.open("a") as file:
            file.write(text + "\n")
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror}.") from error


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Writes a file of JSON lines, atomically."""
    _replace(path, "".join(_text(path, line) + "\n" for line in lines))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Reads a file of JSON lines.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if a line is not JSON.
    """
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no {path.name} in {path.parent}: expected the log of a training.") from None
    return [_line(path, number, line) for number, line in enumerate(lines, 1)]


def cut_lines(path: Path, count: int) -> list[dict[str, Any]]:
    """Cuts a file of JSON lines back to its first `count`, those that a checkpoint covers, and gives these back.

    Raises:
        ValueError: if `count` is negative, or one of these lines is not JSON.
    """
    check_count("count", count, 0)
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    if len(lines) > count:
        _replace(path, "".join(lines[:count]))
    return [_line(path, number, line) for number, line in enumerate(lines[:count], 1)]


def _line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"{path}, line {number}, is not valid JSON: {error}.") from None


def check_config(path: Path, config: Any, *, resume: bool) -> None:
    """Writes a run's config, or on resume checks that the one there is the same.

    A field that only one of the two has counts as the same where it is 0, empty, False or None: what older code had no
    option for it did not do, so that newer code may go on with its runs.

    Raises:
        ValueError: if another config is there; names the fields that differ.
    """
    new = json.loads(_text(path, config))
    if path.exists():
        if not resume:
            raise ValueError(f"{path.parent} holds a run: resume it (--resume), or choose another folder (--out).")
        differences = sorted(_differences(read_json(path), new))
        if differences:
            raise ValueError(
                f"The run in {path.parent} was started with other settings: {'; '.join(differences)}. Resume it with "
                "the same ones, or choose another folder (--out)."
            )
    else:
        write_json(path, new)


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Holds a run folder for this process; the lock dies with it.

    Raises:
        ValueError: if the folder cannot be written, or another process holds it.
    """
    import fcntl

    make_folder(folder)
    try:
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise ValueError(f"The run folder {folder} cannot be written: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"Another process is at work in {folder}: choose another folder (--out).") from None
        yield


def environment() -> dict[str, Any]:
    """What the bytes of a run may depend on: versions, device, processor, cores, XLA flags."""
    import jax

    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint")
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def provenance() -> dict[str, Any]:
    """The command that runs, and the commit of the code it runs from (None outside a checkout)."""
    root = Path(__file__).resolve().parent.parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    # An untracked file is the user's, but as a module of ours it is code that ran.
    modules = [f"{package}/*.py" for package in ("aae_jax", "experiments", "benchmarks")]
    changes = [
        git("status", "--porcelain", "--untracked-files=no"),
        git("ls-files", "--others", "--exclude-standard", "--", *modules),
    ]
    module = getattr(sys.modules["__main__"], "__spec__", None)
    name = f"python -m {module.name}" if module else f"python {Path(sys.argv[0]).name}"
    return {
        "command": " ".join([name, shlex.join(sys.argv[1:])]).strip(),
        "commit": git("rev-parse", "HEAD"),
        "dirty": None if None in changes else any(changes),
    }


def check_committed(provenance: Mapping[str, Any]) -> None:
    """Checks that numbers can be kept: that the code they come from can be had again.

    Args:
        provenance: see `provenance`.

    Raises:
        ValueError: if it was not committed, or is from no checkout.
    """
    if provenance["dirty"] is not False or not provenance["commit"]:
        raise ValueError("The code is not committed, so that its numbers cannot be kept; commit it, and run again.")


def machine(environment: Mapping[str, Any]) -> str:
    """The name of a machine: of its accelerator, or of its processor with the number of its cores."""
    if environment["device"] != "cpu":
        return environment["device"]
    return f"{environment['processor']}, {environment['cores']} core{'s' * (environment['cores'] != 1)}"


def without_options(command: str, options: Collection[str], switches: Collection[str] = ()) -> str:
    """A command without some of its options.

    Args:
        command: as a shell reads it.
        options: names of fields, "data_dir" for --data-dir; the word after one goes with it.
        switches: likewise, of options that stand alone.

    Raises:
        ValueError: if a shell could not read it.

    Example:
        >>> without_options("python -m own --out '/a b' --seed=1 --resume", {"out"}, {"resume"})
        'python -m own --seed=1'
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"The command {command!r} cannot be read: {error}; expected words as in a shell.") from None
    kept, skip = [], False
    for word in words:
        name = word.split("=")[0].removeprefix("--").replace("-", "_") if word.startswith("--") else ""
        if not skip and name not in {*options, *switches}:
            kept.append(word)
        skip = name in options and "=" not in word
    return shlex.join(kept)


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for field in {**old, **new}:
            if (field not in old or field not in new) and not (old.get(field) or new.get(field)):
                continue
            yield from _differences(old.get(field), new.get(field), f"{name}.{field}".strip("."))
    elif old != new:
        yield f"{name} was {old!r}, is {new!r}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A {type(value).__name__} cannot be written as JSON: {value!r}.")
