"""Games: what is real, what is fake, and who judges.

Of an adversarial autoencoder samples of a prior are real, and codes are fake; of a GAN images are real, and decoded
noise is fake. `phases.regularization` makes the two phases of a game. Scores are logits, high for real.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from aae_jax import corruption
from aae_jax.checks import check_choice, check_count, check_function, check_instance, check_number
from aae_jax.keys import derive
from aae_jax.types import Batch, Game, Keys, Network, Params, Prior
from aae_jax.wiring import Autoencoder, one_hot

__all__ = ["code_game", "code_games", "image_game", "label_conditioned_game", "noisy", "scores"]


def code_game(network: str, discriminator: Network, prior: Prior, functions: Autoencoder, code: str) -> Game:
    """The game on one code: samples of the prior are real, codes are fake.

    Args:
        network: the discriminator's name.
        discriminator: `[B, Z] -> [B, 1]` logits.
        prior: of the code.
        functions: the autoencoder whose encoder plays.
        code: the code's name.

    Raises:
        ValueError: if a part is not what it is called, or there is no such code; when called, if the discriminator
            has not one score a row.
    """
    check_instance("discriminator", discriminator, Network, "aae_jax.networks")
    check_instance("prior", prior, Prior, "aae_jax.priors")
    check_instance("functions", functions, Autoencoder, "aae_jax.wiring.autoencoder")
    check_choice("code", code, functions.codes)

    def real(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return jax.vmap(prior.sample)(derive(keys.draw, code), jnp.full(len(batch.label), -1))

    judge = _of_samples_alone(network, discriminator)
    return Game(network, real, functions.generate, judge, fake=lambda codes: codes[code])


def code_games(
    discriminators: Mapping[str, Network], priors: Mapping[str, Prior], functions: Autoencoder
) -> tuple[tuple[Game, ...], dict[str, Network]]:
    """A game on each of several codes.

    Args:
        discriminators: by the name of their code.
        priors: by the name of their code.
        functions: the autoencoder whose encoder plays.

    Returns:
        The games, and their discriminators by network name: "style_discriminator" for the code "style".

    Raises:
        ValueError: unless every code has both.
    """
    if set(discriminators) != set(priors):
        raise ValueError(
            f"There are discriminators for {sorted(discriminators)} and priors for {sorted(priors)}; expected one of "
            "each for every code."
        )
    networks = {f"{code}_discriminator": discriminators[code] for code in priors}
    games = zip(networks.items(), priors.items(), strict=True)
    return tuple(code_game(*network, prior, functions, code) for network, (code, prior) in games), networks


def label_conditioned_game(
    network: str, discriminator: Network, prior: Prior, functions: Autoencoder, code: str, num_classes: int
) -> Game:
    """The game on one code given the label: each class fills its part of the prior, unlabeled rows the whole.

    Args:
        network: the discriminator's name.
        discriminator: `(code [B, Z], class [B, num_classes + 1]) -> [B, 1]` logits. The class is one-hot; its last
            entry says that the row is unlabeled.
        prior: of the code; its samples depend on the label.
        functions: the autoencoder whose encoder plays.
        code: the code's name.
        num_classes: K.

    Raises:
        ValueError: see `code_game`; if `num_classes` is no positive integer.
    """
    check_count("num_classes", num_classes)

    def real(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return jax.vmap(prior.sample)(derive(keys.draw, code), batch.label)

    def discriminate(params: Params, sample: jax.Array, batch: Batch) -> jax.Array:
        classes = one_hot(batch.label, num_classes)
        unlabeled = (batch.label[:, None] < 0).astype(classes.dtype)
        return scores(discriminator.apply(params[network], sample, jnp.concatenate([classes, unlabeled], axis=-1)))

    game = code_game(network, discriminator, prior, functions, code)
    return game._replace(real=real, discriminate=discriminate)


def image_game(
    network: str, discriminator: Network, sample: Callable[[Params, jax.Array, jax.Array], jax.Array]
) -> Game:
    """The game on images: those of the batch are real, decoded samples are fake.

    Args:
        network: the discriminator's name.
        discriminator: `image -> [B, 1]` logits.
        sample: see `Model`.

    Raises:
        ValueError: if a part is not what it is called; when called, if the discriminator has not one score a row.

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014.
    """
    check_instance("discriminator", discriminator, Network, "aae_jax.networks")
    check_function("sample", sample, "(params, keys, label) -> image")

    def real(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return batch.image

    def generate(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        # Draws of its own, also where a game on codes has its draws of the same prior.
        return sample(params, derive(keys.draw, f"{network}: fake"), batch.label)

    return Game(network, real, generate, _of_samples_alone(network, discriminator))


def noisy(game: Game, instance_noise_std: float) -> Game:
    """The game whose discriminator sees all through Gaussian noise, anew for each, real or fake. Not the paper's.

    What it learns is then smooth, and it cannot tell for certain even samples that fill no volume, such as those of
    `priors.swiss_roll`, from others: the generator is told a way to them. Where real and fake are of one distribution
    through the noise, they are so without it; but finer than the noise it hardly sees. A certificate of the game is
    about what the discriminator sees. Apply it once to a game; noisy games on several codes each generate their own.

    Args:
        game: on codes or images.
        instance_noise_std: of the noise on each number, in their units, ≥ 0; 0 is the game itself.

    Raises:
        ValueError: if `game` is none, or `instance_noise_std` is negative.

    References:
        Arjovsky and Bottou, "Towards Principled Methods for Training Generative Adversarial Networks", 2017,
        section 3.
    """
    check_instance("game", game, Game, "aae_jax.games")
    check_number("instance_noise_std", instance_noise_std, "a number ≥ 0", least=0)
    if instance_noise_std == 0:
        return game
    noise = corruption.gaussian_noise(instance_noise_std)

    def real(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        return jax.vmap(noise)(derive(keys.draw, f"{game.network}: noise on real"), game.real(params, keys, batch))

    def generate(params: Params, keys: Keys, batch: Batch) -> jax.Array:
        fake = game.fake(game.generate(params, keys, batch))
        return jax.vmap(noise)(derive(keys.draw, f"{game.network}: noise on fake"), fake)

    return Game(game.network, real, generate, game.discriminate)


def _of_samples_alone(network: str, discriminator: Network) -> Callable[[Params, jax.Array, Batch], jax.Array]:
    """`Game.discriminate` of a discriminator that is told nothing of the batch."""
    return lambda params, sample, batch: scores(discriminator.apply(params[network], sample))


def scores(output: jax.Array) -> jax.Array:
    """A discriminator's output `[B, 1]` as logits `[B]`.

    Raises:
        ValueError: if it is of another shape.
    """
    if output.ndim != 2 or output.shape[1] != 1:
        raise ValueError(f"The discriminator's output has shape {output.shape}; expected [B, 1], one logit a row.")
    return output[:, 0]
