"""How likely are test images under samples? AAE, GAN and VAE by Parzen windows (the paper's Table 1).

    python -m experiments.likelihood                                          # about 3 minutes on two CPU cores
    python -m experiments.likelihood --dataset mnist --seeds 3                # about half an hour a seed there
    python -m experiments.likelihood --models aae --many-samples 10000000     # some 20 minutes more
    python -m experiments.likelihood --preset best --models aae               # about an hour on one core
    python -m experiments.likelihood --preset paper                           # about 15 hours there

Gaussians of one width stand at decoded samples of the prior, and the width is chosen on validation images: by the grid
of the protocol, and beside it by a fine one; that of many samples by the grid, on the first 1,000. No sample is
selected, sharpened or averaged. The measure favors smooth samples (Theis et al., 2016), so a Fréchet distance,
precision, recall and coverage stand beside it, on what a classifier of real images says of the samples (its
log-probabilities), with the same numbers for real images. Another number beside it says what is lost because codes do
not fill the prior: the log-likelihood by as many decoded codes of training images, in place of samples of the prior.

Paper, on MNIST: AAE 340 ± 2 nats by 10,000 samples and 427 by ten million; GAN 225 ± 2 and 386. Reported is the last
epoch. The AAE has the paper's networks, code and prior; how it is trained here the paper does not say, so it descends
as in the paper's other experiments. GAN and VAE are trained by Adam, the GAN on 100 numbers of noise as in its own
paper, its generator with batch norm, its discriminator on noisy images.

The preset best has a code of 6 numbers in place of the paper's 8, faster phases, batch norm in encoder and decoder,
half the width, epochs at the end that refine, and more of these with noise on codes. Ten thousand samples lie closer
together in 6 dimensions; with ten million, only 8 were tried.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import Rows, configs, derive, row_keys, terms
from aae_jax.checks import check_count, check_number
from aae_jax.data import Dataset
from aae_jax.evaluation import (
    PROTOCOL_SIGMAS,
    choose_sigma,
    fine_sigmas,
    frechet_distance,
    mean_and_standard_error,
    parzen_log_likelihood,
    precision_recall_coverage,
)
from experiments import command_line, judging, optimizers, reports, training
from experiments.optimizers import OptimizersOf
from experiments.options import PaperOptions, check_refinement, check_selection
from experiments.samples import BLOCK, decoded_codes, nearest_images, sampler, streamed_log_likelihood

GAN_RATES = {"discriminator": 2e-4, "generator": 2e-4}
GAN_OPTIONS = {"code_size": 100, "decoder_batch_norm": "hidden", "instance_noise_std": 0.5}
"""Without batch norm and noise all samples were alike: recall 0, coverage 0.001 in results/likelihood_mnist."""
REFINEMENT = {"reconstruction": 0.02, "discriminator": 1e-3, "generator": 3e-4}
"""First learning rates of the AAE that is refined: of descent, and of Adam for the game."""
CODE_NOISE_RATES = {"reconstruction": 1e-3, "discriminator": 1e-3, "generator": 3e-4}
"""First learning rates of the AAE that goes on with noise on its codes: of Adam, for all phases."""
ENCODER_SHARE = 0.15
"""Of the rate of reconstruction, for the encoder in both: so low that the game wins."""
AAE_CODE_NOISE = "aae_code_noise"
"""Folder of the AAE that has gone on with noise on its codes."""
NEIGHBORS = 5
"""Of a Fréchet distance's companions, precision, recall and coverage."""


@dataclasses.dataclass(frozen=True)
class Config(PaperOptions):
    """Options of the command."""

    JUDGING: ClassVar[tuple[str, ...]] = ("models", "samples", "many_samples")
    NEEDS: ClassVar[Mapping[str, str]] = {"code_noise": "code_noise_epochs"}
    OF_SOME: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {
        **dict.fromkeys(("code_size", "noise_std", "dropout", "batch_norm"), ("models", ("aae", "vae"))),
        **dict.fromkeys(
            (
                *("prior_std", "drops", "reconstruction_rate", "game_rate", "refine_epochs"),
                *("code_noise_epochs", "code_noise"),
            ),
            ("models", ("aae",)),
        ),
    }

    preset: Literal["laptop", "smoke", "best", "paper"] = "laptop"
    """Gives the defaults of the others: minutes to half an hour on two CPU cores, seconds, our best for 10,000 samples
    of MNIST, or the paper's settings as far as they are known."""
    out: Path = Path("runs/likelihood")
    """The run folder."""
    epochs: int = 30
    """Passes over the training images."""
    drops: tuple[int, ...] = (25,)
    """Epochs after which all learning rates of the AAE are divided by ten, if it comes to that."""
    reconstruction_rate: float = 0.01
    """First learning rate of the AAE's reconstruction phase; momentum 0.9. VAE and GAN are trained by Adam."""
    game_rate: float = 0.1
    """First learning rate of the AAE's discriminator and generator phases; momentum 0.1."""
    refine_epochs: int = 0
    """How many of `epochs`, the last ones, refine the AAE: the game is played by Adam and reconstruction moves the
    encoder little, so that codes fill the prior closely. Rates of their own fall after half and after four fifths. 0
    for none, as in the paper."""
    code_noise_epochs: int = 0
    """Epochs after all others, in which the AAE is trained with noise on its codes, all phases by Adam, one seed after
    the other; reconstruction moves the encoder little. 0 for none, as in the paper."""
    code_noise: float = 0.0
    """Standard deviation of that Gaussian noise, as a fraction of `prior_std`: what is decoded between codes becomes
    smooth. Judged is without it."""
    noise_std: float = 0.0
    """Of the Gaussian noise that is added to the networks' inputs while training."""
    batch_norm: Literal["none", "encoder", "autoencoder"] = "none"
    """Normalize over the batch: nothing, all layers of the encoder, or all of encoder and decoder; the GAN's generator
    always is, in its hidden layers."""
    models: tuple[Literal["aae", "vae", "gan"], ...] = ("aae", "vae", "gan")
    """Which models to train and to score."""
    code_size: int = 8
    """Numbers of the code of AAE and VAE; the paper has 15 on TFD."""
    prior_std: float = 5.0
    """Of the AAE's Gaussian prior; the paper has 10 on TFD."""
    samples: int = 10_000
    """Samples of each model, a multiple of 1,000."""
    many_samples: int = 0
    """Samples of a second, streamed evaluation, a multiple of 1,000; the paper has ten million. 0 for none."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_refinement(self.refine_epochs, self.epochs)
        check_count("code_noise_epochs", self.code_noise_epochs, 0)
        check_number("code_noise", self.code_noise, "a fraction in [0, 1)", least=0, below=1)
        if self.code_noise_epochs and not self.code_noise:
            raise ValueError(
                f"code_noise is {self.code_noise}, and code_noise_epochs {self.code_noise_epochs}; expected a number "
                "above 0, or no such epochs."
            )
        check_selection("models", self.models)
        check_count("code_size", self.code_size)
        check_number("prior_std", self.prior_std, "a number above 0", above=0)
        if self.samples < BLOCK or self.samples % BLOCK or self.many_samples < 0 or self.many_samples % BLOCK:
            raise ValueError(
                f"samples is {self.samples} and many_samples {self.many_samples}; expected multiples of {BLOCK}."
            )

    def refined(self) -> OptimizersOf:
        """The AAE's: `optimizers`, and after them those of its refinement."""
        drops = sorted({self.refine_epochs // 2, self.refine_epochs * 4 // 5} - {0})
        refinement = optimizers.refinement(REFINEMENT, drops=drops, encoder_share=ENCODER_SHARE)
        return self.ending_in(refinement, self.refine_epochs)

    def folder_of(self, name: str) -> str:
        """In the folder of a seed, that of the model as it is judged."""
        return AAE_CODE_NOISE if name == "aae" and self.code_noise_epochs else name

    def normalizes(self) -> bool:
        """Whether any network is normalized over the batch."""
        return super().normalizes() or "gan" in self.models

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        if self.code_noise_epochs and self.seeds > 1 and "aae" in self.models:
            # Devices that share the seeds share each batch there.
            rows = Rows(dataset.train.image, dataset.train.label)
            terms.check(rows, self.training(self.seed, self.code_noise_epochs))
        fewest = min(len(dataset.validation.image), len(dataset.test.image))
        if fewest <= NEIGHBORS:
            raise ValueError(
                f"{dataset.name}: a held-out split has {fewest} examples; expected more than {NEIGHBORS}, as many as "
                "precision and coverage look at."
            )


PRESETS = command_line.preset_field(
    {
        "laptop": Config(),
        "smoke": Config(
            epochs=1,
            drops=(),
            code_noise_epochs=1,
            code_noise=0.15,
            width=16,
            samples=1000,
            many_samples=2000,
            out=Path("runs/likelihood_smoke"),
        ),
        "best": Config(
            dataset="mnist",
            out=Path("runs/likelihood_best"),
            epochs=216,
            drops=(185,),
            refine_epochs=16,
            code_noise_epochs=60,
            code_noise=0.15,
            width=500,
            code_size=6,
            reconstruction_rate=0.05,
            game_rate=0.3,
            batch_norm="autoencoder",
        ),
        "paper": Config(
            dataset="mnist", epochs=1000, drops=(800,), many_samples=10_000_000, out=Path("runs/likelihood_paper")
        ),
    }
)


def main(config: Config) -> dict[str, Any]:
    """Trains, evaluates, draws; returns the metrics."""
    dataset = config.load()
    metrics = reports.run_seeds("likelihood", config, dataset, _train, _judge)
    _print_table(config, metrics)
    draw(config.out, config, dataset)
    reports.print_files(config.out)
    return metrics


def _train(config: Config, dataset: Dataset) -> dict[str, list[Any]]:
    by_adam = {"weight_std": None, "likelihood": "bernoulli"}
    jobs: dict[str, tuple[dict[str, Any], OptimizersOf]] = {
        "aae": ({"code_size": config.code_size, "prior_std": config.prior_std}, config.refined()),
        "vae": ({**by_adam, "code_size": config.code_size}, optimizers.adam()),
        "gan": ({**by_adam, **GAN_OPTIONS}, optimizers.adam(GAN_RATES)),
    }
    model_configs, trained = {}, {}
    for name in config.models:
        options, descent = jobs[name]
        model_config = model_configs[name] = config.model_config(name, dataset, **options)
        trained[name] = training.train_model("likelihood", config, model_config, dataset, name, descent=descent)
    if config.code_noise_epochs and "aae" in trained:
        model_config = model_configs["aae"]
        noise_std = config.code_noise * config.prior_std
        trained["aae"] = training.train_further(
            "likelihood",
            config,
            model_config,
            dataset,
            AAE_CODE_NOISE,
            trained["aae"],
            in_training=dataclasses.replace(model_config, posterior="isotropic", posterior_std=noise_std),
            epochs=config.code_noise_epochs,
            descent=optimizers.slower_encoder(optimizers.adam(CODE_NOISE_RATES), ENCODER_SHARE),
        )
    return {**trained, **judging.train_judge("likelihood", config, dataset)}


def _judge(
    config: Config, dataset: Dataset, index: int, trained: dict[str, training.Trained]
) -> tuple[reports.Metrics, reports.Evidence]:
    """The models of one seed: their measures, and the log-likelihood of every test image."""
    judge = trained.pop("classifier", None)
    seed = config.seed + index
    key = derive(jax.random.key(seed), "parzen")
    validation, test = (judging.pictures(split, dataset) for split in (dataset.validation, dataset.test))
    # A Fréchet distance is larger for fewer images, so that all sets have as many as the smallest.
    count = min(len(validation), len(test), config.samples)
    metrics, evidence = _measures(judge, "real", dataset, validation[:count], test[:count]), {}
    flat_validation, flat_test = (images.reshape(len(images), -1) for images in (validation, test))

    def by_sigma(samples: np.ndarray, sigmas: np.ndarray) -> tuple[float, float, jax.Array]:
        """The best sigma for validation images, what they have by it, and of every test image its log-likelihood."""
        sigma, means = choose_sigma(samples, flat_validation, sigmas)
        return sigma, float(means.max()), parzen_log_likelihood(samples, flat_test, np.array([sigma]))

    for name, (model, params) in trained.items():
        sample_block = sampler(model, params, dataset, derive(key, name))
        samples = np.concatenate([np.asarray(sample_block(index)) for index in range(config.samples // BLOCK)])
        pictures = samples[:count].reshape(count, *dataset.image_shape)
        metrics |= _measures(judge, name, dataset, pictures, test[:count])
        values = {"": by_sigma(samples, PROTOCOL_SIGMAS)}
        values["fine/"] = by_sigma(samples, fine_sigmas(values[""][0]))
        if model.encode is not None and len(dataset.train.image) >= config.samples:
            decoded = decoded_codes(model, params, dataset, derive(key, f"{name} codes"), config.samples)
            values["of_codes/"] = by_sigma(decoded, PROTOCOL_SIGMAS)
        if config.many_samples:
            stream = functools.partial(streamed_log_likelihood, sample_block, num_blocks=config.many_samples // BLOCK)
            means = np.asarray(stream(flat_validation[:BLOCK], PROTOCOL_SIGMAS), np.float64).mean(1)
            many_sigma = float(PROTOCOL_SIGMAS[means.argmax()])
            values["many/"] = (many_sigma, float(means.max()), stream(flat_test, np.array([many_sigma])))
        for prefix, (width, of_validation, of_images) in values.items():
            metrics[f"{name}/{prefix}sigma"] = width
            metrics[f"validation/{name}/{prefix}log_likelihood"] = of_validation
            evidence[f"{name}/{prefix}log_likelihood"] = np.asarray(of_images[0], np.float32)
    return metrics | measure(evidence), evidence


def measure(evidence: reports.Evidence) -> reports.Metrics:
    """Means and standard errors of log-likelihoods, from the arrays of the evidence."""
    metrics = {}
    for name, of_images in evidence.items():
        metrics[name], metrics[f"{name}_standard_error"] = mean_and_standard_error(of_images)
    return metrics


def _measures(
    judge: training.Trained | None, name: str, dataset: Dataset, images: np.ndarray, test: np.ndarray
) -> reports.Metrics:
    """Distance and coverage of test images by images, in a classifier's eyes; nothing where there are no classes."""
    if judge is None:
        return {}

    def features(images: np.ndarray) -> np.ndarray:
        if dataset.shift is not None and dataset.scale is not None:
            images = ((images - dataset.shift) / dataset.scale).astype(np.float32)
        return np.log(np.maximum(judging.class_probabilities(judge, images), 1e-30))

    seen, real = features(images), features(test)
    found = {"frechet_distance": frechet_distance(real, seen), **precision_recall_coverage(real, seen, k=NEIGHBORS)}
    return {f"{name}/{metric}": float(value) for metric, value in found.items()}


def _print_table(config: Config, metrics: dict[str, Any]) -> None:
    """The short version of `final.json`, a row for each model."""
    columns = {
        "log_likelihood": f"{config.samples:,} samples",
        "fine/log_likelihood": "fine sigma",
        "of_codes/log_likelihood": "decoded codes",
        "many/log_likelihood": f"{config.many_samples:,} samples",
        "frechet_distance": "Fréchet distance",
        "precision": "precision",
        "coverage": "coverage",
    }
    if not config.many_samples:
        del columns["many/log_likelihood"]
    print(f"{'log-likelihood in nats by':28}" + "".join(f"{heading:>20}" for heading in columns.values()))
    for name in (*config.models, "real"):
        cells = (reports.text_of(metrics.get(f"{name}/{column}")) for column in columns)
        print(f"{name:28}" + "".join(f"{cell:>20}" for cell in cells))


def draw(folder: Path, config: Config, dataset: Dataset) -> None:
    """Draws the figures of a finished run: samples above their nearest training images, and curves."""
    from experiments import figures

    first = reports.first_seed(folder)
    pairs = []
    for name in config.models:
        model, params, _ = configs.load(folder / f"seed_{first}" / config.folder_of(name))
        assert model.sample is not None, "all of these models can be sampled"
        samples = np.asarray(jax.jit(model.sample)(params, row_keys(jax.random.key(0), 0, 32), jnp.full(32, -1)))
        neighbors = nearest_images(samples.reshape(32, -1), dataset).reshape(samples.shape)
        for half in (slice(0, 16), slice(16, 32)):
            pairs += [samples[half], neighbors[half]]
    title = f"{', '.join(config.models)}: samples, and below each its nearest training image"
    figures.sheet_figure(np.stack(pairs), title, folder / "samples.png")
    drawn = dict.fromkeys(name for of in config.models if of != "gan" for name in (of, config.folder_of(of)))
    panels = {name: ("validation/nll", f"{name}, held-out nll") for name in drawn}
    # A run that is judged anew may have had other models before.
    (folder / "curves.png").unlink(missing_ok=True)
    if panels:
        figures.seed_curves(folder, panels, folder / "curves.png")


if __name__ == "__main__":
    command_line.run(main, PRESETS)
