"""No option is ignored: another value of it changes what is trained just where it says."""

import dataclasses
import importlib
from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from descent import moves

from aae_jax import build, neighbors, runs
from experiments import training
from experiments.options import GAME

NAMES = ("clustering", "dimension_reduction", "label_prior", "likelihood", "prior_matching", "semi_supervised")
MODULES = {name: importlib.import_module(f"experiments.{name}") for name in (*NAMES, "style_content")}
ELSEWHERE = {"preset", "dataset", "data_dir", "manual_dir", "out", "resume", "coordinator", "processes", "process"}
"""Options of what is loaded, from where and where to, and who shares the work."""
USUAL = {
    **{"epochs": 2, "drops": (1,), "batch_size": 10, "width": 8, "noise_std": 0.3, "dropout": 0.1, "clusters": 4},
    **{"batch_norm": "none", "view_amount": 1.0, "view_cutout": 1, "view_balance": 0.5},
    **{"smoothness_radius": 1.0, "smoothness_start": 1, "labels": 30, "plain_epochs": 1, "samples": 1000},
    "panels": ("2d_100", "2d_unsupervised"),
}
"""Options under which all others matter, where an experiment has them."""
RATES = {
    f"rate of {phase}"
    for phase in ("reconstruction", "discriminator", "generator", "classification", "invariance", "smoothness")
}
LABELS = {"labels", "labeled"}
NEIGHBORS = {"view_neighbors": 2}
NOISE = {"code_noise_epochs": 1, "code_noise": 0.2}
EFFECTS = {
    "seed": (5, {"seed", *LABELS}, {"seeds": 2}),
    "seeds": (2, {"seed", *LABELS}),
    "epochs": (3, {"epochs", *RATES}),
    "plain_epochs": (2, {"epochs", "rate of classification"}),
    "generator_rate": (0.02, {"rate of generator"}),
    "refine_epochs": (2, {"rate of reconstruction", "rate of discriminator", "rate of generator"}, {"epochs": 3}),
    "code_noise_epochs": (2, {"epochs", *(f"rate of {phase}" for phase in ("reconstruction", *GAME))}, NOISE),
    "code_noise": (0.1, {"posterior_std"}, NOISE),
    "batch_size": (20, {"batch_size"}),
    "checkpoint_epochs": (7, {"checkpoint_epochs"}),
    "devices": (1, {"num_devices"}),
    "stream": ("no", {"stream"}),
    "width": (9, {"hidden_sizes"}),
    "precision": ("bfloat16", {"precision"}),
    "noise_std": (0.1, {"input"}),
    "dropout": (0.5, {"input"}),
    "input_view_amount": (0.5, {"input"}, {"input_view_amount": 1.0}),
    "standardize": (True, {"likelihood", "shift", "scale"}),
    "batch_norm": ("autoencoder", {"encoder_batch_norm", "decoder_batch_norm"}),
    "drops": ((), RATES),
    "reconstruction_rate": (0.02, {"rate of reconstruction"}),
    "game_rate": (0.02, {"rate of discriminator", "rate of generator"}),
    "classification_rate": (0.02, {"rate of classification"}),
    "view_rate": (0.02, {"rate of invariance"}),
    "constant_view_rate": (True, {"rate of invariance"}),
    "smoothness_rate": (0.02, {"rate of smoothness"}),
    "smoothness_start": (0, {"rate of smoothness"}),
    "smoothness_radius": (2.0, {"smoothness_radius"}),
    "view_amount": (0.5, {"view_amount"}),
    "view_stretch": (0.1, {"view_stretch"}),
    "view_cutout": (2, {"view_cutout"}),
    "view_balance": (0.25, {"view_balance"}),
    "view_neighbors": (3, {"neighbors"}, NEIGHBORS),
    "view_walk": (1, {"neighbors"}, NEIGHBORS),
    "labels": (20, {"labeled"}),
    "labeled_fraction": (0.5, {"labels"}),
    "clusters": (5, {"num_clusters"}),
    "style_size": (3, {"code_size"}),
    "code_size": (3, {"code_size"}),
    "prior_std": (2.0, {"prior_std"}),
    "eta": (3.0, {"eta"}),
    "roll_noise_std": (0.3, {"instance_noise_std"}),
    "discriminator_sees_class": (True, {"variant"}),
    "models": (("aae",), {"models"}),
    "panels": (("2d_100",), {"models"}),
    "priors": (("gaussian_mixture",), {"models"}),
    # By these a finished run is judged alone.
    "samples": (2000, set()),
    "many_samples": (1000, set()),
}
"""By option: another value, the parts of a training that it changes, and what else it takes."""


@pytest.fixture
def asked_for(tmp_path, monkeypatch):
    """A function: what an experiment of some options has trained, each part of it by the names of its models."""
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (280, 6, 5, 1)).astype(np.uint8)
    np.savez(tmp_path / "few.npz", images=images, labels=np.arange(280) % 3)
    # Where they lead is seen on digits, in test_paper_experiments.
    monkeypatch.setattr(neighbors, "upright", lambda image: image)
    monkeypatch.setattr(neighbors, "walks", lambda key, nearest, *, steps, count: np.tile(nearest, steps))

    def what(module, **options):
        known = {field.name for field in dataclasses.fields(module.Config)}
        chosen = {name: value for name, value in {**USUAL, **options}.items() if name in known}
        config = module.Config(dataset=str(tmp_path / "few.npz"), out=tmp_path / "run", **chosen)
        found, dataset = defaultdict(dict), config.load()

        def train(job, dataset, optimizers, folder, *, corrupt, labels=None, labeled=None, neighbors=None, **_):
            model_config = job.in_training or job.model
            model = build(model_config)
            parts = {**dataclasses.asdict(model_config), **dataclasses.asdict(job.training)}
            parts["input"] = np.asarray(corrupt(jax.random.key(0), jnp.ones((6, 5, 1)))).tolist()
            for phase, optimizer in optimizers(model, 1, job.training.epochs).items():
                parts[f"rate of {phase}"] = moves(optimizer, job.training.epochs, ["encoder"]).tolist()
            rows = {"labels": labels, "labeled": labeled, "neighbors": neighbors}
            parts |= {name: part.tolist() for name, part in rows.items() if part is not None}
            # The judge of samples is the same whatever the options: test_experiments.
            for name, part in {**parts, "job": job}.items() if folder.name != "classifier" else ():
                found[name][folder.name] = part
            if len(job.training.seeds) > 1:
                folder.mkdir(parents=True, exist_ok=True)
                runs.write_lines(folder / "metrics.jsonl", [])
            return [((model, {name: {} for name in model.networks}), None)] * len(job.training.seeds)

        monkeypatch.setattr(training, "train", train)
        monkeypatch.setattr(training, "_save", lambda folder, of_seed: None)
        module._train(config, dataset)
        return found, dataset

    return what


def differing(one, other):
    """The parts in which models that both have differ, and whether one has models that the other has not."""
    parts = {*one} | {*other}
    both = {*one["job"]} & {*other["job"]}
    found = {part for part in parts if any(one[part].get(name) != other[part].get(name) for name in both)}
    return found | ({"models"} if {*one["job"]} != {*other["job"]} else set())


@pytest.mark.parametrize("name", MODULES)
def test_an_option_changes_what_it_is_for_and_nothing_else(asked_for, name):
    module, usual = MODULES[name], {}
    options = {field.name for field in dataclasses.fields(module.Config)} - ELSEWHERE
    for option in sorted(options):
        value, expected, *needed = EFFECTS[option]
        needed = needed[0] if needed else {}
        key = tuple(needed)
        before = usual[key] = usual.get(key) or asked_for(module, **needed)[0]
        after, _ = asked_for(module, **{**needed, option: value})
        changed = differing(before, after)
        # A run goes on in its folder with the same config alone, which is to hold whatever numbers depend on.
        if changed - {"models"}:
            assert "job" in changed, option
        assert changed - {"job"} == expected & {*before, *after, "models"}, option


@pytest.mark.parametrize(
    ("name", "models", "count"),
    [
        ("semi_supervised", {"semi_supervised_aae", "plain_network"}, 30),
        ("dimension_reduction", {"2d_100"}, 100),
        # A fifth of 196.
        ("label_prior", {"gaussian_mixture", "swiss_roll"}, 39),
    ],
)
def test_each_seed_knows_the_classes_of_some_images_of_its_own(asked_for, name, models, count):
    found, dataset = asked_for(MODULES[name], seeds=2)
    label, part = dataset.train.label, "labels" if name == "label_prior" else "labeled"
    assert {*found[part]} == models
    for known in map(np.array, found[part].values()):
        if part == "labels":
            assert ((known == label) | (known == -1)).all()
            known = [np.flatnonzero(of_seed >= 0) for of_seed in known]
        assert [len({*rows}) for rows in known] == [count, count] and {*known[0]} != {*known[1]}
        assert all(np.ptp(np.bincount(label[rows])) <= 1 for rows in known)


def test_the_plain_network_has_no_phase_but_the_papers(asked_for):
    found, _ = asked_for(MODULES["semi_supervised"], **NEIGHBORS)
    of_plain = {part for part, of_models in found.items() if "plain_network" in of_models}
    assert of_plain & RATES == {"rate of classification"} and "neighbors" not in of_plain
    assert {*found} >= {*RATES, "neighbors"}
