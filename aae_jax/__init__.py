"""Adversarial autoencoders in JAX: networks and phases, pure functions, explicit keys.

A model is a set of networks and a tuple of phases; a phase is a loss and the names of the networks that it trains; a
training step runs the phases in order. The modules, from the bottom up:

    types checks                                   the vocabulary; what callers give, checked
    losses keys                                    functions of arrays; keys of rows and draws
    priors heads likelihoods corruption            pieces for one example
    networks phases wiring games                   the paper's networks; what a step does; what variants are made of
    models                                         the variants, wired
    steps parallel hosts                           updates; devices; several processes
    evaluation certificates data neighbors         how good it is; what a game has reached; what it learns from
    terms epoch feeds loop interrupts progress     training on the device, fed from the host, to a run folder
    configs adapters runs checkpoints              models by name, ready for use; run folders, and loading one back
"""

from aae_jax import (
    configs,
    corruption,
    data,
    evaluation,
    heads,
    likelihoods,
    losses,
    models,
    neighbors,
    networks,
    phases,
    priors,
)
from aae_jax.configs import ModelConfig, build, load
from aae_jax.epoch import Rows
from aae_jax.keys import derive, row_keys
from aae_jax.loop import fit
from aae_jax.steps import algorithm, update
from aae_jax.terms import TrainingConfig
from aae_jax.types import (
    Algorithm,
    Batch,
    Codes,
    Game,
    Head,
    Keys,
    Likelihood,
    Metrics,
    Model,
    Network,
    Params,
    Phase,
    Prior,
    TrainState,
)

__all__ = [
    "Algorithm",
    "Batch",
    "Codes",
    "Game",
    "Head",
    "Keys",
    "Likelihood",
    "Metrics",
    "Model",
    "ModelConfig",
    "Network",
    "Params",
    "Phase",
    "Prior",
    "Rows",
    "TrainState",
    "TrainingConfig",
    "algorithm",
    "build",
    "configs",
    "corruption",
    "data",
    "derive",
    "evaluation",
    "fit",
    "heads",
    "likelihoods",
    "load",
    "losses",
    "models",
    "neighbors",
    "networks",
    "phases",
    "priors",
    "row_keys",
    "update",
]
