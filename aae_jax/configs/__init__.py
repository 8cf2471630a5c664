"""Models by name: a config that can be written down as JSON, and the model that it means.

A run folder holds one, so that `load` gives back a trained model without the script that trained it.
"""

from aae_jax.configs.building import build, build_likelihood, build_prior
from aae_jax.configs.model_config import ModelConfig
from aae_jax.configs.saved import load, save

__all__ = ["ModelConfig", "build", "build_likelihood", "build_prior", "load", "save"]
