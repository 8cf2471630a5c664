"""Clusters without a label: the AAE whose categories nobody names (the paper's Fig. 9 and Table 3).

    python -m experiments.clustering                                          # about 2 minutes on two CPU cores
    python -m experiments.clustering --dataset mnist --seeds 3                # about 15 minutes a seed there
    python -m experiments.clustering --clusters 30 --preset best              # about 10 minutes there
    python -m experiments.clustering --clusters 30 --preset paper             # about 3 days there, for a GPU

The semi-supervised network without its classification phase: an encoder splits each image into one of K categories and
a short style. Labels are used only to judge. By the paper's rule, the validation image that a cluster is surest of
gives its label to the whole cluster; majority vote and the best one-to-one matching stand beside it.

Paper, test error on MNIST: 9.55 ± 2.05 % with 16 clusters, 4.10 ± 1.13 % with 30. Reported is the last epoch.

The preset laptop has the paper's settings at a third of its width, with the drop of the rates at epoch 22 of 30 where
the paper has it at 50 of 1500. Batch norm in the encoder and input dropout are the paper's too; whether it normalizes
the heads is not certain: here it does. The preset best adds what the paper does not have: an image and another one
that is like it, turned, slanted, stretched and moved a little, are to be of one cluster, and the views of each batch
of all clusters. Which images are alike is found without labels before training: walks lead from an image to one of
those nearest to it when all are set upright, from that to one of its nearest, and so on; every other view is of the
image itself.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import configs
from aae_jax.checks import check_count
from aae_jax.data import Dataset
from aae_jax.evaluation import error_rate, head_examples, hungarian_error, majority_vote_error
from experiments import command_line, judging, reports, training
from experiments.category_options import ALIKE, CategoryOptions
from experiments.options import check_clusters

AAE = "clustering_aae"


@dataclasses.dataclass(frozen=True)
class Config(CategoryOptions):
    """Options of the command."""

    preset: Literal["laptop", "smoke", "best", "paper"] = "laptop"
    """Gives the defaults of the others: minutes on two CPU cores, seconds, our best for MNIST, or the paper's own
    settings."""
    out: Path = Path("runs/clustering")
    """The run folder."""
    epochs: int = 30
    """Passes over the training images."""
    drops: tuple[int, ...] = (22,)
    """Epochs after which learning rates are divided by ten, if it comes to that: all, or, by --constant-view-rate, all
    but that of views."""
    clusters: int = 16
    """Categories, at least as many as the data have classes."""
    style_size: int = 5
    """Numbers of the style."""
    noise_std: float = 0.0
    """Of the Gaussian noise that is added to the networks' inputs while training."""
    dropout: float = 0.2
    """Fraction of the networks' inputs that is set to zero while training, after the noise."""
    batch_norm: Literal["none", "encoder", "autoencoder"] = "encoder"
    """Normalize over the batch: nothing, all layers of the encoder, or all of encoder and decoder."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_count("clusters", self.clusters, 2)
        check_count("style_size", self.style_size)

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        check_clusters(dataset, self.clusters)
        _model_config(self, dataset)


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(epochs=1, drops=(), width=16, smoothness_radius=1.0, out=Path("runs/clustering_smoke")),
        "best": Config(
            dataset="mnist",
            out=Path("runs/clustering_best"),
            epochs=20,
            drops=(16,),
            **ALIKE,
        ),
        "paper": Config(dataset="mnist", epochs=1500, drops=(50,), width=3000, out=Path("runs/clustering_paper")),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, evaluates, draws; returns the metrics."""
    dataset = config.load()
    metrics = reports.run_seeds("clustering", config, dataset, _train, _judge)
    reports.print_metrics(
        metrics,
        {
            "head_rule/error": "test error, clusters labeled by the paper's rule",
            "majority_vote/error": "by majority vote",
            "hungarian/error": "by the best one-to-one matching",
            "num_used": f"of {config.clusters} clusters hold test images",
        },
    )
    draw(config, dataset)
    reports.print_files(config.out)
    return metrics


def _model_config(config: Config, dataset: Dataset) -> configs.ModelConfig:
    sizes = {"code_size": config.style_size, "num_clusters": config.clusters}
    return config.model_config(AAE, dataset, **sizes)


def _train(config: Config, dataset: Dataset) -> dict[str, list[training.Trained | None]]:
    scores = training.validation_cluster_error if dataset.num_classes else None
    options = {"neighbors": config.similar_images(dataset), "scores": scores}
    return {AAE: training.train_model("clustering", config, _model_config(config, dataset), dataset, AAE, **options)}


def _judge(
    config: Config, dataset: Dataset, index: int, trained: dict[str, training.Trained]
) -> tuple[reports.Metrics, reports.Evidence]:
    """One seed: the errors, and the clusters that they are counted from."""
    model, params = trained[AAE]
    probabilities = judging.encoded(model, params, dataset.validation)["category"]
    evidence = {
        "head": np.asarray(head_examples(probabilities, dataset.validation.label), np.int32),
        "validation_cluster": probabilities.argmax(-1).astype(np.int16),
        "validation_label": dataset.validation.label.astype(np.int16),
        "cluster": judging.encoded(model, params, dataset.test)["category"].argmax(-1).astype(np.int16),
        "label": dataset.test.label.astype(np.int16),
    }
    return measure(evidence), evidence


def measure(evidence: reports.Evidence) -> reports.Metrics:
    """The numbers of `final.json`, from the arrays of its evidence; of data without labels, only how many are used."""
    cluster, label, validation_label = evidence["cluster"], evidence["label"], evidence["validation_label"]
    metrics = {"num_used": float(len(np.unique(cluster)))}
    if (label >= 0).any() and (validation_label >= 0).any():
        metrics |= {
            "head_rule/error": error_rate(validation_label[evidence["head"]][cluster], label),
            "majority_vote/error": majority_vote_error(
                evidence["validation_cluster"], validation_label, cluster, label
            ),
            "hungarian/error": hungarian_error(cluster, label),
        }
    return metrics


def draw(config: Config, dataset: Dataset) -> None:
    """Draws the figures of a finished run: errors against epochs, and a row for each cluster, its head first.

    Args:
        config: of the run.
        dataset: that it learned from.
    """
    from experiments import figures

    folder, first = config.out, reports.first_seed(config.out)
    panels = {AAE: ("validation/error", "error on validation images")}
    figures.seed_curves(folder, panels, folder / "errors.png")
    with np.load(folder / f"evidence_{first}.npz", allow_pickle=False) as evidence:
        cluster = evidence["cluster"]
    model, params, _ = configs.load(folder / f"seed_{first}" / AAE)
    assert model.decode is not None
    count = config.clusters
    codes = {"style": jnp.zeros((count, config.style_size)), "category": jnp.eye(count)}
    heads = np.asarray(jax.jit(model.decode)(params, codes, jnp.full(count, -1)))
    members = [np.flatnonzero(cluster == index)[:15] for index in range(count)]
    images = judging.pictures(dataset.test, dataset)
    rows = np.zeros((count, 16, *dataset.image_shape), images.dtype)
    for row, head, indices in zip(rows, heads, members, strict=True):
        row[0], row[1 : 1 + len(indices)] = head, images[indices]
    figures.sheet_figure(rows, "each row a cluster: its head, then test images in it", folder / "clusters.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
