"""What a model decodes, of samples of its prior or of its codes, and how likely images are under very many of it."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aae_jax import row_keys
from aae_jax.data import Dataset, Split
from aae_jax.evaluation import map_rows, parzen_result, parzen_state, parzen_update, squared_distances
from aae_jax.progress import progress
from aae_jax.types import Model, Params
from experiments import judging, training

__all__ = ["BLOCK", "decoded_codes", "nearest_images", "sampler", "streamed_log_likelihood"]

BLOCK = 1000
"""Samples at once."""


def sampler(model: Model, params: Params, dataset: Dataset, key: jax.Array) -> Callable[[Any], jax.Array]:
    """`index -> [BLOCK, D]` decoded draws of the prior, in the units of the pictures."""
    sample = model.sample
    assert sample is not None, "all of these models can be sampled"
    unknown = jnp.full(BLOCK, -1)

    @jax.jit
    def block(index: Any) -> jax.Array:
        return judging.in_data_units(sample(params, row_keys(key, index, BLOCK), unknown), dataset).reshape(BLOCK, -1)

    return block


def decoded_codes(model: Model, params: Params, dataset: Dataset, key: jax.Array, count: int) -> np.ndarray:
    """`[count, D]` decoded draws of q(z given x), one for each of the first training images, in the same units."""
    encode, decode, unknown = model.encode, model.decode, jnp.full(BLOCK, -1)
    assert encode is not None and decode is not None, "an autoencoder"

    @jax.jit
    def block(start: jax.Array, images: jax.Array) -> jax.Array:
        codes = encode(params, row_keys(key, start, BLOCK), images)
        return judging.in_data_units(decode(params, codes, unknown), dataset).reshape(BLOCK, -1)

    images = training.held_out(dataset.train, count).image
    return np.concatenate([block(start, images[start : start + BLOCK]) for start in range(0, count, BLOCK)])


def nearest_images(rows: np.ndarray, dataset: Dataset) -> np.ndarray:
    """The training image nearest to each of `rows [N, D]`, flat, `[N, D]`; a block of them is looked at at once."""

    @jax.jit
    def within(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        squared = map_rows(lambda row: squared_distances(row, images), jnp.asarray(rows))
        return squared.argmin(-1), squared.min(-1)

    found, least = np.zeros_like(rows), np.full(len(rows), np.inf)
    for start in range(0, len(dataset.train.image), 10 * BLOCK):
        block = Split(*(part[start : start + 10 * BLOCK] for part in (dataset.train.image, dataset.train.label)))
        images = judging.pictures(block, dataset).reshape(len(block.image), -1)
        indices, squared = map(np.asarray, within(images))
        nearer = squared < least
        found[nearer], least[nearer] = images[indices[nearer]], squared[nearer]
    return found


def streamed_log_likelihood(
    sample_block: Callable[[Any], jax.Array], images: np.ndarray, sigmas: np.ndarray, *, num_blocks: int
) -> jax.Array:
    """`[S, T]` log-likelihoods under so many samples that they are never there at once."""

    @functools.partial(jax.jit, donate_argnums=0)
    def advance(state: Any, start: Any, stop: Any, images: jax.Array) -> Any:
        return jax.lax.fori_loop(
            start, stop, lambda index, state: parzen_update(state, sample_block(index), images, sigmas), state
        )

    state = parzen_state(len(images), len(sigmas))
    on_device = jnp.asarray(images)
    with progress(f"Parzen, {len(images)} images", 0, num_blocks, unit="block") as bar:
        for start in range(0, num_blocks, 20):
            stop = min(start + 20, num_blocks)
            state = jax.block_until_ready(advance(state, start, stop, on_device))
            bar.update(stop - start)
    return parzen_result(state, sigmas, images.shape[1])
