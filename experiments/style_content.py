"""What is left of an image when its class is known: the AAE whose decoder is told the label (the paper's Figs. 6, 7).

    python -m experiments.style_content                                       # about 2 minutes on two CPU cores
    python -m experiments.style_content --dataset mnist                       # about 10 minutes there
    python -m experiments.style_content --discriminator-sees-class            # samples that show their class
    python -m experiments.style_content --preset paper                        # about 5 hours there

The decoder reads a style and a one-hot label; the game is to keep the class out of the style. Then any style can be
drawn in any class. In the paper's game the styles of all classes together fill the prior, which lets each class keep a
part of it to itself; a discriminator that is told the class sees that. RESULTS.md has both.

Paper: pictures, no numbers. Here: how often a classifier of real images sees the class that was asked for in samples,
and how often the nearest training style tells the class of a test image (chance, where the style is free of it).
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aae_jax import configs, derive, row_keys
from aae_jax.checks import check_count
from aae_jax.data import Dataset
from aae_jax.evaluation import error_rate, nearest_label
from experiments import command_line, judging, reports, training
from experiments.options import PaperOptions, check_labels

AAE = "supervised_aae"


@dataclasses.dataclass(frozen=True)
class Config(PaperOptions):
    """Options of the command."""

    out: Path = Path("runs/style_content")
    """The run folder."""
    epochs: int = 30
    """Passes over the training images."""
    drops: tuple[int, ...] = (25,)
    """Epochs after which all learning rates are divided by ten, if it comes to that."""
    style_size: int = 15
    """Numbers of the style."""
    discriminator_sees_class: bool = False
    """Tell the discriminator the class too, so that the styles of each class are to fill the whole prior. Not the
    paper's."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_count("style_size", self.style_size)

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        check_labels(dataset, "style_content")


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(epochs=1, drops=(), width=16, out=Path("runs/style_content_smoke")),
        "paper": Config(dataset="mnist", epochs=1000, drops=(50, 800), out=Path("runs/style_content_paper")),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, evaluates, draws; returns the metrics."""
    dataset = config.load()
    metrics = reports.run_seeds("style_content", config, dataset, _train, _judge)
    reports.print_metrics(
        metrics,
        {
            "samples/error": "samples in which a classifier sees another class than asked",
            "real/error": "the same classifier's error on test images",
            "style/error": "error of the class that the nearest training style tells",
            "nll": "nll of test images",
        },
    )
    draw(config.out)
    reports.print_files(config.out)
    return metrics


def _train(config: Config, dataset: Dataset) -> dict[str, list[Any]]:
    variant = "label_conditioned_supervised_aae" if config.discriminator_sees_class else AAE
    model_config = config.model_config(variant, dataset, code_size=config.style_size)
    return {
        AAE: training.train_model("style_content", config, model_config, dataset, AAE),
        **judging.train_judge("style_content", config, dataset),
    }


def _judge(
    config: Config, dataset: Dataset, index: int, trained: dict[str, training.Trained]
) -> tuple[reports.Metrics, reports.Evidence]:
    """One seed: its measures, and the classes that they are counted from."""
    (model, params), judge = trained[AAE], trained["classifier"]
    assert model.sample is not None and model.nll is not None, "it has a decoder"
    seed = config.seed + index
    test, key = training.held_out(dataset.test), derive(jax.random.key(seed), "samples")
    samples = jax.jit(model.sample)(params, row_keys(key, 0, len(test.label)), test.label)
    styles = {name: judging.encoded(model, params, split) for name, split in judging.splits(dataset).items()}
    evidence = {
        "label": np.asarray(test.label, np.int16),
        "samples": judging.class_probabilities(judge, samples).argmax(-1).astype(np.int16),
        "real": judging.class_probabilities(judge, test.image).argmax(-1).astype(np.int16),
        "style": nearest_label(styles["train"]["style"], dataset.train.label, styles["test"]["style"]).astype(
            np.int16
        ),
    }
    nll = judging.mean_nll(model, params, styles["test"], test)
    return {**measure(evidence), "nll": nll}, evidence


def measure(evidence: reports.Evidence) -> reports.Metrics:
    """Errors of `final.json`, from the arrays of the evidence."""
    return {f"{name}/error": error_rate(evidence[name], evidence["label"]) for name in ("samples", "real", "style")}


def draw(folder: Path) -> None:
    """Draws the figures of a finished run: the curve, and a style in each row, a class in each column."""
    from experiments import figures

    first = reports.first_seed(folder)
    figures.seed_curves(folder, {AAE: ("validation/nll", "nll of validation images")}, folder / "curves.png")
    model, params, config = configs.load(folder / f"seed_{first}" / AAE)
    figures.styles_and_classes(model, params, config, folder / "sheet.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
