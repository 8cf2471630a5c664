"""The README's Python runs as it stands."""

import re
from pathlib import Path

import jax
import optax

import aae_jax
from aae_jax import configs, likelihoods, networks, priors, runs

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_every_block_runs_in_order(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 4
    # The last loads what the README's first command trains: here an untrained model in its place.
    folder = tmp_path / "runs" / "prior_matching" / "seed_0" / "aae_gaussian"
    config = aae_jax.ModelConfig("aae", (28, 28, 1), hidden_sizes=(8,))
    model = aae_jax.build(config)
    runs.write_json(folder / "config.json", {"model": config})
    configs.save(folder, {name: network.init(jax.random.key(0)) for name, network in model.networks.items()})
    monkeypatch.chdir(tmp_path)

    names = {}
    for block in blocks:
        exec(block.replace("1000, 1000", "8, 8").replace("400, 400", "8, 8"), names)
    assert (tmp_path / "runs" / "own" / "metrics.jsonl").exists() and int(names["fitted"].step) == 35
    assert names["digits"].shape == (25, 28, 28, 1) and names["codes"]["style"].shape == (100, 2)

    # The variant of one's own trains all that it has.
    own = names["aae_with_image_game"](
        networks.mlp([784], (8,), 4),
        networks.mlp([2], (8,), (28, 28, 1)),
        networks.mlp([2], (8,), 1),
        networks.mlp([784], (8,), 1),
        prior=priors.gaussian(2),
        likelihood=likelihoods.bernoulli(),
    )
    algorithm = aae_jax.algorithm(own, {phase.name: optax.sgd(0.1) for phase in own.phases})
    state = algorithm.init(jax.random.key(0))
    after, _ = jax.jit(algorithm.step)(state, aae_jax.row_keys(jax.random.key(2), 0, 100), names["batch"])
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, after.params)
    assert all(any(jax.tree.leaves(network)) for network in changed.values())
    assert set(changed) == {"encoder", "decoder", "code_judge", "image_judge"}
