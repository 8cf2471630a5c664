"""Measures of a trained model: functions of arrays, which know no model.

| file         | asks                                                                          |
|--------------|-------------------------------------------------------------------------------|
| prior_match  | does q(z) fill p(z)? Everything of the next two, beside what chance makes of it |
| two_sample   | moments, MMD², nearest-neighbor accuracy                                      |
| holes        | how much of the prior's mass do the codes leave empty?                        |
| features     | are samples realistic and varied, to a classifier of real images?             |
| parzen       | the paper's Table 1: log-likelihood under Gaussians at samples                |
| clustering   | the paper's Tables 2 and 3, Fig. 11: errors of classes and clusters           |
| distances    | what they share                                                               |

What looks at all pairs of rows does so in blocks, in bounded memory.
"""

from aae_jax.evaluation.clustering import (
    error_rate,
    head_examples,
    head_rule,
    head_rule_error,
    hungarian_error,
    majority_vote_error,
    nearest_label,
    nearest_neighbor_error,
)
from aae_jax.evaluation.distances import map_rows, squared_distances
from aae_jax.evaluation.features import frechet_distance, precision_recall_coverage, realism
from aae_jax.evaluation.holes import (
    FEWEST_CODES,
    Cells,
    cell_counts,
    equal_probability_cells,
    hole_fraction,
    num_cells_for,
)
from aae_jax.evaluation.parzen import (
    PROTOCOL_SIGMAS,
    ParzenState,
    choose_sigma,
    fine_sigmas,
    mean_and_standard_error,
    parzen_log_likelihood,
    parzen_result,
    parzen_state,
    parzen_update,
)
from aae_jax.evaluation.prior_match import prior_match
from aae_jax.evaluation.two_sample import (
    median_scales,
    mmd_null,
    moment_errors,
    moments,
    nearest_neighbor_accuracy,
    squared_mmd,
)

__all__ = [
    "FEWEST_CODES",
    "PROTOCOL_SIGMAS",
    "Cells",
    "ParzenState",
    "cell_counts",
    "choose_sigma",
    "equal_probability_cells",
    "error_rate",
    "fine_sigmas",
    "frechet_distance",
    "head_examples",
    "head_rule",
    "head_rule_error",
    "hole_fraction",
    "hungarian_error",
    "majority_vote_error",
    "map_rows",
    "mean_and_standard_error",
    "median_scales",
    "mmd_null",
    "moment_errors",
    "moments",
    "nearest_label",
    "nearest_neighbor_accuracy",
    "nearest_neighbor_error",
    "num_cells_for",
    "parzen_log_likelihood",
    "parzen_result",
    "parzen_state",
    "parzen_update",
    "precision_recall_coverage",
    "prior_match",
    "realism",
    "squared_distances",
    "squared_mmd",
]
