"""The paper's tables and figures, each a module to run: ``python -m experiments.prior_matching --help``."""
