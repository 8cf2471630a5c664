"""Classes from a hundred labels: the semi-supervised AAE beside the plain network (the paper's Fig. 8 and Table 2).

    python -m experiments.semi_supervised                                     # about 3 minutes on two CPU cores
    python -m experiments.semi_supervised --dataset mnist --seeds 3           # up to an hour a seed there
    python -m experiments.semi_supervised --preset best                       # about half an hour there
    python -m experiments.semi_supervised --labels 1000 --preset paper        # about 2 days there, for a GPU
    python -m experiments.semi_supervised --preset svhn                       # about 8 days there, for a GPU

An encoder splits each image into a category and a style. A discriminator for each of the two presses them to their
priors on all images, and a third phase tells the encoder the classes of the few that are labeled. Every seed draws its
own labeled images, balanced over the classes. The plain network learns from the labeled images alone.

Paper, test error on MNIST: 1.90 ± 0.10 % with 100 labels, 1.60 ± 0.08 % with 1000, 0.85 ± 0.02 % with all; the plain
network 25.80, 8.73 and 1.25 %. On SVHN with 1000 labels 17.70 ± 0.30 %. Reported is the last epoch.

The preset laptop has the paper's settings, but for one late drop of the rates in 75 epochs, not two in 5000. The
preset best adds what the paper does not have: an image and another view of it, turned, slanted, stretched and moved
at random, with a square of it set to zero, are to be of one category, of the known one where the image is labeled; and
an encoder that is normalized over the batch.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aae_jax import configs
from aae_jax.checks import check_count
from aae_jax.data import Dataset, labeled_subset
from aae_jax.evaluation import error_rate
from experiments import command_line, judging, reports, training
from experiments.category_options import PLAINLY, ClassificationOptions
from experiments.options import check_labels

AAE, PLAIN = "semi_supervised_aae", "plain_network"


@dataclasses.dataclass(frozen=True)
class Config(ClassificationOptions):
    """Options of the command."""

    preset: Literal["laptop", "smoke", "best", "paper", "svhn"] = "laptop"
    """Gives the defaults of the others: minutes to half an hour on two CPU cores, seconds, our best for MNIST, the
    paper's settings for MNIST, or those for SVHN."""
    out: Path = Path("runs/semi_supervised")
    """The run folder."""
    epochs: int = 75
    """Passes over the training images, labeled or not."""
    drops: tuple[int, ...] = (60,)
    """Epochs after which learning rates are divided by ten, if it comes to that: all, or, by --constant-view-rate, all
    but that of views."""
    labels: int = 100
    """Training images whose class may be used, 0 for all."""
    style_size: int = 10
    """Numbers of the style."""
    plain_epochs: int = 20
    """Of the plain network, each of as many steps as one of the semi-supervised."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_count("plain_epochs", self.plain_epochs)
        check_count("style_size", self.style_size)
        check_count("labels", self.labels, 0, ", or 0 for all")

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        check_labels(dataset, "semi_supervised")
        if 0 < self.labels < dataset.num_classes:
            raise ValueError(
                f"labels is {self.labels}; expected at least {dataset.num_classes}, one of each class, or 0 for all."
            )
        _labeled(self, dataset)
        self.model_config(AAE, dataset)


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(
            epochs=1,
            drops=(),
            plain_epochs=1,
            width=16,
            view_amount=1.0,
            view_cutout=2,
            out=Path("runs/semi_supervised_smoke"),
        ),
        "best": Config(
            dataset="mnist",
            out=Path("runs/semi_supervised_best"),
            epochs=120,
            drops=(100,),
            width=400,
            view_amount=1.0,
            view_cutout=10,
            view_rate=0.1,
            batch_norm="encoder",
        ),
        "paper": Config(dataset="mnist", epochs=5000, drops=(50, 1000), out=Path("runs/semi_supervised_paper")),
        "svhn": Config(
            dataset="svhn_cropped",
            out=Path("runs/semi_supervised_svhn"),
            epochs=1000,
            drops=(250,),
            labels=1000,
            style_size=20,
            width=4000,
            reconstruction_rate=1e-4,
            game_rate=0.01,
            noise_std=0.0,
            dropout=0.2,
            standardize=True,
            batch_norm="autoencoder",
        ),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, evaluates, draws; returns the metrics."""
    dataset = config.load()
    metrics = reports.run_seeds("semi_supervised", config, dataset, _train, _judge)
    reports.print_metrics(
        metrics,
        {
            f"{AAE}/test/error": "test error of the semi-supervised AAE",
            f"{PLAIN}/test/error": "test error of the plain network",
        },
    )
    draw(config.out)
    reports.print_files(config.out)
    return metrics


def _labeled(config: Config, dataset: Dataset) -> np.ndarray:
    """`[S, L]`, the training images whose class each seed may use."""
    label = dataset.train.label
    num_labels = config.labels or int((label >= 0).sum())
    return np.stack([labeled_subset(label, num_labels, config.seed + index) for index in range(config.seeds)])


def _train(config: Config, dataset: Dataset) -> dict[str, list[Any]]:
    labeled = _labeled(config, dataset)
    return {
        name: training.train_model(
            "semi_supervised",
            config,
            of_model.model_config(variant, dataset, **options),
            dataset,
            name,
            epochs=epochs,
            labeled=labeled,
            neighbors=of_model.similar_images(dataset),
            scores=training.validation_error,
        )
        for name, variant, of_model, options, epochs in (
            (AAE, AAE, config, {"code_size": config.style_size}, config.epochs),
            (PLAIN, "classifier", dataclasses.replace(config, **PLAINLY), {}, config.plain_epochs),
        )
    }


def _judge(
    config: Config, dataset: Dataset, index: int, trained: dict[str, training.Trained]
) -> tuple[reports.Metrics, reports.Evidence]:
    """Both networks of one seed: test errors, and the predictions that they are counted from."""
    labeled = _labeled(config, dataset)[index]
    evidence = {"label": dataset.test.label.astype(np.int16), "labeled": labeled.astype(np.int32)}
    metrics = {}
    for name, (model, params) in trained.items():
        found = {
            split: judging.encoded(model, params, judging.splits(dataset)[split])["category"].argmax(-1)
            for split in ("validation", "test")
        }
        metrics[f"{name}/validation/error"] = error_rate(found["validation"], dataset.validation.label)
        evidence[name] = found["test"].astype(np.int16)
    return metrics | measure(evidence), evidence


def measure(evidence: reports.Evidence) -> reports.Metrics:
    """The test errors of `final.json`, from the arrays of its evidence."""
    return {f"{name}/test/error": error_rate(evidence[name], evidence["label"]) for name in (AAE, PLAIN)}


def draw(folder: Path) -> None:
    """Draws the figures of a finished run: errors against epochs, and one style a row in every class."""
    from experiments import figures

    first = reports.first_seed(folder)
    figures.seed_curves(
        folder,
        {
            AAE: ("validation/error", "semi-supervised AAE, error on validation images"),
            PLAIN: ("validation/error", "plain network, error on validation images"),
        },
        folder / "errors.png",
    )
    model, params, config = configs.load(folder / f"seed_{first}" / AAE)
    figures.styles_and_classes(model, params, config, folder / "sheet.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
