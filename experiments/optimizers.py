"""The optimizers of the experiments: the paper's descent in steps, and Adam along a cosine."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import jax.numpy as jnp
import optax

from aae_jax.checks import check_count, check_number
from aae_jax.types import Model, Optimizers

__all__ = ["FIRST_DECAY", "MOMENTA", "RATES", "OptimizersOf", "adam", "sgd"]

RATES = {"reconstruction": 1e-3, "discriminator": 2e-3, "generator": 2e-3, "classification": 1e-3}
"""For `adam`, where two-dimensional codes are to fill a prior."""
FIRST_DECAY = {"reconstruction": 0.9, "discriminator": 0.5, "generator": 0.5, "classification": 0.9}
"""Adam's b1: a game wants little memory (Radford et al., 2016)."""
MOMENTA = {
    **{"reconstruction": 0.9, "discriminator": 0.1, "generator": 0.1, "classification": 0.9},
    **{"smoothness": 0.9, "invariance": 0.9},
}
"""For `sgd`, in the first row those of the paper (appendix A.2.1)."""

OptimizersOf = Callable[[Model, int, int], Optimizers]
"""`(model, steps per epoch, epochs) -> {phase: optimizer}`."""


def adam(rates: Mapping[str, float] = RATES, *, first_decay: Mapping[str, float] = FIRST_DECAY) -> OptimizersOf:
    """Adam for every phase, its rate falling to a twentieth along a cosine.

    Args:
        rates: first learning rates by phase.
        first_decay: Adam's b1 by phase.

    Raises:
        ValueError: for a rate or decay out of range; when called, for a phase that has none.
    """
    _check_rates(rates)
    for phase, decay in first_decay.items():
        check_number(f"The first decay of {phase}", decay, "a number in [0, 1)", least=0, below=1)

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        _check_phases(model, rates)
        _check_phases(model, first_decay)
        return {
            phase.name: optax.adam(
                optax.cosine_decay_schedule(rates[phase.name], steps_per_epoch * epochs, alpha=0.05),
                b1=first_decay[phase.name],
            )
            for phase in model.phases
        }

    return make


def sgd(
    rates: Mapping[str, float],
    *,
    drops: Sequence[int],
    starts: Mapping[str, int] = MappingProxyType({}),
    own_drops: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> OptimizersOf:
    """Stochastic gradient descent with the paper's momenta, all rates divided by ten at some epochs.

    Args:
        rates: first learning rates by phase.
        drops: epochs after which the rates are divided by ten.
        starts: by phase, epochs in which its rate is still 0.
        own_drops: by phase, other epochs in place of `drops`; none leave its rate as it is.

    Raises:
        ValueError: for a negative rate or start, or if the drops do not rise from at least 1; when called, for a phase
            that has no rate.
    """
    _check_rates(rates)
    for phase, start in starts.items():
        check_count(f"The start of {phase}", start, 0)
    for name, epochs in {"drops": drops, **{f"own_drops of {phase}": own for phase, own in own_drops.items()}}.items():
        if list(epochs) != sorted({*epochs}) or min(epochs, default=1) < 1:
            raise ValueError(f"{name} is {tuple(epochs)}; expected rising epochs, 1 or later.")

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        _check_phases(model, rates)

        def rate(phase: str) -> optax.Schedule:
            factors = {steps_per_epoch * drop: 0.1 for drop in own_drops.get(phase, drops)}
            falling = optax.piecewise_constant_schedule(rates[phase], factors)
            start = steps_per_epoch * starts.get(phase, 0)
            return (lambda count: jnp.where(count < start, 0.0, falling(count))) if start else falling

        return {phase.name: optax.sgd(rate(phase.name), momentum=MOMENTA[phase.name]) for phase in model.phases}

    return make


def _check_rates(rates: Mapping[str, float]) -> None:
    for phase, rate in rates.items():
        check_number(f"The learning rate of {phase}", rate, "a number ≥ 0", least=0)


def _check_phases(model: Model, numbers: Mapping[str, float]) -> None:
    if missing := [phase.name for phase in model.phases if phase.name not in numbers]:
        raise ValueError(f"There are numbers for the phases {sorted(numbers)}; expected some for {missing} too.")
