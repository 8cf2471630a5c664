"""The experiment on divergences: its numbers by hand, its minima against scipy, its run folder."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from scipy.stats import norm

from aae_jax import losses
from experiments import command_line, divergences, two_modes

STEP = two_modes.GRID[1] - two_modes.GRID[0]


def value(name, separation, mean, std):
    return float(two_modes.DIVERGENCES[name][1](two_modes.log_p(separation), two_modes.log_q(mean, math.log(std))))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = dataclasses.replace(divergences.PRESETS["smoke"], out=tmp_path_factory.mktemp("divergences") / "run")
    arguments = ["--preset", "smoke", "--out", str(config.out)]
    command_line.run(divergences.main, divergences.PRESETS, arguments=arguments)
    with np.load(config.out / "evidence_0.npz", allow_pickle=False) as file:
        return config, json.loads((config.out / "final.json").read_text()), dict(file)


# --- Divergences -----------------------------------------------------------------------------------------------------


def test_the_modes_have_unit_mass_and_the_variance_of_a_mixture():
    p = np.exp(two_modes.log_p(3.0)) * STEP
    # E x² = a² + 1
    np.testing.assert_allclose([p.sum(), p @ two_modes.GRID, p @ two_modes.GRID**2], [1, 0, 10], atol=1e-4)


def test_divergences_between_gaussians_by_hand():
    # Without separation p is N(0, 1). Against N(1, 2²):
    # KL(p ‖ q) = log 2 + (1 + 1) / (2 · 4) − ½, KL(q ‖ p) = −log 2 + (4 + 1) / 2 − ½.
    np.testing.assert_allclose(value("forward_kl", 0.0, 1.0, 2.0), math.log(2) - 0.25, rtol=1e-5)
    np.testing.assert_allclose(value("reverse_kl", 0.0, 1.0, 2.0), 2 - math.log(2), rtol=1e-5)


def test_divergences_of_one_of_two_modes_far_apart_by_hand():
    # q is one mode; p is half of it here and half elsewhere, ½ (p + q) is ¾ here and ¼ elsewhere.
    # KL(q ‖ p) = log 2. KL(½ (p + q) ‖ p) = ¾ log 3/2 + ¼ log 1/2.
    # JSD = ½ (½ log 2/3 + ½ log 2) + ½ log 4/3 = ¾ log 4/3.
    np.testing.assert_allclose(value("reverse_kl", 10.0, 10.0, 1.0), math.log(2), rtol=1e-5)
    softened = 0.75 * math.log(1.5) - 0.25 * math.log(2)
    np.testing.assert_allclose(value("softened_reverse_kl", 10.0, 10.0, 1.0), softened, rtol=1e-5)
    np.testing.assert_allclose(value("jensen_shannon", 10.0, 10.0, 1.0), 0.75 * math.log(4 / 3), rtol=1e-5)


def test_divergences_are_the_librarys_on_probabilities():
    # Where float32 holds the probabilities; beyond, there is nearly nothing of either.
    near = np.abs(two_modes.GRID) < 14
    log_p, log_q = two_modes.log_p(2.0)[near], two_modes.log_q(0.5, math.log(2.5))[near]
    p, q = jnp.exp(log_p) * STEP, jnp.exp(log_q) * STEP
    np.testing.assert_allclose(value("forward_kl", 2.0, 0.5, 2.5), losses.kl_divergence(p, q), rtol=1e-4)
    expected = losses.jensen_shannon_divergence(p, q)
    np.testing.assert_allclose(value("jensen_shannon", 2.0, 0.5, 2.5), expected, rtol=1e-4)


@pytest.mark.parametrize("game", two_modes.GAMES)
def test_a_game_with_the_best_discriminator_descends_its_divergence(game):
    # The best discriminator's logit is log p − log q, held fixed while the generator moves. The gradient of the
    # generator's loss is then twice that of the divergence: 2 JSD, and 2 KL(½ (p + q) ‖ p).
    name, generator_loss = two_modes.GAMES[game]
    log_p, q = two_modes.log_p(2.5), jnp.array([1.0, 0.3])
    score = log_p - two_modes.log_q(*q)

    def loss(q):
        return STEP * (jnp.exp(two_modes.log_q(*q)) * generator_loss(score)).sum()

    def twice_the_divergence(q):
        return 2 * two_modes.DIVERGENCES[name][1](log_p, two_modes.log_q(*q))

    np.testing.assert_allclose(jax.grad(loss)(q), jax.grad(twice_the_divergence)(q), rtol=1e-4)


# --- Minima ----------------------------------------------------------------------------------------------------------


def test_forward_kl_matches_moments_at_every_separation(finished):
    # The best Gaussian under KL(p ‖ q) has p's mean and variance, 0 and 1 + a²; there is no other minimum.
    separation, rank, mean, std, _ = finished[2]["forward_kl"].T
    np.testing.assert_array_equal(separation, np.arange(11) / 2)
    np.testing.assert_array_equal(rank, 0)
    np.testing.assert_allclose(mean, 0, atol=1e-2)
    np.testing.assert_allclose(std, np.sqrt(1 + separation**2), rtol=1e-3)


_X = np.linspace(-40, 40, 8001)
_REFERENCES = {
    "forward_kl": lambda p, q: p * np.log(p / q),
    "jensen_shannon": lambda p, q: (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))) / 2,
    "softened_reverse_kl": lambda p, q: (p + q) / 2 * np.log((p + q) / (2 * p)),
    "reverse_kl": lambda p, q: q * np.log(q / p),
}


@pytest.mark.parametrize("name", two_modes.DIVERGENCES)
@pytest.mark.parametrize("separation", [2.0, 3.0, 5.0])
def test_minima_are_those_that_scipy_finds(finished, name, separation):
    p = (norm.pdf(_X, -separation) + norm.pdf(_X, separation)) / 2

    def reference(q):
        density = np.maximum(norm.pdf(_X, q[0], np.exp(q[1])), 1e-300)
        return np.trapezoid(_REFERENCES[name](np.maximum(p, 1e-300), density), _X)

    starts = [(0.01, math.log(separation)), (0.01, 0.0), (separation, 0.0), (separation / 2, 0.5)]
    found = [scipy.optimize.minimize(reference, start, method="Nelder-Mead") for start in starts]
    expected = sorted(
        {(round(abs(end.x[0]), 1) + 0.0, round(math.exp(end.x[1]), 1)): end.fun for end in found}.items()
    )
    minima = finished[2][name]
    minima = sorted(minima[minima[:, 0] == separation, 2:].tolist())
    assert len(minima) == len(expected)
    for (mean, std, divergence), ((about_mean, about_std), best) in zip(minima, expected, strict=True):
        np.testing.assert_allclose([mean, std], [about_mean, about_std], atol=0.06)
        np.testing.assert_allclose(divergence, best, rtol=1e-3)


def test_where_each_divergence_begins_to_seek(finished):
    metrics = finished[1]["metrics"]
    found = {name: metrics[f"{name}/the_best_seeks_from"] for name in two_modes.DIVERGENCES}
    expected = {"forward_kl": None, "jensen_shannon": 4.5, "softened_reverse_kl": 2.5, "reverse_kl": 3.0}
    assert found == expected
    # Before that, seeking is a minimum already, though not the best.
    assert metrics["jensen_shannon/a_minimum_seeks_from"] == 3.0
    # On either side of the change, the Jensen-Shannon divergence ranks the two as its values do, by scipy's integral.
    assert value("jensen_shannon", 4.2, 0.0, 4.28) < value("jensen_shannon", 4.2, 4.2, 1.0)
    assert value("jensen_shannon", 4.3, 0.0, 4.38) > value("jensen_shannon", 4.3, 4.3, 1.0)


# --- Games -----------------------------------------------------------------------------------------------------------


def test_location_and_scale_by_hand():
    network = two_modes.location_and_scale(3.0, 2.0)
    variables = network.init(jax.random.key(0))
    np.testing.assert_allclose(network.apply(variables, jnp.array([[-1.0], [0.5]])), [[1.0], [4.0]], rtol=1e-6)


def test_rows_of_p_have_its_moments():
    rows = two_modes.rows_of_p(jax.random.split(jax.random.key(0), 100_000), 3.0)
    assert rows.image.shape == (100_000, 1)
    # Standard errors: √(10 / N) = 0.01 of the mean; of E x² = 10, √(Var x² / N) with Var x² = 2 + 4 · 9 = 38: 0.02.
    np.testing.assert_allclose(rows.image.mean(), 0, atol=0.05)
    np.testing.assert_allclose(jnp.square(rows.image).mean(), 10, atol=0.1)
    # Within one of the modes at a, ±1: half of the 68 %, from either.
    np.testing.assert_allclose((jnp.abs(rows.image - 3) < 1).mean(), 0.3413, atol=0.01)


def test_games_begin_where_they_should(finished):
    # So few steps move q by a few hundredths: from (0, 1) or (a, 1).
    games = finished[2]["games"]
    assert games.shape == (1, len(two_modes.GAMES), len(two_modes.STARTS), len(two_modes.SEPARATIONS), 2)
    np.testing.assert_allclose(games[:, :, 0, :, 0], 0, atol=0.1)
    np.testing.assert_allclose(games[:, :, 1, :, 0], np.broadcast_to(two_modes.SEPARATIONS, (1, 2, 5)), atol=0.1)
    np.testing.assert_allclose(games[..., 1], 1, atol=0.1)


def test_the_bound_rises_to_the_divergence_from_below(finished):
    _, final, evidence = finished
    truth = final["metrics"]["bound/true"]
    p, q = (norm.pdf(_X, -3) + norm.pdf(_X, 3)) / 2, norm.pdf(_X, 0, math.sqrt(10))
    np.testing.assert_allclose(truth, np.trapezoid(_REFERENCES["jensen_shannon"](p, q), _X), rtol=1e-4)
    bound, error, own = np.moveaxis(evidence["bounds"][0], -1, 0)
    assert (bound <= truth + 4 * error).all()
    assert truth - bound[0, -1] < 0.3 * truth < truth - bound[0, 0]
    # A discriminator that sees the same samples again and again learns them by heart.
    assert own[1, -1] > bound[1, -1] + 4 * error[1, -1]


# --- The run ---------------------------------------------------------------------------------------------------------


def test_a_run_leaves_numbers_evidence_and_figures(finished):
    config, final, evidence = finished
    assert final["experiment"] == "divergences" and final["config"]["preset"] == "smoke"
    assert final["metrics"] == divergences.measure(evidence)
    for name in ("fits.png", "sweep.png", "bound.png"):
        assert (config.out / name).read_bytes().startswith(b"\x89PNG")


def test_a_folder_is_not_overwritten_but_begun_anew_on_resume(finished, monkeypatch):
    config, final, evidence = finished
    with pytest.raises(ValueError, match="holds a run"):
        divergences.main(config)
    with pytest.raises(ValueError, match="seed was 0, is 1"):
        divergences.main(dataclasses.replace(config, resume=True, seed=1))
    monkeypatch.setattr(divergences, "sweep", lambda _: {name: evidence[name] for name in two_modes.DIVERGENCES})
    monkeypatch.setattr(divergences, "games", lambda *_: evidence["games"])
    monkeypatch.setattr(divergences, "bounds", lambda *_: evidence["bounds"])
    monkeypatch.setattr(divergences, "draw", lambda *_: None)
    (config.out / "final.json").unlink()
    divergences.main(dataclasses.replace(config, resume=True))
    assert json.loads((config.out / "final.json").read_text())["metrics"] == final["metrics"]


def test_counts_are_positive():
    with pytest.raises(ValueError, match="seeds is 0; expected an integer ≥ 1"):
        divergences.Config(seeds=0).check()


@pytest.mark.slow
def test_the_default_run_finds_what_its_docstring_says(tmp_path):
    metrics = divergences.main(divergences.Config(out=tmp_path / "run"))
    for start, separation, mean, std in (
        ("the_middle", 5.0, 0.0, 5.06),  # the covering minimum, though seeking is better
        ("a_mode", 2.5, 0.0, 2.65),  # seeking is no minimum yet
        ("a_mode", 3.0, 2.97, 1.06),  # a minimum, though covering is better
    ):
        found = [metrics[f"minimax/{start}/{separation}/{name}"]["mean"] for name in ("mean", "std")]
        np.testing.assert_allclose(found, [mean, std], atol=0.15)
    np.testing.assert_allclose(metrics["non_saturating/a_mode/2.5/mean"]["mean"], 2.45, atol=0.1)
    assert metrics["bound/largest_excess_in_standard_errors"] < 4
    assert divergences.main(divergences.Config(out=tmp_path / "again")) == metrics
