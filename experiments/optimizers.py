"""The optimizers of the experiments: the paper's descent in steps, Adam along a cosine, one after the other."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import jax.numpy as jnp
import optax

from aae_jax.checks import check_count, check_number
from aae_jax.types import Model, Optimizers

__all__ = [
    "FIRST_DECAY",
    "MOMENTA",
    "RATES",
    "OptimizersOf",
    "adam",
    "followed",
    "refinement",
    "sgd",
    "slower_encoder",
]

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


def adam(
    rates: Mapping[str, float] = RATES, *, last: float = 0.05, first_decay: Mapping[str, float] = FIRST_DECAY
) -> OptimizersOf:
    """Adam for every phase, its rate falling along a cosine.

    Args:
        rates: first learning rates by phase.
        last: fraction of them that is left in the end.
        first_decay: Adam's b1 by phase.

    Raises:
        ValueError: for a rate, fraction or decay out of range; when called, for a phase that has none.
    """
    _check_rates(rates)
    check_number("last", last, "a number in [0, 1)", least=0, below=1)
    for phase, decay in first_decay.items():
        check_number(f"The first decay of {phase}", decay, "a number in [0, 1)", least=0, below=1)

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        _check_phases(model, rates)
        _check_phases(model, first_decay)
        return {
            phase.name: optax.adam(
                optax.cosine_decay_schedule(rates[phase.name], steps_per_epoch * epochs, alpha=last),
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
        _check_phases(model, MOMENTA)

        def rate(phase: str) -> optax.Schedule:
            falling = _falling(rates[phase], own_drops.get(phase, drops), steps_per_epoch)
            start = steps_per_epoch * starts.get(phase, 0)
            return (lambda count: jnp.where(count < start, 0.0, falling(count))) if start else falling

        return {phase.name: optax.sgd(rate(phase.name), momentum=MOMENTA[phase.name]) for phase in model.phases}

    return make


def refinement(rates: Mapping[str, float], *, drops: Sequence[int], encoder_share: float) -> OptimizersOf:
    """For an end of training in which codes come to fill the prior closely. Not the paper's.

    The game is played by Adam, whose steps stay large where gradients are small. Reconstruction descends as in `sgd`,
    with a `slower_encoder`.

    Args:
        rates: first learning rates by phase.
        drops: epochs after which the rates are divided by ten.
        encoder_share: of the rate of reconstruction, for the encoder.

    Raises:
        ValueError: for a negative rate or share, or if the drops do not rise from at least 1; when called, for a phase
            that has no rate.
    """
    descent = slower_encoder(sgd(rates, drops=drops), encoder_share)

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        return {
            phase: descending
            if phase == "reconstruction"
            else optax.adam(_falling(rates[phase], drops, steps_per_epoch), b1=FIRST_DECAY[phase])
            for phase, descending in descent(model, steps_per_epoch, epochs).items()
        }

    return make


def slower_encoder(descent: OptimizersOf, encoder_share: float) -> OptimizersOf:
    """A descent in which reconstruction moves the encoder less: the game moves it, and the decoder follows.

    Args:
        descent: of all phases.
        encoder_share: what is left of its steps of reconstruction, 1 for all.

    Raises:
        ValueError: for a negative share; when called, what `descent` raises.
    """
    check_number("encoder_share", encoder_share, "a number ≥ 0", least=0)
    slower = optax.masked(optax.scale(encoder_share), lambda params: {name: name == "encoder" for name in params})

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        return {
            phase: optax.chain(descending, slower) if phase == "reconstruction" else descending
            for phase, descending in descent(model, steps_per_epoch, epochs).items()
        }

    return make


def followed(first: OptimizersOf, then: OptimizersOf, *, epoch: int) -> OptimizersOf:
    """One training until an epoch, another one from there on: its rates and its memory begin there.

    Args:
        first: of the epochs before.
        then: of the others. Each is told how many its own are.
        epoch: the last one of `first`, from 1.

    Raises:
        ValueError: if `epoch` is no count; when called, if nothing comes after it, and what the two raise.
    """
    check_count("epoch", epoch)

    def make(model: Model, steps_per_epoch: int, epochs: int) -> Optimizers:
        if epoch >= epochs:
            raise ValueError(f"epoch is {epoch}; expected one before the last, {epochs}.")
        start = epoch * steps_per_epoch
        earlier, later = first(model, steps_per_epoch, epoch), then(model, steps_per_epoch, epochs - epoch)
        return {
            name: optax.chain(
                optax.conditionally_transform(earlier[name], lambda step: step < start),
                optax.conditionally_transform(later[name], lambda step: step >= start),
            )
            for name in earlier
        }

    return make


def _falling(rate: float, drops: Sequence[int], steps_per_epoch: int) -> optax.Schedule:
    return optax.piecewise_constant_schedule(rate, {steps_per_epoch * drop: 0.1 for drop in drops})


def _check_rates(rates: Mapping[str, float]) -> None:
    for phase, rate in rates.items():
        check_number(f"The learning rate of {phase}", rate, "a number ≥ 0", least=0)


def _check_phases(model: Model, numbers: Mapping[str, float]) -> None:
    if missing := [phase.name for phase in model.phases if phase.name not in numbers]:
        raise ValueError(f"There are numbers for the phases {sorted(numbers)}; expected some for {missing} too.")
