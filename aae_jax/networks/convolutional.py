"""An encoder and a decoder of convolutions. Not the paper's."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from aae_jax.networks.layers import Initializer, Layers, as_network, check_sizes, flat, he
from aae_jax.types import BatchNorm, Network, Precision

__all__ = ["convolutional_decoder", "convolutional_encoder"]


class _ConvolutionalEncoder(Layers):
    features: tuple[int, ...]
    hidden_size: int
    output_size: int

    @nn.compact
    def __call__(self, image: jax.Array, *others: jax.Array) -> jax.Array:
        value = image
        for count in self.features:
            value = self.block(lambda count=count, **options: nn.Conv(count, (4, 4), 2, **options), value)
        value = jnp.concatenate([flat(part) for part in (value, *others)], axis=-1)
        return self.dense(self.output_size, self.dense(self.hidden_size, value), is_output=True)


class _ConvolutionalDecoder(Layers):
    features: tuple[int, ...]
    hidden_size: int
    image_shape: tuple[int, int, int]

    def transposed(self, count: int, value: jax.Array, *, is_output: bool = False) -> jax.Array:
        return self.block(
            lambda **options: nn.ConvTranspose(count, (4, 4), (2, 2), **options), value, is_output=is_output
        )

    @nn.compact
    def __call__(self, *inputs: jax.Array) -> jax.Array:
        height, width, channels = self.image_shape
        shrink = 2 ** len(self.features)
        small = (math.ceil(height / shrink), math.ceil(width / shrink), self.features[0])
        value = self.dense(self.hidden_size, jnp.concatenate([flat(part) for part in inputs], axis=-1))
        value = self.dense(math.prod(small), value).reshape(-1, *small)
        for count in self.features[1:]:
            value = self.transposed(count, value)
        value = self.transposed(channels, value, is_output=True)
        # Each layer doubles a size that was rounded up; what is too much is cut off at the far edges.
        return value[:, :height, :width]


def convolutional_encoder(
    image_shape: Sequence[int],
    output_size: int,
    *,
    other_sizes: Sequence[int] = (),
    features: Sequence[int] = (32, 64),
    hidden_size: int = 256,
    initializer: Initializer | None = None,
    batch_norm: BatchNorm = "none",
    axis_name: str | None = None,
    precision: Precision = "float32",
) -> Network:
    """Convolutions (4×4, stride 2), one hidden layer, a linear output; for images of any size.

    Args:
        image_shape: height, width, channels.
        output_size: numbers per row of the output.
        other_sizes: of further inputs (noise), which join after the convolutions.
        features: channels after each convolution.
        hidden_size: width of the hidden layer.
        initializer: of the weights; `he()` where None.
        batch_norm: see `mlp`.
        axis_name: see `mlp`.
        precision: see `mlp`.

    Returns:
        A network `(image [B, H, W, C], *others [B, ...]) -> [B, output_size]`.

    Raises:
        ValueError: if `image_shape` does not have three entries, a size is not positive or a name is unknown; when
            applied, if the inputs are of other sizes.
    """
    _check_image_shape(image_shape)
    check_sizes(output_size=[output_size], other_sizes=other_sizes, features=features, hidden_size=[hidden_size])
    module = _ConvolutionalEncoder(
        initializer=initializer or he(),
        batch_norm=batch_norm,
        axis_name=axis_name,
        precision=precision,
        features=tuple(features),
        hidden_size=hidden_size,
        output_size=output_size,
    )
    return as_network(module, [tuple(image_shape), *((size,) for size in other_sizes)])


def convolutional_decoder(
    input_sizes: Sequence[int],
    image_shape: Sequence[int],
    *,
    features: Sequence[int] = (64, 32),
    hidden_size: int = 256,
    initializer: Initializer | None = None,
    batch_norm: BatchNorm = "none",
    axis_name: str | None = None,
    precision: Precision = "float32",
) -> Network:
    """Two dense layers, then transposed convolutions (4×4, stride 2); for images of any size.

    Args:
        input_sizes: numbers per row of each input.
        image_shape: height, width, channels.
        features: channels before each transposed convolution.
        hidden_size: width of the hidden layer.
        initializer: of the weights; `he()` where None.
        batch_norm: see `mlp`.
        axis_name: see `mlp`.
        precision: see `mlp`.

    Returns:
        A network `(*inputs [B, ...]) -> [B, H, W, C]`.

    Raises:
        ValueError: if `image_shape` does not have three entries, a size is not positive or a name is unknown; when
            applied, if the inputs are of other sizes.
    """
    _check_image_shape(image_shape)
    check_sizes(input_sizes=input_sizes, features=features, hidden_size=[hidden_size])
    height, width, channels = image_shape
    module = _ConvolutionalDecoder(
        initializer=initializer or he(),
        batch_norm=batch_norm,
        axis_name=axis_name,
        precision=precision,
        features=tuple(features),
        hidden_size=hidden_size,
        image_shape=(height, width, channels),
    )
    return as_network(module, [(size,) for size in input_sizes])


def _check_image_shape(image_shape: Sequence[int]) -> None:
    if not isinstance(image_shape, list | tuple) or len(image_shape) != 3:
        raise ValueError(
            f"image_shape is {image_shape}; convolutions expect (height, width, channels). A table of numbers goes "
            "with the multilayer perceptron."
        )
    check_sizes(image_shape=image_shape)
