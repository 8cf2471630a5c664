"""Two modes and one Gaussian: divergences between them on a grid, descents, and games against a discriminator.

The modes are p = ½ N(−a, 1) + ½ N(a, 1), the Gaussian is q = N(m, s²), the separation is a.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aae_jax import algorithm, derive, likelihoods, losses, models, networks, priors, row_keys
from aae_jax.certificates import certificate
from aae_jax.types import Batch, Keys, Model, Network, TrainState

__all__ = [
    "DIVERGENCES",
    "GAMES",
    "GRID",
    "JUDGED",
    "SEPARATIONS",
    "STARTS",
    "bounds",
    "games",
    "location_and_scale",
    "log_p",
    "log_q",
    "rows_of_p",
    "sweep",
]

GRID = np.linspace(-27, 27, 541)
SEPARATIONS = (2.0, 2.5, 3.0, 4.0, 5.0)
"""Of the games; the sweep has more."""
STARTS = ("the_middle", "a_mode")
JUDGED = (3.0, 0.0, math.sqrt(10))
"""A separation, and the mean and std of the q against which discriminators are trained: those of p."""


def log_q(mean: jax.Array | float, log_std: jax.Array | float) -> jax.Array:
    """The log-density of N(mean, std²) on the grid."""
    return jax.vmap(losses.gaussian_log_density, (0, None, None))(jnp.asarray(GRID), mean, 2 * log_std)


def log_p(separation: jax.Array | float) -> jax.Array:
    """The log-density of the two modes on the grid."""
    return _mixture(log_q(-separation, 0.0), log_q(separation, 0.0))


def _mixture(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    return jnp.logaddexp(log_p, log_q) - math.log(2)


def _kl(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    # From log-densities: far out the densities underflow, where their ratio still counts.
    return (GRID[1] - GRID[0]) * (jnp.exp(log_p) * (log_p - log_q)).sum()


Divergence = Callable[[jax.Array, jax.Array], jax.Array]
DIVERGENCES: dict[str, tuple[str, Divergence]] = {
    "forward_kl": ("KL(p ‖ q)", _kl),
    "jensen_shannon": ("JSD(p, q)", lambda p, q: (_kl(p, _mixture(p, q)) + _kl(q, _mixture(p, q))) / 2),
    "softened_reverse_kl": ("KL(½(p + q) ‖ p)", lambda p, q: _kl(_mixture(p, q), p)),
    "reverse_kl": ("KL(q ‖ p)", lambda p, q: _kl(q, p)),
}
"""By name: a label, and a function of log-densities on the grid."""
GAMES: dict[str, tuple[str, Callable[[jax.Array], jax.Array]]] = {
    "minimax": ("jensen_shannon", losses.minimax_generator_loss),
    "non_saturating": ("softened_reverse_kl", losses.non_saturating_generator_loss),
}
"""By name: which divergence the updates descend as long as the discriminator is the best, and the generator's loss."""


def sweep(separations: np.ndarray) -> dict[str, np.ndarray]:
    """The local minima of each divergence: rows of separation, rank (0 = best), mean ≥ 0, std, divergence."""
    fractions = jnp.array([[mean, log_std] for mean in (0.0, 1.0) for log_std in (0.0, 1.0)])

    def from_all_starts(divergence: Divergence, separation: jax.Array) -> jax.Array:
        # A mean of 0 is stationary whether it is a minimum or not, so no start has it.
        starts = fractions * jnp.stack([separation, jnp.log1p(separation**2) / 2]) + jnp.array([0.05, 0.0])
        return jax.vmap(lambda start: _descend(lambda q: divergence(log_p(separation), log_q(*q)), start))(starts)

    def from_all(separations: jax.Array) -> dict[str, jax.Array]:
        return {
            name: jax.vmap(lambda a, d=d: from_all_starts(d, a))(separations) for name, (_, d) in DIVERGENCES.items()
        }

    minima: dict[str, np.ndarray] = {}
    for name, found in jax.device_get(jax.jit(from_all)(separations)).items():
        rows: list[np.ndarray] = []
        for separation, ends in zip(separations, found, strict=True):
            kept: list[np.ndarray] = []
            for mean, std, value, slope, curvature in ends[np.argsort(ends[:, 2])]:
                row = np.array([separation, len(kept), abs(mean), std, value])
                is_new = all(np.abs(row - other)[2:4].max() > 0.1 for other in kept)
                if slope < 1e-4 and curvature > 0 and is_new:
                    kept.append(row)
            rows += kept
        minima[name] = np.array(rows)
    return minima


def _descend(loss: Callable[[jax.Array], jax.Array], start: jax.Array, num_steps: int = 400) -> jax.Array:
    """Where Adam ends from (mean, log std): `[5]` mean, std, loss, the gradient's norm and the least curvature."""
    optimizer = optax.adam(optax.cosine_decay_schedule(0.1, num_steps, 1e-4), b2=0.99)

    def step(_: jax.Array, carry: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
        updates, state = optimizer.update(jax.grad(loss)(carry[0]), carry[1])
        return carry[0] + updates, state

    end, _ = jax.lax.fori_loop(0, num_steps, step, (start, optimizer.init(start)))
    value, gradient = jax.value_and_grad(loss)(end)
    curvature = jnp.linalg.eigvalsh(jax.hessian(loss)(end))[0]
    return jnp.stack([end[0], jnp.exp(end[1]), value, jnp.linalg.norm(gradient), curvature])


def location_and_scale(mean: jax.Array | float, std: jax.Array | float) -> Network:
    """A network of two numbers, `z -> mean + std · z`."""
    return Network(
        init=lambda key: {"mean": jnp.asarray(mean, float), "log_std": jnp.log(jnp.asarray(std, float))},
        apply=lambda variables, code: variables["mean"] + jnp.exp(variables["log_std"]) * code,
    )


def _gan(generator: Network, width: int, generator_loss: Callable[[jax.Array], jax.Array]) -> Model:
    discriminator = networks.mlp([1], (width, width), 1, initializer=networks.he())
    noise, identity = priors.gaussian(1), likelihoods.gaussian()
    return models.gan(generator, discriminator, prior=noise, likelihood=identity, generator_loss=generator_loss)


def rows_of_p(keys: jax.Array, separation: jax.Array | float) -> Batch:
    """A batch of samples of the two modes, one a key."""
    keys = derive(keys, "rows of p")

    def sample(key: jax.Array) -> jax.Array:
        side, noise = jax.random.normal(key, (2, 1))
        return jnp.where(side < 0, -separation, separation) + noise

    image = jax.vmap(sample)(keys)
    return Batch(image, image, jnp.full(len(keys), -1))


def games(keys: jax.Array, num_steps: int) -> jax.Array:
    """Games of `keys [S]`, in one program: q's mean ≥ 0 and std at the end, `[S, game, start, separation, 2]`."""

    def play(game: jax.Array, start: jax.Array, separation: jax.Array, key: jax.Array) -> jax.Array:
        def generator_loss(score: jax.Array) -> jax.Array:
            return jnp.stack([loss(score) for _, loss in GAMES.values()])[game]

        model = _gan(location_and_scale(start * separation, 1.0), 16, generator_loss)
        discriminator, generator = model.phases
        # The discriminator has to be nearly the best: it moves twice a step, and the generator waits for it at first.
        # A poor one throws q out of the basin in which it starts: with rates of 1e-2 for both, or 5e-3 for the
        # discriminator, q often leaves a mode that the divergence would have it keep.
        model = model._replace(phases=(discriminator, discriminator, generator))
        rates = {
            "discriminator": optax.cosine_decay_schedule(1e-2, 2 * num_steps, 0.05),
            "generator": optax.warmup_cosine_decay_schedule(0.0, 4e-3, int(0.3 * num_steps), num_steps, 2e-4),
        }
        trainer = algorithm(model, {name: optax.adam(rate, b1=0.5) for name, rate in rates.items()})

        def step(state: TrainState, index: jax.Array) -> tuple[TrainState, jax.Array]:
            keys = row_keys(key, index, 256)
            state, _ = trainer.step(state, keys, rows_of_p(keys, separation))
            q = state.params["decoder"]
            return state, jnp.stack([q["mean"], jnp.exp(q["log_std"])])

        _, path = jax.lax.scan(step, trainer.init(derive(key, "init")), jnp.arange(num_steps))
        mean, std = path[-math.ceil(num_steps / 4) :].mean(0)
        return jnp.stack([jnp.abs(mean), std])

    of_all = play
    for axis in (2, 1, 0, 3):
        of_all = jax.vmap(of_all, [0 if other == axis else None for other in range(4)])
    return jax.jit(of_all)(jnp.arange(len(GAMES)), jnp.arange(len(STARTS)), jnp.array(SEPARATIONS), keys)


def bounds(keys: jax.Array, stops: np.ndarray) -> jax.Array:
    """The Jensen-Shannon bound as discriminators learn, `[S, 2, stops, 3]`.

    The first one of two learns from fresh samples at every step, the second from 128 real and 128 fake ones again and
    again. The three numbers are the bound on held-out samples, its standard error, and the same formula on the batch
    of the last update.
    """
    separation, mean, std = JUDGED
    model = _gan(location_and_scale(mean, std), 32, losses.minimax_generator_loss)
    model = model._replace(phases=model.phases[:1])
    trainer = algorithm(model, {"discriminator": optax.adam(3e-3)})

    def judge(key: jax.Array, repeats: jax.Array) -> jax.Array:
        def step(index: jax.Array, carry: tuple[TrainState, jax.Array]) -> tuple[TrainState, jax.Array]:
            keys = row_keys(key, jnp.where(repeats, 0, index), 128)
            state, metrics = trainer.step(carry[0], keys, rows_of_p(keys, separation))
            return state, metrics["discriminator/loss"]

        def until(carry: tuple[TrainState, jax.Array], span: tuple[jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
            state, loss = jax.lax.fori_loop(*span, step, carry)
            held_out = row_keys(derive(key, "held out"), span[1], 20_000)
            found = certificate(model.games, state.params, Keys(held_out, held_out), rows_of_p(held_out, separation))
            held_out_bound = [found[f"discriminator/{name}"] for name in ("jsd_bound", "jsd_standard_error")]
            return (state, loss), jnp.stack([*held_out_bound, math.log(2) - loss / 2])

        start = (trainer.init(derive(key, "init")), jnp.zeros(()))
        return jax.lax.scan(until, start, (jnp.array([0, *stops[:-1]]), jnp.array(stops)))[1]

    return jax.jit(jax.vmap(jax.vmap(judge, (None, 0)), (0, None)))(keys, jnp.array([False, True]))
