"""Named data sets and a user's own arrays, with fixed splits; and the order in which training visits their rows.

What is where: `sources` (`load`: a data set by its name), `dataset` (what it gives back), `arrays` (a ``.npz`` file),
`tfds` (tensorflow-datasets, imported nowhere else), `formats` (original files), `cache` (decoded arrays on disk),
`order` (the order of rows, and which of them have labels), `streams` (rows read ahead by grain).
"""

from aae_jax.data.dataset import Dataset, Split, standardized
from aae_jax.data.order import labeled_order, labeled_subset, order
from aae_jax.data.sources import load
from aae_jax.data.streams import blocks

__all__ = [
    "Dataset",
    "Split",
    "blocks",
    "labeled_order",
    "labeled_subset",
    "load",
    "order",
    "standardized",
]
