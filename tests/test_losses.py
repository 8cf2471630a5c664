"""Losses: by hand, against scipy, at their limits, and their gradients."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.spatial.distance
import scipy.special
import scipy.stats
from jax.test_util import check_grads

from aae_jax import losses, wiring

EXTREMES = jnp.array([-1e4, -1.0, 0.0, 1.0, 1e4])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --- Likelihoods of images -------------------------------------------------------------------------------------------


def test_bernoulli_nll_by_hand():
    # sigmoid(0) = 1/2, sigmoid(log 3) = 3/4:
    # −log p = −log 1/2 (pixel 1) − log 1/4 (pixel 0) − 3/4 log 3/4 − 1/4 log 1/4 (gray pixel 3/4)
    logits, image = jnp.array([0.0, math.log(3), math.log(3)]), jnp.array([1.0, 0.0, 0.75])
    expected = math.log(2) + math.log(4) - 0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    np.testing.assert_allclose(jax.jit(losses.bernoulli_nll)(logits, image), expected, rtol=1e-6)


def test_bernoulli_nll_is_scipys_on_binary_images_of_any_shape(rng):
    logits = rng.normal(size=(4, 3, 2)).astype(np.float32)
    image = rng.integers(2, size=(4, 3, 2)).astype(np.float32)
    expected = -scipy.stats.bernoulli.logpmf(image, scipy.special.expit(logits)).sum()
    np.testing.assert_allclose(losses.bernoulli_nll(logits, image), expected, rtol=1e-5)


def test_bernoulli_nll_at_extreme_logits():
    # A sure and right pixel costs nothing, a sure and wrong one its logit; the gradient is sigmoid(logit) − image.
    logits, image = jnp.array([1e4, -1e4, 1e4, -1e4]), jnp.array([1.0, 0.0, 0.0, 1.0])
    value, gradient = jax.jit(jax.value_and_grad(losses.bernoulli_nll))(logits, image)
    np.testing.assert_allclose(value, 2e4)
    np.testing.assert_array_equal(gradient, [0, 0, 1, -1])


@pytest.mark.parametrize("std", [1.0, 0.1, np.array([0.5, 1.0, 3.0])], ids=["one", "tenth", "array"])
def test_gaussian_nll_is_scipys(rng, std):
    mean, image = rng.normal(size=(2, 4, 3)).astype(np.float32)
    expected = -scipy.stats.norm.logpdf(image, mean, std).sum()
    np.testing.assert_allclose(jax.jit(losses.gaussian_nll)(mean, image, std), expected, rtol=1e-5)


def test_gaussian_log_density_by_hand():
    # Value 3, mean 1, variance 4: −½ (log 2π + log 4 + (3 − 1)² / 4) = −½ log 8π − ½
    value, mean, log_variance = jnp.array([3.0]), jnp.array([1.0]), jnp.array([math.log(4)])
    log_density = jax.jit(losses.gaussian_log_density)
    np.testing.assert_allclose(log_density(value, mean, log_variance), -0.5 * math.log(8 * math.pi) - 0.5, rtol=1e-6)
    # The scalars stand for every axis: three zeros under N(0, 1) have −½ log 2π each.
    np.testing.assert_allclose(log_density(jnp.zeros(3)), -1.5 * math.log(2 * math.pi), rtol=1e-6)


def test_half_squared_error_sums_over_pixels():
    # ½ (1² + 2² + 0² + 3²) = 7: a mean would give 7/4.
    prediction, image = jnp.array([[1.0, 2.0], [0.0, 0.0]]), jnp.array([[0.0, 0.0], [0.0, 3.0]])
    np.testing.assert_allclose(losses.half_squared_error(prediction, image), 7.0)


def test_half_squared_error_is_the_gaussian_nll_without_its_constant(rng):
    mean, image = rng.normal(size=(2, 784)).astype(np.float32)
    difference = losses.gaussian_nll(mean, image) - losses.half_squared_error(mean, image)
    np.testing.assert_allclose(difference, 784 / 2 * math.log(2 * math.pi), rtol=1e-5)


# --- Scores and logits -----------------------------------------------------------------------------------------------


def test_adversarial_losses_by_hand():
    # D(real) = 3/4, D(fake) = 1/4: −log 3/4 − log(1 − 1/4); −log 1/4; log(1 − 1/4)
    real_score, fake_score = jnp.array(math.log(3)), jnp.array(-math.log(3))
    np.testing.assert_allclose(losses.discriminator_loss(real_score, fake_score), -2 * math.log(0.75), rtol=1e-6)
    np.testing.assert_allclose(losses.non_saturating_generator_loss(fake_score), math.log(4), rtol=1e-6)
    np.testing.assert_allclose(losses.minimax_generator_loss(fake_score), math.log(0.75), rtol=1e-6)


def test_adversarial_losses_are_elementwise_and_finite_at_extremes():
    # softplus(s) is s where s is large and 0 where −s is.
    np.testing.assert_array_equal(losses.discriminator_loss(EXTREMES, -EXTREMES)[::4], [2e4, 0.0])
    np.testing.assert_array_equal(losses.non_saturating_generator_loss(EXTREMES)[::4], [1e4, 0.0])
    np.testing.assert_array_equal(losses.minimax_generator_loss(EXTREMES)[::4], [0.0, -1e4])

    @jax.jit
    @jax.vmap
    @jax.jacobian
    def slopes(score):
        return (
            losses.discriminator_loss(score, -score),
            losses.non_saturating_generator_loss(score),
            losses.minimax_generator_loss(score),
        )

    # −2 σ(−s), −σ(−s) and −σ(s)
    upward, downward = scipy.special.expit(EXTREMES), scipy.special.expit(-EXTREMES)
    np.testing.assert_allclose(slopes(EXTREMES), (-2 * downward, -downward, -upward), rtol=1e-5)


def test_generator_losses_agree_on_the_direction_and_not_on_the_size():
    # Both fall as the score rises: their gradients are −σ(−s) and −σ(s). Where the fake is seen through, s = −10,
    # one is almost −1 and the other −e⁻¹⁰.
    score = jnp.array(-10.0)
    np.testing.assert_allclose(jax.grad(losses.non_saturating_generator_loss)(score), -1.0, rtol=1e-4)
    np.testing.assert_allclose(jax.grad(losses.minimax_generator_loss)(score), -math.exp(-10), rtol=1e-4)


def test_categorical_cross_entropy_by_hand_and_masked():
    # softmax(0, log 2, log 5) = 1/8, 2/8, 5/8
    logits = jnp.array([0.0, math.log(2), math.log(5)])
    values = jax.jit(jax.vmap(losses.categorical_cross_entropy, in_axes=(None, 0)))(
        logits, jnp.array([0, 1, 2, -1, 3])
    )
    np.testing.assert_allclose(values, [math.log(8), math.log(4), math.log(1.6), 0, np.nan], rtol=1e-6)


def test_a_class_is_counted_beyond_what_its_own_type_holds():
    for label in (np.int8(1), np.uint8(255)):
        found = losses.categorical_cross_entropy(jnp.zeros(256), jnp.asarray(label))
        assert float(found) == pytest.approx(math.log(256))
        assert wiring.one_hot(jnp.asarray(label)[None], 256).sum() == 1


def test_a_divergence_of_what_is_no_number_is_none():
    half = jnp.array([0.5, 0.5])
    assert jnp.isnan(losses.kl_divergence(jnp.array([jnp.nan, 1.0]), half))
    assert jnp.isnan(losses.jensen_shannon_divergence(half * jnp.nan, half * jnp.nan))
    # Integers are probabilities too.
    np.testing.assert_allclose(losses.kl_divergence(jnp.array([1, 0]), half), math.log(2), rtol=1e-6)


def test_categorical_cross_entropy_gradient_is_softmax_minus_one_hot_or_zero():
    gradient = jax.jit(jax.grad(losses.categorical_cross_entropy))
    logits = jnp.array([0.0, math.log(2), math.log(5)])
    np.testing.assert_allclose(gradient(logits, 2), [1 / 8, 2 / 8, 5 / 8 - 1], rtol=1e-6)
    np.testing.assert_array_equal(gradient(logits, -1), 0)
    np.testing.assert_array_equal(gradient(jnp.array([1e4, -1e4]), 1), [1, -1])


# --- Divergences of Gaussians ----------------------------------------------------------------------------------------


def test_kl_to_standard_normal_is_its_integral():
    mean, std = 0.7, 0.4
    q, p = scipy.stats.norm(mean, std), scipy.stats.norm()
    expected, _ = scipy.integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -5, 5)
    # Two independent axes with this divergence each
    kl = losses.kl_to_standard_normal(jnp.full(2, mean), jnp.full(2, 2 * math.log(std)))
    np.testing.assert_allclose(kl, 2 * expected, rtol=1e-5)


def test_kl_to_standard_normal_keeps_its_digits_near_the_prior():
    # exp(v) − 1 − v = v²/2 + v³/6 + ..., so ½ of it at v = 10⁻³ is 2.5008e-7: below the resolution of 1 in float32.
    kl = losses.kl_to_standard_normal(jnp.zeros(1), jnp.full(1, 1e-3))
    np.testing.assert_allclose(kl, 2.5008e-7, rtol=1e-3)
    np.testing.assert_array_equal(losses.kl_to_standard_normal(jnp.zeros(3), jnp.zeros(3)), 0)


@jax.jit
@jax.value_and_grad
def _mean_sampled_kl(parameters, noise):
    """Against N(0, 1), over many reparametrized codes; beside it the codes' own estimates."""
    mean, log_variance = parameters

    def estimate(noise):
        code = mean + jnp.exp(0.5 * log_variance) * noise
        return losses.kl_by_sampling(code, mean, log_variance, losses.gaussian_log_density)

    return jax.vmap(estimate)(noise).mean()


def test_kl_by_sampling_finds_the_closed_form_and_its_gradient(rng):
    mean, log_variance = jnp.array([0.5, -1.0]), jnp.array([-0.5, 0.3])
    value, gradient = _mean_sampled_kl((mean, log_variance), rng.normal(size=(100_000, 2)).astype(np.float32))
    exact_value, exact_gradient = jax.jit(jax.value_and_grad(losses.kl_to_standard_normal, (0, 1)))(mean, log_variance)
    # A draw's estimate has a standard deviation near 1.5, so the mean one of 0.005; 0.02 is four of them.
    np.testing.assert_allclose(value, exact_value, atol=0.02)
    np.testing.assert_allclose(gradient[0], exact_gradient[0], atol=0.02)
    np.testing.assert_allclose(gradient[1], exact_gradient[1], atol=0.02)


def test_kl_by_sampling_is_zero_for_every_code_where_the_two_are_the_same():
    estimate = jax.jit(losses.kl_by_sampling, static_argnums=3)
    code, zeros = np.array([0.3, -2.0], np.float32), np.zeros(2, np.float32)
    np.testing.assert_array_equal(estimate(code, zeros, zeros, losses.gaussian_log_density), 0)


# --- Divergences of discrete distributions ---------------------------------------------------------------------------


def test_discrete_divergences_by_hand():
    # KL = ¾ log(¾ / ½) + ¼ log(¼ / ½) = ¾ log 3 − log 2
    p, q = jnp.array([0.75, 0.25]), jnp.array([0.5, 0.5])
    np.testing.assert_allclose(losses.kl_divergence(p, q), 0.75 * math.log(3) - math.log(2), rtol=1e-6)
    # Half and half of (1, 0) and (0.5, 0.5) is (¾, ¼): JSD = ½ log 4/3 + ½ (½ log 2/3 + ½ log 2)
    jsd = losses.jensen_shannon_divergence(jnp.array([1.0, 0.0]), q)
    np.testing.assert_allclose(jsd, 0.5 * math.log(4 / 3) + 0.25 * math.log(4 / 3), rtol=1e-6)


def test_discrete_divergences_are_scipys_with_zeros_among_them(rng):
    p, q = rng.dirichlet(np.full(20, 0.5), size=2)
    p[:5] = 0  # where only p is zero
    p[5], q[5] = 0, 0  # where both are
    p, q = (p / p.sum()).astype(np.float32), (q / q.sum()).astype(np.float32)
    np.testing.assert_allclose(losses.kl_divergence(p, q), scipy.stats.entropy(p, q), rtol=1e-5)
    expected = scipy.spatial.distance.jensenshannon(p, q) ** 2
    np.testing.assert_allclose(losses.jensen_shannon_divergence(p, q), expected, rtol=1e-5)
    np.testing.assert_allclose(losses.jensen_shannon_divergence(q, p), expected, rtol=1e-5)


def test_discrete_divergences_at_their_limits():
    left, right, half = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), jnp.array([0.5, 0.5])
    assert losses.kl_divergence(left, right) == jnp.inf
    assert losses.kl_divergence(half, left) == jnp.inf
    assert losses.kl_divergence(left, left) == 0
    np.testing.assert_allclose(losses.jensen_shannon_divergence(left, right), math.log(2), rtol=1e-6)
    assert losses.jensen_shannon_divergence(half, half) == 0


def test_discrete_divergences_have_finite_gradients_where_something_is_zero():
    p, q = jnp.array([0.5, 0.5, 0.0, 0.0]), jnp.array([0.25, 0.25, 0.5, 0.0])
    # d/dp = log(p/q) + 1, d/dq = −p/q, and zero where p is.
    gradient_p, gradient_q = jax.jit(jax.grad(losses.kl_divergence, argnums=(0, 1)))(p, q)
    np.testing.assert_allclose(gradient_p, [math.log(2) + 1] * 2 + [0, 0], rtol=1e-6)
    np.testing.assert_array_equal(gradient_q, [-2, -2, 0, 0])
    # d/dp = ½ log(p/m), where m is the mean; zero where p is.
    gradient_p, gradient_q = jax.jit(jax.grad(losses.jensen_shannon_divergence, argnums=(0, 1)))(p, q)
    mean = (0.375, 0.375, 0.25)
    np.testing.assert_allclose(gradient_p[:2], [0.5 * math.log(0.5 / mean[0])] * 2, rtol=1e-5)
    np.testing.assert_allclose(gradient_q[:3], 0.5 * np.log(np.array(q)[:3] / np.array(mean)), rtol=1e-5)
    assert np.isfinite(gradient_p).all()
    assert np.isfinite(gradient_q).all()


_bound = jax.jit(losses.jensen_shannon_bound)


def test_jensen_shannon_bound_by_hand():
    # Losses are softplus(−score) of real, −log D = log 2 and log 4/3 (scores 0 and log 3), and softplus(score) of
    # fake, log 2 three times. Bound = log 2 − ½ (½ (log 2 + log 4/3) + log 2) = ½ log 2 − ¼ log 8/3.
    bound, error = _bound(jnp.array([0.0, math.log(3)]), jnp.zeros(3))
    np.testing.assert_allclose(bound, 0.5 * math.log(2) - 0.25 * math.log(8 / 3), rtol=1e-5)
    # Two numbers at distance d have variance d²/2, so their mean has d²/4, d = log 2 − log 4/3 = log 3/2;
    # the fakes do not vary. Half of the root: d/4.
    np.testing.assert_allclose(error, math.log(1.5) / 4, rtol=1e-5)


def test_jensen_shannon_bound_is_tight_for_the_best_discriminator_and_below_for_others(rng):
    p, q = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    real, fake = rng.choice(3, size=20_000, p=p), rng.choice(3, size=20_000, p=q)
    divergence = scipy.spatial.distance.jensenshannon(p, q) ** 2
    best = np.log(p / q).astype(np.float32)
    bound, error = _bound(best[real], best[fake])
    assert 0 < error < 0.01
    assert abs(bound - divergence) < 5 * error
    for score in (2 * best, 0.5 * best, -best, best + 1):
        bound, error = _bound(score[real], score[fake])
        assert bound < divergence - 5 * error
    # An undecided discriminator certifies nothing, a sure and right one all there is: log 2.
    undecided = _bound(jnp.zeros(5), jnp.zeros(5))
    np.testing.assert_allclose(undecided, (0, 0), atol=1e-7)
    sure = _bound(jnp.full(5, 1e4), jnp.full(5, -1e4))
    np.testing.assert_allclose(sure, (math.log(2), 0), rtol=1e-6)


def test_jensen_shannon_bounds_standard_error_is_the_spread_over_repetitions(rng):
    real = jnp.array(rng.normal(0.5, 1.0, size=(1000, 400)), jnp.float32)
    fake = jnp.array(rng.normal(-0.5, 2.0, size=(1000, 100)), jnp.float32)
    bounds, errors = jax.jit(jax.vmap(losses.jensen_shannon_bound))(real, fake)
    # The spread of 1000 bounds is known to 1 / √2000 = 2.2 %.
    np.testing.assert_allclose(errors.mean(), bounds.std(), rtol=0.11)


@pytest.mark.parametrize("shape", [(1,), (4, 1), ()])
def test_jensen_shannon_bound_needs_lists_of_scores(shape):
    with pytest.raises(ValueError, match=r"fake_score has shape .* expected \[N\]"):
        losses.jensen_shannon_bound(jnp.zeros(3), jnp.zeros(shape))


# --- Repulsion -------------------------------------------------------------------------------------------------------


_repulsion = jax.jit(jax.value_and_grad(losses.repulsion))


def test_repulsion_by_hand():
    # Distances: 5 (3, 4, 5), 1 and √(3² + 3²) = 4.243. Below eta = 4.5: 4.5 − 1 and 4.5 − √18.
    heads = jnp.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    value, gradient = _repulsion(heads, 4.5)
    np.testing.assert_allclose(value, 3.5 + 4.5 - math.sqrt(18), rtol=1e-6)
    # Minus the unit vectors away from the heads that are too close: (0, 1) between first and third, else (1, 1)/√2.
    expected = np.array([[0, 1], [-math.sqrt(0.5)] * 2, [math.sqrt(0.5), math.sqrt(0.5) - 1]])
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_repulsion_at_its_limits():
    # Three heads in one place: 3 pairs at full price, and no NaN.
    value, gradient = _repulsion(jnp.ones((3, 2)), 2.0)
    assert value == 6
    np.testing.assert_array_equal(gradient, 0)
    assert _repulsion(jnp.ones((1, 2)), 2.0)[0] == 0
    assert _repulsion(jnp.array([[0.0], [2.0]]), 2.0)[0] == 0


# --- All -------------------------------------------------------------------------------------------------------------

# Arguments at which a loss is smooth.
EXAMPLES = {
    "bernoulli_nll": (np.array([0.5, -2.0]), np.array([0.2, 1.0])),
    "gaussian_nll": (np.array([0.5, -2.0]), np.array([0.2, 1.0]), np.array([0.7, 2.0])),
    "half_squared_error": (np.array([0.5, -2.0]), np.array([0.2, 1.0])),
    "discriminator_loss": (np.array(0.5), np.array(-2.0)),
    "non_saturating_generator_loss": (np.array(0.5),),
    "minimax_generator_loss": (np.array(0.5),),
    "gaussian_log_density": (np.array([0.5, -2.0]), np.array([0.2, 1.0]), np.array([0.7, -2.0])),
    "kl_to_standard_normal": (np.array([0.5, -2.0]), np.array([0.7, -2.0])),
    "kl_divergence": (np.array([0.2, 0.8]), np.array([0.7, 0.3])),
    "jensen_shannon_divergence": (np.array([0.2, 0.8]), np.array([0.7, 0.3])),
    "jensen_shannon_bound": (np.array([0.5, -2.0]), np.array([0.2, 1.0])),
}


@jax.jit
def _all_losses(arguments):
    """Every loss of one example, by name."""
    return {name: getattr(losses, name)(*arguments[name]) for name in EXAMPLES}


def test_gradients_in_double_precision():
    with jax.enable_x64(True):
        check_grads(_all_losses, (EXAMPLES,), order=1, modes=["rev"])


def test_all_losses_are_scalars_that_vmap_row_by_row():
    rows = jax.tree.map(lambda x: np.stack([x, 0.5 * x]).astype(np.float32), EXAMPLES)
    together = jax.vmap(_all_losses)(rows)
    for row in range(2):
        alone = _all_losses(jax.tree.map(lambda x, row=row: x[row], rows))
        assert all(x.shape == () and x.dtype == jnp.float32 for x in jax.tree.leaves(alone))
        chex.assert_trees_all_close(jax.tree.map(lambda x, row=row: x[row], together), alone, rtol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        losses.bernoulli_nll,
        losses.gaussian_nll,
        losses.half_squared_error,
        losses.discriminator_loss,
        losses.gaussian_log_density,
        losses.kl_divergence,
        losses.jensen_shannon_divergence,
    ],
)
@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((2, 2), (2,))])
def test_a_forgotten_axis_is_no_broadcast(loss, shapes):
    with pytest.raises(ValueError, match="expected the same for both"):
        loss(jnp.ones(shapes[0]), jnp.ones(shapes[1]))


def test_the_table_of_examples_is_complete():
    elsewhere = {"categorical_cross_entropy", "kl_by_sampling", "repulsion"}
    assert set(EXAMPLES) | elsewhere == set(losses.__all__)


def test_divergences_of_vanishing_probabilities_are_finite():
    # exp(−88) is about float32's smallest normal number; its half, and what lies beyond, is flushed to zero or not.
    p = jnp.exp(-jnp.linspace(0.0, 104.0, 200))
    p, q = p / p.sum(), p[::-1] / p.sum()
    for inputs in ((p, q), (np.asarray(p), np.asarray(q))):
        # The two share next to nothing.
        np.testing.assert_allclose(losses.jensen_shannon_divergence(*inputs), math.log(2), rtol=1e-5)
    assert np.isfinite(losses.kl_divergence(p, 0.5 * (p + q)))
