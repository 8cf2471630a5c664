"""The variants: each is a set of networks, wired to phases. To make one of your own, write such a function.

Every network is named as in `Model.networks`: "encoder", "decoder", "discriminator". An encoder's code is called
"style" where it is continuous and "category" where it is a class; where it has both, so have the mappings
`discriminators` and `priors`, and the networks are "style_discriminator" and "category_discriminator".

Where a variant learns from the labels of some rows only, `batch.label` is −1 in the others, and nothing else tells
them apart. The semi-supervised variants never read it: their labels are those of `batch.labeled`.
"""

from aae_jax.models.one_code import (
    aae,
    ae,
    classifier,
    gan,
    label_conditioned_aae,
    label_conditioned_supervised_aae,
    supervised_aae,
    vae,
)
from aae_jax.models.smoothed import invariant, smoothed
from aae_jax.models.style_and_category import (
    clustering_aae,
    dimension_reduction_aae,
    representation,
    semi_supervised_aae,
    semi_supervised_dimension_reduction_aae,
)

__all__ = [
    "aae",
    "ae",
    "classifier",
    "clustering_aae",
    "dimension_reduction_aae",
    "gan",
    "invariant",
    "label_conditioned_aae",
    "label_conditioned_supervised_aae",
    "representation",
    "semi_supervised_aae",
    "semi_supervised_dimension_reduction_aae",
    "smoothed",
    "supervised_aae",
    "vae",
]
