"""Pictures. They are drawn from arrays; nothing here trains."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from aae_jax import ModelConfig, configs, row_keys
from aae_jax.types import Model, Params, Prior
from experiments import reports

__all__ = [
    "codes_panel",
    "curves",
    "grid_of",
    "heads_panel",
    "percentiles",
    "save_figure",
    "seed_curves",
    "sheet",
    "sheet_figure",
    "styles_and_classes",
    "walks",
]


def grid_of(panels: tuple[int, int], size: float = 3.2) -> tuple[plt.Figure, np.ndarray]:
    """A figure of `panels` rows and columns of squares of `size` inches."""
    return plt.subplots(*panels, figsize=(panels[1] * size, panels[0] * size), squeeze=False, layout="constrained")


def codes_panel(axes: Axes, codes: np.ndarray, label: np.ndarray, prior_samples: np.ndarray, title: str) -> None:
    """Held-out codes colored by class, over contours of the prior.

    Args:
        axes: to draw on.
        codes: `[N, 2]`.
        label: `[N]`, −1 where unknown.
        prior_samples: `[M, 2]`, many; the contours hold 50, 80 and 95 % of them.
        title: of the panel.
    """
    limit = 1.25 * np.quantile(np.abs(prior_samples), 0.999)
    counts, edges, _ = np.histogram2d(*prior_samples.T, bins=120, range=[[-limit, limit]] * 2)
    density = _smoothed(counts)
    ordered = np.sort(density.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    levels = sorted({ordered[np.searchsorted(held, mass)] for mass in (0.5, 0.8, 0.95)})
    centers = (edges[1:] + edges[:-1]) / 2
    axes.contour(centers, centers, density.T, levels=levels, colors="0.6", linewidths=0.8)
    outside = int((np.abs(codes) > limit).any(1).sum())
    axes.scatter(*codes.T, c=_class_colors(label), s=5, linewidths=0)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[], aspect="equal")
    axes.set_title(title + (f"\n{outside} of {len(codes)} codes lie outside" if outside else ""), fontsize=10)


def heads_panel(axes: Axes, codes: np.ndarray, label: np.ndarray, heads: np.ndarray, title: str) -> None:
    """Codes colored by class, in their first two principal directions where they have more, with cluster heads.

    Args:
        axes: to draw on.
        codes: `[N, Z]`.
        label: `[N]`, −1 where unknown.
        heads: `[K, Z]`.
        title: of the panel.
    """
    if codes.shape[1] > 2:
        center = codes.mean(0)
        directions = np.linalg.svd(codes - center, full_matrices=False)[2][:2]
        codes, heads = (codes - center) @ directions.T, (heads - center) @ directions.T
    axes.scatter(*codes.T, c=_class_colors(label), s=3, linewidths=0)
    axes.scatter(*heads.T, marker="x", color="black", s=40)
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.set_title(title, fontsize=10)


def sheet(axes: Axes, images: np.ndarray, title: str) -> None:
    """Images in rows and columns.

    Args:
        axes: to draw on.
        images: `[rows, columns, H, W, C]` in [0, 1].
        title: of the panel.
    """
    rows, columns, height, width, channels = images.shape
    tiled = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels).clip(0, 1)
    axes.imshow(tiled if channels == 3 else tiled.mean(-1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)


def curves(
    axes: Axes,
    logs: Mapping[str, Sequence[Mapping[str, float | None]]],
    metric: str,
    title: str,
    *,
    log: bool = False,
) -> None:
    """One metric against epochs, a line for each log that has it.

    Args:
        axes: to draw on.
        logs: lines of `metrics.jsonl` by name.
        metric: its name there.
        title: of the panel.
        log: a logarithmic scale, if all values are above 0.
    """
    for name, lines in logs.items():
        if lines and metric in lines[0]:
            # One epoch alone makes no line.
            marker = "o" if len(lines) == 1 else None
            epochs, values = [line["epoch"] for line in lines], [line[metric] for line in lines]
            axes.plot(epochs, values, label=name, linewidth=1, marker=marker)
    if log and not any((line.get_ydata(orig=False) <= 0).any() for line in axes.lines):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_title(title, fontsize=10)
    if axes.lines:
        axes.legend(fontsize=7, frameon=False)


def seed_curves(folder: Path, panels: Mapping[str, tuple[str, str]], path: Path) -> None:
    """Metrics against epochs, a panel for each model and a line for each seed.

    Args:
        folder: of the run.
        panels: `{model: (metric, title)}`; those of models without a log, which have diverged at once, are left out.
        path: of the picture.
    """
    logs = reports.seed_logs(folder)
    panels = {model: panel for model, panel in panels.items() if model in logs}
    figure, axes = grid_of((1, len(panels)), size=4)
    for panel, (model, (metric, title)) in zip(axes[0], panels.items(), strict=True):
        curves(panel, logs[model], metric, title, log=True)
    save_figure(figure, path)


def sheet_figure(images: np.ndarray, title: str, path: Path) -> None:
    """A picture of one sheet, see `sheet`; of a table, whose rows are no images, there is none."""
    if images.ndim == 5:
        figure, axes = grid_of((1, 1), size=6)
        sheet(axes[0, 0], images, title)
        save_figure(figure, path)


def styles_and_classes(model: Model, params: Params, config: ModelConfig, path: Path, num_styles: int = 10) -> None:
    """A picture of decoded samples, a style in each row and a class in each column.

    Args:
        model: with a style and a class, be it a label or a category.
        params: of its networks.
        config: of the model.
        path: of the picture.
        num_styles: rows.
    """
    num_classes = config.num_classes
    keys, unknown = row_keys(jax.random.key(0), 0, num_styles), jnp.full(num_styles, -1)
    styles = jax.jit(jax.vmap(configs.build_prior(config).sample))(keys, unknown)
    label = jnp.tile(jnp.arange(num_classes), num_styles)
    codes = {"style": jnp.repeat(styles, num_classes, axis=0), "category": jnp.eye(num_classes)[label]}
    assert model.decode is not None, "it has a decoder"
    images = np.asarray(jax.jit(model.decode)(params, codes, label))
    sheet_figure(
        images.reshape(num_styles, num_classes, *config.image_shape),
        "a style of the prior in each row, a class in each column",
        path,
    )


def save_figure(figure: plt.Figure, path: Path) -> None:
    """Writes a figure, if anything is drawn there, and forgets it."""
    if any(axes.has_data() for axes in figure.axes):
        figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def percentiles(prior: Prior, num: int = 15) -> jax.Array:
    """Codes at evenly spaced percentiles of a two-dimensional prior, the second number's down, `[num, num, 2]`."""
    across = (jnp.arange(num) + 0.5) / num
    first, second = jnp.broadcast_arrays(across[None, :], across[::-1, None])
    return _from_uniform(prior)(jnp.stack([first, second], -1), jnp.full((num, num), -1))


def walks(prior: Prior, num_classes: int, num: int = 15) -> jax.Array:
    """Codes along the axis of each class's part of a two-dimensional prior, `[num_classes, num, 2]`."""
    along = (jnp.arange(num) + 0.5) / num
    first, second, label = jnp.broadcast_arrays(along[None, :], 0.5, jnp.arange(num_classes)[:, None])
    return _from_uniform(prior)(jnp.stack([first, second], -1), label)


def _from_uniform(prior: Prior) -> Callable[[jax.Array, jax.Array], jax.Array]:
    assert prior.from_uniform is not None, "only priors with percentiles are drawn"
    return jax.jit(jax.vmap(jax.vmap(prior.from_uniform)))


def _class_colors(label: np.ndarray) -> np.ndarray:
    palette = np.array([*plt.get_cmap("tab10").colors, (0.3, 0.3, 0.3)])
    return palette[np.where(label >= 0, label % 10, 10)]


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """Counts blurred by a small binomial window, so that contours are lines rather than specks."""
    for axis in (0, 1):
        for _ in range(6):
            rolled = [np.roll(counts, shift, axis) for shift in (-1, 1)]
            counts = (2 * counts + rolled[0] + rolled[1]) / 4
    return counts
