"""The run that `benchmarks.faults` disturbs: a small VAE on real digits, with a checkpoint after every epoch.

python -m benchmarks.faults_worker FOLDER EPOCHS
"""

import sys
from pathlib import Path

import jax
import numpy as np
import optax

from aae_jax import ModelConfig, Rows, TrainingConfig, algorithm, build, corruption, data, fit
from aae_jax.checkpoints import Checkpoints
from aae_jax.types import Algorithm
from experiments import command_line

CONFIG = ModelConfig("vae", (28, 28, 1), hidden_sizes=(256,), weight_std=None)


def main(words: list[str]) -> None:
    """Trains, or goes on, and writes all numbers of the parameters when it is done."""
    folder, epochs = Path(words[0]), int(words[1])
    train = data.load("mnist5k").train

    def make_algorithm(axis_name: str | None) -> Algorithm:
        model = build(CONFIG, axis_name=axis_name)
        corrupt = corruption.gaussian_noise(0.3)
        return algorithm(model, {"reconstruction": optax.adam(1e-3)}, corrupt=corrupt, axis_name=axis_name)

    terms = TrainingConfig(epochs=epochs, checkpoint_epochs=1, num_devices=1)
    _announce_restoring(folder.with_suffix(".restoring"))
    rows = Rows(train.image, train.label)
    state = jax.device_get(fit(make_algorithm, rows, terms, folder, resume=True))
    np.save(folder / "params.npy", np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(state)]))


def _announce_restoring(marker: Path) -> None:
    """Leaves a file for as long as a checkpoint is restored, for those who want to strike then."""
    restore = Checkpoints.restore

    def announced(self: Checkpoints, like: object) -> object:
        marker.touch()
        try:
            return restore(self, like)
        finally:
            marker.unlink()

    Checkpoints.restore = announced  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    command_line.guarded(lambda: main(sys.argv[1:]))
