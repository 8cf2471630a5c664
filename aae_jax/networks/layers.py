"""What all networks share: initial weights, normalized and rectified layers, and pure functions of a flax module."""

import math
from collections.abc import Callable, Sequence
from typing import Any, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from aae_jax.checks import check_choice, check_count, check_function, check_number
from aae_jax.types import BatchNorm, Network, Precision

__all__ = ["Initializer", "Layers", "as_network", "check_sizes", "flat", "he", "normal"]

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


class Layers(nn.Module):
    """What networks are made of: layers, each normalized where that is wanted, and rectified but for the last."""

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
        """Any layer that has weights: `layer(**options)` makes its module."""
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
        """A layer of `size` units, each of which reads all of the value `[B, N]`."""
        return self.block(lambda **options: nn.Dense(size, **options), value, is_output=is_output)


def as_network(module: nn.Module, input_shapes: Sequence[tuple[int, ...]]) -> Network:
    """A module as pure functions, initialized on one row of zeros."""

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


def flat(value: jax.Array) -> jax.Array:
    """Rows `[B, ...]` as `[B, N]`."""
    return value.reshape(value.shape[0], math.prod(value.shape[1:]))


def check_sizes(**sizes: Sequence[int]) -> None:
    """Checks sizes by the names that callers know them by.

    Raises:
        ValueError: unless all are positive, and those that have to be there are.
    """
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
