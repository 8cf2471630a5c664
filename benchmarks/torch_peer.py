"""The same training step in PyTorch: as one writes it who knows PyTorch well, and as it is usually written.

In the first, each phase differentiates with respect to what it trains and nothing else, the discriminator's and the
generator's phase share the encoder's pass, and Adam is fused: no operation more than `aae_jax` makes. In the other,
each phase encodes for itself, `backward` fills the gradients of all networks that it meets, and Adam is what
`torch.optim.Adam` is by default. Both give the same losses.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot, softmax, softplus
from torch.utils.data import DataLoader, TensorDataset

from aae_jax import Rows
from aae_jax.types import Params
from benchmarks.workloads import CATEGORIES, RATE, Workload

__all__ = [
    "Networks",
    "configure",
    "device",
    "make_loader",
    "make_networks",
    "make_step",
    "make_usual_step",
    "on_device",
    "perceptron",
    "run_epoch",
    "run_evaluation",
    "run_loading",
    "run_steps",
    "wait",
]


Step = Callable[[Tensor, Sequence[Tensor], tuple[Tensor, Tensor] | None], dict[str, Tensor]]
"""`(image [B, D], real samples of each code [B, ...], labeled (image, label) or None) -> {phase: loss}`."""


class Networks(NamedTuple):
    """An autoencoder and the judges of its codes, one each."""

    encoder: nn.Module
    decoder: nn.Module
    judges: tuple[nn.Module, ...]


def configure(precision: str) -> dict[str, Any]:
    """Sets PyTorch up as the other contenders are; says what else its times depend on.

    Args:
        precision: of matrix products, "float32" or "tensorfloat32".
    """
    torch.set_float32_matmul_precision({"float32": "highest", "tensorfloat32": "high"}[precision])
    torch.manual_seed(0)
    return {"threads": torch.get_num_threads(), "cuda": torch.version.cuda}


def device() -> torch.device:
    """The accelerator, where PyTorch has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def wait() -> None:
    """Until the accelerator has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def on_device(array: ArrayLike) -> Tensor:
    """An array of numpy or jax as a tensor; classes as the integers that PyTorch wants."""
    tensor = torch.tensor(np.asarray(array))
    return (tensor.long() if tensor.dtype == torch.int32 else tensor).to(device())


def make_loader(rows: Rows, batch_size: int) -> DataLoader:
    """Images as floats and their classes, in batches, shuffled anew in each epoch.

    Args:
        rows: bytes as images.
        batch_size: rows of a step.
    """
    image = torch.tensor(np.asarray(rows.image).reshape(len(rows.image), -1)).to(torch.float32) / 255
    return DataLoader(TensorDataset(image, torch.tensor(np.asarray(rows.label)).long()), batch_size, shuffle=True)


def perceptron(variables: Any) -> nn.Sequential:
    """A multilayer perceptron with the weights of one of ours."""
    layers: list[nn.Module] = []
    for name in sorted(variables["params"], key=lambda name: int(name.split("_")[1])):
        kernel, bias = (on_device(variables["params"][name][part]).cpu() for part in ("kernel", "bias"))
        linear = nn.Linear(*kernel.shape, dtype=kernel.dtype)
        with torch.no_grad():
            linear.weight.copy_(kernel.T)
            linear.bias.copy_(bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(device())


def make_networks(workload: Workload, params: Params) -> Networks:
    """Copies of a model's networks.

    Args:
        workload: of the model.
        params: of the model.
    """
    names = ["discriminator"] if workload.variant == "aae" else ["style_discriminator", "category_discriminator"]
    judges = tuple(perceptron(params[name]) for name in names)
    return Networks(perceptron(params["encoder"]), perceptron(params["decoder"]), judges)


class _Functions(NamedTuple):
    """What the phases of a step compute."""

    encode: Callable[[Tensor], tuple[Tensor, ...]]
    reconstruction: Callable[[Tensor], Tensor]
    discrimination: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]
    deception: Callable[[Sequence[Tensor]], Tensor]
    classification: Callable[[Tensor, Tensor], Tensor]


def _functions(workload: Workload, networks: Networks) -> _Functions:
    encoder, decoder, judges = networks

    def encode(image: Tensor) -> tuple[Tensor, ...]:
        raw = encoder(image)
        return (raw,) if workload.variant == "aae" else (raw[:, : workload.code], softmax(raw[:, workload.code :], -1))

    def reconstruction(image: Tensor) -> Tensor:
        mean = torch.sigmoid(decoder(torch.cat(encode(image), -1)))
        return 0.5 * (mean - image).square().sum(-1).mean()

    def discrimination(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
        pairs = zip(judges, real, fake, strict=True)
        return sum((softplus(-judge(yes)) + softplus(judge(no))).mean() for judge, yes, no in pairs)

    def deception(fake: Sequence[Tensor]) -> Tensor:
        return sum(softplus(-judge(code)).mean() for judge, code in zip(judges, fake, strict=True))

    def classification(image: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(encoder(image)[:, workload.code :], label)

    return _Functions(encode, reconstruction, discrimination, deception, classification)


def _weights(workload: Workload, networks: Networks) -> dict[str, list[nn.Parameter]]:
    """What each phase trains."""
    encoder, decoder = ([*network.parameters()] for network in networks[:2])
    judges = [weight for judge in networks.judges for weight in judge.parameters()]
    weights = {"reconstruction": [*encoder, *decoder], "discriminator": judges, "generator": encoder}
    return weights if workload.variant == "aae" else {**weights, "classification": encoder}


def make_step(workload: Workload, networks: Networks, *, mode: str | None = None) -> Step:
    """One training step, with no operation more than ours.

    Args:
        workload: of the model.
        networks: are changed by each step.
        mode: of `torch.compile`, which compiles passes and losses; eager where None.
    """
    functions = _functions(workload, networks)
    if mode is not None:
        functions = _Functions(*(torch.compile(function, mode=mode) for function in functions))
    learn = {phase: _learner(weights) for phase, weights in _weights(workload, networks).items()}

    def step(image: Tensor, real: Sequence[Tensor], labeled: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
        if mode is not None:
            torch.compiler.cudagraph_mark_step_begin()
        losses = {"reconstruction": learn["reconstruction"](functions.reconstruction(image))}
        codes = functions.encode(image)
        fake = tuple(code.detach() for code in codes)
        losses["discriminator"] = learn["discriminator"](functions.discrimination(real, fake))
        losses["generator"] = learn["generator"](functions.deception(codes))
        if labeled is not None:
            losses["classification"] = learn["classification"](functions.classification(*labeled))
        return losses

    return step


def make_usual_step(workload: Workload, networks: Networks) -> Step:
    """One training step as it is usually written.

    Args:
        workload: of the model.
        networks: are changed by each step.
    """
    functions = _functions(workload, networks)
    optimizers = {phase: torch.optim.Adam(weights, lr=RATE) for phase, weights in _weights(workload, networks).items()}

    def learn(phase: str, loss: Tensor) -> Tensor:
        optimizers[phase].zero_grad()
        loss.backward()
        optimizers[phase].step()
        return loss.detach()

    def step(image: Tensor, real: Sequence[Tensor], labeled: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
        losses = {"reconstruction": learn("reconstruction", functions.reconstruction(image))}
        fake = tuple(code.detach() for code in functions.encode(image))
        losses["discriminator"] = learn("discriminator", functions.discrimination(real, fake))
        losses["generator"] = learn("generator", functions.deception(functions.encode(image)))
        if labeled is not None:
            losses["classification"] = learn("classification", functions.classification(*labeled))
        return losses

    return step


def _learner(weights: list[nn.Parameter]) -> Callable[[Tensor], Tensor]:
    """`loss -> loss`, after one update of these weights by Adam."""
    optimizer = torch.optim.Adam(weights, lr=RATE, fused=True)

    def learn(loss: Tensor) -> Tensor:
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        optimizer.step()
        return loss.detach()

    return learn


def _draws(workload: Workload, batch_size: int) -> tuple[Tensor, ...]:
    """Samples of the priors."""
    style = torch.randn(batch_size, workload.code, device=device())
    if workload.variant == "aae":
        return (style,)
    category = torch.randint(CATEGORIES, (batch_size,), device=device())
    return style, one_hot(category, CATEGORIES).to(style.dtype)


def run_steps(workload: Workload, step: Step, image: Tensor, label: Tensor, batch_size: int, count: int) -> float:
    """Takes steps on rows that lie on the device, in a random order; returns the last reconstruction loss.

    Args:
        workload: of the model.
        step: of `make_step`.
        image: `[N, D]` bytes.
        label: `[N]`.
        batch_size: rows of a step.
        count: how many steps.
    """
    order = torch.randperm(len(image), device=image.device)
    for rows in order[: count * batch_size].split(batch_size):
        pixels = image[rows].to(torch.float32) / 255
        labeled = None if workload.variant == "aae" else (pixels, label[rows])
        losses = step(pixels, _draws(workload, batch_size), labeled)
    wait()
    return float(losses["reconstruction"])


def run_loading(loader: Any) -> float:
    """One pass over a `DataLoader` that does nothing but add up pixels; returns their sum."""
    total = sum(image.to(device()).sum() for image, _ in loader)
    wait()
    return float(total)


def run_evaluation(workload: Workload, networks: Networks, image: Tensor, size: int = 1000) -> float:
    """The mean reconstruction error of all images, some at a time.

    Args:
        workload: of the model.
        networks: of the model.
        image: `[N, D]` bytes.
        size: rows at a time.
    """
    total = torch.zeros((), device=device())
    with torch.no_grad():
        for block in image.split(size):
            pixels = block.to(torch.float32) / 255
            raw = networks.encoder(pixels)
            if workload.variant != "aae":
                raw = torch.cat((raw[:, : workload.code], softmax(raw[:, workload.code :], -1)), -1)
            total += 0.5 * (torch.sigmoid(networks.decoder(raw)) - pixels).square().sum()
    wait()
    return float(total) / len(image)


def run_epoch(workload: Workload, step: Step, loader: Any) -> float:
    """One pass over a `DataLoader`, its mean losses fetched at the end; returns that of reconstruction."""
    total: dict[str, Tensor] = {}
    for image, label in loader:
        image, label = image.to(device()), label.to(device())
        losses = step(image, _draws(workload, len(image)), None if workload.variant == "aae" else (image, label))
        total = {name: total.get(name, 0) + loss for name, loss in losses.items()}
    wait()
    return float(total["reconstruction"]) / len(loader)
