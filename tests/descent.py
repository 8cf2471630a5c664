"""What an optimizer makes of gradients that stay the same."""

import jax
import jax.numpy as jnp
import numpy as np


def moves(optimizer, num_steps, networks=("encoder", "decoder")):
    """`[steps, networks]`: how far each step moves a number of each network against a gradient of 1."""
    params = {name: {"bias": jnp.zeros(())} for name in networks}
    gradients, state, found = jax.tree.map(jnp.ones_like, params), optimizer.init(params), []
    descend = jax.jit(optimizer.update)
    for _ in range(num_steps):
        update, state = descend(gradients, state)
        found.append([-float(update[name]["bias"]) for name in networks])
    return np.array(found)
