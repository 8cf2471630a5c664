"""One training step: its phases in order. The only gradients, optimizers and device averages of the library.

Nothing here knows what an adversarial autoencoder is.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aae_jax.checks import (
    check_function,
    check_image,
    check_instance,
    check_integers,
    check_row_keys,
    check_rows,
)
from aae_jax.keys import derive
from aae_jax.types import (
    Algorithm,
    Batch,
    Corruption,
    Keys,
    Metrics,
    Model,
    Optimizers,
    Params,
    Phase,
    TrainState,
    Tree,
)

__all__ = ["algorithm", "update"]


def update(
    phase: Phase, optimizer: optax.GradientTransformation, *, axis_name: str | None = None
) -> Callable[[Params, Tree, Keys, Batch], tuple[Params, Tree, Metrics]]:
    """One phase as an update: its gradient with respect to what it trains, and nothing else changes.

    Args:
        phase: a loss and the networks that it trains.
        optimizer: of these networks' variables, in this phase.
        axis_name: of the axis over which the batch is sharded, by `jax.pmap` or `jax.shard_map`; gradients and
            metrics are averaged over it.

    Returns:
        `(params, opt_state, keys, batch) -> (params, opt_state, metrics)`.

    Raises:
        ValueError: if `phase` is no phase or `optimizer` no optimizer of optax; when called, if a network that is to
            be trained holds the moments of `adapters.population_moments`.
    """
    check_instance("phase", phase, Phase, "aae_jax.phases")
    check_instance(f"The optimizer of {phase.name}", optimizer, optax.GradientTransformation, "optax")

    def apply(params: Params, opt_state: Tree, keys: Keys, batch: Batch) -> tuple[Params, Tree, Metrics]:
        trained = {name: params[name] for name in phase.trains}
        _check_trainable(trained)
        # Where shard_map keeps account of what differs between devices, the gradient with respect to what does not is
        # a sum over them: it is taken with respect to each device's own copy.
        own = trained if axis_name is None else jax.tree.map(lambda leaf: _varying(leaf, axis_name), trained)

        def loss(trained: Params) -> tuple[jax.Array, Metrics]:
            return phase.loss({**params, **trained}, keys, batch)

        gradients, metrics = jax.grad(loss, has_aux=True)(own)
        if axis_name is not None:
            gradients, metrics = jax.lax.pmean((gradients, metrics), axis_name)
        updates, opt_state = optimizer.update(gradients, opt_state, trained)
        return {**params, **optax.apply_updates(trained, updates)}, opt_state, metrics

    return apply


def _varying(leaf: jax.Array, axis_name: str) -> jax.Array:
    """A device's own copy."""
    try:
        return jax.lax.pcast(leaf, axis_name, to="varying")
    except ValueError:
        # It is one already.
        return leaf


def algorithm(
    model: Model, optimizers: Optimizers, *, corrupt: Corruption | None = None, axis_name: str | None = None
) -> Algorithm:
    """A model with its optimizers as two pure functions, `init` and `step`.

    A step makes one corrupted view of its batch, then runs the model's phases in order; each sees the parameters that
    the one before left. Nothing is jitted: wrap `step` as it suits you.

    Args:
        model: networks and phases.
        optimizers: one for each phase name.
        corrupt: `(key, image) -> input` for one example, `aae_jax.corruption`; the batch's own `input` where None.
        axis_name: of the axis over which batches are sharded, by `jax.pmap` or `jax.shard_map`; None on one device.

    Returns:
        `init(key) -> state` and `step(state, keys [B], batch) -> (state, metrics)`.

    Raises:
        ValueError: if the optimizers do not match the phases, two of these have one name, a phase trains a network
            that is not there, or `corrupt` is no function; when a step is taken, if the batch is not of floats, labels
            and a key for each.

    Example:
        >>> import jax, optax
        >>> from aae_jax import likelihoods, models, networks
        >>> model = models.ae(networks.mlp([4], (8,), 2), networks.mlp([2], (8,), 4),
        ...                   code_size=2, likelihood=likelihoods.bernoulli())
        >>> trainer = algorithm(model, {"reconstruction": optax.adam(1e-3)})
        >>> state = trainer.init(jax.random.key(0))
        >>> step = jax.jit(trainer.step, donate_argnums=0)
    """
    check_instance("model", model, Model, "aae_jax.models")
    if corrupt is not None:
        check_function("corrupt", corrupt, "(key, image) -> input, such as aae_jax.corruption makes")
    phases = {phase.name: phase for phase in model.phases}
    if other := sorted({phase.name for phase in model.phases if phase is not phases[phase.name]}):
        raise ValueError(f"Several phases are called {other[0]!r}; expected a name for each, as for its optimizer.")
    for name, phase in phases.items():
        if unknown := sorted({*phase.trains} - {*model.networks}):
            raise ValueError(
                f"The phase {name!r} trains {unknown}; the model's networks are {sorted(model.networks)}."
            )
    if not isinstance(optimizers, Mapping):
        raise ValueError(
            f"optimizers is a {type(optimizers).__name__}; expected a dictionary of one for each phase, by its name: "
            f"{sorted(phases)}."
        )
    if set(optimizers) != set(phases):
        raise ValueError(
            f"Optimizers are given for {sorted(optimizers)}; the model's phases are {sorted(phases)}. "
            "Give exactly one optimizer per phase name."
        )
    updates = [update(phase, optimizers[phase.name], axis_name=axis_name) for phase in model.phases]

    def init(key: jax.Array) -> TrainState:
        params = {name: network.init(derive(key, name)) for name, network in model.networks.items()}
        opt_states = {
            name: optimizers[name].init({network: params[network] for network in phase.trains})
            for name, phase in phases.items()
        }
        return TrainState(jnp.zeros((), jnp.int32), params, opt_states)

    def step(state: TrainState, keys: jax.Array, batch: Batch) -> tuple[TrainState, Metrics]:
        _check_batch(keys, batch)
        batch = _view(corrupt, keys, batch)
        params, opt_states = state.params, dict(state.opt_states)
        metrics: Metrics = {}
        for position, (phase, run) in enumerate(zip(model.phases, updates, strict=True)):
            phase_keys = Keys(view=keys, draw=derive(keys, f"phase {position}"))
            params, opt_states[phase.name], new = run(params, opt_states[phase.name], phase_keys, batch)
            metrics |= new
        return TrainState(state.step + 1, params, opt_states), metrics

    return Algorithm(init, step, tuple(phases))


def _check_trainable(trained: Params) -> None:
    for name, variables in trained.items():
        if isinstance(variables, Mapping) and "moments" in variables:
            raise ValueError(
                f"The parameters of {name} hold population moments, which fix its batch norm; to train it, leave them "
                'out: {collection: variables for all but "moments"}.'
            )


def _check_batch(keys: jax.Array, batch: Batch) -> None:
    check_row_keys(keys)
    check_instance("batch", batch, Batch, "aae_jax.Batch(input, image, label)")
    check_rows(keys=keys, image=batch.image, label=batch.label)
    for image in (batch.input, batch.image):
        check_image("The batch's image", image)
    check_integers("The batch's labels", batch.label)
    if batch.labeled is not None:
        _check_batch(keys, batch.labeled)
    if batch.neighbor is not None:
        check_image("The batch's neighbor", batch.neighbor)
        if np.shape(batch.neighbor) != np.shape(batch.image):
            raise ValueError(
                f"The batch's neighbor has shape {np.shape(batch.neighbor)}; expected the image's, "
                f"{np.shape(batch.image)}."
            )


def _view(corrupt: Corruption | None, keys: jax.Array, batch: Batch) -> Batch:
    """The batch with the one corrupted input that all phases of a step see, for its labeled rows too."""
    if corrupt is None:
        return batch
    labeled = batch.labeled and _view(corrupt, derive(keys, "labeled"), batch.labeled)
    return batch._replace(input=jax.vmap(corrupt)(derive(keys, "corruption"), batch.image), labeled=labeled)
