"""Whether PyTorch does the work that is compared, in either way: the same losses from the same weights and images."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import row_keys
from aae_jax.keys import derive
from aae_jax.types import Keys
from benchmarks.workloads import Workload, batch_at, make_rows

__all__ = ["check"]

CHECKED_STEPS = 10
TOLERANCE = 1e-6
"""Largest relative difference of a loss that still counts as the same, in float64. In float32 Adam makes whole steps
of rounding where gradients are about zero, so that losses part slowly; how far is reported, and proves nothing."""


def check(workload: Workload, batch_size: int) -> dict[str, Any]:
    """Ten steps of ours and of both of PyTorch's, from the same weights, images and samples of the priors.

    Returns:
        The largest relative difference of any phase's loss in any step, in float64 and in float32, and the losses.

    Raises:
        ValueError: if a loss in float64 differs by more than one part in a million.
    """
    found = {"batch_size": batch_size}
    for name, is_double in (("float64", True), ("float32", False)):
        with jax.enable_x64(is_double):
            losses = _losses(workload, batch_size)
        ours, *theirs = (np.array(list(of_one.values())) for of_one in losses.values())
        difference = float(np.max(np.abs(ours - theirs) / np.abs(ours)))
        found[name] = {"largest_relative_difference": difference, "losses": losses}
        print(f"{workload.variant}: losses of {CHECKED_STEPS} steps in {name} differ by {difference:.1e} at most")
        if is_double and not difference <= TOLERANCE:
            raise ValueError(
                f"The losses of {workload.variant} differ by {difference:.1e}: this is not the same work."
            )
    return found


def _losses(workload: Workload, batch_size: int) -> dict[str, dict[str, list[float]]]:
    """By `aae_jax` and by PyTorch, written in two ways: every phase's loss in each step."""
    from benchmarks import torch_peer

    model, algorithm = workload.model(), workload.algorithm()
    # Networks make weights in float32 always.
    state = jax.tree.map(
        lambda leaf: leaf.astype(jnp.result_type(float)) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        algorithm.init(jax.random.key(0)),
    )
    steps = {
        name: make_step(workload, torch_peer.make_networks(workload, state.params))
        for name, make_step in (("torch", torch_peer.make_step), ("torch_usual", torch_peer.make_usual_step))
    }
    ours = jax.jit(algorithm.step)
    rows = make_rows(workload, CHECKED_STEPS * batch_size)
    # Samples of the priors are drawn in the second phase, the discriminator's.
    position = [phase.name for phase in model.phases].index("discriminator")
    found: dict[str, dict[str, list[float]]] = {"aae_jax": {}, **{name: {} for name in steps}}
    for index in range(CHECKED_STEPS):
        batch = batch_at(rows, index * batch_size + jnp.arange(batch_size))
        keys = row_keys(jax.random.key(1), index, batch_size)
        draws = Keys(keys, derive(keys, f"phase {position}"))
        real = [game.real(state.params, draws, batch) for game in model.games]
        state, metrics = ours(state, keys, batch)
        image, label, *samples = (
            torch_peer.on_device(value) for value in (batch.image.reshape(batch_size, -1), batch.label, *real)
        )
        labeled = (image, label) if workload.variant == "semi_supervised_aae" else None
        for name, step in steps.items():
            for phase, loss in step(image, samples, labeled).items():
                found[name].setdefault(phase, []).append(float(loss))
        for phase in found["torch"]:
            found["aae_jax"].setdefault(phase, []).append(float(metrics[f"{phase}/loss"]))
    return found
