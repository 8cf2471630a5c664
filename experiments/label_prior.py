"""Each class in its own part of the prior: the AAE whose discriminator is told labels (the paper's Figs. 3 and 4).

    python -m experiments.label_prior                                         # about 3 minutes on two CPU cores
    python -m experiments.label_prior --dataset mnist                         # about 20 minutes there
    python -m experiments.label_prior --preset best                           # about 20 minutes there
    python -m experiments.label_prior --preset paper                          # about 6 hours there

A fifth of the training images has labels, in the paper 10,000 of 50,000; the others are "unlabeled", a class of its
own to the discriminator. Labeled images are to fill their class's component of a mixture, or its part of a swiss roll,
the unlabeled ones the whole.

Paper: pictures, no numbers. Here: the fraction of test codes that lie in another class's part, by the largest
responsibility in the mixture, by the nearest point of the roll; and how well the codes fill the prior. The preset best
adds what the paper does not have: the encoder learns from images that are turned, slanted, stretched and moved at
random, of which the decoder makes the images as they were; and the discriminator sees the roll and its codes through
noise, without which it tells them apart at once.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import configs, corruption, derive, priors, row_keys
from aae_jax.checks import check_number
from aae_jax.data import Dataset, Split, labeled_subset
from aae_jax.evaluation import error_rate, nearest_label, num_cells_for, prior_match
from aae_jax.types import Corruption, Prior
from experiments import command_line, judging, reports, training
from experiments.optimizers import OptimizersOf, adam
from experiments.options import Options, check_labels, check_selection


@dataclasses.dataclass(frozen=True)
class Config(Options):
    """Options of the command."""

    JUDGING: ClassVar[tuple[str, ...]] = ("priors",)
    OF_SOME: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {"roll_noise_std": ("priors", ("swiss_roll",))}

    preset: Literal["laptop", "smoke", "best", "paper"] = "laptop"
    """Gives the defaults of the others: minutes to half an hour on two CPU cores, seconds, our best for MNIST, or the
    paper's settings as far as they are known."""
    out: Path = Path("runs/label_prior")
    """The run folder."""
    priors: tuple[Literal["gaussian_mixture", "swiss_roll"], ...] = ("gaussian_mixture", "swiss_roll")
    """Which priors to train for."""
    labeled_fraction: float = 0.2
    """Fraction of the training images whose class may be used."""
    reconstruction_rate: float = 2e-4
    """First learning rate of the reconstruction phase, by Adam: at 1e-3 images pull their codes out of their part."""
    game_rate: float = 5e-3
    """First learning rate of the discriminator and generator phases, by Adam."""

    input_view_amount: float = 0.0
    """How much the encoder's inputs are turned, slanted and moved at random while training: 1 for up to 15 degrees, a
    quarter of their height and 2 pixels, and stretched by up to a tenth; 0 for none of it, as in the paper. What the
    decoder is to make of them is the images as they were."""
    roll_noise_std: float = 0.0
    """Of the Gaussian noise on samples of the swiss roll and on codes, as its discriminator sees them: the roll has no
    thickness of its own; 0 for none, as in the paper."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        check_selection("priors", self.priors)
        for name in ("input_view_amount", "roll_noise_std"):
            check_number(name, getattr(self, name), "a number ≥ 0", least=0)
        super().check()
        if self.labeled_fraction != 1:
            check_number("labeled_fraction", self.labeled_fraction, "a fraction in (0, 1]", above=0, below=1)
        self.optimizers()

    def optimizers(self) -> OptimizersOf:
        """Adam, with a game that outruns reconstruction."""
        rates = dict.fromkeys(("discriminator", "generator"), self.game_rate)
        return adam({"reconstruction": self.reconstruction_rate, **rates})

    def corruption(self) -> Corruption:
        """The noisy view that networks are trained on, of an image that may be moved before."""
        noise = super().corruption()
        if not self.input_view_amount:
            return noise
        return corruption.chain(corruption.view(self.input_view_amount, stretch=0.1), noise)

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        if self.input_view_amount and len(dataset.image_shape) != 3:
            raise ValueError(
                f"input_view_amount is {self.input_view_amount} and {dataset.name} a table; expected 0, or images."
            )
        check_labels(dataset, "label_prior")
        num_cells_for(len(dataset.test.image))
        _known(self, dataset)


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(
            epochs=1, width=16, input_view_amount=1.0, roll_noise_std=0.3, out=Path("runs/label_prior_smoke")
        ),
        "best": Config(
            dataset="mnist", epochs=60, input_view_amount=0.5, roll_noise_std=0.3, out=Path("runs/label_prior_best")
        ),
        "paper": Config(dataset="mnist", epochs=500, width=1000, out=Path("runs/label_prior_paper")),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, evaluates, draws; returns the metrics."""
    dataset = config.load()
    metrics = reports.run_seeds("label_prior", config, dataset, _train, _judge)
    reports.print_metrics(
        metrics,
        {
            f"{prior}/{metric}": f"{prior.replace('_', ' ')}, {words}"
            for prior in config.priors
            for metric, words in {
                "component/error": "test codes in another class's part",
                "hole_fraction": "hole fraction",
                "hole_fraction_null": "the same of fresh prior samples",
                "nll": "nll of test images, nats",
            }.items()
        },
    )
    draw(config.out, config.priors)
    reports.print_files(config.out)
    return metrics


def _known(config: Config, dataset: Dataset) -> np.ndarray:
    """`[S, N]`, what each seed knows of the training images' classes."""
    label = dataset.train.label
    known = np.full((config.seeds, len(label)), -1, np.int32)
    for index, of_seed in enumerate(known):
        labeled = labeled_subset(label, round(config.labeled_fraction * len(label)), config.seed + index)
        of_seed[labeled] = label[labeled]
    return known


def _model_config(config: Config, dataset: Dataset, prior: str) -> configs.ModelConfig:
    noise = config.roll_noise_std if prior == "swiss_roll" else 0.0
    return config.model_config("label_conditioned_aae", dataset, prior=prior, instance_noise_std=noise)


def _train(config: Config, dataset: Dataset) -> dict[str, list[Any]]:
    known, trained = _known(config, dataset), {}
    for name in config.priors:
        model_config = _model_config(config, dataset, name)
        trained[name] = training.train_model("label_prior", config, model_config, dataset, name, labels=known)
    return trained


def _judge(
    config: Config, dataset: Dataset, index: int, trained: dict[str, training.Trained]
) -> tuple[reports.Metrics, reports.Evidence]:
    """The priors of one seed: their measures, and the codes of test images."""
    key = derive(jax.random.key(config.seed + index), "evaluation of the test set")
    return judging.by_both(dataset, key, lambda split, key: _of_split(config, dataset, split, trained, key))


def _of_split(
    config: Config, dataset: Dataset, split: Split, trained: dict[str, training.Trained], key: jax.Array
) -> tuple[reports.Metrics, reports.Evidence]:
    metrics: reports.Metrics = {}
    evidence = {"label": split.label.astype(np.int16), "num_classes": np.array(dataset.num_classes)}
    batch = training.held_out(split)
    for name, (model, params) in trained.items():
        model_config = _model_config(config, dataset, name)
        prior, codes = configs.build_prior(model_config), judging.encoded(model, params, split)["style"]
        found = prior_match(derive(key, "prior match"), codes, lambda key, p=prior: p.sample(key, jnp.int32(-1)))
        found["nll"] = judging.mean_nll(model, params, {"style": codes}, batch)
        metrics |= {f"{name}/{metric}": value for metric, value in found.items()}
        evidence[name] = codes
    return metrics | measure(evidence), evidence


def measure(evidence: reports.Evidence) -> reports.Metrics:
    """The errors of `final.json`, from the arrays of its evidence."""
    label = evidence["label"]
    # Older evidence is of MNIST alone, which has all its classes among test images.
    num_classes = int(evidence.get("num_classes", label.max() + 1))
    named = {"gaussian_mixture": priors.gaussian_mixture(num_classes), "swiss_roll": priors.swiss_roll(num_classes)}
    return {
        f"{name}/component/error": error_rate(component(prior, evidence[name], num_classes), label)
        for name, prior in named.items()
        if name in evidence
    }


def component(prior: Prior, codes: np.ndarray, num_classes: int) -> np.ndarray:
    """The class in whose part of the prior each code lies, `[N]`."""
    if prior.log_density is not None:
        return np.asarray(
            jax.vmap(lambda code: priors.responsibilities(prior, code, num_classes).argmax())(jnp.asarray(codes))
        )
    assert prior.from_uniform is not None, "a prior with classes has percentiles"
    along = (np.arange(2000) + 0.5) / 2000
    points = jax.jit(jax.vmap(prior.from_uniform, (0, None)))(jnp.stack([along, along], -1), -1)
    return nearest_label(points, (along * num_classes).astype(int), codes)


def draw(folder: Path, names: Sequence[str]) -> None:
    """Draws the figures of a finished run: codes over each prior, and walks through each class's part of it."""
    from experiments import figures

    first = reports.first_seed(folder)
    codes_figure, codes_axes = figures.grid_of((1, len(names)), size=4)
    walks_figure, walks_axes = figures.grid_of((1, len(names)), size=5)
    with np.load(folder / f"evidence_{first}.npz", allow_pickle=False) as evidence:
        for column, name in enumerate(names):
            model, params, config = configs.load(folder / f"seed_{first}" / name)
            prior, title = configs.build_prior(config), name.replace("_", " ")
            samples = jax.jit(jax.vmap(prior.sample))(row_keys(jax.random.key(0), 0, 100_000), jnp.full(100_000, -1))
            figures.codes_panel(
                codes_axes[0, column], evidence[name], evidence["label"], np.asarray(samples), f"test codes, {title}"
            )
            if len(config.image_shape) == 3:
                assert model.decode is not None, "it has a decoder"
                walk = figures.walks(prior, config.num_classes)
                images = jax.jit(model.decode)(params, {"style": walk.reshape(-1, 2)}, jnp.full(walk[..., 0].size, -1))
                images = np.asarray(images).reshape(*walk.shape[:2], *config.image_shape)
                figures.sheet(walks_axes[0, column], images, f"a walk through each class's part, {title}")
    figures.save_figure(codes_figure, folder / "codes.png")
    figures.save_figure(walks_figure, folder / "walks.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
