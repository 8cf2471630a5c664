"""What holds for every variant, and controls that show that each law can be broken."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from variants import BATCH_SIZE, CORRUPT, VARIANTS, initial, jitted_step, make_algorithm, make_batch, make_keys

import aae_jax
from aae_jax import epoch, games, phases, steps, update, wiring
from aae_jax import keys as keys_module
from aae_jax.parallel import AXIS
from aae_jax.types import Keys, Model, Network, Phase

TELLING = {
    *("vae, mixture", "gan, noise, batch norm", "aae, universal posterior", "dimension_reduction_aae"),
    *("semi_supervised_aae, invariant, batch norm", "clustering_aae, smoothed, batch norm"),
}
"""Variants that have between them every phase, and all that rows share or draw."""


assert VARIANTS.keys() >= TELLING


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def make_model(request):
    return request.param


@pytest.fixture(
    params=[
        pytest.param(make, id=name, marks=[] if name in TELLING else pytest.mark.slow)
        for name, make in VARIANTS.items()
    ]
)
def make_telling_model(request):
    """Every variant, but only some in the quick tests: for laws that take a large program of their own."""
    return request.param


def changed(before, after):
    """Names of the networks of which any number changed."""
    different = jax.tree.map(lambda a, b: bool((a != b).any()), before, after)
    return {name for name, leaves in different.items() if any(jax.tree.leaves(leaves))}


def seen_batch():
    """The batch as a step sees it, corrupted by the keys that are documented."""
    keys, batch = make_keys(), make_batch()

    def seen(keys, rows):
        return rows._replace(input=jax.vmap(CORRUPT)(aae_jax.derive(keys, "corruption"), rows.image))

    return seen(keys, batch)._replace(labeled=seen(aae_jax.derive(keys, "labeled"), batch.labeled))


def phase_by_phase(model, state):
    """The parameters before and after each phase of a step, run from outside."""

    def run(state, keys, batch):
        params, opt_states, history = state.params, dict(state.opt_states), [state.params]
        for position, phase in enumerate(model.phases):
            phase_keys = Keys(keys, aae_jax.derive(keys, f"phase {position}"))
            step = update(phase, optax.sgd(0.01, momentum=0.9))
            params, opt_states[phase.name], _ = step(params, opt_states[phase.name], phase_keys, batch)
            history.append(params)
        return history

    return jax.jit(run)(state, make_keys(), seen_batch())


def test_a_step_keeps_structure_and_is_traced_once(make_model):
    state, step = initial(make_model), jitted_step(make_model)
    later, metrics = step(state, make_keys(), make_batch())
    later, metrics = step(later, make_keys(step=1), make_batch())
    assert step._cache_size() == 1
    chex.assert_trees_all_equal_shapes_and_dtypes(state, later)
    chex.assert_tree_all_finite((later, metrics))
    assert int(later.step) == 2
    assert all(value.shape == () for value in metrics.values())
    # Every network learns something in some phase.
    assert changed(state.params, later.params) == set(state.params)


def test_a_phase_changes_what_it_trains_and_a_step_is_its_phases(make_telling_model):
    model, state = make_telling_model(), initial(make_telling_model)
    history = phase_by_phase(model, state)
    for phase, before, after in zip(model.phases, history, history[1:], strict=False):
        assert changed(before, after) == set(phase.trains), phase.name
    after_step, _ = jitted_step(make_telling_model)(state, make_keys(), make_batch())
    chex.assert_trees_all_close(after_step.params, history[-1], rtol=1e-5, atol=1e-6)


def test_control_a_phase_that_trains_less_than_it_says_is_found():
    make_model = VARIANTS["ae"]

    def loss(params, keys, batch):
        return jnp.square(params["encoder"]["params"]["Dense_0"]["kernel"]).sum(), {}

    lying = Phase("reconstruction", ("encoder", "decoder"), loss)
    history = phase_by_phase(make_model()._replace(phases=(lying,)), initial(make_model))
    assert changed(history[0], history[1]) == {"encoder"} != set(lying.trains)


def derived_keys(make_model, monkeypatch, derive=keys_module.derive):
    """The data of every key that a step derives, with the names of what it is for."""
    names = []

    def keys_of(state, keys, batch):
        rows = aae_jax.Rows(batch.image, batch.label, neighbors=jnp.arange(2 * BATCH_SIZE).reshape(-1, 2) % BATCH_SIZE)
        found = []

        def record(keys, name):
            derived = derive(keys, name)
            names.append(name)
            found.append(jax.random.key_data(derived))
            return derived

        with monkeypatch.context() as patch:
            for module in (steps, wiring, games, phases, epoch):
                patch.setattr(module, "derive", record)
            neighbor = epoch.batch_of(rows, jnp.arange(BATCH_SIZE), keys=keys).neighbor
            make_algorithm(make_model, corrupt=CORRUPT).step(state, keys, batch._replace(neighbor=neighbor))
        return found

    found = jax.jit(keys_of)(initial(make_model), make_keys(), make_batch())
    seen = {}
    for name, data in zip(names, found, strict=True):
        for pair in np.asarray(data).reshape(-1, 2).tolist():
            seen.setdefault(tuple(pair), set()).add(name)
    return seen


def test_no_draw_is_made_twice(make_telling_model, monkeypatch):
    # The view's keys are derived anew in each phase: the same key under the same name, on purpose.
    seen = derived_keys(make_telling_model, monkeypatch)
    assert len(seen) >= 2 * BATCH_SIZE
    assert all(len(names) == 1 for names in seen.values())
    assert not seen.keys() & {tuple(pair) for pair in jax.random.key_data(make_keys()).tolist()}


def test_control_a_key_for_two_draws_is_found(monkeypatch):
    seen = derived_keys(VARIANTS["aae, universal posterior"], monkeypatch, derive=lambda keys, name: keys)
    assert any(len(names) > 1 for names in seen.values())


def on_four_devices(make_model, first_row_of=lambda index: index * (BATCH_SIZE // 4)):
    """A step under pmap, each device with a quarter of the batch."""
    step = make_algorithm(make_model, AXIS, CORRUPT).step

    def run(state, index, batch):
        return step(state, make_keys(BATCH_SIZE // 4, first_row=first_row_of(index)), batch)

    quarters = jax.tree.map(lambda value: value.reshape(4, BATCH_SIZE // 4, *value.shape[1:]), make_batch())
    return jax.pmap(run, AXIS, in_axes=(None, 0, 0), out_axes=None)(initial(make_model), jnp.arange(4), quarters)


def test_four_devices_take_the_step_of_one(make_telling_model):
    one = jitted_step(make_telling_model)(initial(make_telling_model), make_keys(), make_batch())
    chex.assert_trees_all_close(
        jax.device_get(one), jax.device_get(on_four_devices(make_telling_model)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("variant", "check_vma"),
    [
        ("aae", False),
        ("gan, noise, batch norm", True),
        pytest.param("semi_supervised_aae, invariant, batch norm", True, marks=pytest.mark.slow),
    ],
)
def test_four_devices_of_a_users_own_shard_map_take_the_step_of_one(variant, check_vma):
    make_model = VARIANTS[variant]
    one = jitted_step(make_model)(initial(make_model), make_keys(), make_batch())
    step, mesh = make_algorithm(make_model, AXIS, CORRUPT).step, jax.sharding.Mesh(jax.devices()[:4], (AXIS,))
    of_rows, same = jax.sharding.PartitionSpec(AXIS), jax.sharding.PartitionSpec()
    mapped = jax.shard_map(
        step, mesh=mesh, in_specs=(same, of_rows, of_rows), out_specs=(same, same), check_vma=check_vma
    )
    shared = jax.jit(mapped)(initial(make_model), make_keys(), make_batch())
    chex.assert_trees_all_close(jax.device_get(one), jax.device_get(shared), rtol=1e-4, atol=1e-5)


def test_parameters_that_differ_between_devices_take_one_step():
    # Weights 0 to 3, loss = mean(w · x): the gradients are the means of x, 0.5, 2.5, 4.5 and 6.5, and theirs is 3.5.
    def loss(params, keys, batch):
        return (params["line"] * batch.input).mean(), {}

    optimizer = optax.sgd(1.0)
    step = update(Phase("fit", ("line",), loss), optimizer, axis_name=AXIS)

    def of_device(weight, keys, x):
        params, batch = {"line": weight}, aae_jax.Batch(x, x, jnp.full(2, -1))
        return step(params, optimizer.init(params), Keys(keys, keys), batch)[0]["line"]

    mesh, of_rows = jax.sharding.Mesh(jax.devices()[:4], (AXIS,)), jax.sharding.PartitionSpec(AXIS)
    mapped = jax.shard_map(of_device, mesh=mesh, in_specs=of_rows, out_specs=of_rows)
    after = jax.jit(mapped)(jnp.arange(4.0), make_keys(8), jnp.arange(8.0))
    np.testing.assert_allclose(after, np.arange(4) - 3.5)


def test_control_noise_that_all_devices_share_is_found():
    make_model = VARIANTS["vae"]
    _, metrics = jitted_step(make_model)(initial(make_model), make_keys(), make_batch())
    _, shared = on_four_devices(make_model, first_row_of=lambda index: 0)
    assert abs(metrics["reconstruction/nll"] - shared["reconstruction/nll"]) > 1e-3


def test_vmapped_seeds_are_each_seed_alone(make_telling_model):
    states = [initial(make_telling_model, seed) for seed in range(3)]
    assert changed(states[0].params, states[1].params) == set(states[0].params)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    run_keys = jax.random.split(jax.random.key(5), 3)
    keys = jax.vmap(lambda key: aae_jax.row_keys(key, 0, BATCH_SIZE))(run_keys)
    together = jax.jit(jax.vmap(jitted_step(make_telling_model), in_axes=(0, 0, None)))(stacked, keys, make_batch())
    alone = jitted_step(make_telling_model)(states[1], keys[1], make_batch())
    chex.assert_trees_all_close(jax.tree.map(lambda value: value[1], together), alone, rtol=1e-4, atol=1e-5)


def test_optimizers_must_match_the_phases():
    with pytest.raises(ValueError, match=r"\['reconstruction'\].*'discriminator', 'generator', 'reconstruction'"):
        aae_jax.algorithm(VARIANTS["aae"](), {"reconstruction": optax.sgd(1.0)})


def test_a_phase_may_stand_twice_with_one_optimizer():
    model = VARIANTS["aae"]()
    reconstruction, discriminator, generator = model.phases
    twice = model._replace(phases=(reconstruction, discriminator, discriminator, generator))
    algorithm = aae_jax.algorithm(twice, {phase.name: optax.adam(1e-2) for phase in model.phases})
    state = algorithm.init(jax.random.key(0))
    after, _ = jax.jit(algorithm.step)(state, make_keys(), make_batch())
    counts = {name: int(opt_state[0].count) for name, opt_state in after.opt_states.items()}
    assert counts == {"reconstruction": 1, "discriminator": 2, "generator": 1}


def test_one_step_by_hand():
    # One weight w = 2, loss = mean(w · x) with x = 1, 3: gradient 2, decay 0.5 · 2, so w = 2 − 0.5 · (2 + 1) = 0.5.
    def loss(params, keys, batch):
        return (params["line"] * batch.input).mean(), {}

    network = Network(init=lambda key: jnp.array(2.0), apply=lambda w, x: w * x)
    optimizer = optax.chain(optax.add_decayed_weights(0.5), optax.sgd(0.5))
    algorithm = aae_jax.algorithm(Model({"line": network}, (Phase("fit", ("line",), loss),)), {"fit": optimizer})
    x = jnp.array([1.0, 3.0])
    batch = aae_jax.Batch(x, x, jnp.array([-1, -1]))
    state, _ = algorithm.step(algorithm.init(jax.random.key(0)), make_keys(2), batch)
    assert float(state.params["line"]) == 0.5
