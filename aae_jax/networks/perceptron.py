"""The paper's multilayer perceptron (appendix A.1), and a matrix by itself."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aae_jax.checks import check_function
from aae_jax.networks.layers import Initializer, Layers, as_network, check_sizes, flat, normal
from aae_jax.types import BatchNorm, Network, Precision

__all__ = ["linear", "mlp"]


class _MLP(Layers):
    hidden_sizes: tuple[int, ...]
    output_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, *inputs: jax.Array) -> jax.Array:
        value = jnp.concatenate([flat(part) for part in inputs], axis=-1)
        for size in self.hidden_sizes:
            value = self.dense(size, value)
        return self.dense(math.prod(self.output_shape), value, is_output=True).reshape(-1, *self.output_shape)


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
    check_sizes(input_sizes=input_sizes, hidden_sizes=hidden_sizes, output_shape=output_shape)
    output_shape = tuple(output_shape)
    module = _MLP(
        initializer=initializer or normal(),
        batch_norm=batch_norm,
        axis_name=axis_name,
        precision=precision,
        hidden_sizes=tuple(hidden_sizes),
        output_shape=output_shape,
    )
    return as_network(module, [(size,) for size in input_sizes])


def linear(input_size: int, output_size: int, *, initializer: Initializer | None = None) -> Network:
    """A matrix W `[input_size, output_size]` and nothing else: `value -> value W`.

    The cluster heads of the dimension-reduction autoencoder are one (paper, section 7).

    Raises:
        ValueError: if a size is not positive, or `initializer` is no function.
    """
    if initializer is not None:
        check_function("initializer", initializer, "of weights, such as normal() or he()")
    check_sizes(input_size=[input_size], output_size=[output_size])
    # Unasked, accelerators round what they multiply; so few products are not worth that.
    exact = jax.lax.Precision.HIGHEST
    module = nn.Dense(output_size, use_bias=False, kernel_init=initializer or normal(), precision=exact)
    return as_network(module, [(input_size,)])
