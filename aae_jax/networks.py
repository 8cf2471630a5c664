"""The paper's multilayer perceptrons and a convolutional pair, behind `Network(init, apply)`.

Flax is used here and nowhere else. A network's inputs are concatenated, so that noise, labels or categories can
stand beside an image or a code: `network.apply(variables, image, noise)`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aae_jax.checks import check_choice, check_count, check_function, check_number
from aae_jax.types import BatchNorm, Network, Precision

__all__ = ["convolutional_decoder", "convolutional_encoder", "he", "linear", "mlp", "normal"]

Initializer = Callable[..., jax.Array]


def normal(std: float = 0.01) -> Initializer:
    """Weights from N(0, std²), the paper's 0.01 by default (appendix A.1).

    Raises:
        ValueError: unless `std` is positive.
    """
    check_number("The weights' standard deviation", std, "a number above 0, such as 0.01", above=0)
    return nn.initializers.normal(std)


def he() -> Initializer:
    """Weights from N(0, 2 / inputs), which keeps the scale of activations through rectified layers.

    References:
        He et al., "Delving Deep into Rectifiers", 2015.
    """
    return nn.initializers.he_normal()


class _Normalization(nn.Module):
    """Batch normalization without running state.

    Reads the moments from the collection `moments` where the variables have one (evaluation), else takes those of the
    batch (training), over all devices where `axis_name` is given. See `aae_jax.adapters.population_moments`.
    """

    axis_name: str | None = None
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, value: jax.Array) -> jax.Array:
        size = value.shape[-1]
        # As the other weights: in JAX's default type a model that is saved would not be one that is loaded under x64.
        scale = self.param("scale", nn.initializers.ones, (size,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (size,), jnp.float32)
        if self.has_variable("moments", "mean"):
            mean: jax.Array = self.get_variable("moments", "mean")
            square: jax.Array = self.get_variable("moments", "square")
        else:
            value = value.astype(jnp.promote_types(value.dtype, jnp.float32))
            axes = tuple(range(value.ndim - 1))
            mean, square = value.mean(axes), jnp.square(value).mean(axes)
            if self.axis_name is not None and not self.is_initializing():
                mean, square = jax.lax.pmean((mean, square), self.axis_name)
            for name, moment in (("mean", mean), ("square", square)):
                moment = moment.astype(scale.dtype)
                self.sow("batch_moments", name, moment, reduce_fn=lambda _, new: new, init_fn=lambda: None)
        # Rounding can make the variance of a constant feature slightly negative.
        variance = jnp.maximum(square - jnp.square(mean), 0)
        return (value - mean) * jax.lax.rsqrt(variance + self.epsilon) * scale + bias


class _Layers(nn.Module):
    """What the networks below share: a layer, its normalization, its rectifier."""

    initializer: Initializer
    batch_norm: BatchNorm
    axis_name: str | None
    precision: Precision

    def __post_init__(self) -> None:
        super().__post_init__()
        check_function("initializer", self.initializer, "of weights, such as normal() or he()")
        check_choice("batch_norm", self.batch_norm, get_args(BatchNorm))
        check_choice("precision", self.precision, get_args(Precision))

    def block(self, layer: Any, value: jax.Array, *, is_output: bool = False) -> jax.Array:
        normalized = self.batch_norm == "all" or (self.batch_norm == "hidden" and not is_output)
        value = layer(
            kernel_init=self.initializer,
            use_bias=not normalized,
            # Left to themselves GPUs round the factors of float32 products to 10 bits, which is tensorfloat32.
            precision=None if self.precision == "tensorfloat32" else jax.lax.Precision.HIGHEST,
            dtype=jnp.bfloat16 if self.precision == "bfloat16" else None,
        )(value)
        if normalized:
            value = _Normalization(self.axis_name)(value)
        return value if is_output else nn.relu(value)

    def dense(self, size: int, value: jax.Array, *, is_output: bool = False) -> jax.Array:
        return self.block(lambda **options: nn.Dense(size, **options), value, is_output=is_output)


class _MLP(_Layers):
    hidden_sizes: tuple[int, ...]
    output_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, *inputs: jax.Array) -> jax.Array:
        value = jnp.concatenate([_flat(part) for part in inputs], axis=-1)
        for size in self.hidden_sizes:
            value = self.dense(size, value)
        return self.dense(math.prod(self.output_shape), value, is_output=True).reshape(-1, *self.output_shape)


class _ConvolutionalEncoder(_Layers):
    features: tuple[int, ...]
    hidden_size: int
    output_size: int

    @nn.compact
    def __call__(self, image: jax.Array, *others: jax.Array) -> jax.Array:
        value = image
        for count in self.features:
            value = self.block(lambda count=count, **options: nn.Conv(count, (4, 4), 2, **options), value)
        value = jnp.concatenate([_flat(part) for part in (value, *others)], axis=-1)
        return self.dense(self.output_size, self.dense(self.hidden_size, value), is_output=True)


class _ConvolutionalDecoder(_Layers):
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
        value = self.dense(self.hidden_size, jnp.concatenate([_flat(part) for part in inputs], axis=-1))
        value = self.dense(math.prod(small), value).reshape(-1, *small)
        for count in self.features[1:]:
            value = self.transposed(count, value)
        value = self.transposed(channels, value, is_output=True)
        # Each layer doubles a size that was rounded up; what is too much is cut off at the far edges.
        return value[:, :height, :width]


def mlp(
    input_sizes: Sequence[int],
    hidden_sizes: Sequence[int],
    output_shape: int | Sequence[int],
    *,
    initializer: Initializer | None = None,
    batch_norm: BatchNorm = "none",
    axis_name: str | None = None,
    precision: Precision = "float32",
) -> Network:
    """A multilayer perceptron with rectified hidden layers and a linear output, biases 0 at first.

    Args:
        input_sizes: numbers per row of each input; an image counts height × width × channels.
        hidden_sizes: widths of the hidden layers; the paper has (1000, 1000). May be empty.
        output_shape: of a row of the output: a number for codes and logits, an image's shape for a decoder.
        initializer: of the weights; `normal(0.01)`, the paper's, where None.
        batch_norm: which layers are normalized over the batch: "none", "hidden", or "all" with the output.
        axis_name: the mapped axis over which batches are sharded, for batch norm; None on one device.
        precision: of products: "float32"; "tensorfloat32", which GPUs and TPUs do faster, with about three digits (on
            CPUs the same as float32); or "bfloat16", of activations too. Weights and outputs are float32 in each.

    Returns:
        A network `(*inputs [B, ...]) -> [B, *output_shape]`.

    Raises:
        ValueError: if a size is not positive or a name is unknown; when applied, if the inputs are of other sizes.

    Example:
        >>> import jax
        >>> network = mlp([28 * 28], (1000, 1000), 8)
        >>> network.apply(network.init(jax.random.key(0)), jax.numpy.zeros((5, 28, 28, 1))).shape
        (5, 8)

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, appendix A.1.
    """
    output_shape = (output_shape,) if isinstance(output_shape, int | np.integer) else output_shape
    _check_sizes(input_sizes=input_sizes, hidden_sizes=hidden_sizes, output_shape=output_shape)
    output_shape = tuple(output_shape)
    module = _MLP(
        initializer=initializer or normal(),
        batch_norm=batch_norm,
        axis_name=axis_name,
        precision=precision,
        hidden_sizes=tuple(hidden_sizes),
        output_shape=output_shape,
    )
    return _network(module, [(size,) for size in input_sizes])


def linear(input_size: int, output_size: int, *, initializer: Initializer | None = None) -> Network:
    """A matrix W `[input_size, output_size]` and nothing else: `value -> value W`.

    The cluster heads of the dimension-reduction autoencoder are one (paper, section 7).

    Raises:
        ValueError: if a size is not positive, or `initializer` is no function.
    """
    if initializer is not None:
        check_function("initializer", initializer, "of weights, such as normal() or he()")
    _check_sizes(input_size=[input_size], output_size=[output_size])
    # Unasked, accelerators round what they multiply; so few products are not worth that.
    exact = jax.lax.Precision.HIGHEST
    module = nn.Dense(output_size, use_bias=False, kernel_init=initializer or normal(), precision=exact)
    return _network(module, [(input_size,)])


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
    _check_sizes(output_size=[output_size], other_sizes=other_sizes, features=features, hidden_size=[hidden_size])
    module = _ConvolutionalEncoder(
        initializer=initializer or he(),
        batch_norm=batch_norm,
        axis_name=axis_name,
        precision=precision,
        features=tuple(features),
        hidden_size=hidden_size,
        output_size=output_size,
    )
    return _network(module, [tuple(image_shape), *((size,) for size in other_sizes)])


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
    _check_sizes(input_sizes=input_sizes, features=features, hidden_size=[hidden_size])
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
    return _network(module, [(size,) for size in input_sizes])


def _network(module: nn.Module, input_shapes: Sequence[tuple[int, ...]]) -> Network:
    """A module as two (or three) pure functions, initialized on one row of zeros."""

    def init(key: jax.Array) -> Any:
        return {"params": module.init(key, *(jnp.zeros((1, *shape)) for shape in input_shapes))["params"]}

    def moments(variables: Any, *inputs: jax.Array) -> Any:
        _, collections = module.apply(variables, *inputs, mutable=["batch_moments"])
        return collections.get("batch_moments", {})

    def apply(variables: Any, *inputs: jax.Array) -> Any:
        _check_inputs(input_shapes, inputs)
        output: Any = module.apply(variables, *inputs)
        return output.astype(jnp.promote_types(output.dtype, jnp.float32))

    return Network(init, apply, moments)


def _flat(value: jax.Array) -> jax.Array:
    return value.reshape(value.shape[0], math.prod(value.shape[1:]))


def _check_sizes(**sizes: Sequence[int]) -> None:
    for name, values in sizes.items():
        try:
            len(values)  # What can be read but once would be empty afterwards.
            for value in values:
                check_count(name, value)
        except (TypeError, ValueError):
            given = repr(list(values) if isinstance(values, list | tuple) else values)
            raise ValueError(f"{name} is {given}; expected positive whole numbers.") from None
    if not sizes.get("input_sizes", [1]):
        raise ValueError("input_sizes is empty; expected the numbers per row of at least one input.")
    if not sizes.get("features", [1]):
        raise ValueError("features is empty; expected the channels of at least one convolution.")


def _check_inputs(shapes: Sequence[tuple[int, ...]], inputs: Sequence[Any]) -> None:
    """Flax would complain of a kernel's shape, and of a flat image where a convolution wants axes not at all."""
    if len(inputs) != len(shapes):
        raise ValueError(f"The network was given {len(inputs)} inputs; expected {len(shapes)}.")
    for position, (shape, value) in enumerate(zip(shapes, inputs, strict=True)):
        found = jnp.shape(value)
        if not found or math.prod(found[1:]) != math.prod(shape) or (len(shape) > 1 and found[1:] != shape):
            expected = f"[B, {', '.join(map(str, shape))}]"
            raise ValueError(f"Input {position} of the network has shape {found}; expected {expected}: rows first.")


def _check_image_shape(image_shape: Sequence[int]) -> None:
    if not _is_image_shape(image_shape):
        raise ValueError(
            f"The image shape is {image_shape}; convolutions expect (height, width, channels), all positive. "
            "A table of numbers goes with the multilayer perceptron."
        )


def _is_image_shape(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)
