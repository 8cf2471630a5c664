"""What the machine can do at most, measured: matrix products of given shapes, and a copy in memory."""

import jax
import jax.numpy as jnp

from benchmarks import timing
from benchmarks.operations import Product

__all__ = ["copy_seconds", "product_seconds"]


def copy_seconds(mebibytes: int, repetitions: int, *, count: int = 10) -> list[float]:
    """Seconds of reading an array and writing it back, in a loop, as an optimizer does with what it trains.

    Args:
        mebibytes: of the array.
        repetitions: how often.
        count: in the loop. Memory that is written for the first time is slower, and is not what is measured.
    """
    loop = jax.jit(lambda array: jax.lax.fori_loop(0, count, lambda _, array: array + 1, array))
    array = jnp.ones(mebibytes * 2**18)
    return [seconds / count for seconds in timing.per_call(loop, array, repetitions=repetitions)]


def product_seconds(product: Product, count: int, repetitions: int) -> list[float]:
    """Seconds of one product of its own shape, in a loop of many.

    Args:
        product: of a layer.
        count: in the loop.
        repetitions: how often.
    """
    batch, inputs, outputs = product[1:]
    rows, weights, gradients = (batch, inputs), (inputs, outputs), (batch, outputs)
    left, right, contract = {
        "forward": (rows, weights, ((1,), (0,))),
        "weights": (rows, gradients, ((0,), (0,))),
        "inputs": (gradients, weights, ((1,), (1,))),
    }[product.kind]

    def multiply(left: jax.Array, right: jax.Array) -> jax.Array:
        # As the networks multiply: left to itself a GPU would take fewer digits.
        return jax.lax.dot_general(left, right, (contract, ((), ())), precision=jax.lax.Precision.HIGHEST)

    @jax.jit
    def loop(left: jax.Array, right: jax.Array) -> jax.Array:
        def body(_: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            # Each product waits for the one before: a number of its left side is written anew. The whole result is
            # carried, so that none of it can be left out.
            left, result = carry
            left = left.at[0, 0].set(1e-3 * result[0, 0])
            return left, multiply(left, right)

        result = jnp.zeros(jax.eval_shape(multiply, left, right).shape)
        return jax.lax.fori_loop(0, count, body, (left, result))[1]

    keys = jax.random.split(jax.random.key(0))
    arrays = [jax.random.normal(key, shape) for key, shape in zip(keys, (left, right), strict=True)]
    return [seconds / count for seconds in timing.per_call(loop, *arrays, repetitions=repetitions)]
