"""Several trainings of each seed, where chance decides what one ends in; one of them counts.

It is the one that reconstructs its training images best in its last epoch: where a category tells more of an image,
the style has less to tell. Agreement between views would favor trainings that put two classes into one category, since
nothing is agreed upon as easily. The classes of images that are judged have no part in it.

Short trials can be compared in place of whole trainings, which only the best of them gets. Too short, they tell
little: of clusters of MNIST trained for 40 epochs, trials of 10 were in another order than the trainings in the end.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from aae_jax import ModelConfig, hosts
from aae_jax.checks import check_count
from aae_jax.data import Dataset
from experiments import reports, training
from experiments.category_options import CategoryOptions

__all__ = ["Choice", "RestartOptions", "chosen", "is_trial", "names", "train"]

_TRIAL = "_trial_"
_APART = 10_000
"""How far the seed of a restart is from that of the one before."""


@dataclasses.dataclass(frozen=True)
class RestartOptions(CategoryOptions):
    """Options of the experiments that find clusters."""

    JUDGING: ClassVar[tuple[str, ...]] = ("restarts",)
    NEEDS: ClassVar[Mapping[str, str]] = {**CategoryOptions.NEEDS, "trial_epochs": "restarts"}

    restarts: int = 0
    """Further trainings of each seed, from the seeds 10,000 later and so on; of all of them the one counts that
    reconstructs training images best in its last epoch. Without trials a finished run can have more of them."""
    trial_epochs: int = 0
    """Epochs of a trial: restarts are compared after so many, and the best is trained anew, to its end. 0 for no
    trials: all are trained to their ends."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_count("restarts", self.restarts, 0)
        check_count("trial_epochs", self.trial_epochs, 0)
        if self.restarts and self.trial_epochs >= self.epochs:
            raise ValueError(
                f"trial_epochs is {self.trial_epochs}, of {self.epochs} epochs; expected fewer, or 0 to compare "
                "restarts at their ends."
            )
        if self.restarts and self.seeds > _APART:
            raise ValueError(f"seeds is {self.seeds}, and restarts have those from {_APART} on; expected no more.")
        last = self.restarted(self.restarts)
        last.training(last.all_seeds())

    def settings(self) -> dict[str, Any]:
        """What training depends on; see `Options`. With other restarts another trial may be the best."""
        found = super().settings()
        if self.tries():
            return {**found, "restarts": self.restarts}
        return {name: value for name, value in found.items() if name != "trial_epochs"}

    def tries(self) -> bool:
        """Whether restarts are compared by trials."""
        return bool(self.restarts and self.trial_epochs)

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
    """Of the trainings of each seed that go to their ends, in the run folder."""
    return [name] if config.tries() else _names(config, name)


def is_trial(name: str) -> bool:
    """Whether a training of a run folder has that name since it was only tried."""
    return _TRIAL in name


def train(
    experiment: str, config: RestartOptions, model_config: ModelConfig, dataset: Dataset, name: str, **options: Any
) -> list[Choice | None]:
    """Trains one model several times with each seed, and chooses; None for a seed of which all have diverged.

    None too for one whose best trial diverges later.

    Args:
        experiment: see `training.train_model`.
        config: see there.
        model_config: see there.
        dataset: see there.
        name: of the model, see `names`.
        **options: of `training.train_model`.
    """

    def trained(config: RestartOptions, name: str, **terms: Any) -> list[training.Trained | None]:
        return training.train_model(experiment, config, model_config, dataset, name, **options, **terms)

    terms = {"epochs": config.trial_epochs} if config.tries() else {}
    of_restarts = []
    for restart, of_restart in enumerate(_names(config, name)):
        try:
            of_restarts.append(trained(config.restarted(restart), of_restart, **terms))
        except FloatingPointError:
            # All of its seeds have diverged: another one may not.
            if not config.restarts:
                raise
            of_restarts.append([None] * config.seeds)
    losses = _losses(config, name, of_restarts)
    best = [None if np.isnan(of_seed).all() else int(np.nanargmin(of_seed)) for of_seed in losses]
    if config.tries() and best != [None] * config.seeds:
        seeds = tuple(config.restarted(restart or 0).seed + index for index, restart in enumerate(best))
        counting = trained(config, name, seeds=seeds)
    else:
        counting = [of_restarts[restart or 0][index] for index, restart in enumerate(best)]
    return [
        None if one is None or restart is None else Choice(one, of_seed)
        for one, restart, of_seed in zip(counting, best, losses, strict=True)
    ]


def chosen(config: RestartOptions, name: str) -> list[str]:
    """Which trainings count in a finished run: their folders there, one for each seed that has not diverged.

    Args:
        config: of the run, whose evidence has the losses of each choice as `NAME/restart_loss`.
        name: of the model.
    """
    found = []
    for path in sorted(config.out.glob("evidence_*.npz"), key=reports.index_of):
        with np.load(path, allow_pickle=False) as evidence:
            best = int(np.nanargmin(evidence[f"{name}/restart_loss"]))
        found.append(f"seed_{reports.index_of(path)}/{name if config.tries() else _names(config, name)[best]}")
    return found


def _names(config: RestartOptions, name: str) -> list[str]:
    """Of the trainings that are compared."""
    if config.tries():
        return [f"{name}{_TRIAL}{restart}" for restart in range(1 + config.restarts)]
    return [f"{name}_{restart}" if restart else name for restart in range(1 + config.restarts)]


def _losses(
    config: RestartOptions, name: str, of_restarts: Sequence[Sequence[training.Trained | None]]
) -> list[np.ndarray]:
    """Of each seed the last nll of its trainings, NaN where one has diverged; from the first process, which logs."""
    losses = np.full((config.seeds, len(of_restarts)), np.nan)
    if hosts.is_first():
        for restart, (of_restart, trained) in enumerate(zip(_names(config, name), of_restarts, strict=True)):
            for index, one in enumerate(trained):
                if one is not None:
                    log = config.out / f"seed_{index}" / of_restart / "metrics.jsonl"
                    losses[index, restart] = reports.logs(log)[-1]["reconstruction/nll"]
    return [*hosts.from_first(losses)]
