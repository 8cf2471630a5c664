"""What a training step has to do, counted by hand: matrix products, optimizer updates, bytes.

A layer of I inputs and O outputs on B rows costs 2·B·I·O operations forward, as many again for the gradient of its
weights, and as many again for the gradient of its inputs, which a network's first layer does not need unless
somebody learns from it. Elementwise work (rectifiers, losses, biases) is left out: it is below one percent of the
operations at the paper's widths, and can be fused into the products so that it moves no bytes of its own.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

__all__ = [
    "ADAM_ARRAYS",
    "ADAM_OPERATIONS",
    "Cost",
    "Product",
    "aae_costs",
    "of_products",
    "product_bytes",
    "pythae_operations",
    "semi_supervised_costs",
    "usual_operations",
]

ADAM_OPERATIONS = 14
"""Of Adam per trained number: 3 for the mean, 4 for the mean square, 2 to correct their biases, 3 for the quotient
with its root and epsilon, 1 for the rate, 1 to add. XLA counts the root apart, as a transcendental."""
ADAM_ARRAYS = 7
"""That Adam moves per update, each as large as what it trains: it reads parameters, gradients, means and mean squares,
and writes all but the gradients."""
BYTES = 4
"""Of a number in float32."""


class Product(NamedTuple):
    """A matrix product of one layer.

    Attributes:
        kind: "forward" `[B, I] [I, O]`, "weights" `[B, I]ᵀ [B, O]`, or "inputs" `[B, O] [I, O]ᵀ`.
        batch: B.
        inputs: I.
        outputs: O.
    """

    kind: Literal["forward", "weights", "inputs"]
    batch: int
    inputs: int
    outputs: int

    @property
    def operations(self) -> int:
        """Multiplications and additions, the same for all three kinds."""
        return 2 * self.batch * self.inputs * self.outputs


class Cost(NamedTuple):
    """What one phase does.

    Attributes:
        products: that no other phase of the step makes.
        shared: further products that the phase needs, which an earlier phase of the same step has made already, of
            the same numbers: XLA merges them. A phase that is compiled alone makes them itself.
        trained: numbers that its optimizer updates.
    """

    products: tuple[Product, ...]
    shared: tuple[Product, ...]
    trained: int

    def operations(self, *, alone: bool = False) -> int:
        """Of its products and its optimizer; `alone`, with those that it shares."""
        products = self.products + (self.shared if alone else ())
        return of_products(products) + ADAM_OPERATIONS * self.trained

    def bytes(self, *, alone: bool = False) -> int:
        """Moved at least: each product's operands and result once, the optimizer's arrays once."""
        products = self.products + (self.shared if alone else ())
        return sum(map(product_bytes, products)) + self.optimizer_bytes

    @property
    def optimizer_bytes(self) -> int:
        """Moved by its optimizer."""
        return ADAM_ARRAYS * BYTES * self.trained


def of_products(products: Iterable[Product]) -> int:
    """Operations of several products."""
    return sum(product.operations for product in products)


def product_bytes(product: Product) -> int:
    """Of both operands and the result."""
    batch, inputs, outputs = product[1:]
    return BYTES * (batch * inputs + inputs * outputs + batch * outputs)


Layers = Sequence[tuple[int, int]]


def _layers(*sizes: int) -> Layers:
    return list(itertools.pairwise(sizes))


def _forward(layers: Layers, batch: int) -> tuple[Product, ...]:
    return tuple(Product("forward", batch, *layer) for layer in layers)


def _inputs(layers: Layers, batch: int) -> tuple[Product, ...]:
    return tuple(Product("inputs", batch, *layer) for layer in layers)


def _learn(layers: Layers, batch: int) -> tuple[Product, ...]:
    """Gradients of all weights, and of all inputs but the network's own."""
    return tuple(Product("weights", batch, *layer) for layer in layers) + _inputs(layers[1:], batch)


def _size(*networks: Layers) -> int:
    return sum((inputs + 1) * outputs for layers in networks for inputs, outputs in layers)


def _costs(encoder: Layers, decoder: Layers, judges: Sequence[Layers], batch: int) -> dict[str, Cost]:
    """The three phases of an adversarial autoencoder with one discriminator or several."""
    codes = _forward(encoder, batch)
    reconstruction = (
        *(*codes, *_forward(decoder, batch)),
        *(*_learn(decoder, batch), *_inputs(decoder[:1], batch), *_learn(encoder, batch)),
    )
    real_and_fake = tuple(
        product for judge in judges for product in 2 * (_forward(judge, batch) + _learn(judge, batch))
    )
    deception = tuple(product for judge in judges for product in _forward(judge, batch) + _inputs(judge, batch))
    return {
        "reconstruction": Cost(reconstruction, (), _size(encoder, decoder)),
        # The encoder has moved since its codes were decoded, so they are made anew; then it stands still until the
        # generator's gradient is taken.
        "discriminator": Cost(codes + real_and_fake, (), _size(*judges)),
        "generator": Cost(deception + _learn(encoder, batch), codes, _size(encoder)),
    }


def aae_costs(batch: int, *, image: int = 784, width: int = 1000, code: int = 8) -> dict[str, Cost]:
    """Phases of the AAE: every network has two hidden layers.

    Args:
        batch: rows of a step.
        image: numbers per image.
        width: of the hidden layers.
        code: numbers per code.

    Returns:
        `{phase: cost}` in the order of a step.
    """
    return _costs(
        _layers(image, width, width, code),
        _layers(code, width, width, image),
        [_layers(code, width, width, 1)],
        batch,
    )


def semi_supervised_costs(
    batch: int, *, image: int = 784, width: int = 1000, style: int = 10, category: int = 10
) -> dict[str, Cost]:
    """Phases of the semi-supervised AAE: a discriminator for each code, and classification of as many labeled rows.

    Args:
        batch: rows of a step.
        image: numbers per image.
        width: of the hidden layers.
        style: numbers per style.
        category: number of categories.

    Returns:
        `{phase: cost}` in the order of a step.
    """
    encoder = _layers(image, width, width, style + category)
    costs = _costs(
        encoder,
        _layers(style + category, width, width, image),
        [_layers(size, width, width, 1) for size in (style, category)],
        batch,
    )
    # The generator's phase has moved the encoder.
    return {**costs, "classification": Cost(_forward(encoder, batch) + _learn(encoder, batch), (), _size(encoder))}


def usual_operations(costs: Mapping[str, Cost]) -> int:
    """Of one step as it is usually written.

    Each phase makes all that it needs, and the generator's gradient comes with one of the discriminators' weights
    that is thrown away.

    Args:
        costs: by phase, of `aae_costs` or `semi_supervised_costs`.
    """
    # The discriminators learn from real and fake rows, the generator's gradient meets the fake ones alone.
    learned = of_products(product for product in costs["discriminator"].products if product.kind == "weights")
    return sum(cost.operations(alone=True) for cost in costs.values()) + learned // 2


def pythae_operations(batch: int, *, image: int = 784, width: int = 1000, code: int = 8) -> int:
    """Of one step of pythae's adversarial trainer, products and optimizers, on the networks of `aae_costs`.

    It takes both gradients at once, of one pass through encoder and decoder, and updates the encoder once. The
    autoencoder's gradient goes through the discriminator, with gradients of its weights that are thrown away, and the
    samples of the prior get a gradient that nobody asked for.

    Args:
        batch: rows of a step.
        image: numbers per image.
        width: of the hidden layers.
        code: numbers per code.
    """
    encoder, decoder = _layers(image, width, width, code), _layers(code, width, width, image)
    judge = _layers(code, width, width, 1)
    autoencoder = _forward(encoder, batch) + _forward(decoder, batch) + _learn(encoder, batch)
    autoencoder += _learn(decoder, batch) + _inputs(decoder[:1], batch)
    # On samples of the prior, on codes, and on codes again for the autoencoder.
    judged = 3 * (_forward(judge, batch) + _learn(judge, batch)) + 2 * _inputs(judge[:1], batch)
    return of_products(autoencoder + judged) + ADAM_OPERATIONS * _size(encoder, decoder, judge)
