"""What an adversarial game has reached, on data that its discriminator was not trained on."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from aae_jax import losses
from aae_jax.checks import check_image, check_instance, check_rows
from aae_jax.types import Batch, Game, Keys, Params

__all__ = ["certificate"]


def certificate(games: Sequence[Game], params: Params, keys: Keys, batch: Batch) -> dict[str, jax.Array]:
    """The state of each game on held-out rows, by names that start with the discriminator's.

    The bound is honest only if the rows were not trained on: a discriminator that knows its samples by heart proves
    nothing. A balanced game alone proves little too (a weak discriminator is balanced against anything): read the
    bound beside the moments, and beside `evaluation.prior_match`.

    Args:
        games: `model.games`.
        params: of all networks.
        keys: of the rows.
        batch: `[N, ...]` held-out rows.

    Returns:
        For each game, of network "discriminator" say: "discriminator/jsd_bound", a lower bound in nats on the
        Jensen-Shannon divergence of real and fake (at most log 2), with its "discriminator/jsd_standard_error",
        "discriminator/held_out_accuracy", and where the fakes are codes (or rows of a table) their mean's norm and
        their mean standard deviation, "discriminator/code_mean_norm" and "discriminator/code_std"; all of them as the
        discriminator sees them, through the noise of `games.noisy` too, which makes no divergence larger.

    Raises:
        ValueError: if `games` are no games, images are no floats, there is not a key for each row, or there are
            fewer than two rows.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014, theorem 1.
    """
    if isinstance(games, Game):
        raise ValueError(f"games is one Game, of {games.network!r}; expected a list of games, such as model.games.")
    check_instance("keys", keys, Keys, "aae_jax.Keys(view, draw)")
    check_instance("batch", batch, Batch, "aae_jax.Batch(input, image, label)")
    check_image("The batch's image", batch.image)
    check_rows(view=keys.view, draw=keys.draw, image=batch.image, label=batch.label)
    result: dict[str, jax.Array] = {}
    for game in games:
        check_instance("A game", game, Game, "aae_jax.models")
        fake = game.fake(game.generate(params, keys, batch))
        real_score = game.discriminate(params, game.real(params, keys, batch), batch)
        fake_score = game.discriminate(params, fake, batch)
        bound, error = losses.jensen_shannon_bound(real_score, fake_score)
        values = {
            "jsd_bound": bound,
            "jsd_standard_error": error,
            # What is not a number is neither above 0 nor below.
            "held_out_accuracy": jnp.where(
                jnp.isnan(bound), bound, ((real_score > 0).mean() + (fake_score < 0).mean()) / 2
            ),
        }
        if fake.ndim == 2:
            values |= {"code_mean_norm": jnp.linalg.norm(fake.mean(0)), "code_std": fake.std(0).mean()}
        result |= {f"{game.network}/{name}": value for name, value in values.items()}
    return result
