"""The options of a model, and which of them go together."""

import dataclasses
from typing import Literal, get_args, get_origin, get_type_hints

from aae_jax.checks import check_choice, check_count, check_number, check_shift_and_scale
from aae_jax.types import BatchNorm, Precision

__all__ = ["ModelConfig"]

Variant = Literal[
    "classifier",
    "ae",
    "vae",
    "gan",
    "aae",
    "label_conditioned_aae",
    "supervised_aae",
    "label_conditioned_supervised_aae",
    "semi_supervised_aae",
    "clustering_aae",
    "dimension_reduction_aae",
    "semi_supervised_dimension_reduction_aae",
]

_LEARNS_FROM_LABELS = (
    *("classifier", "label_conditioned_aae", "supervised_aae", "label_conditioned_supervised_aae"),
    *("semi_supervised_aae", "semi_supervised_dimension_reduction_aae"),
)
_FINDS_CLUSTERS = ("clustering_aae", "dimension_reduction_aae")
_HAS_NO_LIKELIHOOD = ("classifier",)
_HAS_NO_GAME = ("classifier", "ae", "vae")
_HAS_CATEGORIES = (
    *("classifier", "semi_supervised_aae", "semi_supervised_dimension_reduction_aae"),
    *_FINDS_CLUSTERS,
)
_READ_BY = {
    "num_clusters": ("variant", _FINDS_CLUSTERS),
    "prior_std": ("prior", ("gaussian",)),
    "eta": ("variant", ("dimension_reduction_aae", "semi_supervised_dimension_reduction_aae")),
    "posterior": ("variant", ("aae",)),
    "posterior_std": ("posterior", ("isotropic",)),
    "noise_size": ("posterior", ("universal",)),
    "instance_noise_std": ("variant", ("gan", "label_conditioned_aae")),
    "smoothness_radius": ("variant", _HAS_CATEGORIES),
    "view_amount": ("variant", _HAS_CATEGORIES),
    "generator_loss": ("variant", tuple(name for name in get_args(Variant) if name not in _HAS_NO_GAME)),
    "likelihood_std": ("likelihood", ("gaussian",)),
}
"""Of options that mean something for some others alone: by which option, and which values of it."""


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A model by name."""

    variant: Variant
    """What is wired to what: `aae_jax.models`."""
    image_shape: tuple[int, ...]
    """(height, width, channels), or (columns,) of a table."""
    num_classes: int = 0
    """Classes of the labels; 0 where there are none."""
    num_clusters: int = 0
    """Categories of the variants that find them without labels; 0 for all other variants."""
    prior: Literal["gaussian", "gaussian_mixture", "swiss_roll", "uniform_box"] = "gaussian"
    """The distribution that codes are to fill."""
    prior_std: float = 1.0
    """Standard deviation of the Gaussian prior."""
    code_size: int = 2
    """Numbers in a code (in the style, where there are categories too); mixture and swiss roll have 2."""
    eta: float = 4.0
    """The distance below which the cluster heads of dimension reduction repel each other. They start about
    as far from each other: two in one place would never part, and images find no way to one that is far."""
    posterior: Literal["deterministic", "gaussian", "isotropic", "universal"] = "deterministic"
    """The AAE's q(z given x): a point, a Gaussian, one of a standard deviation that is given, or any distribution by
    noise as an input of the encoder."""
    posterior_std: float = 0.0
    """Standard deviation of the isotropic posterior, in the code's units; 0 for all other ones."""
    noise_size: int = 10
    """Numbers of noise that the universal approximator reads."""
    instance_noise_std: float = 0.0
    """Of the Gaussian noise on all that the discriminator of gan or label_conditioned_aae sees, real or fake."""
    smoothness_radius: float = 0.0
    """How far around an image, in the pixels' units over all of them, its category is to be the same; 0 for no such
    phase."""
    view_amount: float = 0.0
    """How much an image is turned, slanted and moved at random for another view of it, whose category is to be the
    same, see `corruption.view`; 0 for no such phase."""
    view_stretch: float = 0.3
    """Its height and width are divided by 1 − this to 1 + this for that view, each by itself."""
    view_cutout: int = 0
    """Pixels of the side of a square, anywhere, that is set to 0 in that view; 0 for no square."""
    view_of: Literal["image", "neighbor"] = "image"
    """Of what that view is: of the image, or of one that is like it, which the training set is to name."""
    view_balance: float = 0.0
    """How much that phase charges for categories of which views are seldom, see `phases.invariance`."""
    generator_loss: Literal["non_saturating", "minimax"] = "non_saturating"
    """What the generator minimizes: −log D(fake), or log(1 − D(fake))."""
    network: Literal["mlp", "convolutional"] = "mlp"
    """Encoder and decoder; discriminators of codes are always multilayer perceptrons."""
    hidden_sizes: tuple[int, ...] = (1000, 1000)
    """Widths of the hidden layers."""
    weight_std: float | None = 0.01
    """Initial weights from N(0, weight_std²); He initialization where None."""
    encoder_batch_norm: BatchNorm = "none"
    """Which layers of the encoder are normalized over the batch: the hidden ones, or with the heads all."""
    decoder_batch_norm: BatchNorm = "none"
    """Which layers of the decoder are normalized over the batch: the hidden ones, or with the output all."""
    precision: Precision = "float32"
    """Of the networks' products; parameters, optimizers and losses are float32 whatever it is."""
    likelihood: Literal["bernoulli", "gaussian", "half_squared_error"] = "bernoulli"
    """p(x given z)."""
    likelihood_std: float = 1.0
    """Standard deviation of the Gaussian likelihood."""
    shift: tuple[float, ...] | None = None
    """Of standardized data: the means of a table's columns, or of images' channels, over the training split."""
    scale: tuple[float, ...] | None = None
    """Of standardized data: the standard deviations likewise."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(ModelConfig).items():
            if get_origin(hint) is Literal:
                check_choice(name, getattr(self, name), get_args(hint))
        self._check_numbers()
        if self.variant in _LEARNS_FROM_LABELS and self.num_classes < 2:
            raise ValueError(
                f"{self.variant} learns from labels and needs at least 2 classes; the data have {self.num_classes}."
            )
        self._check_read()
        self._check_clusters()
        self._check_prior()

    def _check_numbers(self) -> None:
        counts = {"num_classes": 0, "num_clusters": 0, "code_size": 1, "noise_size": 1, "view_cutout": 0}
        for name, least in counts.items():
            check_count(name, getattr(self, name), least)
        for name in ("prior_std", "likelihood_std", "eta"):
            check_number(name, getattr(self, name), "a number above 0", above=0)
        for name in ("instance_noise_std", "posterior_std", "smoothness_radius", "view_amount", "view_balance"):
            check_number(name, getattr(self, name), "a number ≥ 0", least=0)
        check_number("view_stretch", self.view_stretch, "a fraction in [0, 1)", least=0, below=1)
        if not self.view_amount and (self.view_balance or self.view_of != "image"):
            raise ValueError(
                f"view_amount is 0, view_balance {self.view_balance} and view_of {self.view_of!r}; expected a "
                "view_amount above 0, or 0 and 'image'."
            )
        if self.view_amount and len(self.image_shape) != 3:
            raise ValueError(
                f"view_amount is {self.view_amount} and image_shape {self.image_shape}, a table's; expected 0, or "
                "images."
            )
        if self.weight_std is not None:
            check_number("weight_std", self.weight_std, "a number above 0, or None", above=0)
        for name in ("image_shape", "hidden_sizes", "shift", "scale"):
            value = getattr(self, name)
            if not isinstance(value, tuple) and (name in ("image_shape", "hidden_sizes") or value is not None):
                raise ValueError(f"{name} is {value!r}; expected a tuple of numbers.")
        for name in ("image_shape", "hidden_sizes"):
            for size in getattr(self, name):
                check_count(f"A size of {name}, {getattr(self, name)},", size)
        if len(self.image_shape) not in (1, 3):
            raise ValueError(
                f"image_shape is {self.image_shape}; expected (height, width, channels), or (columns,) of a table."
            )
        if self.network == "convolutional" and len(self.image_shape) != 3:
            raise ValueError(
                f"network is 'convolutional' and image_shape {self.image_shape}, a table's; expected 'mlp', or images."
            )
        if self.view_cutout and (not self.view_amount or self.view_cutout >= min(self.image_shape[:2])):
            raise ValueError(
                f"view_cutout is {self.view_cutout}, view_amount {self.view_amount} and image_shape {self.image_shape}"
                "; expected 0, or fewer pixels than height and width, and a view_amount above 0."
            )
        self._check_standardization()

    def _check_standardization(self) -> None:
        shift, scale = self.shift, self.scale
        if shift is None and scale is None:
            return
        if shift is None or scale is None or not len(shift) == len(scale) == self.image_shape[-1]:
            raise ValueError(
                f"shift is {shift!r} and scale {scale!r}; expected both, of {self.image_shape[-1]} numbers, one for "
                "each channel or column."
            )
        check_shift_and_scale(shift, scale)
        if self.likelihood != "gaussian" and self.variant not in _HAS_NO_LIKELIHOOD:
            raise ValueError(
                f"likelihood is {self.likelihood!r}, and data with shift and scale are standardized, not in [0, 1]; "
                "expected 'gaussian'."
            )

    def _check_clusters(self) -> None:
        if self.variant in _FINDS_CLUSTERS and self.num_clusters < max(2, self.num_classes):
            raise ValueError(
                f"num_clusters is {self.num_clusters}; expected at least 2, and as many as the data have classes "
                f"({self.num_classes}), since each cluster is counted as one class. For fewer, take data "
                "without labels: num_classes=0."
            )

    def _check_prior(self) -> None:
        has_parts = self.prior in ("gaussian_mixture", "swiss_roll")
        if has_parts and self.code_size != 2:
            raise ValueError(f"The prior {self.prior} is two-dimensional; code_size is {self.code_size}, expected 2.")
        if self.variant == "label_conditioned_aae" and not has_parts:
            raise ValueError(
                f"label_conditioned_aae needs a prior with a part for each class; {self.prior} has none. Take "
                "gaussian_mixture or swiss_roll."
            )
        if self.variant == "vae" and self.prior in ("swiss_roll", "uniform_box"):
            raise ValueError(
                f"A VAE needs a prior with a density everywhere; {self.prior} has none. Take gaussian or "
                "gaussian_mixture, or an AAE, which needs samples alone."
            )
        if self.posterior == "isotropic" and not self.posterior_std:
            raise ValueError("posterior_std is 0 and the posterior isotropic; expected a number above 0.")

    def _check_read(self) -> None:
        for name, (other, values) in _READ_BY.items():
            value, usual = getattr(self, name), getattr(ModelConfig, name)
            if value != usual and getattr(self, other) not in values:
                raise ValueError(
                    f"{name} is {value!r}, and does nothing where {other} is {getattr(self, other)!r}; "
                    f"expected {usual!r}, or {other} to be {' or '.join(values)}."
                )
