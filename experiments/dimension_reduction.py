"""Images in two dimensions, class by class: the AAE with learned cluster heads (the paper's Figs. 10 and 11).

    python -m experiments.dimension_reduction                                 # about 12 minutes on two CPU cores
    python -m experiments.dimension_reduction --dataset mnist --panels 2d_100 # about an hour there
    python -m experiments.dimension_reduction --preset best --panels 2d_100   # about ten minutes there
    python -m experiments.dimension_reduction --preset unlabeled              # about ten minutes there
    python -m experiments.dimension_reduction --preset paper                  # about 2 days there, for a GPU

The decoder reads one short code: a style around the head of the image's category, which is learned too; heads nearer
to each other than eta repel each other. The four panels have 2 numbers and 1000 labels, 2 and 100, 2 and none (20
clusters), 10 and 100.

Paper, test error on MNIST: 4.20, 6.08, about 13.5 and 3.90 %. Here the class is read from q(y given x); without
labels, clusters are named by the validation image that each is surest of. Beside it: the class of the nearest head,
and that of the nearest training image, in the code. Reported is the last epoch. The paper does not say how it trained
these: they descend as its semi-supervised network does; without labels the encoder is normalized as in clustering.

The preset best, for the panels with labels, adds what the paper does not have: an image and another view of it are to
be of one category, and the encoder is normalized, as in `experiments.semi_supervised`. Heads start, and repel each
other, from twice the distance; and reconstruction is ten times slower, so that categories come first. At the rate of
the others, where an image is best decoded decides of which category it is. The preset unlabeled is for the panel
without labels: views of images that are alike, and of all clusters in each batch, as `experiments.clustering` has them
in its preset best, and a reconstruction that is slower still.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np

from aae_jax import ModelConfig, models
from aae_jax.checks import check_count, check_number
from aae_jax.data import Dataset, labeled_subset
from aae_jax.evaluation import error_rate, head_rule, nearest_label
from experiments import command_line, judging, reports, training
from experiments.category_options import ALIKE, ClassificationOptions
from experiments.options import check_clusters, check_labels, check_selection

PANELS = {"2d_1000": (2, 1000), "2d_100": (2, 100), "2d_unsupervised": (2, 0), "10d_100": (10, 100)}
"""Numbers of the code, and labels."""
RULES = {"category": "q(y given x)", "nearest_head": "the nearest head", "nearest_neighbor": "the nearest image"}


@dataclasses.dataclass(frozen=True)
class Config(ClassificationOptions):
    """Options of the command."""

    JUDGING: ClassVar[tuple[str, ...]] = ("panels",)
    OF_SOME: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {
        "clusters": ("panels", ("2d_unsupervised",)),
        "classification_rate": ("panels", tuple(panel for panel, (_, labels) in PANELS.items() if labels)),
    }

    preset: Literal["laptop", "smoke", "best", "unlabeled", "paper"] = "laptop"
    """Gives the defaults of the others: minutes on two CPU cores (on all of MNIST up to an hour a panel), seconds, our
    best for MNIST with labels or without, or the paper's settings as far as they are known."""
    out: Path = Path("runs/dimension_reduction")
    """The run folder."""
    epochs: int = 75
    """Passes over the training images."""
    drops: tuple[int, ...] = (60,)
    """Epochs after which learning rates are divided by ten, if it comes to that: all, or, by --constant-view-rate, all
    but that of views."""
    panels: tuple[Literal["2d_1000", "2d_100", "2d_unsupervised", "10d_100"], ...] = tuple(PANELS)
    """Which panels of the figure to train: numbers of the code, and labels."""
    clusters: int = 20
    """Categories where there are no labels."""
    batch_norm: Literal["none", "encoder", "autoencoder"] = "none"
    """Normalize over the batch: nothing, all layers of the encoder, or all of encoder and decoder. Without labels the
    encoder always is."""
    eta: float = 4.0
    """The distance below which cluster heads repel each other; they start about that far apart."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_selection("panels", self.panels)
        check_count("clusters", self.clusters, 2)
        check_number("eta", self.eta, "a distance above 0", above=0)

    def normalizes(self) -> bool:
        """Whether any network is normalized over the batch."""
        return super().normalizes() or "2d_unsupervised" in self.panels

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        check_labels(dataset, "dimension_reduction")
        if "2d_unsupervised" in self.panels:
            check_clusters(dataset, self.clusters)
        _jobs(self, dataset)


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(
            epochs=1,
            drops=(),
            width=16,
            panels=("2d_100", "2d_unsupervised"),
            view_amount=1.0,
            view_neighbors=3,
            view_balance=0.5,
            out=Path("runs/dimension_reduction_smoke"),
        ),
        "best": Config(
            dataset="mnist",
            out=Path("runs/dimension_reduction_best"),
            epochs=40,
            drops=(33,),
            panels=("2d_1000", "2d_100", "10d_100"),
            width=400,
            reconstruction_rate=0.001,
            view_amount=1.0,
            view_cutout=10,
            view_rate=0.1,
            batch_norm="encoder",
            eta=8.0,
        ),
        "unlabeled": Config(
            dataset="mnist",
            out=Path("runs/dimension_reduction_unlabeled"),
            epochs=20,
            drops=(16,),
            panels=("2d_unsupervised",),
            reconstruction_rate=0.0003,
            noise_std=0.0,
            dropout=0.2,
            eta=5.0,
            **ALIKE,
        ),
        "paper": Config(dataset="mnist", epochs=1500, drops=(50, 1000), out=Path("runs/dimension_reduction_paper")),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, evaluates, draws; returns the metrics."""
    dataset = config.load()
    metrics = reports.run_seeds("dimension_reduction", config, dataset, _train, _judge)
    lines = {
        f"{panel}/{rule}/error": f"{panel}, test error by {RULES[rule]}" for panel in config.panels for rule in RULES
    }
    reports.print_metrics(metrics, lines)
    draw(config.out, config.panels)
    reports.print_files(config.out)
    return metrics


def _jobs(config: Config, dataset: Dataset) -> dict[str, tuple[ModelConfig, np.ndarray | None]]:
    """The model of each panel, and the labeled images of each seed, if any."""
    jobs, label = {}, dataset.train.label
    for panel in config.panels:
        size, num_labels = PANELS[panel]
        options = {"code_size": size, "eta": config.eta, "num_clusters": 0 if num_labels else config.clusters}
        variant = "semi_supervised_dimension_reduction_aae" if num_labels else "dimension_reduction_aae"
        seeds = range(config.seed, config.seed + config.seeds)
        labeled = np.stack([labeled_subset(label, num_labels, seed) for seed in seeds]) if num_labels else None
        if not num_labels:
            # As in clustering, where the paper calls it crucial.
            options["encoder_batch_norm"] = "all"
        jobs[panel] = config.model_config(variant, dataset, **options), labeled
    return jobs


def _train(config: Config, dataset: Dataset) -> dict[str, list[training.Trained | None]]:
    neighbors = config.similar_images(dataset)

    def of_panel(panel: str, model_config: ModelConfig, labeled: np.ndarray | None) -> list[training.Trained | None]:
        scores = training.validation_cluster_error if labeled is None else training.validation_error
        options = {"labeled": labeled, "neighbors": neighbors, "scores": scores}
        return training.train_model("dimension_reduction", config, model_config, dataset, panel, **options)

    return {panel: of_panel(panel, *job) for panel, job in _jobs(config, dataset).items()}


def _judge(
    config: Config, dataset: Dataset, index: int, trained: dict[str, training.Trained]
) -> tuple[reports.Metrics, reports.Evidence]:
    """The panels of one seed: test errors, the predictions that they are counted from, and codes to draw."""
    evidence = {"label": dataset.test.label.astype(np.int16)}
    for panel, (model, params) in trained.items():
        size, num_labels = PANELS[panel]
        codes = {name: judging.encoded(model, params, rows) for name, rows in judging.splits(dataset).items()}
        places = {name: np.asarray(models.representation(model, params, of_split)) for name, of_split in codes.items()}
        names = np.arange(dataset.num_classes)
        if not num_labels:
            names = np.asarray(head_rule(codes["validation"]["category"], dataset.validation.label))
        heads = {"style": jnp.zeros((len(names), size)), "category": jnp.eye(len(names))}
        places["heads"] = np.asarray(models.representation(model, params, heads))
        predictions = {
            "category": names[codes["test"]["category"].argmax(-1)],
            "nearest_head": nearest_label(places["heads"], names, places["test"]),
            "nearest_neighbor": nearest_label(places["train"], dataset.train.label, places["test"]),
        }
        evidence |= {f"{panel}/{rule}": prediction.astype(np.int16) for rule, prediction in predictions.items()}
        evidence |= {f"{panel}/codes": places["test"].astype(np.float16), f"{panel}/heads": places["heads"]}
    return measure(evidence), evidence


def measure(evidence: reports.Evidence) -> reports.Metrics:
    """The numbers of `final.json`, from the arrays of its evidence."""
    return {
        f"{name}/error": error_rate(prediction, evidence["label"])
        for name, prediction in evidence.items()
        if name.split("/")[-1] in RULES
    }


def draw(folder: Path, panels: Sequence[str]) -> None:
    """Draws the figures of a finished run: test codes with their heads, and errors against epochs.

    Args:
        folder: of the run.
        panels: that it has.
    """
    from experiments import figures

    first = reports.first_seed(folder)
    figure, axes = figures.grid_of((1, len(panels)), size=4)
    with np.load(folder / f"evidence_{first}.npz", allow_pickle=False) as evidence:
        for axis, panel in zip(axes[0], panels, strict=True):
            codes, heads = evidence[f"{panel}/codes"].astype(float), evidence[f"{panel}/heads"]
            title = f"test codes, {panel.replace('_', ', ')}"
            figures.heads_panel(axis, codes, evidence["label"], heads, title)
    figures.save_figure(figure, folder / "codes.png")
    curves = {panel: ("validation/error", f"{panel}, error on validation images") for panel in panels}
    figures.seed_curves(folder, curves, folder / "errors.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
