"""Any variant with categories, with a phase more that asks for the same q(y given x) all around an image."""

from collections.abc import Callable

import jax

from aae_jax.checks import check_instance
from aae_jax.phases import invariance, smoothness
from aae_jax.types import Batch, Corruption, Model, Params, Phase

__all__ = ["invariant", "smoothed"]


def smoothed(model: Model, radius: float) -> Model:
    """The model whose q(y given x) is to be the same all around each image: its last phase is `phases.smoothness`.

    The paper's games make categories certain and equally frequent, but leave open where one ends and the next begins.
    This puts the borders where there are few images. Not the paper's.

    Args:
        model: with a code "category": a classifier, or a variant with style and category.
        radius: see `phases.smoothness`.

    Raises:
        ValueError: if `model` is none or cannot encode, or `radius` is not above 0; when a step is taken, if there is
            no category.
    """
    return _with_phase(model, smoothness(_probabilities(model), ["encoder"], radius=radius))


def invariant(
    model: Model,
    view: Corruption,
    *,
    viewed: Callable[[Batch], jax.Array | None] = lambda batch: batch.image,
    balance: float = 0.0,
    axis_name: str | None = None,
) -> Model:
    """The model whose q(y given x) is to be the same of other views: its last phase is `phases.invariance`.

    This says what does not make another category of an image: the paper's games leave that open. Where the model
    learns classes, other views of `batch.labeled`, if there is any, are to be of their class. Not the paper's.

    Args:
        model: see `smoothed`.
        view: see `phases.invariance`.
        viewed: see there.
        balance: see there.
        axis_name: see there.

    Raises:
        ValueError: if `model` is none or cannot encode, `view` or `viewed` is no function or `balance` is below 0;
            when a step is taken, if there is no category, or nothing to view.
    """
    probabilities = _probabilities(model)
    learns_classes = "classification" in [phase.name for phase in model.phases]

    def known(batch: Batch) -> Batch | None:
        return batch.labeled if learns_classes else None

    phase = invariance(
        probabilities, ["encoder"], view, viewed=viewed, balance=balance, known=known, axis_name=axis_name
    )
    return _with_phase(model, phase)


def _with_phase(model: Model, phase: Phase) -> Model:
    return model._replace(phases=(*model.phases, phase))


def _probabilities(model: Model) -> Callable[[Params, jax.Array], jax.Array]:
    """q(y given x), `(params, image) -> [B, K]`."""
    check_instance("model", model, Model, "aae_jax.models")
    encode_mean = model.encode_mean
    if encode_mean is None:
        raise ValueError("The model has no encode_mean; expected one whose codes have a category.")

    def probabilities(params: Params, image: jax.Array) -> jax.Array:
        codes = encode_mean(params, image)
        if "category" not in codes:
            raise ValueError(f"The model's codes are {sorted(codes)}; expected a category among them.")
        return codes["category"]

    return probabilities
