"""The optimizers of the experiments: the paper's descent in steps, and Adam along a cosine."""

from collections.abc import Callable, Mapping, Sequence

import optax

from aae_jax.types import Model, Optimizers

__all__ = ["OptimizersOf", "adam", "sgd"]

OptimizersOf = Callable[[Model, int, int], Optimizers]
"""`(model, steps per epoch, epochs) -> {phase: optimizer}`."""


def adam(rates: Mapping[str, float], *, first_decay: Mapping[str, float]) -> OptimizersOf:
    """Adam for every phase, its rate falling to a twentieth along a cosine.

    Args:
        rates: first learning rates by phase.
        first_decay: Adam's b1 by phase; a game wants little memory (Radford et al., 2016: 0.5).
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


def sgd(rates: Mapping[str, float], momenta: Mapping[str, float], *, drops: Sequence[int]) -> OptimizersOf:
    """Stochastic gradient descent with momentum, all rates divided by ten at some epochs, as in the paper.

    Args:
        rates: first learning rates by phase.
        momenta: by phase.
        drops: epochs after which the rates are divided by ten.

    Raises:
        ValueError: if the epochs do not rise from at least 1.
    """
    if list(drops) != sorted({*drops}) or min(drops, default=1) < 1:
        raise ValueError(f"drops is {tuple(drops)}; expected rising epochs, 1 or later.")

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        factors = {steps_per_epoch * drop: 0.1 for drop in drops}
        return {
            phase.name: optax.sgd(
                optax.piecewise_constant_schedule(rates[phase.name], factors), momentum=momenta[phase.name]
            )
            for phase in model.phases
        }

    return make
