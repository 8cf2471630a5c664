"""What a training step does, one phase after the other.

Reconstruction, regularization, classification; and two that want the same category all around an image.

Each function here builds phases out of a model's functions. None of them knows which variant it serves.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from aae_jax import losses
from aae_jax.checks import check_function, check_number
from aae_jax.keys import derive
from aae_jax.types import Batch, Corruption, Game, Keys, LossFn, Metrics, Params, Phase

__all__ = ["GeneratorLoss", "classification", "invariance", "reconstruction", "regularization", "smoothness"]

Terms = Callable[[Params, Keys, Batch], dict[str, jax.Array]]
"""`(params, keys, batch) -> {"nll": [B], ...}` in nats."""

GeneratorLoss = Callable[[jax.Array], jax.Array]
"""`fake_score -> loss`, elementwise on logits: `losses.non_saturating_generator_loss`, say."""


def reconstruction(terms: Terms, trains: Sequence[str]) -> Phase:
    """The autoencoder's own phase: −log p(x given z), plus what is charged on top of it.

    Args:
        terms: `(params, keys, batch) -> {"nll": [B], ...}`: in nats, of the images under the codes of their inputs;
            and further terms `[B]` or `[]` by name, the VAE's "kl" or the "repulsion" of cluster heads.
        trains: names of the networks, the encoder and the decoder.

    Returns:
        A phase "reconstruction" with a metric for each term.

    Raises:
        ValueError: if `terms` is no function or `trains` are no names.
    """
    check_function("terms", terms, "(params, keys, batch) -> {name: [B]}")

    def loss(params: Params, keys: Keys, batch: Batch) -> tuple[jax.Array, Metrics]:
        values = {name: term.mean() for name, term in terms(params, keys, batch).items()}
        return sum(values.values(), start=jnp.zeros(())), values

    return _phase("reconstruction", trains, loss)


def regularization(
    games: Sequence[Game],
    trains: Sequence[str],
    *,
    generator_loss: GeneratorLoss = losses.non_saturating_generator_loss,
) -> tuple[Phase, Phase]:
    """The adversarial phases: the discriminators learn to tell real from fake, then the generator to deceive them.

    Where there are several games, each of the two phases is one update on the sum of their losses.

    Args:
        games: what is real, what is fake, and who judges; see `Game`.
        trains: names of the networks that make the fakes: the encoder (in a GAN, the decoder).
        generator_loss: `fake_score -> loss`, elementwise on logits.

    Returns:
        The phases "discriminator" (metrics "loss", of all games together, and "accuracy", their mean) and "generator"
        ("loss", of all together). How each game stands, its certificate says: `aae_jax.certificates`.

    Raises:
        ValueError: if there is no game, two have one discriminator, which also must not make the fakes,
            `generator_loss` is no function or `trains` are no names.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, section 2.
    """
    check_function("generator_loss", generator_loss, "fake_score -> loss, such as losses.minimax_generator_loss")
    # A single game is a tuple too, of its own functions.
    if isinstance(games, Game) or not games or not all(isinstance(game, Game) for game in games):
        kinds = [type(game).__name__ for game in games]
        raise ValueError(f"games is a {type(games).__name__} of {kinds}; expected one Game or more in a list.")
    discriminators = [game.network for game in games]
    if len({*discriminators}) < len(discriminators):
        raise ValueError(f"The games' discriminators are {discriminators}; expected another name for each.")

    def discriminator_loss(params: Params, keys: Keys, batch: Batch) -> tuple[jax.Array, Metrics]:
        total, accuracy = jnp.zeros(()), jnp.zeros(())
        for game, fake in zip(games, _fakes(games, params, keys, batch), strict=True):
            real_score = game.discriminate(params, game.real(params, keys, batch), batch)
            fake_score = game.discriminate(params, fake, batch)
            total += losses.discriminator_loss(real_score, fake_score).mean()
            accuracy += ((real_score > 0).mean() + (fake_score < 0).mean()) / (2 * len(games))
        return total, {"accuracy": accuracy}

    def deception_loss(params: Params, keys: Keys, batch: Batch) -> tuple[jax.Array, Metrics]:
        total = jnp.zeros(())
        for game, fake in zip(games, _fakes(games, params, keys, batch), strict=True):
            total += generator_loss(game.discriminate(params, fake, batch)).mean()
        return total, {}

    phases = _phase("discriminator", discriminators, discriminator_loss), _phase("generator", trains, deception_loss)
    if judges := sorted({*discriminators} & {*trains}):
        raise ValueError(f"trains holds {judges}, discriminators; expected the networks that are to deceive them.")
    return phases


def _fakes(games: Sequence[Game], params: Params, keys: Keys, batch: Batch) -> list[jax.Array]:
    """The fakes of each game. A generator that games share runs once, so that gradients go back through it once."""
    made = {generate: generate(params, keys, batch) for generate in dict.fromkeys(game.generate for game in games)}
    return [game.fake(made[game.generate]) for game in games]


def classification(
    logits: Callable[[Params, jax.Array, jax.Array], jax.Array],
    trains: Sequence[str],
    *,
    rows: Callable[[Batch], Batch | None] = lambda batch: batch.labeled,
) -> Phase:
    """Cross-entropy of q(y given x) on labeled rows.

    Args:
        logits: `(params, keys [B], input) -> [B, K]`.
        trains: names of the networks, the encoder.
        rows: which rows of the batch: its labeled ones, or for a fully supervised network the batch itself.

    Returns:
        A phase "classification" with the metric "error", a fraction of all rows; those of label −1 are charged nothing
        and count as right.

    Raises:
        ValueError: if `logits` or `rows` is no function or `trains` are no names; when called, where there are no
            labeled rows.

    References:
        Makhzani et al., "Adversarial Autoencoders", 2016, figure 8 and appendix A.2.1.
    """
    check_function("logits", logits, "(params, keys, input) -> [B, K]")
    check_function("rows", rows, "batch -> batch")

    def loss(params: Params, keys: Keys, batch: Batch) -> tuple[jax.Array, Metrics]:
        labeled = rows(batch)
        if labeled is None:
            raise ValueError("The classification phase needs labels: expected batch.labeled, got None.")
        scores = logits(params, derive(keys.view, "labeled"), labeled.input)
        cross_entropy = jax.vmap(losses.categorical_cross_entropy)(scores, labeled.label)
        wrong = (labeled.label >= 0) & (scores.argmax(-1) != labeled.label)
        return cross_entropy.mean(), {"error": wrong.mean()}

    return _phase("classification", trains, loss)


def smoothness(
    probabilities: Callable[[Params, jax.Array], jax.Array], trains: Sequence[str], *, radius: float
) -> Phase:
    """Virtual adversarial training: q(y given x) is to be the same all around each input, where it changes most.

    Charged is KL(q(y given x) ‖ q(y given x + r)), of the r of length `radius` that makes it largest, as found by one
    step of the power method from a random direction. It needs no labels.

    Args:
        probabilities: `(params, input) -> [B, K]`.
        trains: names of the networks, the encoder.
        radius: Euclidean, in the input's units over all its numbers: 1 to 3 on images in [0, 1] of 28 × 28.

    Returns:
        A phase "smoothness".

    Raises:
        ValueError: if `probabilities` is no function, `trains` are no names or `radius` is not above 0.

    References:
        Miyato et al., "Virtual Adversarial Training", 2018, section 3. Without labels: Hu et al., "Learning Discrete
        Representations via Information Maximizing Self-Augmented Training", 2017. Neither is the paper's.
    """
    check_function("probabilities", probabilities, "(params, input) -> [B, K]")
    check_number("radius", radius, "a length above 0", above=0)

    def loss(params: Params, keys: Keys, batch: Batch) -> tuple[jax.Array, Metrics]:
        here = jax.lax.stop_gradient(probabilities(params, batch.input))

        def change(perturbation: jax.Array) -> jax.Array:
            return _divergence(here, probabilities(params, batch.input + perturbation))

        def random(key: jax.Array) -> jax.Array:
            return jax.random.normal(key, batch.input.shape[1:], batch.input.dtype)

        def of_length(length: float, direction: jax.Array) -> jax.Array:
            flat = direction.reshape(len(direction), -1)
            # Of a row that is all but certain the gradient is so small that its squares would be 0.
            largest = jnp.abs(flat).max(axis=1, keepdims=True)
            flat = flat / jnp.where(largest > 0, largest, 1)
            norm = jnp.linalg.norm(flat, axis=1, keepdims=True)
            return (length * flat / jnp.maximum(norm, 1)).reshape(direction.shape)

        # The divergence is least, and flat, at no perturbation. A little way off, its gradient is its Hessian there
        # times the way.
        near = of_length(0.1 * radius, jax.vmap(random)(derive(keys.draw, "direction")))
        steepest = jax.grad(lambda perturbation: change(perturbation).sum())(near)
        return change(jax.lax.stop_gradient(of_length(radius, steepest))).mean(), {}

    return _phase("smoothness", trains, loss)


def invariance(
    probabilities: Callable[[Params, jax.Array], jax.Array],
    trains: Sequence[str],
    view: Corruption,
    *,
    viewed: Callable[[Batch], jax.Array | None] = lambda batch: batch.image,
    balance: float = 0.0,
    known: Callable[[Batch], Batch | None] = lambda batch: None,
    axis_name: str | None = None,
) -> Phase:
    """q(y given x) is to be the same of an image and of another view of it, or of one that is like it.

    Charged is KL(q(y given x) ‖ q(y given view(x))), the first of which stands still; it needs no labels. Of rows
    whose category is known another view is to be of that one. Agreement is easiest where there are few categories;
    with `balance`, KL(uniform ‖ q(y)) of the batch's views is charged beside it, which a category that is never used
    makes large, however little the game has to say to it by then.

    Args:
        probabilities: `(params, input) -> [B, K]`.
        trains: names of the networks, the encoder.
        view: `(key, image) -> input` of one example, of the clean image, see `corruption.view`.
        viewed: the images of which views are made, `[B, ...]`: of the batch, or its `neighbor`.
        balance: weight of KL(uniform ‖ q(y)), ≥ 0.
        known: rows of the batch, all with a label, whose classes are the categories; by default none.
        axis_name: of the mapped axis over which batches are sharded, for q(y) of the whole batch.

    Returns:
        A phase "invariance", with the metric "balance" where that is asked for.

    Raises:
        ValueError: if `probabilities`, `view`, `viewed` or `known` is no function, `trains` are no names or `balance`
            is below 0; when called, if there is nothing to view.

    References:
        Hu et al., "Learning Discrete Representations via Information Maximizing Self-Augmented Training", 2017,
        sections 3.1 and 3.2. Neighbors: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
        2020, section 2.2. Not the paper's.
    """
    check_function("probabilities", probabilities, "(params, input) -> [B, K]")
    check_function("view", view, "(key, image) -> input, such as corruption.view makes")
    check_function("viewed", viewed, "batch -> [B, ...], its image or neighbor")
    check_number("balance", balance, "a number ≥ 0", least=0)
    check_function("known", known, "batch -> batch, or None")

    def loss(params: Params, keys: Keys, batch: Batch) -> tuple[jax.Array, Metrics]:
        def there(name: str, image: jax.Array) -> jax.Array:
            return probabilities(params, jax.vmap(view)(derive(keys.draw, name), image))

        image = viewed(batch)
        if image is None:
            raise ValueError(
                "There is nothing to view; expected neighbors in the batch, as fit takes them from "
                "Rows(..., neighbors=...) and batch_of with keys."
            )
        here = jax.lax.stop_gradient(probabilities(params, batch.input))
        of_view, metrics = there("view", image), {}
        charged = _divergence(here, of_view).mean()
        if (labeled := known(batch)) is not None:
            category = jax.nn.one_hot(labeled.label, here.shape[-1], dtype=here.dtype)
            charged += _divergence(category, there("view of known", labeled.image)).mean()
        if balance:
            used = of_view.mean(0, keepdims=True)
            used = used if axis_name is None else jax.lax.pmean(used, axis_name)
            metrics["balance"] = _divergence(jnp.full_like(used, 1 / used.shape[-1]), used).mean()
            charged += balance * metrics["balance"]
        return charged, metrics

    return _phase("invariance", trains, loss)


def _divergence(here: jax.Array, there: jax.Array) -> jax.Array:
    """KL of two `[B, K]` probabilities, `[B]`. Softmax may underflow to 0, where it is infinite."""
    return jax.vmap(losses.kl_divergence)(here, jnp.maximum(there, 1e-30))


def _phase(name: str, trains: Sequence[str], loss: LossFn) -> Phase:
    """Names the metrics after the phase, with the loss among them."""
    if isinstance(trains, str) or not trains or not all(isinstance(network, str) for network in trains):
        raise ValueError(f"trains is {trains!r}; expected the names of one network or more in a list.")

    def named(params: Params, keys: Keys, batch: Batch) -> tuple[jax.Array, Metrics]:
        value, metrics = loss(params, keys, batch)
        return value, {f"{name}/{metric}": number for metric, number in {"loss": value, **metrics}.items()}

    return Phase(name, tuple(trains), named)
