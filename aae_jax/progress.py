"""A bar that shows how far long work has come, and the time that is left."""

import sys
from typing import Any

from aae_jax import hosts

__all__ = ["progress"]


def progress(name: str, done: int, total: int, *, unit: str = "step") -> Any:
    """A progress bar with the time left, a context; `update(n)` moves it.

    Args:
        name: what goes on.
        done: how much of it was done before.
        total: how much there is.
        unit: of what.
    """
    from tqdm import tqdm

    # Without a terminal a line now and then is enough.
    interval = 0.2 if sys.stderr.isatty() else 30
    return tqdm(
        desc=name,
        initial=done,
        total=total,
        unit=unit,
        mininterval=interval,
        dynamic_ncols=True,
        disable=not hosts.is_first(),
    )
