"""Priors: samples, densities and maps from uniforms say the same, which is also what numpy and scipy say."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from jax.test_util import check_grads

from aae_jax import priors

NUM_DRAWS = 100_000

ALL = {
    "gaussian": priors.gaussian(2, std=3.0),
    "gaussian_mixture": priors.gaussian_mixture(),
    "swiss_roll": priors.swiss_roll(),
    "uniform_box": priors.uniform_box(2, low=-1.0, high=3.0),
    "categorical": priors.categorical(10),
    "from_sampler": priors.from_sampler(2, lambda key: jax.random.laplace(key, (2,))),
}
WITH_UNIFORMS = [name for name, prior in ALL.items() if prior.from_uniform]
WITH_CLASSES = ["gaussian_mixture", "swiss_roll", "categorical"]


@functools.cache
def sampler(name):
    return jax.jit(jax.vmap(ALL[name].sample))


@functools.cache
def density(name):
    return jax.jit(jax.vmap(ALL[name].log_density, (0, None)))


@functools.cache
def quantiles(name):
    return jax.jit(jax.vmap(ALL[name].from_uniform))


@functools.cache
def draws(name, label=None):
    """`[NUM_DRAWS, Z]` samples; without a label those of classes 0, 1, ..., 9, 0, 1, ..."""
    keys = jax.random.split(jax.random.key(7), NUM_DRAWS)
    labels = np.arange(NUM_DRAWS) % 10 if label is None else np.full(NUM_DRAWS, label)
    return np.asarray(sampler(name)(keys, labels.astype(np.int32)), np.float64)


def assert_moments(samples, mean, covariance):
    """Means and variances within five standard errors; a variance's comes from the fourth moment of the samples."""
    num_samples, size = samples.shape
    centered = samples - np.asarray(mean)
    np.testing.assert_array_less(abs(centered.mean(0)), 5 * samples.std(0) / math.sqrt(num_samples) + 1e-12)
    for i in range(size):
        for j in range(i + 1):
            products = centered[:, i] * centered[:, j]
            error = 5 * products.std() / math.sqrt(num_samples) + 1e-12
            assert abs(products.mean() - covariance[i][j]) < error, (i, j)


def rotation(component):
    angle = 2 * math.pi * component / 10
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def petal(component):
    """One component of the default mixture, by scipy: a tilted ellipse, 1.4 away from the origin."""
    tilt = rotation(component)
    return scipy.stats.multivariate_normal(tilt @ [1.4, 0], tilt @ np.diag([0.5**2, 0.1**2]) @ tilt.T)


# --- Samples ---------------------------------------------------------------------------------------------------------


def test_gaussian_moments():
    assert_moments(draws("gaussian", -1), [0, 0], np.diag([9, 9]))


def test_uniform_box_moments():
    # Uniform on [−1, 3]: mean 1, variance 4² / 12
    samples = draws("uniform_box", -1)
    assert_moments(samples, [1, 1], np.diag([16 / 12, 16 / 12]))
    assert -1 <= samples.min() < -0.99
    assert 2.99 < samples.max() <= 3


@pytest.mark.parametrize("name", ["gaussian", "gaussian_mixture"])
def test_a_code_of_integers_has_the_density_of_its_floats(name):
    prior = ALL[name]
    whole, label = jnp.array([0, 1]), jnp.int32(-1)
    assert float(prior.log_density(whole, label)) == float(prior.log_density(whole * 1.0, label))


def test_gaussian_mixture_moments_of_each_class():
    samples = draws("gaussian_mixture")
    for k in range(10):
        assert_moments(samples[k::10], petal(k).mean, petal(k).cov)


def test_gaussian_mixture_moments_of_the_whole():
    # Ten directions average to nothing, and their squares to one half on either axis: ½ (1.4² + 0.5² + 0.1²)
    variance = 0.5 * (1.4**2 + 0.5**2 + 0.1**2)
    assert_moments(draws("gaussian_mixture", -1), [0, 0], np.diag([variance, variance]))


def test_gaussian_mixture_components_are_equally_likely():
    # Far apart, every sample's component is the nearest direction. Five standard errors of a fraction.
    far = priors.gaussian_mixture(5, radius=100.0)
    keys = jax.random.split(jax.random.key(1), 20_000)
    x, y = np.asarray(jax.jit(jax.vmap(far.sample, (0, None)))(keys, -1)).T
    fractions = np.bincount(np.round(np.arctan2(y, x) / (2 * math.pi / 5)).astype(int) % 5, minlength=5) / len(keys)
    np.testing.assert_allclose(fractions, 0.2, atol=5 * math.sqrt(0.16 / len(keys)))


def roll_moments(start, stop):
    """Mean and covariance of r (cos, sin) by quadrature: u uniform, r = 3 √u, angle 4π √u."""

    def mean_of(function):
        def integrand(u):
            angle = 4 * math.pi * math.sqrt(u)
            return function(3 * math.sqrt(u) * math.cos(angle), 3 * math.sqrt(u) * math.sin(angle))

        return scipy.integrate.quad(integrand, start, stop, limit=200)[0] / (stop - start)

    mean = np.array([mean_of(lambda x, y: x), mean_of(lambda x, y: y)])
    xx, xy, yy = mean_of(lambda x, y: x * x), mean_of(lambda x, y: x * y), mean_of(lambda x, y: y * y)
    return mean, np.array([[xx, xy], [xy, yy]]) - np.outer(mean, mean)


def test_swiss_roll_moments_of_the_whole_and_of_each_class():
    assert_moments(draws("swiss_roll", -1), *roll_moments(0, 1))
    samples = draws("swiss_roll")
    for k in range(10):
        assert_moments(samples[k::10], *roll_moments(k / 10, (k + 1) / 10))


def test_swiss_roll_samples_lie_on_the_roll_in_their_class():
    samples = draws("swiss_roll")
    radius = np.hypot(*samples.T)
    angle = 4 * math.pi * radius / 3
    np.testing.assert_allclose(samples, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1), atol=1e-4)
    u, label = (radius / 3) ** 2, np.arange(NUM_DRAWS) % 10
    assert (u > label / 10 - 1e-6).all()
    assert (u < (label + 1) / 10 + 1e-6).all()


def test_categorical_samples_are_one_hot_and_equally_likely():
    samples = draws("categorical", -1)
    assert set(np.unique(samples)) == {0, 1}
    np.testing.assert_array_equal(samples.sum(1), 1)
    np.testing.assert_allclose(samples.mean(0), 0.1, atol=5 * math.sqrt(0.09 / NUM_DRAWS))
    np.testing.assert_array_equal(draws("categorical")[:20], np.eye(10)[np.arange(20) % 10])


@pytest.mark.parametrize("name", ["gaussian", "uniform_box", "from_sampler"])
def test_priors_without_classes_take_no_notice_of_the_label(name):
    np.testing.assert_array_equal(draws(name, -1), draws(name))


# --- Densities -------------------------------------------------------------------------------------------------------


def grid(low, high, num_cells):
    edges, step = np.linspace(low, high, num_cells + 1, retstep=True)
    centers = edges[:-1] + step / 2
    return np.stack(np.meshgrid(centers, centers), -1).reshape(-1, 2).astype(np.float32), step**2


@pytest.mark.parametrize(
    ("name", "label", "extent"),
    [
        ("gaussian", -1, 20),
        ("gaussian_mixture", -1, 5),
        ("gaussian_mixture", 3, 5),
        ("uniform_box", -1, 4),
    ],
)
def test_densities_integrate_to_one(name, label, extent):
    points, area = grid(-extent, extent, 400)
    total = np.exp(np.asarray(density(name)(points, label), np.float64)).sum() * area
    np.testing.assert_allclose(total, 1, rtol=1e-4)


def test_gaussian_log_density_is_scipys():
    points = draws("gaussian", -1)[:100].astype(np.float32)
    expected = scipy.stats.norm.logpdf(points, scale=3).sum(-1)
    np.testing.assert_allclose(density("gaussian")(points, -1), expected, rtol=1e-5)


@pytest.mark.parametrize("label", [-1, 0, 7])
def test_gaussian_mixture_log_density_is_scipys(label):
    points = draws("gaussian_mixture", -1)[:100].astype(np.float32)
    components = range(10) if label < 0 else [label]
    expected = scipy.special.logsumexp([petal(k).logpdf(points) for k in components], axis=0) - math.log(
        len(components)
    )
    np.testing.assert_allclose(density("gaussian_mixture")(points, label), expected, rtol=1e-4, atol=1e-4)


def test_uniform_box_log_density():
    # Area 4² inside, on the edge too; nothing outside.
    points = jnp.array([[0.0, 0.0], [-1.0, 3.0], [0.0, 3.1], [-1.1, 3.1]])
    np.testing.assert_allclose(density("uniform_box")(points, -1), [-math.log(16)] * 2 + [-np.inf] * 2, rtol=1e-6)


def test_categorical_log_density():
    one_hot = jnp.eye(10)[3]
    codes = jnp.stack([one_hot, jnp.full(10, 0.1)])
    np.testing.assert_allclose(density("categorical")(codes, -1), -math.log(10), rtol=1e-6)
    np.testing.assert_array_equal(density("categorical")(codes, 3), [0, -np.inf])
    np.testing.assert_array_equal(density("categorical")(codes, 4), -np.inf)


@pytest.mark.parametrize("name", ["gaussian", "gaussian_mixture"])
def test_densities_are_those_of_the_samples(name):
    # E log p over samples of p against the same integral over the plane, within five standard errors
    points, area = grid(-20, 20, 800) if name == "gaussian" else grid(-4, 4, 800)
    log_p = np.asarray(density(name)(points, -1), np.float64)
    at_samples = np.asarray(density(name)(draws(name, -1).astype(np.float32), -1), np.float64)
    integral = (np.exp(log_p) * log_p).sum() * area
    assert abs(at_samples.mean() - integral) < 5 * at_samples.std() / math.sqrt(NUM_DRAWS)


def test_far_from_everything_a_mixtures_density_and_gradient_stay_finite():
    value, gradient = jax.jit(jax.value_and_grad(ALL["gaussian_mixture"].log_density))(jnp.array([1e4, -1e4]), -1)
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("std", [1.0, 5.0])
def test_gaussian_kl_is_its_integral(std):
    mean, posterior_std = 0.7, 0.4
    q, p = scipy.stats.norm(mean, posterior_std), scipy.stats.norm(0, std)
    expected, _ = scipy.integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -5, 5)
    kl = jax.jit(priors.gaussian(3, std).kl)(jnp.full(3, mean), jnp.full(3, 2 * math.log(posterior_std)), -1)
    np.testing.assert_allclose(kl, 3 * expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["gaussian", "gaussian_mixture"])
def test_gradients_of_densities(name):
    with jax.enable_x64(True):
        log_density = jax.jit(lambda z: ALL[name].log_density(z, -1))
        check_grads(log_density, (jnp.array([0.7, -0.4]),), order=1, modes=["rev"])


# --- Maps from uniforms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("name", WITH_UNIFORMS)
def test_mapped_uniforms_are_samples(name, label):
    size = ALL[name].size
    u = np.random.default_rng(0).uniform(size=(20_000, size)).astype(np.float32)
    mapped = np.asarray(quantiles(name)(u, np.full(len(u), label, np.int32)))
    samples = draws(name, label)
    weights = np.arange(size) + 1.0
    for statistic in (lambda z: z[:, 0], lambda z: z[:, -1], lambda z: z @ weights, lambda z: np.hypot(*z[:, :2].T)):
        assert scipy.stats.ks_2samp(statistic(mapped), statistic(samples)).pvalue > 1e-4


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_the_first_uniform_picks_the_class_and_its_remainder_is_used_again(name):
    # Of ten classes, 0.37 picks the fourth, and goes 0.7 of the way along it.
    size = ALL[name].size
    first, label = np.array([0.05, 0.37, 0.92, 0.999]), np.array([0, 3, 9, 9], np.int32)
    rest = np.full((4, size - 1), 0.6)
    whole = quantiles(name)(np.column_stack([first, rest]).astype(np.float32), np.full(4, -1, np.int32))
    within = quantiles(name)(np.column_stack([10 * first - label, rest]).astype(np.float32), label)
    np.testing.assert_allclose(whole, within, rtol=1e-3, atol=1e-4)


def test_percentiles_0_and_1_are_finite_for_numbers_of_numpy_too():
    grid = np.linspace(0, 1, 3)
    codes = priors.gaussian(3).from_uniform(grid, -1)
    assert np.isfinite(codes).all() and codes[0] == -codes[2]


def test_gaussian_percentiles_are_scipys():
    u = np.array([[0.01, 0.5], [0.9, 0.999]], np.float32)
    expected = scipy.stats.norm.ppf(u, scale=3)
    np.testing.assert_allclose(quantiles("gaussian")(u, np.array([-1, 5])), expected, rtol=1e-4, atol=1e-6)


def test_mixture_percentiles_run_from_the_inside_out():
    # In component 0, which lies along x: radius + radial_std · quantile, tangential_std · quantile
    u = np.array([[0.1, 0.5], [0.5, 0.5], [0.9, 0.2]], np.float32)
    expected = np.array([1.4, 0]) + scipy.stats.norm.ppf(u) * [0.5, 0.1]
    np.testing.assert_allclose(quantiles("gaussian_mixture")(u, np.zeros(3, np.int32)), expected, rtol=1e-4, atol=1e-6)


def test_swiss_roll_walk_by_hand():
    # u = 1/4 and 1: √u = ½ and 1, one turn and two, so (1.5, 0) and (3, 0). Half of class 2 of 8 is u = 2.5 / 8.
    roll = jax.jit(jax.vmap(priors.swiss_roll(num_classes=8).from_uniform))
    u = np.array([[0.25, 0.1], [1.0, 0.2], [0.5, 0.3]], np.float32)
    root = math.sqrt(2.5 / 8)
    angle = 4 * math.pi * root
    expected = [[1.5, 0], [3, 0], [3 * root * math.cos(angle), 3 * root * math.sin(angle)]]
    np.testing.assert_allclose(roll(u, np.array([-1, -1, 2])), expected, atol=1e-5)


@pytest.mark.parametrize("label", [-1, 0])
@pytest.mark.parametrize("name", WITH_UNIFORMS)
def test_the_ends_of_the_unit_interval_are_finite(name, label):
    ends = np.array([[0.0] * ALL[name].size, [1.0] * ALL[name].size], np.float32)
    assert np.isfinite(quantiles(name)(ends, np.full(2, label, np.int32))).all()


# --- Labels, dtypes, shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_a_label_that_is_no_class_gives_nan(name):
    keys, label = jax.random.split(jax.random.key(7), NUM_DRAWS), np.arange(NUM_DRAWS, dtype=np.int32) % 12
    is_nan = np.isnan(sampler(name)(keys, label))
    np.testing.assert_array_equal(is_nan, np.broadcast_to((label >= 10)[:, None], is_nan.shape))
    u = np.full((2, ALL[name].size), 0.3, np.float32)
    assert np.isnan(quantiles(name)(u, np.array([10, 11], np.int32))).all()
    if ALL[name].log_density:
        assert np.isnan(density(name)(u, 10)).all()


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_codes_have_jax_s_default_dtype(name, x64):
    prior = ALL[name]
    with jax.enable_x64(x64):
        dtype = jnp.zeros(()).dtype
        z = jax.eval_shape(prior.sample, jax.random.key(0), -1)
        assert (z.shape, z.dtype) == ((prior.size,), dtype)
        if prior.from_uniform:
            assert jax.eval_shape(prior.from_uniform, z, -1).dtype == dtype
        if prior.log_density:
            log_density = jax.eval_shape(prior.log_density, z, -1)
            assert (log_density.shape, log_density.dtype) == ((), dtype)


def test_a_sample_is_the_same_alone_as_in_a_batch():
    keys = jax.random.split(jax.random.key(7), NUM_DRAWS)
    for name in ALL:
        np.testing.assert_allclose(jax.jit(ALL[name].sample)(keys[12], 2), draws(name)[12], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", WITH_UNIFORMS)
def test_a_batch_that_was_not_vmapped_is_refused(name):
    batch = jnp.zeros((5, ALL[name].size))
    with pytest.raises(ValueError, match="vmap over rows"):
        ALL[name].from_uniform(batch, -1)
    if ALL[name].log_density:
        with pytest.raises(ValueError, match="vmap over rows"):
            ALL[name].log_density(batch, -1)
    if ALL[name].kl:
        with pytest.raises(ValueError, match="vmap over rows"):
            ALL[name].kl(batch, batch, -1)


# --- Responsibilities ------------------------------------------------------------------------------------------------


def test_responsibilities_are_bayes_rule():
    mixture = ALL["gaussian_mixture"]
    points = draws("gaussian_mixture")[:200].astype(np.float32)
    found = jax.jit(jax.vmap(lambda z: priors.responsibilities(mixture, z, 10)))(points)
    joint = np.stack([petal(k).pdf(points) for k in range(10)], -1)
    np.testing.assert_allclose(found, joint / joint.sum(-1, keepdims=True), atol=1e-4)


def test_default_petals_are_clearly_separate():
    # The share of samples that a perfect judge gives back to their own component; the goal for codes is 95 %.
    mixture = ALL["gaussian_mixture"]
    found = jax.jit(jax.vmap(lambda z: priors.responsibilities(mixture, z, 10).argmax()))(draws("gaussian_mixture"))
    accuracy = (np.asarray(found) == np.arange(NUM_DRAWS) % 10).mean()
    assert 0.98 < accuracy < 0.99


def test_responsibilities_need_a_density():
    with pytest.raises(ValueError, match="no log_density"):
        priors.responsibilities(ALL["swiss_roll"], jnp.zeros(2), 10)
    with pytest.raises(ValueError, match="num_classes is 0"):
        priors.responsibilities(ALL["gaussian_mixture"], jnp.zeros(2), 0)


# --- A user's own ----------------------------------------------------------------------------------------------------


def label_as_code(key, label):
    return jnp.full(2, label)


def optional_label(key, label=-1):
    return jnp.full(2, label)


def option_that_is_no_label(key, scale=1.0):
    return jnp.full(2, scale)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (label_as_code, 3),
        (optional_label, 3),
        (functools.partial(label_as_code), 3),
        (jax.jit(label_as_code), 3),
        (option_that_is_no_label, 1),
        (lambda key, *, scale=2.0: jnp.full(2, scale), 2),
        (lambda key: jnp.full(2, 5.0), 5),
    ],
)
def test_from_sampler_gives_the_label_to_who_asks_for_it(sample, expected):
    prior = priors.from_sampler(2, sample)
    np.testing.assert_array_equal(prior.sample(jax.random.key(0), jnp.int32(3)), [expected, expected])
    assert prior.size == 2
    assert prior.log_density is prior.from_uniform is prior.kl is None


@pytest.mark.parametrize("sample", [lambda: 0, lambda key, label, more: 0, lambda *keys: 0])
def test_from_sampler_refuses_functions_of_other_arguments(sample):
    with pytest.raises(ValueError, match=r"expected \(key, label\) or \(key\)"):
        priors.from_sampler(2, sample)


def test_from_sampler_refuses_what_is_no_function_or_no_code():
    with pytest.raises(ValueError, match="sample is 'normal'; expected a function"):
        priors.from_sampler(2, "normal")
    prior = priors.from_sampler(2, lambda key: jnp.zeros(3))
    with pytest.raises(ValueError, match=r"shape \(3,\); expected \(2,\)"):
        prior.sample(jax.random.key(0), -1)


# --- Mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda: priors.gaussian(0), "size is 0; expected an integer ≥ 1"),
        (lambda: priors.gaussian(2.0), "size is 2.0; expected an integer ≥ 1"),
        (lambda: priors.gaussian(2, std=0.0), "std is 0.0; expected a positive number"),
        (lambda: priors.gaussian(2, std=math.nan), "std is nan; expected a positive number"),
        (lambda: priors.gaussian_mixture(0), "num_components is 0"),
        (lambda: priors.gaussian_mixture(radius=-1.4), "radius is -1.4"),
        (lambda: priors.gaussian_mixture(radial_std=0), "radial_std is 0"),
        (lambda: priors.gaussian_mixture(tangential_std=math.inf), "tangential_std is inf"),
        (lambda: priors.swiss_roll(0), "num_classes is 0"),
        (lambda: priors.swiss_roll(radius=0), "radius is 0"),
        (lambda: priors.swiss_roll(turns=-1), "turns is -1"),
        (lambda: priors.uniform_box(0), "size is 0"),
        (lambda: priors.uniform_box(2, low=1.0, high=1.0), "low is 1.0 and high is 1.0; expected finite numbers"),
        (lambda: priors.uniform_box(2, low=-math.inf), "low is -inf"),
        (lambda: priors.categorical(-3), "size is -3"),
        (lambda: priors.from_sampler(0, lambda key: 0), "size is 0"),
    ],
)
def test_mistakes_are_named(factory, message):
    with pytest.raises(ValueError, match=message):
        factory()
