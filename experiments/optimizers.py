"""The optimizers of the experiments: the paper's descent in steps, and Adam along a cosine."""

from collections.abc import Callable, Mapping, Sequence

import optax

from aae_jax.types import Model, Optimizers

__all__ = ["FIRST_DECAY", "MOMENTA", "RATES", "OptimizersOf", "adam", "sgd"]

RATES = {"reconstruction": 1e-3, "discriminator": 2e-3, "generator": 2e-3, "classification": 1e-3}
"""For `adam`, where two-dimensional codes are to fill a prior."""
FIRST_DECAY = {"reconstruction": 0.9, "discriminator": 0.5, "generator": 0.5, "classification": 0.9}
"""Adam's b1: a game wants little memory (Radford et al., 2016)."""
MOMENTA = {"reconstruction": 0.9, "discriminator": 0.1, "generator": 0.1, "classification": 0.9}
"""For `sgd`, those of the paper (appendix A.2.1)."""

OptimizersOf = Callable[[Model, int, int], Optimizers]
"""`(model, steps per epoch, epochs) -> {phase: optimizer}`."""


def adam(rates: Mapping[str, float] = RATES, *, first_decay: Mapping[str, float] = FIRST_DECAY) -> OptimizersOf:
    """Adam for every phase, its rate falling to a twentieth along a cosine.

    Args:
        rates: first learning rates by phase.
        first_decay: Adam's b1 by phase.
    """

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        return {
            phase.name: optax.adam(
                optax.cosine_decay_schedule(rates[phase.name], steps_per_epoch * epochs, alpha=0.05),
                b1=first_decay[phase.name],
            )
            for phase in model.phases
        }

    return make


def sgd(rates: Mapping[str, float], *, drops: Sequence[int]) -> OptimizersOf:
    """Stochastic gradient descent with the paper's momenta, all rates divided by ten at some epochs.

    Args:
        rates: first learning rates by phase.
        drops: epochs after which the rates are divided by ten.

    Raises:
        ValueError: for a negative rate, or if the epochs do not rise from at least 1.
    """
    for phase, rate in rates.items():
        if not rate >= 0:
            raise ValueError(f"The learning rate of {phase} is {rate}; expected a number ≥ 0.")
    if list(drops) != sorted({*drops}) or min(drops, default=1) < 1:
        raise ValueError(f"drops is {tuple(drops)}; expected rising epochs, 1 or later.")

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        factors = {steps_per_epoch * drop: 0.1 for drop in drops}
        return {
            phase.name: optax.sgd(
                optax.piecewise_constant_schedule(rates[phase.name], factors), momentum=MOMENTA[phase.name]
            )
            for phase in model.phases
        }

    return make
