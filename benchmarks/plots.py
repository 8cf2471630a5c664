"""Plots of benchmarks."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

__all__ = ["bars", "differences", "faults", "lines"]


def bars(path: Path, panels: Mapping[str, Mapping[str, Sequence[float]]], unit: str) -> None:
    """Draws a panel of bars for each group: medians, with every repetition as a dot.

    Args:
        path: of the picture.
        panels: `{title: {bar: repetitions}}`.
        unit: of the horizontal axis.
    """
    height = 0.6 + 0.4 * max(len(of_panel) for of_panel in panels.values())
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(8, (height + 0.5) * len(panels)), squeeze=False, layout="constrained"
    )
    for (title, of_panel), panel in zip(panels.items(), axes[:, 0], strict=True):
        for place, values in enumerate(of_panel.values()):
            panel.barh(place, statistics.median(values), color="0.8")
            panel.plot(values, [place] * len(values), "k.", markersize=3)
        panel.set_yticks(range(len(of_panel)), list(of_panel))
        panel.invert_yaxis()
        panel.set_title(title, loc="left", fontsize=10)
        panel.set_xlabel(unit)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def lines(path: Path, panels: Mapping[str, Mapping[float, Sequence[float]]], unit: str) -> None:
    """Draws a panel for each axis along which something grows: medians against it, both logarithmic.

    Args:
        path: of the picture.
        panels: `{axis: {place: repetitions}}`.
        unit: of the vertical axis.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3 * rows), squeeze=False, layout="constrained")
    for panel in axes.flat[len(panels) :]:
        panel.set_axis_off()
    for (title, of_panel), panel in zip(panels.items(), axes.flat, strict=False):
        for place, values in of_panel.items():
            panel.plot([place] * len(values), values, "k.", markersize=3)
        panel.plot(list(of_panel), [statistics.median(values) for values in of_panel.values()], color="0.5")
        panel.set(xscale="log", yscale="log", xlabel=title, ylabel=unit)
        panel.set_xticks(list(of_panel), [f"{place:,.0f}" for place in of_panel])
        panel.set_xticks([], minor=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def differences(results: Mapping[str, Any], path: Path) -> None:
    """Draws the differences of `benchmarks.invariance`, a dot for each variant, with the bound.

    Args:
        results: of that benchmark.
        path: of the picture.
    """
    found = results["differences"]
    figure, axes = plt.subplots(1, len(found), figsize=(4.5 * len(found), 3.2), squeeze=False, layout="constrained")
    for (precision, of_variants), panel in zip(found.items(), axes[0], strict=True):
        for of_ways in of_variants.values():
            # No difference at all has no place on a logarithmic axis.
            panel.plot([max(value, 1e-18) for value in of_ways.values()], list(of_ways), "k.")
        panel.axvline(results["bound"], color="0.6", linestyle=":")
        panel.set(xscale="log", title=f"{precision}: largest difference, relative")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def faults(results: Mapping[str, Any], path: Path) -> None:
    """Draws how many faults of each kind were survived.

    Args:
        results: of `benchmarks.faults`.
        path: of the picture.
    """
    kinds = list(dict.fromkeys(row["fault"] for row in results["faults"]))
    figure, axes = plt.subplots(figsize=(6, 0.4 * len(kinds) + 1), layout="constrained")
    for color, survived in (("0.7", True), ("#D55E00", False)):
        rows = [row["fault"] for row in results["faults"] if row["survived"] == survived]
        axes.barh(kinds, [rows.count(kind) for kind in kinds], color=color, label="survived" if survived else "lost")
    axes.invert_yaxis()
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
