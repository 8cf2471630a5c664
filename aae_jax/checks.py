"""Checks of what a caller gives: a `ValueError` that names the value and what was expected, before work starts.

Only what is known under `jit` is looked at, shapes, dtypes and Python's own numbers, and the values of host arrays
where a function runs on the host anyway.
"""

import difflib
import math
import os
from collections.abc import Collection
from numbers import Integral
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "check_axes",
    "check_choice",
    "check_count",
    "check_finite",
    "check_floats",
    "check_folder",
    "check_function",
    "check_image",
    "check_indices",
    "check_instance",
    "check_integers",
    "check_key",
    "check_number",
    "check_row_keys",
    "check_rows",
    "check_shift_and_scale",
    "nearest",
    "one_line",
]


def check_count(name: str, value: Any, least: int = 1, expected: str = "") -> None:
    """An integer of at least `least`; `expected` is put after it in the message."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {_short(value)}; expected an integer ≥ {least}{expected}.")


def check_number(
    name: str,
    value: Any,
    expected: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
) -> None:
    """A finite number with `above < value < below` and `value ≥ least`; `expected` says that in words."""
    if isinstance(value, jax.core.Tracer):
        return
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    # Written so that NaN fails; the bounds themselves may be infinite, the number may not.
    if not (above < number < below and number >= least and math.isfinite(number)):
        raise ValueError(f"{name} is {_short(value)}; expected {expected}.")


def nearest(value: Any, choices: Collection[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, where any is near."""
    near = difflib.get_close_matches(str(value), [*choices], 1)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """One of some names; the message holds the nearest."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is {_short(value)}; expected one of {', '.join(choices)}.{nearest(value, choices)}")


def check_function(name: str, value: Any, expected: str) -> None:
    """Something that can be called; `expected` is its signature."""
    if not callable(value):
        raise ValueError(f"{name} is {_short(value)}; expected a function {expected}.")


def check_instance(name: str, value: Any, kind: type, made_by: str) -> None:
    """An instance of one of the library's records; `made_by` says where one is to be had."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise ValueError(f"{name} is {_short(value)}; expected {article} {kind.__name__}, such as {made_by} makes.")


def check_axes(name: str, array: Any, expected: str) -> None:
    """An array with as many axes as `expected`, "[N, Z]" say, has names."""
    num_axes = expected.count(",") + 1 if expected != "[]" else 0
    if np.ndim(array) != num_axes:
        raise ValueError(f"{name} must be {expected}, got shape {np.shape(array)}.")


def check_rows(**arrays: Any) -> None:
    """Arrays, by name, that have as many rows as the first."""
    (first, rows), *others = ((name, np.shape(array)[:1]) for name, array in arrays.items())
    for name, found in others:
        if found != rows:
            raise ValueError(f"{name} has {found[0] if found else 'no'} rows; expected as many as {first}, {rows[0]}.")


def check_shift_and_scale(shift: Any, scale: Any) -> None:
    """The numbers by which data were standardized."""
    for number in shift:
        check_number("shift", number, "finite numbers")
    for number in scale:
        check_number("scale", number, "positive numbers", above=0)


def check_integers(name: str, array: Any, *, least: int | None = None) -> None:
    """An array of integers; of at least `least`, where that is given and the array is on the host."""
    if not jnp.issubdtype(_dtype(array), jnp.integer):
        raise ValueError(f"{name} are {_dtype(array)}; expected integers.")
    if least is not None and not isinstance(array, jax.core.Tracer) and np.size(array) and np.min(array) < least:
        raise ValueError(f"{name} hold {np.min(array)}; expected integers ≥ {least}.")


def check_indices(name: str, array: Any, num_rows: int, of: str = "rows") -> None:
    """Indices of so many rows; their values where the array is on the host."""
    check_integers(name, array, least=0)
    if not isinstance(array, jax.core.Tracer) and np.size(array) and np.max(array) >= num_rows:
        raise ValueError(f"{name} are indices up to {np.max(array)} of {num_rows} {of}.")


def check_floats(name: str, array: Any, expected: str = "floats") -> None:
    """An array of floats, of whatever precision."""
    if not jnp.issubdtype(_dtype(array), jnp.floating):
        raise ValueError(f"{name} is {_dtype(array)}; expected {expected}.")


def check_image(name: str, array: Any) -> None:
    """An image of floats, not of bytes in 0 to 255."""
    check_floats(name, array, "floats: bytes are divided by 255 first")


def check_finite(name: str, array: Any) -> None:
    """A host array of finite numbers."""
    array = np.asarray(array)
    if not jnp.issubdtype(array.dtype, jnp.number) and array.dtype != bool:
        raise ValueError(f"{name} must be numbers, got {array.dtype}.")
    if num_bad := array.size - np.count_nonzero(np.isfinite(array)):
        raise ValueError(f"{name} must be finite; {num_bad} of {array.size} numbers are not finite.")


def check_folder(name: str, folder: Path, *, to_write: bool = True) -> None:
    """A folder that is there, or that could be made."""
    above = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if not above.is_dir():
        raise ValueError(f"{name} is {str(folder)!r}; expected a folder, and {above} is a file.")
    if to_write and not os.access(above, os.W_OK):
        raise ValueError(f"{name} is {str(folder)!r}; expected a folder that can be written, and {above} cannot.")


def check_key(name: str, value: Any) -> None:
    """Typed PRNG keys, of any shape."""
    if not jnp.issubdtype(getattr(value, "dtype", np.dtype(object)), jax.dtypes.prng_key):
        raise ValueError(f"{name} is {_short(value)}; expected a key, such as jax.random.key(0) makes.")


def check_row_keys(keys: Any) -> None:
    """A typed PRNG key for each row."""
    check_key("keys", keys)
    if np.ndim(keys) != 1:
        raise ValueError(
            f"keys has shape {np.shape(keys)}; expected [B], a key a row, such as aae_jax.row_keys makes."
        )


def one_line(text: object) -> str:
    """What another library says, for a message of ours: an error without words by its type."""
    return " ".join(str(text).split()) or type(text).__name__


def _dtype(array: Any) -> Any:
    return array.dtype if hasattr(array, "dtype") else np.asarray(array).dtype


def _short(value: Any) -> str:
    """A value in a message: whole if that is short, else its type."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"
