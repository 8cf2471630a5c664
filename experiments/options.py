"""The options that all experiments share, and what follows from them."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from aae_jax import ModelConfig, Rows, TrainingConfig, corruption, data, terms
from aae_jax.checks import check_count, check_folder, check_number
from aae_jax.data import Dataset
from aae_jax.feeds import Stream
from aae_jax.types import Corruption, Precision
from experiments import optimizers
from experiments.optimizers import OptimizersOf

__all__ = [
    "APART",
    "GAME",
    "Options",
    "PaperOptions",
    "check_clusters",
    "check_labels",
    "check_refinement",
    "check_selection",
]

GAME = ("discriminator", "generator")
"""The phases of the game, which have one rate."""
APART = (
    *("data_dir", "manual_dir", "out", "resume", "checkpoint_epochs", "devices", "stream"),
    *("coordinator", "processes", "process"),
)
"""Options of where and how a run is done, which its numbers do not depend on."""
_ELSEWHERE = (*APART, "preset", "dataset", "seed", "seeds", "epochs", "batch_size", "width", "precision")
"""Beside them those that a run's config holds under other names."""


def check_clusters(dataset: Dataset, clusters: int) -> None:
    """Checks that there are clusters enough for each to be of one class.

    Args:
        dataset: what was loaded.
        clusters: how many there are to be.

    Raises:
        ValueError: if not.
    """
    if clusters < dataset.num_classes:
        raise ValueError(
            f"clusters is {clusters}, and {dataset.name} has {dataset.num_classes} classes; expected as many clusters "
            "or more, since each is counted as one class."
        )


def check_labels(dataset: Dataset, experiment: str) -> None:
    """Checks that each split has labels, of two classes or more.

    Args:
        dataset: what was loaded.
        experiment: that needs them.

    Raises:
        ValueError: if not.
    """
    if dataset.num_classes < 2:
        raise ValueError(f"{dataset.name} has {dataset.num_classes} classes; {experiment} needs labels of 2 or more.")
    for name in ("train", "validation", "test"):
        if not (getattr(dataset, name).label >= 0).any():
            raise ValueError(
                f"{dataset.name} has no label but -1 in its {name} split; {experiment} needs labels in each split."
            )


def check_refinement(refine_epochs: int, epochs: int) -> None:
    """Checks that something is trained before it is refined.

    Args:
        refine_epochs: how many of all epochs refine, the last ones.
        epochs: how many there are.

    Raises:
        ValueError: if not.
    """
    check_count("refine_epochs", refine_epochs, 0)
    if refine_epochs >= epochs:
        raise ValueError(f"refine_epochs is {refine_epochs}; expected fewer than the {epochs} epochs.")


def check_selection(name: str, chosen: Sequence[str]) -> None:
    """Checks that an option names one thing or more, each once.

    Args:
        name: of the option.
        chosen: its value.

    Raises:
        ValueError: if not.
    """
    if not chosen or len({*chosen}) < len(chosen):
        raise ValueError(f"{name} is {tuple(chosen)}; expected one or more, each once.")


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a command."""

    JUDGING: ClassVar[tuple[str, ...]] = ()
    """Options that no training depends on: a finished run can be judged anew with others."""
    NEEDS: ClassVar[Mapping[str, str]] = {}
    """Options of something that another option, where it is 0 or empty, leaves out."""
    OF_SOME: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {}
    """Options of some of the things that another option chooses from: the name of that one, and which these are."""

    preset: Literal["laptop", "smoke", "paper"] = "laptop"
    """Gives the defaults of the others: minutes to an hour on two CPU cores, seconds, or the paper's as far as they
    are known."""
    dataset: str = "mnist5k"
    """mnist5k (no download), mnist, fashion_mnist, another TFDS image set, or the path of an .npz or .npy file."""
    data_dir: str | None = None
    """Where tensorflow-datasets keeps its data."""
    manual_dir: str | None = None
    """A folder with the data set's original files, if they need not be downloaded."""
    out: Path = Path("runs/experiment")
    """The run folder."""
    resume: bool = False
    """Go on with the run in the folder; start one if there is none."""
    seed: int = 0
    """Of weights, order, noise and the choice of labeled images; the first one of several."""
    seeds: int = 1
    """How many seeds to train, together as one program; numbers are then means with standard deviations."""
    epochs: int = 60
    """Passes over the training images."""
    batch_size: int = 100
    """Images per step, over all devices together."""
    checkpoint_epochs: int = 5
    """Epochs between two checkpoints."""
    coordinator: str | None = None
    """HOST:PORT of the first of several processes that train together, each started by the same command but for its
    number; or auto, where SLURM or a TPU pod numbers them. Only the first one writes. When one fails or dies the
    others end within a minute, by an error of JAX's; --resume goes on."""
    processes: int | None = None
    """How many such processes there are."""
    process: int | None = None
    """Which of them this one is, from 0."""
    devices: int | None = None
    """Devices that share the seeds, if there are as many, else each batch; by default as many as divide them."""
    width: int = 400
    """Of the two hidden layers of every network."""
    noise_std: float = 0.3
    """Of the Gaussian noise that is added to the networks' inputs while training."""

    stream: Stream = "auto"
    """Whether training images go to the device in parts rather than all at once: auto does so from 2 GiB on."""
    precision: Precision = "float32"
    """Of the networks' products: tensorfloat32 is what GPUs do when nobody asks, faster and less exact; on CPUs it is
    float32. Parameters, optimizers and losses are float32 whatever it is."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded.

        Raises:
            ValueError: for an option out of range.
        """
        for name in ("seeds", "width"):
            check_count(name, getattr(self, name))
        if self.devices is not None:
            check_count("devices", self.devices, expected=", or none for as many as divide the work")
        check_number("noise_std", self.noise_std, "a number ≥ 0", least=0)
        check_folder("out", self.out)
        self.training(self.all_seeds())
        self.corruption()

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained or written.

        Args:
            dataset: what was loaded.

        Raises:
            ValueError: if the data do not go with the options.
        """
        terms.check(Rows(dataset.train.image, dataset.train.label), self.training(self.all_seeds()))
        if len(dataset.validation.image) < 2:
            raise ValueError(
                f"{dataset.name}: the validation split has {len(dataset.validation.image)} examples; expected 2 or "
                "more, to judge games on."
            )

    def load(self) -> Dataset:
        """The data set, checked to go with the options, after these are checked."""
        self.check()
        dataset = data.load(self.dataset, data_dir=self.data_dir, manual_dir=self.manual_dir)
        self.check_dataset(dataset)
        return dataset

    def all_seeds(self) -> int | tuple[int, ...]:
        """The seed, or where there are several all of them."""
        return tuple(self.seed + index for index in range(self.seeds)) if self.seeds > 1 else self.seed

    def training(self, seed: int | tuple[int, ...], epochs: int | None = None) -> TrainingConfig:
        """How long and on what terms one model is trained.

        Args:
            seed: of this model, or several.
            epochs: instead of the command's own.
        """
        return TrainingConfig(
            epochs=self.epochs if epochs is None else epochs,
            batch_size=self.batch_size,
            seed=seed,
            checkpoint_epochs=self.checkpoint_epochs,
            num_devices=self.devices,
            stream=self.stream,
        )

    def settings(self) -> dict[str, Any]:
        """What training depends on beside model and terms: the other options."""
        elsewhere = (*_ELSEWHERE, *self.JUDGING)
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in elsewhere}

    def corruption(self) -> Corruption:
        """The noisy view that networks are trained on."""
        return corruption.gaussian_noise(self.noise_std)

    def optimizers(self) -> OptimizersOf:
        """Adam."""
        return optimizers.adam()

    def ending_in(self, refinement: OptimizersOf, refine_epochs: int) -> OptimizersOf:
        """`optimizers`, and in the last `refine_epochs` those of a refinement, if there are any."""
        if not refine_epochs:
            return self.optimizers()
        return optimizers.followed(self.optimizers(), refinement, epoch=self.epochs - refine_epochs)

    def model_config(self, variant: Any, dataset: Dataset, **options: Any) -> ModelConfig:
        """A model for a data set, by default with He's initial weights and Bernoulli pixels.

        Args:
            variant: of `ModelConfig`.
            dataset: decides shapes, classes, and the likelihood of standardized data.
            **options: further fields of `ModelConfig`.
        """
        fields: dict[str, Any] = {"hidden_sizes": (self.width, self.width), "weight_std": None, **options}
        fields |= {"image_shape": dataset.image_shape, "num_classes": dataset.num_classes, "precision": self.precision}
        if dataset.shift is not None and dataset.scale is not None:
            shift, scale = (tuple(float(number) for number in column) for column in (dataset.shift, dataset.scale))
            fields |= {"likelihood": "gaussian", "shift": shift, "scale": scale}
        return ModelConfig(variant, **fields)


@dataclasses.dataclass(frozen=True)
class PaperOptions(Options):
    """Options of the experiments that train as the paper does: by stochastic gradient descent in steps."""

    width: int = 1000
    """Of the two hidden layers of every network."""
    drops: tuple[int, ...] = ()
    """Epochs after which all learning rates are divided by ten, if it comes to that."""
    reconstruction_rate: float = 0.01
    """First learning rate of the reconstruction phase; momentum 0.9."""
    game_rate: float = 0.1
    """First learning rate of the discriminator and generator phases; momentum 0.1."""
    dropout: float = 0.0
    """Fraction of the networks' inputs that is set to zero while training, after the noise."""
    standardize: bool = False
    """Learn from standardized pixels, with a linear decoder, as the paper does on SVHN and TFD."""
    batch_norm: Literal["none", "encoder", "autoencoder"] = "none"
    """Normalize over the batch: nothing, all layers of the encoder, or all of encoder and decoder."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        self.optimizers()
        if self.normalizes() and self.batch_size < 2:
            raise ValueError(
                f"Networks are normalized over the batch, and batch_size is {self.batch_size}; expected 2 or more: "
                "one row is its own mean."
            )

    def normalizes(self) -> bool:
        """Whether any network is normalized over the batch."""
        return self.batch_norm != "none"

    def load(self) -> Dataset:
        """The data set, checked to fill a batch, standardized where that is wanted."""
        dataset = super().load()
        return data.standardized(dataset) if self.standardize else dataset

    def corruption(self) -> Corruption:
        """The noisy view that networks are trained on."""
        return corruption.chain(super().corruption(), corruption.dropout(self.dropout))

    def rates(self) -> dict[str, float]:
        """The first learning rates by phase."""
        return {**dict.fromkeys(GAME, self.game_rate), "reconstruction": self.reconstruction_rate}

    def optimizers(self) -> OptimizersOf:
        """Stochastic gradient descent with the paper's momenta, its rates falling at `drops`."""
        return optimizers.sgd(self.rates(), drops=self.drops)

    def model_config(self, variant: Any, dataset: Dataset, **options: Any) -> ModelConfig:
        """A model of the paper's networks for a data set; see `Options`."""
        of_paper = {
            "weight_std": 0.01,
            "likelihood": "half_squared_error",
            "encoder_batch_norm": "none" if self.batch_norm == "none" else "all",
            "decoder_batch_norm": "all" if self.batch_norm == "autoencoder" else "none",
        }
        return super().model_config(variant, dataset, **{**of_paper, **options})
