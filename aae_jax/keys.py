"""Keys are data: every random draw is named by (seed, step, row, phase, draw), never by when or where it is made.

A restart needs no saved key, and the same rows see the same noise on one device or on eight. Use threefry keys
(JAX's default): under other implementations vmapped draws depend on how the batch is split.
"""

import zlib

import jax
import jax.numpy as jnp

from aae_jax.checks import check_count, check_key

__all__ = ["IMPLEMENTATION", "derive", "row_keys"]

IMPLEMENTATION = "threefry2x32"
"""Of keys that the library makes, whatever JAX's default is: noise does not depend on how a batch is split."""


def row_keys(run_key: jax.Array, step: jax.Array | int, num_rows: int, first_row: jax.Array | int = 0) -> jax.Array:
    """One key for each row of a step's batch.

    Args:
        run_key: the key of the whole run, `[]`; not consumed, the same for every step.
        step: how many steps were taken before, `[]` int.
        num_rows: rows in this (part of the) batch.
        first_row: the global index of the first row: not 0 where a device holds a later part of the batch.

    Returns:
        `[num_rows]` keys.

    Raises:
        ValueError: if `run_key` is no single key or of an implementation other than threefry, or `num_rows` is no
            positive integer.

    Example:
        >>> import jax
        >>> whole = row_keys(jax.random.key(0), 7, 4)
        >>> half = row_keys(jax.random.key(0), 7, 2, first_row=2)
        >>> bool((jax.random.key_data(whole[2:]) == jax.random.key_data(half)).all())
        True
    """
    check_key("run_key", run_key)
    check_count("num_rows", num_rows)
    if run_key.ndim:
        raise ValueError(f"run_key has shape {run_key.shape}; expected one key, of the whole run: vmap over seeds.")
    implementation = str(jax.random.key_impl(run_key))
    if "threefry" not in implementation:
        raise ValueError(
            f"The run key is of implementation {implementation!r}; expected {IMPLEMENTATION!r}, under which a row's "
            "noise does not depend on how the batch is split. Make it by "
            f"jax.random.key(seed, impl={IMPLEMENTATION!r})."
        )
    step_key = jax.random.fold_in(run_key, step)
    return jax.vmap(lambda row: jax.random.fold_in(step_key, row))(first_row + jnp.arange(num_rows))


def derive(keys: jax.Array, name: str) -> jax.Array:
    """Keys for one named draw.

    Args:
        keys: keys of any shape.
        name: what is drawn; another name gives other, independent keys.

    Returns:
        Keys of the same shape.

    Raises:
        ValueError: if `keys` are no typed keys, or `name` is no text.
    """
    check_key("keys", keys)
    if not isinstance(name, str):
        raise ValueError(f"name is {name!r}; expected text that says what is drawn.")
    number = zlib.crc32(name.encode())
    flat = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys.reshape(-1))
    return flat.reshape(keys.shape)
