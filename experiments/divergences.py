"""Which divergence covers and which seeks: one Gaussian fitted to two modes, by descent and by playing the game.

    python -m experiments.divergences                                              # about a minute on two CPU cores

The modes are p = ½ N(−a, 1) + ½ N(a, 1), the Gaussian is q = N(m, s²), the separation is a. First, q descends each of
four divergences, computed on a grid, from four starts; all local minima are kept. Then q plays against a
discriminator, with either generator loss, from the middle and from one of the modes. Last, discriminators are trained
against a q that stands still, and their Jensen-Shannon bound is compared with the divergence itself.

Paper: no such experiment; the game is said to minimize the Jensen-Shannon divergence, which is often called balanced.
Found: balanced it is not; it covers or seeks, with nothing between. Up to a = 4.2 its best q covers both modes, nearly
as wide as under KL(p ‖ q); beyond, it sits on one of them, as under KL(q ‖ p) beyond 2.8. A covering q remains a local
minimum of all four. Minimax games of this length end in the minimum in whose basin they start, the best or not.
Non-saturating updates descend another divergence (Shannon et al.), whose best q seeks beyond 2.3; but games from the
middle still cover, and the farther the modes, the wider than its minimum; less so in longer games (18,000 steps).
The bound rises to the divergence from below on held-out samples; on the discriminator's own samples it is none.

A run leaves no checkpoints: `--resume` begins one of the same settings anew.

References:
    Goodfellow et al., "Generative Adversarial Nets", 2014, theorem 1. Shannon et al., "Non-saturating GAN training as
    divergence minimization", 2020.
"""

import dataclasses
import itertools
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from aae_jax import derive, runs
from aae_jax.checks import check_count, check_folder, check_number
from experiments import command_line, reports
from experiments.two_modes import (
    DIVERGENCES,
    GAMES,
    GRID,
    JUDGED,
    SEPARATIONS,
    STARTS,
    bounds,
    games,
    log_p,
    log_q,
    sweep,
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command."""

    preset: Literal["laptop", "smoke"] = "laptop"
    """Gives the defaults of the others."""
    out: Path = Path("runs/divergences")
    """The run folder."""
    resume: bool = False
    """Begin anew in a folder that holds a run of the same settings."""
    seed: int = 0
    """Of weights and samples; the first one of several."""
    seeds: int = 3
    """Games, and discriminators against a fixed q, of each kind."""
    spacing: float = 0.1
    """Between two separations of the sweep."""
    game_steps: int = 2000
    """Steps of a game: two updates of the discriminator, one of the generator."""
    discriminator_steps: int = 3000
    """Updates of the discriminators against a fixed q."""

    def check(self) -> None:
        """Checks what can be checked before work starts.

        Raises:
            ValueError: for an option out of range.
        """
        for name in ("seeds", "game_steps", "discriminator_steps"):
            check_count(name, getattr(self, name))
        check_number("spacing", self.spacing, "a number above 0", above=0)
        if not 0 <= self.seed <= self.seed + self.seeds - 1 < 2**32:
            raise ValueError(f"seed is {self.seed}; expected {self.seeds} seeds from 0 to 2³² − 1.")
        check_folder("out", self.out)


_SMOKE = Config(seeds=1, spacing=0.5, game_steps=20, discriminator_steps=300, out=Path("runs/divergences_smoke"))
PRESETS = command_line.preset_field({"laptop": Config(), "smoke": _SMOKE})


def main(config: Config) -> dict[str, Any]:
    """Descends, plays, judges, draws; returns the metrics."""
    config.check()
    started, begun = time.time(), runs.provenance()
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in ("out", "resume")}
    with runs.lock(config.out):
        reports.check_config(config.out, settings, resume=config.resume)
        keys = jax.vmap(jax.random.key)(config.seed + np.arange(config.seeds))
        stops = np.unique(np.geomspace(1, config.discriminator_steps, 25).astype(int))
        evidence = {
            **sweep(np.union1d(np.arange(0, 5.001, config.spacing).round(6), SEPARATIONS)),
            "games": np.asarray(games(derive(keys, "games"), config.game_steps)),
            "bounds": np.asarray(bounds(derive(keys, "bounds"), stops)),
            "bound_steps": stops,
        }
        metrics = measure(evidence)
        reports.write_final(config.out, "divergences", config, metrics, started, {0: evidence}, begun=begun)
        _print_table(evidence, metrics)
        draw(config.out)
    reports.print_files(config.out)
    return metrics


def measure(evidence: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The numbers of `final.json`, from the arrays of `evidence_0.npz`; of fits and games by separation."""
    metrics: dict[str, Any] = {}
    for name in DIVERGENCES:
        seeking = evidence[name][_seeks(evidence[name])]
        for label, rows in (("a_minimum", seeking), ("the_best", seeking[seeking[:, 1] == 0])):
            metrics[f"{name}/{label}_seeks_from"] = float(rows[0, 0]) if len(rows) else None
    truth, (bound, error, _) = _judged_divergence(), np.moveaxis(evidence["bounds"][:, 0], -1, 0)
    excess = float(((bound - truth) / error).max())
    metrics |= {"bound/true": truth, "bound/largest_excess_in_standard_errors": excess}

    learned, numbers = ("of_fresh_samples", "of_the_same_samples"), ("held_out", "standard_error", "last_batch")
    tables: list[tuple[str, Any, Any, np.ndarray]] = [("bound", learned, numbers, evidence["bounds"][:, :, -1])]
    tables += [(name, SEPARATIONS, ("mean", "std"), ends) for name, ends in _ends(evidence).items()]
    for name, rows, columns, values in tables:
        names = [f"{name}/{row}/{column}" for row, column in itertools.product(rows, columns)]
        of_seeds = values.reshape(len(values), -1).tolist()
        metrics |= reports.summarize([dict(zip(names, of_seed, strict=True)) for of_seed in of_seeds])
    return metrics


def _seeks(minima: np.ndarray) -> np.ndarray:
    """Whether a minimum sits nearer to a mode than to the middle."""
    return minima[:, 2] > np.maximum(minima[:, 0], 0.2) / 2


def _judged_divergence() -> float:
    separation, mean, std = JUDGED
    return float(DIVERGENCES["jensen_shannon"][1](log_p(separation), log_q(mean, math.log(std))))


def _ends(evidence: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mean and std of the best q and of the games' at `SEPARATIONS`, `[1 or S, separation, 2]`."""
    ends = {}
    for name in DIVERGENCES:
        minima = evidence[name]
        ends[name] = minima[None, (minima[:, 1] == 0) & np.isin(minima[:, 0], SEPARATIONS), 2:4]
    for (i, game), (j, start) in itertools.product(enumerate(GAMES), enumerate(STARTS)):
        ends[f"{game}/{start}"] = evidence["games"][:, i, j]
    return ends


def _print_table(evidence: Mapping[str, np.ndarray], metrics: Mapping[str, Any]) -> None:
    """The short version of `final.json`; of several seeds, medians."""
    print(f"{'mean and std of q at a separation of':48}" + "".join(f"{separation:12g}" for separation in SEPARATIONS))
    for name, ends in _ends(evidence).items():
        label = name.replace("/", " game from ").replace("_", " ")
        if name in DIVERGENCES:
            since = metrics[f"{name}/the_best_seeks_from"]
            label = f"best under {DIVERGENCES[name][0]}, " + (f"seeks from {since}" if since else "covers")
        print(f"{label:48}" + "".join(f"{mean:7.2f}{std:5.2f}" for mean, std in np.median(ends, 0)))


def draw(folder: Path) -> None:
    """Draws the figures of a finished run: the best fits, the sweep with the games, the bound."""
    from experiments import figures

    with np.load(folder / "evidence_0.npz", allow_pickle=False) as file:
        evidence = dict(file)
    colors = dict(zip(DIVERGENCES, ("#0072B2", "#E69F00", "#AA4499", "#009E73"), strict=True))

    figure, panels = figures.grid_of((1, 3), size=3.8)
    for axes, separation in zip(panels[0], (2.0, 3.0, 5.0), strict=True):
        axes.fill_between(GRID, np.exp(log_p(separation)), color="0.88", label="p")
        for width, (name, (label, _)) in zip((6, 4.5, 3, 1.5), DIVERGENCES.items(), strict=True):
            mean, std = _ends(evidence)[name][0, SEPARATIONS.index(separation)]
            q = np.exp(log_q(mean, math.log(std)))
            axes.plot(GRID, q, color=colors[name], linewidth=width, label=f"best q under {label}")
        axes.set(xlim=(-9, 9), ylim=(0, 0.45), yticks=[], xticks=range(-8, 9, 4))
        axes.set_title(f"separation {separation:g}", fontsize=10)
    panels[0, 0].legend(fontsize=8, frameon=False, loc="upper left")
    figures.save_figure(figure, folder / "fits.png")

    figure, panels = figures.grid_of((2, len(DIVERGENCES)), size=3.2)
    for (name, (label, _)), column in zip(DIVERGENCES.items(), panels.T, strict=True):
        for axes, place, title in zip(column, (2, 3), (f"{label}: mean of q", "standard deviation of q"), strict=True):
            for seeks, labels in ((True, ("", "")), (False, ("a local minimum", "the best one"))):
                branch = evidence[name][_seeks(evidence[name]) == seeks]
                best = np.where(branch[:, 1] == 0, branch[:, place], np.nan)
                axes.plot(branch[:, 0], branch[:, place], ":", color=colors[name], label=labels[0])
                axes.plot(branch[:, 0], best, color=colors[name], linewidth=3, label=labels[1])
            for (i, game), (marker, start) in itertools.product(enumerate(GAMES), zip("o^", STARTS, strict=True)):
                if GAMES[game][0] == name:
                    ends = evidence["games"][:, i, STARTS.index(start), :, place - 2]
                    words = f"{game} game\nfrom {start}".replace("_", " ")
                    x = np.tile(SEPARATIONS, len(ends))
                    axes.plot(x, ends.ravel(), marker, color="0.2", markerfacecolor="none", label=words)
            axes.set(xlim=(0, 5.3), ylim=(-0.2, 5.4))
            axes.set_title(title, fontsize=10)
        column[0].legend(fontsize=8, frameon=False, loc="upper left")
        column[1].set_xlabel("separation")
    figures.save_figure(figure, folder / "sweep.png")

    figure, ((axes,),) = figures.grid_of((1, 1), size=4.8)
    axes.axhline(_judged_divergence(), color="0.2", linewidth=1, label="the divergence itself")
    for learned, number, color, line, words in (
        (0, 0, "#D55E00", "-", "bound, learning from fresh samples (± 2 standard errors)"),
        (1, 0, "#0072B2", "-", "bound, learning from the same 128 pairs"),
        (1, 2, "#0072B2", ":", "not a bound: the same formula on those pairs"),
    ):
        for seed, values in enumerate(evidence["bounds"][:, learned]):
            error = None if number else 2 * values[:, 1]
            label = "" if seed else words
            axes.errorbar(evidence["bound_steps"], values[:, number], error, color=color, linestyle=line, label=label)
    first = min(10, evidence["bound_steps"][-1] / 2)
    axes.set(xscale="log", ylim=(-0.05, 0.3), xlim=(first, None), xlabel="updates of the discriminator")
    axes.set_title("Jensen-Shannon divergence, nats", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    figures.save_figure(figure, folder / "bound.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
