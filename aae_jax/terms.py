"""On what terms to train: how long, which seeds, on how many devices; what is checked of them, and what is kept."""

import dataclasses
import math
import zlib
from numbers import Integral
from pathlib import Path
from typing import get_args

import numpy as np

from aae_jax import parallel, runs
from aae_jax.checks import check_choice, check_count, check_instance, check_number
from aae_jax.epoch import Rows, check_training_set
from aae_jax.feeds import Stream, is_streamed

__all__ = ["TrainingConfig", "begin", "check"]


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long and on what terms to train."""

    epochs: int
    """Passes over the training images (for semi-supervised variants too: the labeled set does not count)."""
    batch_size: int = 100
    """Rows per step, over all devices together. The rest of an epoch that fills no batch is left out; each epoch has
    an order of its own, so that no row is left out for long."""
    seed: int | tuple[int, ...] = 0
    """Of initial weights, order and noise. Several seeds are trained together, as one program."""
    checkpoint_epochs: int = 10
    """Epochs between two checkpoints; the last epoch always has one."""
    checkpoint_minutes: float = 10.0
    """Minutes after which there is a checkpoint within an epoch too."""
    num_devices: int | None = None
    """Devices that share the work: seeds, if there are as many, else the rows of each batch. None takes as many as
    divide it."""
    stream: Stream = "auto"
    """Whether images go to the device a span of steps after another rather than all at once: "auto" does so from 2 GiB
    on. The same rows in the same order; for one seed at a time."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "checkpoint_epochs"):
            check_count(name, getattr(self, name))
        if self.num_devices is not None:
            check_count("num_devices", self.num_devices, expected=", or None for as many as divide the work")
        # Infinite minutes are no checkpoints but those of epochs.
        if self.checkpoint_minutes != math.inf:
            check_number("checkpoint_minutes", self.checkpoint_minutes, "a number above 0", above=0)
        if not self.seeds or not all(isinstance(seed, Integral) and 0 <= seed < 2**32 for seed in self.seeds):
            raise ValueError(f"seed is {self.seed!r}; expected 0 to 2³² − 1, or a tuple of such numbers.")
        if len({*self.seeds}) < len(self.seeds):
            raise ValueError(f"seed is {self.seed}; expected seeds that differ.")
        check_choice("stream", self.stream, get_args(Stream))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, one or several."""
        return self.seed if isinstance(self.seed, tuple) else (self.seed,)


def check(rows: Rows, config: TrainingConfig) -> parallel.Layout:
    """What `fit` checks before it does anything; returns who is to do what.

    Raises:
        ValueError: see `fit`.
    """
    check_instance("rows", rows, Rows, "aae_jax.Rows(image, label)")
    check_instance("config", config, TrainingConfig, "aae_jax.TrainingConfig")
    for name, part in zip(rows._fields, rows, strict=True):
        if part is None:
            continue
        if not hasattr(part, "dtype"):
            raise ValueError(f"{name} is a {type(part).__name__}; expected an array of numpy or jax.")
        if not part.dtype.isnative:
            raise ValueError(f"{name} is {part.dtype.str}; expected the byte order of this machine: .astype does it.")
    num_seeds = len(config.seeds) if isinstance(config.seed, tuple) else 0
    check_training_set(rows, num_seeds, in_memory=not is_streamed(rows, config.stream))
    if config.batch_size > len(rows.image):
        raise ValueError(
            f"batch_size is {config.batch_size}, and the training set has {len(rows.image)} rows; expected no more."
        )
    if num_seeds and is_streamed(rows, config.stream):
        raise ValueError(
            f"{num_seeds} seeds together would each read other images of a set that is streamed; train them "
            "one at a time."
        )
    return parallel.layout(config.batch_size, num_seeds, config.num_devices)


def begin(folder: Path, rows: Rows, config: TrainingConfig, best: str | None, *, begun: bool, resume: bool) -> None:
    """Keeps in `terms.json` on what terms a run begins; on others than its own it does not go on.

    Args:
        folder: of the run.
        rows: the training set.
        config: of the training.
        best: see `fit`.
        begun: whether a run has begun there.
        resume: whether it is to go on.

    Raises:
        ValueError: if it has begun and is not to go on, or not on these terms.
    """
    path = folder / "terms.json"
    terms = {
        **{"seed": config.seed, "batch_size": config.batch_size, "rows": len(rows.image), "best": best},
        "checksum": _checksum(rows),
    }
    if not begun:
        runs.write_json(path, terms)
    elif not resume:
        raise ValueError(
            f"A run has begun in {folder}: resume it (resume=True, --resume), or choose another folder (--out)."
        )
    else:
        # Runs of older code have no checksum.
        known = runs.read_json(path)
        runs.check_config(path, {name: term for name, term in terms.items() if name in known}, resume=True)


def _checksum(rows: Rows) -> int:
    """Of all labels and of a thousand images, from first to last: other data are told, and huge ones not read."""
    step = max(1, len(rows.image) // 1000)
    parts = (rows.image[::step], rows.label, rows.labeled, rows.neighbors)
    checksum = 0
    for part in (part for part in parts if part is not None):
        checksum = zlib.crc32(np.ascontiguousarray(part).tobytes(), checksum)
    return checksum
