"""Trained models, written to a run folder and loaded back."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from aae_jax import adapters, runs
from aae_jax.checkpoints import checkpoints
from aae_jax.checks import nearest
from aae_jax.configs.building import build
from aae_jax.configs.model_config import ModelConfig
from aae_jax.types import Batch, Model, Params

__all__ = ["load", "save"]

_FOLDERS = {False: "params", True: "best_params"}


def save(folder: Path | str, params: Params, *, best: bool = False) -> None:
    """Writes the parameters that `load` gives back: those to evaluate with, after training.

    Beside them `load` wants the folder's `config.json`, with the fields of a `ModelConfig` under "model", which the
    experiments write: `runs.write_json(folder / "config.json", {"model": config})`.

    Args:
        folder: of one training.
        params: to evaluate with, moments of batch norm included.
        best: whether they are those of the best epoch rather than the last.

    Raises:
        ValueError: if `params` are no networks' variables, in float32, or the folder cannot be written.
    """
    if not isinstance(params, dict) or not jax.tree.leaves(params):
        raise ValueError(f"params is {type(params).__name__}; expected the variables of networks, by name.")
    if other := sorted({str(getattr(leaf, "dtype", type(leaf))) for leaf in jax.tree.leaves(params)} - {"float32"}):
        raise ValueError(f"params are of {', '.join(other)}; expected float32, as networks make them.")
    # One more, and only then the one before is deleted: there is always one that is whole.
    with checkpoints(Path(folder) / _FOLDERS[best], kept=1) as saved:
        saved.add(params)


def load(folder: Path | str, *, best: bool = False) -> tuple[Model, Params, ModelConfig]:
    """A trained model from its run folder.

    Args:
        folder: of one training, which holds `config.json` and `params`.
        best: whether to load the parameters of the epoch that was best on validation data rather than the last.

    Returns:
        The model (of standardized data: in the data's own units), its parameters and its config.

    Raises:
        FileNotFoundError: if there is no finished run in the folder.
        ValueError: if what is there is damaged, or names a field that is unknown.
    """
    folder = Path(folder)
    config = _from_json(runs.read_json(folder / "config.json"), folder)
    model = build(config, in_data_units=True)
    params = folder / _FOLDERS[best]
    if not params.is_dir():
        why = "the run is not finished; go on with --resume."
        if best and (folder / _FOLDERS[False]).is_dir():
            why = "nothing was scored on validation data to choose them by; load the last ones, without best."
        raise FileNotFoundError(f"There are no parameters in {params}: {why}")
    like = jax.eval_shape(lambda key: _evaluation_params(model, config, key), jax.random.key(0))
    with checkpoints(params) as saved:
        restored = saved.restore(like)
    if restored is None:
        raise FileNotFoundError(f"There are no parameters in {params}.")
    return model, restored[1], config


def _evaluation_params(model: Model, config: ModelConfig, key: jax.Array) -> Params:
    """Parameters of the structure that training leaves, moments of batch norm included."""
    params = {name: network.init(key) for name, network in model.networks.items()}
    image = jnp.zeros((1, *config.image_shape))
    batch = Batch(image, image, jnp.zeros(1, jnp.int32))
    return adapters.population_moments(model, params, lambda index: batch, 1)


def _from_json(value: Any, folder: Path) -> ModelConfig:
    fields = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(ModelConfig)}
    settings = value.get("model") if isinstance(value, dict) else None
    problem = f"{folder / 'config.json'} does not describe a model"
    if not isinstance(settings, dict):
        raise ValueError(f"{problem}: it has no 'model'.")
    if unknown := sorted({*settings} - {*fields}):
        raise ValueError(f"{problem}: unknown fields {unknown}.{nearest(unknown[0], fields)}")
    if missing := [name for name, required in fields.items() if required and name not in settings]:
        raise ValueError(f"{problem}: the fields {missing} are missing.")
    plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}
    try:
        return ModelConfig(**plain)
    except ValueError as error:
        raise ValueError(f"{problem}: {error}") from None
