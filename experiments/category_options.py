"""The options of the experiments whose models have categories: phases more than the paper's, and images alike."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import jax
import numpy as np

from aae_jax import ModelConfig, Rows, epoch, neighbors, terms
from aae_jax.checks import check_count
from aae_jax.data import Dataset
from aae_jax.evaluation import map_rows
from aae_jax.progress import progress
from experiments import optimizers
from experiments.optimizers import OptimizersOf
from experiments.options import PaperOptions

__all__ = ["ALIKE", "PLAINLY", "CategoryOptions", "ClassificationOptions"]

PLAINLY = {"view_amount": 0.0, "view_cutout": 0, "view_neighbors": 0, "view_balance": 0.0, "smoothness_radius": 0.0}
"""`CategoryOptions` without the phases that the paper does not have."""
ALIKE: dict[str, Any] = {
    **{"width": 400, "smoothness_radius": 0.0, "view_neighbors": 3, "view_walk": 12, "view_balance": 1.0},
    **{"view_amount": 0.5, "view_stretch": 0.15, "view_cutout": 0, "view_rate": 0.05, "constant_view_rate": True},
}
"""What clusters are best found by: images that are alike are of one, and the views of each batch of all."""
_BLOCK = 2000
"""Images whose neighbors are looked for at once: some seconds."""
_NUM_WALKS = 20
"""From each image, of which each step takes one: more than a training of 20 epochs asks of it."""


@dataclasses.dataclass(frozen=True)
class CategoryOptions(PaperOptions):
    """Options of the experiments whose models have categories, for two phases that the paper does not have."""

    NEEDS: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("view_stretch", "view_rate", "constant_view_rate"), "view_amount"),
        **dict.fromkeys(("view_neighbors", "view_balance"), "view_amount"),
        "view_walk": "view_neighbors",
        **dict.fromkeys(("smoothness_rate", "smoothness_start"), "smoothness_radius"),
    }

    view_amount: float = 0.0
    """How much an image is turned, slanted and moved at random for another view of it, whose category is to be the
    same: 1 for up to 15 degrees, a quarter of its height and 2 pixels; 0 for no such phase, as in the paper."""
    view_stretch: float = 0.3
    """Its height and width are divided by 1 minus this to 1 plus this for that view, each by itself."""
    view_cutout: int = 0
    """Pixels of the side of a square, anywhere, that is set to 0 in that view; 0 for no square."""
    view_neighbors: int = 0
    """Nearest images of each one, compared upright: a walk over them leads to another image, which is viewed in its
    place every other time; 0 to view the image itself always."""
    view_walk: int = 12
    """Steps of that walk, each to one of the nearest."""
    view_balance: float = 0.0
    """How much that phase charges for categories of which a batch has few views; 0 to leave that to the game."""
    view_rate: float = 0.01
    """First learning rate of that phase; momentum 0.9."""
    constant_view_rate: bool = False
    """Whether that rate stays when the others fall, so that views settle what is left undecided."""
    smoothness_radius: float = 0.0
    """How far around an image its category is to be the same, a Euclidean distance over all pixels (virtual
    adversarial training); 0 for no such phase, as in the paper."""
    smoothness_rate: float = 0.01
    """First learning rate of that phase; momentum 0.9."""
    smoothness_start: int = 0
    """Epochs before that phase begins to change anything: where few images are labeled, those that a network has
    still wrong it would hold on to."""

    def check(self) -> None:
        """Checks what can be checked before anything is loaded; see `Options`."""
        super().check()
        check_count("view_neighbors", self.view_neighbors, 0)
        check_count("view_walk", self.view_walk)
        if self.smoothness_radius and self.smoothness_start >= self.epochs:
            raise ValueError(
                f"smoothness_start is {self.smoothness_start}, and epochs is {self.epochs}; expected fewer, or the "
                "phase never begins."
            )

    def check_dataset(self, dataset: Dataset) -> None:
        """Checks what can be checked before anything is trained; see `Options`."""
        super().check_dataset(dataset)
        if self.views_neighbors():
            image, label = dataset.train.image, dataset.train.label
            if self.view_neighbors >= len(image):
                raise ValueError(
                    f"view_neighbors is {self.view_neighbors}; expected fewer than the {len(image)} training images."
                )
            some = np.zeros((len(image), 1), np.int32)
            terms.check(Rows(image, label, neighbors=some), self.training(self.all_seeds()))

    def views_neighbors(self) -> bool:
        """Whether any image is viewed in another's place."""
        return bool(self.view_amount and self.view_neighbors)

    def similar_images(self, dataset: Dataset) -> np.ndarray | None:
        """Images to view in place of each training image, or None.

        They are the same for all seeds, so that a seed is trained on the same ones beside others as by itself.

        Returns:
            `[N, W]` indices, of which the second half are the image itself.
        """
        if not self.views_neighbors():
            return None
        image, label = dataset.train.image, dataset.train.label
        images = epoch.batch_of(Rows(image, label), np.arange(len(image))).image
        images = jax.jit(partial(map_rows, neighbors.upright))(images)
        nearest = []
        with progress("nearest images", 0, len(images), unit="image") as bar:
            for start in range(0, len(images), _BLOCK):
                rows = np.arange(start, min(start + _BLOCK, len(images)))
                nearest.append(np.asarray(neighbors.nearest(images, self.view_neighbors, rows)))
                bar.update(len(rows))
        walks = neighbors.walks(jax.random.key(0), np.concatenate(nearest), steps=self.view_walk, count=_NUM_WALKS)
        itself = np.broadcast_to(np.arange(len(images), dtype=np.int32)[:, None], walks.shape)
        return np.concatenate([walks, itself], axis=1)

    def rates(self) -> dict[str, float]:
        """The first learning rates by phase."""
        return {**super().rates(), "invariance": self.view_rate, "smoothness": self.smoothness_rate}

    def optimizers(self) -> OptimizersOf:
        """Stochastic gradient descent, see `PaperOptions`; smoothness begins at its epoch."""
        own_drops: dict[str, tuple[int, ...]] = {"invariance": ()} if self.constant_view_rate else {}
        starts = {"smoothness": self.smoothness_start}
        return optimizers.sgd(self.rates(), drops=self.drops, starts=starts, own_drops=own_drops)

    def model_config(self, variant: Any, dataset: Dataset, **options: Any) -> ModelConfig:
        """A model of the paper's networks for a data set; see `Options`."""
        names = ["view_amount", "view_stretch", "view_cutout", "smoothness_radius"]
        added = {name: getattr(self, name) for name in names}
        if self.view_amount:
            added["view_balance"] = self.view_balance
        if self.views_neighbors():
            added["view_of"] = "neighbor"
        return super().model_config(variant, dataset, **{**added, **options})


@dataclasses.dataclass(frozen=True)
class ClassificationOptions(CategoryOptions):
    """Options of the experiments whose models learn classes."""

    classification_rate: float = 0.1
    """First learning rate of the classification phase; momentum 0.9."""

    def rates(self) -> dict[str, float]:
        """The first learning rates by phase."""
        return {**super().rates(), "classification": self.classification_rate}
