"""Several trainings of each seed, where there are no labels and each ends in other clusters; one of them counts.

It is the one whose own losses of validation images are least, each weighed by the rate at which it descends: that
reconstructs well, and changes its mind least between views of an image. No label is asked.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import jax
import numpy as np

from aae_jax import ModelConfig, row_keys
from aae_jax.checks import check_count
from aae_jax.data import Dataset
from aae_jax.types import Batch, Keys, Model, Params
from experiments import training
from experiments.options import CategoryOptions

__all__ = ["Choice", "RestartOptions", "names", "train"]

_APART = 10_000
"""How far the seed of a restart is from that of the one before."""


@dataclasses.dataclass(frozen=True)
class RestartOptions(CategoryOptions):
    """Options of the experiments that find clusters without labels."""

    restarts: int = 0
    """Further trainings of each seed where there are no labels, from the seeds 10,000 later and so on; of all of them
    the one counts whose own losses of validation images are least. A finished run can have more of them."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_count("restarts", self.restarts, 0)
        if self.restarts and self.seeds > _APART:
            raise ValueError(f"seeds is {self.seeds}, and restarts have those from {_APART} on; expected no more.")
        last = self.restarted(self.restarts)
        last.training(last.all_seeds())

    def restarted(self, restart: int) -> Self:
        """The options of one of the trainings of each seed.

        Args:
            restart: 0 for the first one.
        """
        return dataclasses.replace(self, seed=self.seed + _APART * restart)


class Choice(NamedTuple):
    """What counts of one seed's trainings."""

    trained: training.Trained
    """The one that was chosen."""
    losses: np.ndarray
    """Of each of them, what the choice was made by; NaN where it has diverged."""


def names(config: RestartOptions, name: str) -> list[str]:
    """Of the trainings of each seed, in the run folder."""
    return [name, *(f"{name}_{restart}" for restart in range(1, 1 + config.restarts))]


def train(
    experiment: str, config: RestartOptions, model_config: ModelConfig, dataset: Dataset, name: str, **options: Any
) -> list[Choice | None]:
    """Trains one model several times with each seed, and chooses; None for a seed of which all have diverged.

    Args:
        experiment: see `training.train_model`.
        config: see there.
        model_config: see there.
        dataset: see there; one is chosen by its validation images.
        name: of the model, see `names`.
        **options: of `training.train_model`.
    """
    of_restarts = [
        training.train_model(experiment, config.restarted(restart), model_config, dataset, of_restart, **options)
        for restart, of_restart in enumerate(names(config, name))
    ]
    validation = training.held_out(dataset.validation)
    return [_choose(of_seed, config.rates(), validation) for of_seed in zip(*of_restarts, strict=True)]


def _choose(trained: Sequence[training.Trained | None], rates: dict[str, float], validation: Batch) -> Choice | None:
    losses = np.array([np.nan if one is None else _weighted_loss(*one, rates, validation) for one in trained])
    best = None if np.isnan(losses).all() else trained[int(np.nanargmin(losses))]
    return best and Choice(best, losses)


def _weighted_loss(model: Model, params: Params, rates: dict[str, float], batch: Batch) -> float:
    """Of all phases but the games', whose losses say no more than who is ahead."""
    keys = Keys(*row_keys(jax.random.key(0), 0, 2 * len(batch.image)).reshape(2, -1))
    own = [phase for phase in model.phases if phase.name not in ("discriminator", "generator")]
    return float(sum(rates[phase.name] * jax.jit(phase.loss)(params, keys, batch)[0] for phase in own))
