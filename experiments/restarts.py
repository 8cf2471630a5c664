"""Several trainings of each seed, where chance decides what one ends in; one of them counts.

It is the one that reconstructs its training images best in its last epoch: where a category tells more of an image,
the style has less to tell. Agreement between views would favor trainings that put two classes into one category, since
nothing is agreed upon as easily. The classes of images that are judged have no part in it.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from aae_jax import ModelConfig
from aae_jax.checks import check_count
from aae_jax.data import Dataset
from experiments import reports, training
from experiments.options import CategoryOptions

__all__ = ["Choice", "RestartOptions", "chosen", "names", "train"]

_APART = 10_000
"""How far the seed of a restart is from that of the one before."""


@dataclasses.dataclass(frozen=True)
class RestartOptions(CategoryOptions):
    """Options of the experiments that find clusters."""

    JUDGING: ClassVar[tuple[str, ...]] = ("restarts",)

    restarts: int = 0
    """Further trainings of each seed, from the seeds 10,000 later and so on; of all of them the one counts that
    reconstructs training images best in its last epoch. A finished run can have more of them."""

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
    """The nll of each, by which the choice was made; NaN where it has diverged. It is evidence, see `chosen`."""


def names(config: RestartOptions, name: str) -> list[str]:
    """Of the trainings of each seed, in the run folder."""
    return [_name(name, restart) for restart in range(1 + config.restarts)]


def train(
    experiment: str, config: RestartOptions, model_config: ModelConfig, dataset: Dataset, name: str, **options: Any
) -> list[Choice | None]:
    """Trains one model several times with each seed, and chooses; None for a seed of which all have diverged.

    Args:
        experiment: see `training.train_model`.
        config: see there.
        model_config: see there.
        dataset: see there.
        name: of the model, see `names`.
        **options: of `training.train_model`.
    """
    of_restarts = []
    for restart, of_restart in enumerate(names(config, name)):
        restarted = config.restarted(restart)
        try:
            trained = training.train_model(experiment, restarted, model_config, dataset, of_restart, **options)
        except FloatingPointError:
            # All of its seeds have diverged: another one may not.
            if not config.restarts:
                raise
            trained = [None] * config.seeds
        of_restarts.append(trained)
    return [_choose(config, index, name, of_seed) for index, of_seed in enumerate(zip(*of_restarts, strict=True))]


def chosen(folder: Path, name: str) -> list[str]:
    """Which trainings count in a finished run: their folders there, one for each seed that has not diverged.

    Args:
        folder: of the run, whose evidence has the losses of each choice as `NAME/restart_loss`.
        name: of the model.
    """
    found = []
    for path in sorted(folder.glob("evidence_*.npz"), key=reports.index_of):
        with np.load(path, allow_pickle=False) as evidence:
            best = int(np.nanargmin(evidence[f"{name}/restart_loss"]))
        found.append(f"seed_{reports.index_of(path)}/{_name(name, best)}")
    return found


def _name(name: str, restart: int) -> str:
    return f"{name}_{restart}" if restart else name


def _choose(
    config: RestartOptions, index: int, name: str, trained: Sequence[training.Trained | None]
) -> Choice | None:
    logs = [config.out / f"seed_{index}" / of_restart / "metrics.jsonl" for of_restart in names(config, name)]
    losses = np.array(
        [
            np.nan if one is None else reports.logs(log)[-1]["reconstruction/nll"]
            for one, log in zip(trained, logs, strict=True)
        ]
    )
    best = None if np.isnan(losses).all() else trained[int(np.nanargmin(losses))]
    return best and Choice(best, losses)
