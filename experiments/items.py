"""The numbers of the paper that we measure, and some of our own, and what measures each.

The paper's are those of arXiv:1511.05644v2; "best public code" is the best result that we found reported in a public
repository of adversarial autoencoders, with its name.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.category_options import ALIKE, PLAINLY

__all__ = ["FIGURE_2", "FIGURE_4", "FIGURE_7", "FIGURE_11", "ITEMS", "TABLE_1", "TABLE_2", "TABLE_3", "Item"]


@dataclasses.dataclass(frozen=True)
class Item:
    """A number of the paper, or one of ours to stand beside it."""

    table: str
    """Where it stands there."""
    words: str
    """What it is."""
    paper: str
    """What the paper says."""
    public: str
    """The best result of a public implementation."""
    experiment: str
    """Module of ours."""
    metric: str
    """Its name in `final.json`; an error is a fraction there, and percent in the table."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of the experiment, on MNIST unless they name another data set."""
    missing: str = "no run recorded yet"
    """Why it is not measured, where it is not."""
    past: bool = False
    """Whether its options mean something else by now: what they were, the commit of its row says."""


TABLE_1 = "Table 1: log-likelihood of MNIST test images by Parzen windows, nats (higher is better)"
TABLE_2 = "Table 2: semi-supervised test error on MNIST, %"
TABLE_2_SVHN = "Table 2: semi-supervised test error on SVHN, %"
TABLE_3 = "Table 3: clustering test error on MNIST by the paper's rule, %"
FIGURE_2 = "Fig. 2: fraction of the prior's mass that held-out MNIST codes leave empty (hole fraction)"
FIGURE_4 = "Fig. 4: MNIST test codes in another class's part of the prior, %"
FIGURE_7 = "Fig. 7: MNIST samples in which a classifier of real images sees another class than asked for, %"
FIGURE_11 = "Fig. 11: test error of MNIST in a code of reduced dimension, %"
PRECISION = "Precision of products: semi-supervised test error on 5,000 MNIST digits with 100 labels, %"
NONE = "none found"
VIEWS = {"width": 400, "view_amount": 1.0, "view_neighbors": 0, "view_balance": 0.0, "smoothness_radius": 0.0}
WITH_SQUARE = {**VIEWS, "view_stretch": 0.3, "view_cutout": 10, "view_rate": 0.1, "batch_norm": "encoder"}
UNLABELED = {"view_cutout": 0, "noise_std": 0.0, "dropout": 0.2}
STRETCHED = {**VIEWS, "view_stretch": 0.3, "view_rate": 0.003, "view_cutout": 0, "constant_view_rate": False}
PLAIN = {"code_size": 8, "reconstruction_rate": 0.01, "game_rate": 0.1, "width": 1000, "batch_norm": "none"}
CODE_5 = {"code_size": 5, "reconstruction_rate": 0.02, "game_rate": 0.1, "width": 1000}
CODE_6 = {"code_size": 6, "reconstruction_rate": 0.05, "game_rate": 0.3, "batch_norm": "autoencoder"}
REFINED = {**CODE_6, "width": 500, "refine_epochs": 32}
DECODER = {**CODE_6, "width": 500, "refine_epochs": 16, "decoder_epochs": 50, "code_noise": 0.15}
CODE_NOISE = {**CODE_6, "width": 500, "refine_epochs": 16, "code_noise_epochs": 60, "code_noise": 0.15}
ITEMS = {
    "table1-gan": Item(
        TABLE_1,
        "GAN, 10,000 samples",
        "225 ± 2",
        "397.7 (1henrypage)",
        "likelihood",
        "gan/log_likelihood",
        {"samples": 10_000},
    ),
    "table1-gan-10m": Item(
        TABLE_1,
        "GAN, ten million samples",
        "386",
        NONE,
        "likelihood",
        "gan/many/log_likelihood",
        {"many_samples": 10_000_000},
    ),
    "table1-vae": Item(
        TABLE_1,
        "VAE, 10,000 samples",
        "not given",
        NONE,
        "likelihood",
        "vae/log_likelihood",
        {"samples": 10_000, "code_size": 8, "width": 1000, "batch_norm": "none"},
    ),
    **{
        f"table1-10k{name}": Item(
            TABLE_1,
            f"AAE, 10,000 samples{words}",
            "340 ± 2",
            "377.5 ± 3.6 (1henrypage)",
            "likelihood",
            "aae/log_likelihood",
            {"samples": 10_000, "refine_epochs": 0, "code_noise_epochs": 0, **options},
            # Half of the epochs that refined, or fifty more, were of the decoder alone.
            past=options.get("refine_epochs") == REFINED["refine_epochs"] or "decoder_epochs" in options,
        )
        for name, words, options in (
            ("", "", PLAIN),
            ("-code-5", ", a code of 5", {**CODE_5, "batch_norm": "none"}),
            (
                "-normalized",
                ", a code of 5, batch norm in encoder and decoder",
                {**CODE_5, "batch_norm": "autoencoder"},
            ),
            (
                "-code-6",
                ", a code of 6, batch norm in encoder and decoder, faster still, half the width",
                {**CODE_6, "width": 500},
            ),
            (
                "-code-5-refined",
                ", a code of 5, batch norm in encoder and decoder, faster still, half the width, refined",
                {**REFINED, "code_size": 5},
            ),
            (
                "-refined",
                ", a code of 6, batch norm in encoder and decoder, faster still, half the width, refined",
                REFINED,
            ),
            (
                "-refined-wide",
                ", a code of 6, batch norm in encoder and decoder, faster still, refined",
                {**REFINED, "width": 1000},
            ),
            (
                "-decoder",
                ", a code of 6, batch norm in encoder and decoder, faster still, half the width, refined; then the "
                "decoder alone, on codes with noise",
                DECODER,
            ),
            (
                "-code-noise",
                ", a code of 6, batch norm in encoder and decoder, faster still, half the width, refined; then with "
                "noise on codes",
                CODE_NOISE,
            ),
        )
    },
    **{
        f"table1-10k-{name}-fine": Item(
            TABLE_1,
            f"the same{words}, sigma chosen from values that lie closer together",
            "340 ± 2",
            NONE,
            "likelihood",
            "aae/fine/log_likelihood",
            {"samples": 10_000, "code_noise_epochs": 0, **options},
            past=name != "code-noise",
        )
        for name, words, options in (
            ("code-noise", "", CODE_NOISE),
            ("decoder", ", the decoder alone on codes with noise", DECODER),
            ("refined", ", refined, without further epochs", REFINED),
        )
    },
    "table1-10m": Item(
        TABLE_1,
        "AAE, ten million samples",
        "427",
        "412.2 (1henrypage, 500,000 samples)",
        "likelihood",
        "aae/many/log_likelihood",
        {"many_samples": 10_000_000, **PLAIN, "refine_epochs": 0, "code_noise_epochs": 0},
    ),
    **{
        f"table2-{labels or 'all'}": Item(
            TABLE_2,
            f"{labels or 'all (50,000)'} labels",
            paper,
            public,
            "semi_supervised",
            "semi_supervised_aae/test/error",
            {"labels": labels, **PLAINLY},
        )
        for labels, paper, public in (
            (100, "1.90 ± 0.10", "about 4 (musyoku, validation)"),
            (1000, "1.60 ± 0.08", "2.9 (conan7882, 1280 labels)"),
            (0, "0.85 ± 0.02", NONE),
        )
    },
    **{
        f"table2-smoothed-{name}": Item(
            TABLE_2,
            f"{words}, virtual adversarial training too",
            paper,
            NONE,
            "semi_supervised",
            "semi_supervised_aae/test/error",
            {
                **PLAINLY,
                **{"labels": labels, "width": width, "batch_norm": "encoder", "smoothness_radius": 3.0},
                **{"smoothness_rate": 0.1, "smoothness_start": start},
            },
        )
        for name, words, paper, labels, width, start in (
            ("100", "100 labels", "1.90 ± 0.10", 100, 400, 8),
            ("100-early", "100 labels, width 1000, from the first epoch", "1.90 ± 0.10", 100, 1000, 0),
            ("1000", "1000 labels", "1.60 ± 0.08", 1000, 1000, 0),
            ("all", "all (50,000) labels", "0.85 ± 0.02", 0, 1000, 0),
        )
    },
    **{
        f"table2-views-{labels or 'all'}": Item(
            TABLE_2,
            f"{labels or 'all (50,000)'} labels, other views too",
            paper,
            NONE,
            "semi_supervised",
            "semi_supervised_aae/test/error",
            {"labels": labels, **WITH_SQUARE},
        )
        for labels, paper in ((100, "1.90 ± 0.10"), (1000, "1.60 ± 0.08"), (0, "0.85 ± 0.02"))
    },
    **{
        f"table2-plain-{labels or 'all'}": Item(
            TABLE_2,
            f"plain network, {labels or 'all'} labels",
            paper,
            NONE,
            "semi_supervised",
            "plain_network/test/error",
            {"labels": labels, **PLAINLY},
        )
        for labels, paper in ((100, "25.80"), (1000, "8.73"), (0, "1.25"))
    },
    **{
        f"table2-svhn-{name}1000": Item(
            TABLE_2_SVHN,
            f"{words}1000 labels",
            paper,
            NONE,
            "semi_supervised",
            f"{metric}/test/error",
            {
                **{"dataset": "svhn_cropped", "labels": 1000, "standardize": True, **PLAINLY},
                **{"width": 4000, "style_size": 20, "noise_std": 0.0, "dropout": 0.2, "batch_norm": "autoencoder"},
            },
            "its preset svhn wants an accelerator",
        )
        for name, words, paper, metric in (
            ("", "", "17.70 ± 0.30", "semi_supervised_aae"),
            ("plain-", "plain network, ", "47.50", "plain_network"),
        )
    },
    **{
        f"table3-{name}{clusters}": Item(
            TABLE_3,
            f"{clusters} clusters{words}",
            paper,
            NONE,
            "clustering",
            "head_rule/error",
            {"clusters": clusters, **options},
        )
        for name, words, options in (
            ("", "", PLAINLY),
            ("views-", ", other views too", {**STRETCHED, "view_stretch": 0.1, "view_rate": 0.005}),
            (
                "smoothed-",
                ", virtual adversarial training too",
                {**PLAINLY, "width": 400, "smoothness_radius": 1.0, "smoothness_rate": 0.01},
            ),
        )
        for clusters, paper in ((16, "9.55 ± 2.05"), (30, "4.10 ± 1.13"))
    },
    "table3-views-16-stretched": Item(
        TABLE_3,
        "16 clusters, other views too, stretched by three tenths",
        "9.55 ± 2.05",
        NONE,
        "clustering",
        "head_rule/error",
        {"clusters": 16, **STRETCHED},
    ),
    **{
        f"table3-alike-{clusters}": Item(
            TABLE_3,
            f"{clusters} clusters, views of images alike",
            paper,
            NONE,
            "clustering",
            "head_rule/error",
            {"clusters": clusters, **ALIKE},
        )
        for clusters, paper in ((16, "9.55 ± 2.05"), (30, "4.10 ± 1.13"))
    },
    **{
        f"figure2-{name}{model}-{prior}".replace("_", "-"): Item(
            FIGURE_2,
            f"{model.upper()}, {prior.replace('_', ' ')}{words}{refined if model == 'aae' else ''}",
            "picture",
            "pictures",
            "prior_matching",
            f"{model}_{prior}/hole_fraction",
            options,
        )
        for prior in ("gaussian", "gaussian_mixture")
        for name, words, refined, options in (
            ("", "", "", {"refine_epochs": 0, "noise_std": 0.3}),
            ("refined-", ", less noise", ", refined", {"refine_epochs": 15, "noise_std": 0.1}),
            ("refined-clean-", ", no noise", ", refined", {"refine_epochs": 15, "noise_std": 0.0}),
        )
        for model in ("aae", "vae", "ae")
    },
    **{
        f"figure4-{name}{prior}".replace("_", "-"): Item(
            FIGURE_4,
            f"{prior.replace('_', ' ')}, a fifth of the images labeled{words}",
            "picture",
            "pictures",
            "label_prior",
            f"{prior}/component/error",
            {"priors": [prior], "labeled_fraction": 0.2, "input_view_amount": amount, **noise},
        )
        for prior, name, amount, words, noise in (
            ("gaussian_mixture", "", 0.0, "", {}),
            ("gaussian_mixture", "views-", 0.5, ", the encoder's inputs moved at random", {}),
            ("swiss_roll", "", 0.0, "", {"roll_noise_std": 0.0}),
            ("swiss_roll", "views-", 0.5, ", the encoder's inputs moved at random", {"roll_noise_std": 0.0}),
            ("swiss_roll", "noise-", 0.5, ", inputs moved, noise before the discriminator", {"roll_noise_std": 0.3}),
        )
    },
    **{
        name: Item(
            FIGURE_7,
            f"style of 15 numbers{words}",
            paper,
            public,
            "style_content",
            "samples/error",
            {"style_size": 15, "discriminator_sees_class": told},
        )
        for name, words, paper, public, told in (
            ("figure7", "", "picture", "pictures", False),
            ("figure7-told", ", the discriminator told the class", "none", NONE, True),
        )
    },
    **{
        f"figure11-{name}{panel}".replace("_", "-"): Item(
            FIGURE_11,
            f"{words}{added}",
            paper,
            NONE if name else public,
            "dimension_reduction",
            f"{panel}/category/error",
            {"panels": [panel], **({"clusters": 20} if panel == "2d_unsupervised" else {}), **options},
        )
        for panel, words, paper, public, viewed in (
            ("2d_1000", "2-D, 1000 labels", "4.20", "8.3 (1henrypage, an earlier notebook)", {}),
            ("2d_100", "2-D, 100 labels", "6.08", "26.0 (1henrypage)", {}),
            (
                *("2d_unsupervised", "2-D, no labels, 20 clusters", "about 13.5", "about 40 (musyoku, training set)"),
                {**UNLABELED, "view_rate": 0.01, "eta": 4.0},
            ),
            ("10d_100", "10-D, 100 labels", "3.90", NONE, {}),
        )
        for name, added, options in (
            ("", "", {**PLAINLY, "eta": 4.0, "reconstruction_rate": 0.01, "batch_norm": "none"}),
            (
                *("views-", ", other views too, slow reconstruction"),
                {**WITH_SQUARE, "eta": 8.0, "reconstruction_rate": 0.001, **viewed},
            ),
        )
    },
    "figure11-alike-2d-unsupervised": Item(
        FIGURE_11,
        "2-D, no labels, 20 clusters, views of images alike, slow reconstruction",
        "about 13.5",
        NONE,
        "dimension_reduction",
        "2d_unsupervised/category/error",
        {
            **{"panels": ["2d_unsupervised"], "clusters": 20, **ALIKE, "noise_std": 0.0, "dropout": 0.2},
            **{"eta": 5.0, "reconstruction_rate": 0.0003, "batch_norm": "none"},
        },
    ),
    **{
        f"precision-{precision}": Item(
            PRECISION,
            f"{precision}, networks of width 400",
            "none",
            NONE,
            "semi_supervised",
            "semi_supervised_aae/test/error",
            {"dataset": "mnist5k", "labels": 100, "width": 400, "precision": precision},
        )
        for precision in ("float32", "tensorfloat32", "bfloat16")
    },
}
