"""AE, VAE and AAE under two priors: who fills the prior, and who leaves holes (the paper's Fig. 2).

    python -m experiments.prior_matching                                           # about 3 minutes on two CPU cores
    python -m experiments.prior_matching --preset best                             # about 20 minutes on one core
    python -m experiments.prior_matching --dataset mnist --preset paper            # about 4 hours there

Five networks of one size see the same 28×28 digits for as many epochs: an autoencoder, and a variational and an
adversarial one under a two-dimensional Gaussian and under a mixture of ten. Each is then asked how well the codes of
held-out images fill the prior, and how real the images look that it decodes from the prior.

Paper: Fig. 2 shows it for an AAE and a VAE, without numbers. Found on mnist5k, three seeds: the AAE fills both priors
better than the VAE by all three measures, not quite as well as fresh samples of the prior do; it reconstructs worse
and its samples look less real. The numbers are in experiments/results/prior_matching_mnist5k/final.json.

The preset best has less noise on the inputs, a slower generator, and last epochs that refine the AAEs: the generator
is slower still, and reconstruction moves the encoder by a small part of its steps, so that the game decides where
codes lie and the decoder follows.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import ModelConfig, configs, derive, row_keys, runs
from aae_jax.data import Dataset, Split
from aae_jax.evaluation import num_cells_for, prior_match, realism
from aae_jax.types import Model, Params, Prior
from experiments import command_line, judging, optimizers, reports, training
from experiments.optimizers import OptimizersOf
from experiments.options import Options, check_refinement, check_selection

REFINEMENT = {"reconstruction": 1e-3, "discriminator": 1e-3, "generator": 1e-4}
"""First learning rates of an AAE that is refined, of Adam."""
LAST = 0.01
"""Fraction of them that is left in the end."""
ENCODER_SHARE = 0.03
"""Of the encoder's steps of reconstruction, for an AAE that is refined: so little that the game wins."""

PriorName = Literal["gaussian", "gaussian_mixture"]


@dataclasses.dataclass(frozen=True)
class Config(Options):
    """Options of the command."""

    JUDGING: ClassVar[tuple[str, ...]] = ("priors",)

    preset: Literal["laptop", "smoke", "best", "paper"] = "laptop"
    """Gives the defaults of the others: minutes on two CPU cores, seconds, our best on MNIST, or wide networks that
    train for long there: what the paper's were, it does not say."""
    out: Path = Path("runs/prior_matching")
    """The run folder."""
    generator_rate: float = optimizers.RATES["generator"]
    """First learning rate of the AAEs' generator phase. Where it is lower, reconstruction counts for more."""
    refine_epochs: int = 0
    """How many of `epochs`, the last ones, refine the AAEs: the game's rates are lower, the generator's most, and
    reconstruction moves the encoder little, so that codes fill the prior closely. 0 for none."""
    checkpoint_epochs: int = 10
    """Epochs between two checkpoints."""
    priors: tuple[PriorName, ...] = ("gaussian", "gaussian_mixture")
    """Which priors the VAE and the AAE have."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        self.optimizers()
        check_selection("priors", self.priors)
        check_refinement(self.refine_epochs, self.epochs)

    def optimizers(self) -> OptimizersOf:
        """Adam, see `Options`."""
        return optimizers.adam({**optimizers.RATES, "generator": self.generator_rate})

    def refined(self) -> OptimizersOf:
        """An AAE's: `optimizers`, and after them those of its refinement."""
        refinement = optimizers.slower_encoder(optimizers.adam(REFINEMENT, last=LAST), ENCODER_SHARE)
        return self.ending_in(refinement, self.refine_epochs)

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        num_cells_for(len(dataset.test.image))


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(epochs=1, width=16, out=Path("runs/prior_matching_smoke")),
        "best": Config(
            dataset="mnist",
            out=Path("runs/prior_matching_best"),
            epochs=30,
            generator_rate=7e-4,
            refine_epochs=15,
            noise_std=0.1,
        ),
        "paper": Config(dataset="mnist", epochs=200, width=1000, out=Path("runs/prior_matching_paper")),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, evaluates, draws; returns the metrics."""
    dataset = config.load()
    metrics = reports.run_seeds("prior_matching", config, dataset, _train, _judge)
    _print_table(config, metrics)
    draw(config.out, config.priors)
    reports.print_files(config.out)
    return metrics


def _train(config: Config, dataset: Dataset) -> dict[str, list[Any]]:
    jobs = {"ae": config.model_config("ae", dataset)}
    for prior in config.priors:
        for variant in ("vae", "aae"):
            jobs[f"{variant}_{prior}"] = config.model_config(variant, dataset, prior=prior)
    descents = {"aae": config.refined()}
    trained = {
        name: training.train_model(
            "prior_matching", config, model_config, dataset, name, descent=descents.get(model_config.variant)
        )
        for name, model_config in jobs.items()
    }
    return {**trained, **judging.train_judge("prior_matching", config, dataset)}


def _judge(
    config: Config, dataset: Dataset, index: int, trained: dict[str, training.Trained]
) -> tuple[reports.Metrics, reports.Evidence]:
    """Judges the models of one seed: metrics and evidence, by "model_prior/metric"."""
    judge = trained.pop("classifier", None)
    key = derive(jax.random.key(config.seed + index), "evaluation of the test set")

    def of_split(split: Split, key: jax.Array) -> tuple[reports.Metrics, reports.Evidence]:
        # Samples of the prior are of no split: they are judged once.
        return _of_split(config, dataset, split, trained, judge if split is dataset.test else None, key)

    return judging.by_both(dataset, key, of_split)


def _of_split(
    config: Config,
    dataset: Dataset,
    split: Split,
    trained: dict[str, training.Trained],
    judge: training.Trained | None,
    key: jax.Array,
) -> tuple[reports.Metrics, reports.Evidence]:
    """All models by the images of one split; by the judge too where there is one."""
    batch = training.held_out(split)
    metrics = {} if judge is None else _realism(judge, "real", batch.image)
    evidence = {"label": np.asarray(batch.label)}
    for name, (model, params) in trained.items():
        codes = jax.jit(model.encode)(params, row_keys(key, 0, len(batch.image)), batch.image)
        metrics[f"{name}/nll"] = judging.mean_nll(model, params, codes, batch)
        evidence[name] = np.asarray(codes["style"])
        for prior_name in config.priors if name == "ae" else [name.split("_", 1)[1]]:
            prior = configs.build_prior(_with_prior(prior_name, dataset))
            found = _judged(model, params, evidence[name], prior, key, judge)
            metrics |= {f"{name.split('_')[0]}_{prior_name}/{metric}": value for metric, value in found.items()}
        if name.startswith("vae"):
            means = np.asarray(jax.jit(model.encode_mean)(params, batch.image)["style"])
            found = _judged(model, params, means, prior, key, None)
            metrics |= {f"{name}/of_means/{metric}": value for metric, value in found.items() if "null" not in metric}
    return metrics, evidence


def _with_prior(prior: PriorName, dataset: Dataset) -> ModelConfig:
    return ModelConfig("ae", dataset.image_shape, prior=prior)


def _judged(
    model: Model, params: Params, codes: np.ndarray, prior: Prior, key: jax.Array, judge: training.Trained | None
) -> dict[str, float]:
    """How well codes fill a prior, and how real the images look that are decoded from it."""
    found = prior_match(derive(key, "prior match"), codes, lambda key: prior.sample(key, jnp.int32(-1)))
    if judge is not None:
        keys, unknown = row_keys(derive(key, "samples"), 0, len(codes)), jnp.full(len(codes), -1)
        samples = {"style": jax.jit(jax.vmap(prior.sample))(keys, unknown)}
        found |= _realism(judge, "samples", jax.jit(model.decode)(params, samples, unknown))
    return found


def _realism(judge: training.Trained, name: str, images: jax.Array) -> dict[str, float]:
    found = realism(judging.class_probabilities(judge, images))
    return {f"{name}/{metric}": float(value) for metric, value in found.items()}


_COLUMNS = {
    "hole_fraction": "hole fraction",
    "mmd_squared": "MMD²",
    "nearest_neighbor_accuracy": "1-NN accuracy",
    "nll": "held-out nll",
    "samples/mean_confidence": "realism of samples",
}


def _print_table(config: Config, metrics: dict[str, Any]) -> None:
    """The short version of `final.json`: one row a model and prior."""

    def cell(name: str) -> str:
        return reports.text_of(metrics.get(name))

    print(f"{'':24}" + "".join(f"{heading:>22}" for heading in _COLUMNS.values()))
    for prior in config.priors:
        for variant in ("ae", "vae", "aae"):
            name = f"{variant}_{prior}"
            row = [cell(f"{'ae' if variant == 'ae' and column == 'nll' else name}/{column}") for column in _COLUMNS]
            print(f"{name:24}" + "".join(f"{value:>22}" for value in row))
        # Of MMD² the 95 % quantile, of the others one draw.
        nulls = ("hole_fraction_null", "mmd_squared_null_95", "nearest_neighbor_accuracy_null")
        row = [*(cell(f"aae_{prior}/{column}") for column in nulls), "", ""]
        print(f"{'  the prior itself':24}" + "".join(f"{value:>22}" for value in row))
    print(f"{'real held-out images':24}" + " " * 88 + f"{cell('real/mean_confidence'):>22}")


def draw(folder: Path, priors: Sequence[PriorName]) -> None:
    """Draws the figures of a finished run: codes, sheets of decoded percentiles, curves.

    Args:
        folder: of the run; its first seed is drawn.
        priors: that it had.
    """
    from experiments import figures

    first = reports.first_seed(folder)
    with np.load(folder / f"evidence_{first}.npz", allow_pickle=False) as evidence:
        arrays = dict(evidence)
    panels = [["ae", f"vae_{prior}", f"aae_{prior}"] for prior in priors]
    codes_figure, codes_axes = figures.grid_of((len(panels), 3))
    sheets_figure, sheets_axes = figures.grid_of((len(panels), 3), size=4.2)
    for row, prior_name in enumerate(priors):
        prior = configs.build_prior(ModelConfig("ae", (1,), prior=prior_name))
        samples = jax.jit(jax.vmap(prior.sample))(row_keys(jax.random.key(0), 0, 100_000), jnp.full(100_000, -1))
        for column, name in enumerate(panels[row]):
            title = f"{name.split('_')[0].upper()}, {prior_name.replace('_', ' ')}"
            figures.codes_panel(codes_axes[row, column], arrays[name], arrays["label"], np.asarray(samples), title)
            model, params, config = configs.load(folder / f"seed_{first}" / name)
            if len(config.image_shape) == 3:
                grid = figures.walks(prior, 10) if prior_name == "gaussian_mixture" else figures.percentiles(prior)
                images = jax.jit(model.decode)(params, {"style": grid.reshape(-1, 2)}, jnp.full(grid[..., 0].size, -1))
                figures.sheet(
                    sheets_axes[row, column], np.asarray(images).reshape(*grid.shape[:2], *config.image_shape), title
                )
    figures.save_figure(codes_figure, folder / "codes.png")
    figures.save_figure(sheets_figure, folder / "sheets.png")

    logs = {
        name: runs.read_lines(folder / f"seed_{first}" / name / "metrics.jsonl")
        for name in dict.fromkeys(name for row in panels for name in row)
    }
    curves_figure, curves_axes = figures.grid_of((1, 3), size=4)
    for axes, (metric, title) in zip(
        curves_axes[0],
        {
            "validation/nll": "held-out negative log-likelihood, nats",
            "discriminator/jsd_bound": "held-out bound on the JSD, nats",
            "discriminator/held_out_accuracy": "held-out accuracy of the discriminator",
        }.items(),
        strict=True,
    ):
        figures.curves(axes, logs, metric, title)
    figures.save_figure(curves_figure, folder / "curves.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
