"""Trainings of `benchmarks.invariance`, in a process of their own: devices are counted before JAX starts."""

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aae_jax import (
    ModelConfig,
    Rows,
    TrainingConfig,
    algorithm,
    build,
    corruption,
    data,
    epoch,
    feeds,
    fit,
    hosts,
    neighbors,
    row_keys,
)
from aae_jax.types import Algorithm, TrainState

NUM_ROWS, BATCH_SIZE, EPOCHS = 800, 80, 10
"""A hundred steps of batches that eight devices can share."""
SMALL = {"image_shape": (28, 28, 1), "num_classes": 10, "hidden_sizes": (32,), "weight_std": None}
VARIANTS = {
    "classifier": ModelConfig("classifier", **SMALL),
    "ae": ModelConfig("ae", **SMALL),
    "vae": ModelConfig("vae", **SMALL),
    "vae, mixture": ModelConfig("vae", prior="gaussian_mixture", **SMALL),
    "gan": ModelConfig("gan", **SMALL),
    "gan, noise, batch norm": ModelConfig("gan", decoder_batch_norm="hidden", instance_noise_std=0.5, **SMALL),
    "aae": ModelConfig("aae", **SMALL),
    "aae, gaussian posterior": ModelConfig("aae", posterior="gaussian", prior="swiss_roll", **SMALL),
    "aae, isotropic posterior": ModelConfig("aae", posterior="isotropic", posterior_std=0.2, **SMALL),
    "aae, universal posterior": ModelConfig("aae", posterior="universal", prior="uniform_box", **SMALL),
    "aae, convolutions, batch norm": ModelConfig(
        "aae",
        network="convolutional",
        encoder_batch_norm="all",
        decoder_batch_norm="all",
        # In float64 convolutions are slow: these see the middle of each digit.
        **{**SMALL, "image_shape": (12, 12, 1)},
    ),
    "label_conditioned_aae, noise": ModelConfig(
        "label_conditioned_aae", prior="gaussian_mixture", instance_noise_std=0.3, **SMALL
    ),
    "supervised_aae": ModelConfig("supervised_aae", **SMALL),
    "label_conditioned_supervised_aae": ModelConfig("label_conditioned_supervised_aae", **SMALL),
    "semi_supervised_aae, invariant, batch norm": ModelConfig(
        "semi_supervised_aae",
        **{"view_amount": 1.0, "view_cutout": 2, "view_balance": 0.5},
        encoder_batch_norm="all",
        **SMALL,
    ),
    "clustering_aae": ModelConfig("clustering_aae", num_clusters=12, **SMALL),
    "clustering_aae, neighbors": ModelConfig(
        "clustering_aae", num_clusters=12, **{"view_amount": 0.5, "view_of": "neighbor", "view_balance": 1.0}, **SMALL
    ),
    "dimension_reduction_aae": ModelConfig("dimension_reduction_aae", num_clusters=12, **SMALL),
    "semi_supervised_dimension_reduction_aae": ModelConfig("semi_supervised_dimension_reduction_aae", **SMALL),
}


def train(config: ModelConfig, *, seeds: Sequence[int], devices: int = 1, streamed: bool = False) -> TrainState:
    """The state after a hundred steps on real digits, with noise and dropout, of one or several seeds."""
    train = data.load("mnist5k").train
    labeled = np.arange(100, dtype=np.int32) if config.variant.startswith("semi_supervised") else None
    margin = (28 - config.image_shape[0]) // 2
    image = np.ascontiguousarray(train.image[:NUM_ROWS, margin : 28 - margin, margin : 28 - margin])
    rows = Rows(image, train.label[:NUM_ROWS], labeled)
    if config.view_of == "neighbor":
        rows = rows._replace(neighbors=np.asarray(neighbors.nearest(image / np.float32(255), 3)))
    corrupt = corruption.chain(corruption.gaussian_noise(0.3), corruption.dropout(0.2))

    def make_algorithm(axis_name: str | None) -> Algorithm:
        model = build(config, axis_name=axis_name)
        # As the paper descends. By Adam the convolutional variant differs by 1e-9 of its largest parameter, most of it
        # after ten steps: it divides gradients by their own size, however little more than rounding they are.
        optimizers = {phase.name: optax.sgd(1e-3, momentum=0.9) for phase in model.phases}
        made = algorithm(model, optimizers, corrupt=corrupt, axis_name=axis_name)
        return made._replace(init=lambda key: jax.tree.map(_widest, made.init(key)))

    terms = TrainingConfig(
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        seed=tuple(seeds) if len(seeds) > 1 else seeds[0],
        num_devices=devices,
        checkpoint_epochs=EPOCHS,
        stream="yes" if streamed else "no",
    )
    with tempfile.TemporaryDirectory() as folder:
        return jax.device_get(fit(make_algorithm, rows, terms, folder))


def _widest(leaf: jax.Array) -> jax.Array:
    """Weights are float32 as networks make them; here they are what JAX calls a float, 64 bits where these are on."""
    return leaf.astype(jnp.result_type(float)) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def main(job: Mapping[str, Any], path: Path) -> None:
    """Trains in each of the job's ways; writes all numbers of the parameters by way, a row for each seed."""
    jax.config.update("jax_enable_x64", job["precision"] == "float64")
    if job["same_noise"]:
        # What must be noticed: every device draws the noise of the first.
        epoch.row_keys = lambda key, step, num_rows, first=0: row_keys(key, step, num_rows, 0)
    feeds._SPAN_BYTES = NUM_ROWS // 3 * 784
    together: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if job["processes"] > 1:
        together = hosts.join(job["coordinator"], job["processes"], job["process"])
    with together:
        numbers = {}
        for name, way in job["ways"].items():
            state = train(VARIANTS[job["variant"]], **way)
            leaves = [np.asarray(leaf).reshape(len(way["seeds"]), -1) for leaf in jax.tree.leaves(state.params)]
            numbers[name] = np.concatenate(leaves, axis=1)
        if hosts.is_first():
            np.savez(path, **numbers)


def _end_with_parent() -> None:
    """Ends this process when nobody holds its standard input any more."""
    # Not by sys.stdin, whose lock a daemon thread would hold when the interpreter ends.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
