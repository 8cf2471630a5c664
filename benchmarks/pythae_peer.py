"""pythae's adversarial trainer on the same networks: its own algorithm, by its own code."""

import logging
import tempfile
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from aae_jax.types import Params
from benchmarks.torch_peer import perceptron, wait
from benchmarks.workloads import RATE, Workload

with warnings.catch_warnings():
    # Of its dependencies.
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    from pythae.data.datasets import BaseDataset
    from pythae.models import Adversarial_AE, Adversarial_AE_Config
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
    from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig

__all__ = ["make_trainer", "run_epoch", "run_steps"]


class _Encoder(BaseEncoder):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> ModelOutput:
        code = self.layers(x.flatten(1))
        # It asks for a variance, and does not use it where the posterior is deterministic.
        return ModelOutput(embedding=code, log_covariance=torch.zeros_like(code))


class _Decoder(BaseDecoder):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))


class _Discriminator(BaseDiscriminator):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(embedding=torch.sigmoid(self.layers(z)))


def make_trainer(workload: Workload, params: Params, image: np.ndarray, batch_size: int) -> AdversarialTrainer:
    """Its trainer, ready for the first step.

    Args:
        workload: an "aae".
        params: of its networks.
        image: `[N, ...]` bytes; it keeps them as floats, and loads batches by a `DataLoader`.
        batch_size: rows of a step.
    """
    pixels = torch.tensor(image.reshape(len(image), -1)).to(torch.float32) / 255
    config = Adversarial_AE_Config(
        input_dim=(workload.image_size,), latent_dim=workload.code, deterministic_posterior=True
    )
    model = Adversarial_AE(
        config,
        _Encoder(perceptron(params["encoder"])),
        _Decoder(perceptron(params["decoder"])),
        _Discriminator(perceptron(params["discriminator"])),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = AdversarialTrainer(
            model,
            BaseDataset(pixels, torch.zeros(len(pixels))),
            training_config=AdversarialTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=batch_size,
                autoencoder_learning_rate=RATE,
                discriminator_learning_rate=RATE,
            ),
        )
        trainer.prepare_training()
    trainer.model.train()
    return trainer


def run_steps(trainer: AdversarialTrainer, image: Tensor, batch_size: int, count: int) -> float:
    """Takes its steps on rows that lie on the device, without its loader; returns the last reconstruction loss."""
    order = torch.randperm(len(image), device=image.device)
    for rows in order[: count * batch_size].split(batch_size):
        batch = {"data": image[rows].to(torch.float32) / 255}
        output = trainer.model(batch, epoch=1, dataset_size=len(image), uses_ddp=False)
        trainer._optimizers_step(output)
    wait()
    return float(output.recon_loss.detach())


def run_epoch(trainer: AdversarialTrainer) -> float:
    """One epoch as it trains: its loader, its steps, a loss fetched after each; returns the mean loss."""
    return trainer.train_step(epoch=1)[0]
