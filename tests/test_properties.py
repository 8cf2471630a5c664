"""Laws that hold for whatever hypothesis draws: loaders, configs, priors and losses."""

import functools
import json
import math
import string

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

import aae_jax
from aae_jax import ModelConfig, losses, priors, runs
from aae_jax.configs import saved
from aae_jax.data import load

# The same examples in every run; a deadline would be a test of time; folders are made anew for each example.
settings.register_profile(
    "aae_jax",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("aae_jax")


# --- Loaders

PIXELS = {np.dtype(np.uint8): st.integers(0, 255), np.dtype(np.float32): st.floats(0, 1, width=32)}


@st.composite
def images_and_labels(draw):
    """Images of bytes or floats, 10 to 40 of them, and their labels, some unknown, or None."""
    shape = (draw(st.integers(10, 40)), *(draw(st.integers(1, 4)) for _ in range(draw(st.sampled_from([2, 3])))))
    dtype = draw(st.sampled_from(sorted(PIXELS, key=str)))
    images = draw(drawn.arrays(dtype, shape, elements=PIXELS[dtype]))
    kinds = st.sampled_from([np.int8, np.int32, np.int64, np.uint8])
    labels = draw(st.none() | kinds.flatmap(lambda kind: drawn.arrays(kind, shape[0], elements=st.integers(0, 9))))
    if labels is not None and labels.dtype.kind == "i":
        labels[draw(st.lists(st.integers(0, shape[0] - 1), max_size=3))] = -1
    return images, labels


def rows_of(dataset):
    """All rows of a data set as bytes, with their labels."""
    splits = (dataset.train, dataset.validation, dataset.test)
    return [(image.tobytes(), int(label)) for split in splits for image, label in zip(*split, strict=True)]


def written_rows(images, labels):
    labels = np.full(len(images), -1) if labels is None else labels
    return [(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)]


def check_form(dataset, images, labels):
    counts = [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sum(counts) == len(images) and min(counts) >= 1
    assert dataset.image_shape == (*images.shape[1:], 1)[:3]
    assert dataset.train.image.dtype == images.dtype and dataset.train.label.dtype == np.int32
    assert dataset.num_classes == (0 if labels is None else max(int(labels.max()) + 1, 0))


@given(images_and_labels())
def test_an_npz_loads_back_as_it_was_written_in_disjoint_splits_that_cover_it(tmp_path, arrays):
    images, labels = arrays
    np.savez(tmp_path / "own.npz", images=images, **({} if labels is None else {"labels": labels}))
    dataset = load(tmp_path / "own.npz")
    check_form(dataset, images, labels)
    assert sorted(rows_of(dataset)) == sorted(written_rows(images, labels))
    # The splits depend on the number of rows alone: rows that hold their own index say which ones they are.
    index = np.arange(len(images), dtype=np.uint8)
    np.savez(tmp_path / "index.npz", images=np.broadcast_to(index[:, None, None], (len(images), 1, 1)))
    places = load(tmp_path / "index.npz")
    order = np.concatenate([part.image.ravel() for part in (places.train, places.validation, places.test)])
    assert sorted(order.tolist()) == index.tolist()
    expected = written_rows(images, labels)
    assert rows_of(dataset) == [expected[place] for place in order]


@given(images_and_labels())
def test_an_npy_loads_back_as_it_was_written_from_the_front_to_the_end(tmp_path, arrays):
    images, labels = arrays
    np.save(tmp_path / "own.npy", images)
    (tmp_path / "own_labels.npy").unlink(missing_ok=True)
    if labels is not None:
        np.save(tmp_path / "own_labels.npy", labels)
    dataset = load(tmp_path / "own.npy")
    check_form(dataset, images, labels)
    assert rows_of(dataset) == written_rows(images, labels)


@given(drawn.arrays(np.float64, st.tuples(st.integers(10, 30), st.integers(1, 3)), elements=st.floats(-1e6, 1e6)))
@example(np.zeros((10, 2)))
def test_a_table_is_given_back_by_its_shift_and_scale(tmp_path, table):
    np.savez(tmp_path / "own.npz", images=table)
    dataset = load(tmp_path / "own.npz")
    rows = np.concatenate([split.image for split in (dataset.train, dataset.validation, dataset.test)])
    restored = rows.astype(np.float64) * dataset.scale + dataset.shift
    # Rows are float32 in units of the scale, about the shift.
    tolerance = 1e-6 * (np.abs(rows).max(0) * dataset.scale + np.abs(dataset.shift)) + 1e-30
    for column in range(table.shape[1]):
        found, expected = np.sort(restored[:, column]), np.sort(table[:, column])
        assert np.abs(found - expected).max() <= tolerance[column]
    assert np.isfinite(rows).all() and (dataset.scale > 0).all()
    assert np.abs(dataset.train.image.astype(np.float64).mean(0)).max() < 1e-3


RANDOM = np.random.RandomState(0)
SMALL = {"images": RANDOM.randint(0, 256, (12, 2, 2)).astype(np.uint8), "labels": RANDOM.randint(0, 3, 12)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small file, and what is loaded of it."""
    path = tmp_path_factory.mktemp("whole") / "own.npz"
    np.savez(path, **SMALL)
    return path.read_bytes(), rows_of(load(path))


def loads_equal_or_not_at_all(path, content, rows):
    path.write_bytes(content)
    try:
        found = rows_of(load(path))
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert found == rows


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_loaded_as_they_were(tmp_path, whole, data):
    content, rows = bytearray(whole[0]), whole[1]
    start = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(0, 20))
    content[start : start + length] = data.draw(st.binary(max_size=20))
    loads_equal_or_not_at_all(tmp_path / "own.npz", bytes(content), rows)


def test_no_flipped_bit_of_the_directory_hides_the_labels(tmp_path, whole):
    content, rows = whole
    start = content.index(b"PK\1\2")
    for place in range(start, len(content)):
        for bit in (1, 16, 64):
            damaged = bytearray(content)
            damaged[place] ^= bit
            loads_equal_or_not_at_all(tmp_path / "own.npz", bytes(damaged), rows)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_file_of_numpy_are_refused(tmp_path, content):
    for name in ("own.npz", "own.npy"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            load(tmp_path / name)


# --- Configs

COUNTS, POSITIVE = st.integers(1, 10**6), st.floats(1e-6, 1e6)
BATCH_NORMS = st.sampled_from(["none", "hidden", "all"])


@st.composite
def model_configs(draw):
    """Configs of every variant and prior that go together."""
    clusters = draw(st.integers(2, 50))
    variant, own = draw(
        st.sampled_from(
            [
                ("ae", {}),
                ("gan", {}),
                ("vae", {"prior": "gaussian_mixture"}),
                ("classifier", {"num_classes": 10}),
                ("aae", {"posterior": "universal"}),
                ("label_conditioned_aae", {"num_classes": 3, "prior": "swiss_roll"}),
                ("clustering_aae", {"num_clusters": clusters}),
                ("dimension_reduction_aae", {"num_clusters": clusters}),
            ]
        )
    )
    shape = draw(st.tuples(COUNTS) | st.tuples(COUNTS, COUNTS, st.integers(1, 4)))
    options = {"code_size": 2} if "prior" in own else {"code_size": draw(COUNTS), "prior_std": draw(POSITIVE)}
    if "posterior" in own:
        options["noise_size"] = draw(COUNTS)
    if variant == "dimension_reduction_aae":
        options["eta"] = draw(POSITIVE)
    if draw(st.booleans()) and shape[-1] < 5:
        columns = st.tuples(*[st.floats(-1e6, 1e6)] * shape[-1])
        options |= {"shift": draw(columns), "scale": draw(st.tuples(*[POSITIVE] * shape[-1]))}
    of_any = st.sampled_from(["bernoulli", "gaussian", "half_squared_error"])
    likelihood = "gaussian" if "shift" in options else draw(of_any)
    if likelihood == "gaussian":
        options["likelihood_std"] = draw(POSITIVE)
    return ModelConfig(
        variant,
        shape,
        hidden_sizes=tuple(draw(st.lists(COUNTS, max_size=3))),
        weight_std=draw(st.none() | POSITIVE),
        encoder_batch_norm=draw(BATCH_NORMS),
        decoder_batch_norm=draw(BATCH_NORMS),
        likelihood=likelihood,
        **options,
        **own,
    )


@given(model_configs())
def test_a_config_comes_back_from_its_file(tmp_path, config):
    runs.write_json(tmp_path / "config.json", {"model": config})
    # What `load` reads first: to have it go on, this test would have to train.
    assert saved._from_json(runs.read_json(tmp_path / "config.json"), tmp_path) == config


@given(st.text(string.ascii_lowercase + "_", min_size=1, max_size=12), st.none() | st.integers() | st.text(max_size=5))
@example("code_sise", 2)
def test_an_unknown_field_is_named(tmp_path, name, value):
    assume(name not in ModelConfig.__dataclass_fields__)
    (tmp_path / "config.json").write_text(json.dumps({"model": {"variant": "ae", "image_shape": [4], name: value}}))
    with pytest.raises(ValueError, match=rf"unknown fields \['{name}'\]"):
        aae_jax.load(tmp_path)


# --- Priors

FAMILIES = {
    "gaussian": lambda size, length: priors.gaussian(size, std=length),
    "uniform_box": lambda size, length: priors.uniform_box(size, -length, 2 * length),
    "gaussian_mixture": lambda size, length: priors.gaussian_mixture(size, radius=length),
    "swiss_roll": lambda size, length: priors.swiss_roll(size, radius=length),
    "categorical": lambda size, length: priors.categorical(size),
}
CONTINUOUS = ("gaussian", "uniform_box", "gaussian_mixture", "swiss_roll")
SIZE = 3
LENGTHS = st.sampled_from([0.5, 7.0])
"""Two of them: each is compiled anew."""
UNIFORM = st.floats(0, 1, width=32)


@functools.cache
def functions_of(family, length):
    """A prior, its samples of many keys, and its log-density and map of many rows, jitted."""
    prior = FAMILIES[family](SIZE, length)
    samples = jax.vmap(prior.sample, (0, None))
    sample = jax.jit(lambda seed, label: samples(jax.random.split(jax.random.key(seed), 200), label))
    density = jax.jit(jax.vmap(prior.log_density, (0, None))) if prior.log_density else None
    return prior, sample, density, jax.jit(jax.vmap(prior.from_uniform, (0, None)))


@given(st.sampled_from(sorted(FAMILIES)), LENGTHS, st.integers(0, 2**32 - 1), st.integers(-1, 2))
def test_samples_are_finite_in_the_support_and_where_the_density_is(family, length, seed, label):
    prior, sample, density, _ = functions_of(family, length)
    z = np.asarray(sample(np.uint32(seed), label))
    assert z.shape == (200, prior.size) and np.isfinite(z).all()
    if density is not None:
        assert np.isfinite(density(z, label)).all()
    radius = np.linalg.norm(z, axis=-1)
    if family == "uniform_box":
        assert z.min() >= -length and z.max() <= 2 * length
        np.testing.assert_array_equal(density(z + 4 * length, label), -np.inf)
    if family == "swiss_roll":
        # Class k owns [k / K, (k + 1) / K] of the roll, whose radius is that of its end times the root.
        low, high = (0, 1) if label < 0 else (label / SIZE, (label + 1) / SIZE)
        assert radius.min() >= length * math.sqrt(low) - 1e-4 and radius.max() <= length * math.sqrt(high) + 1e-4
    if family == "categorical":
        assert ((z == 0) | (z == 1)).all() and (z.sum(-1) == 1).all()
        assert label < 0 or (z[:, label] == 1).all()


@given(LENGTHS, st.integers(0, 2**32 - 1))
def test_densities_are_scipys(length, seed):
    _, sample, density, _ = functions_of("gaussian", length)
    z = sample(np.uint32(seed), -1)
    np.testing.assert_allclose(density(z, -1), scipy.stats.norm.logpdf(z, 0, length).sum(-1), rtol=1e-4, atol=1e-4)
    _, sample, density, _ = functions_of("uniform_box", length)
    z = sample(np.uint32(seed), -1)
    expected = scipy.stats.uniform.logpdf(z, -length, 3 * length).sum(-1)
    np.testing.assert_allclose(density(z, -1), expected, rtol=1e-4, atol=1e-4)


@given(st.sampled_from(["gaussian", "uniform_box"]), LENGTHS, drawn.arrays(np.float32, (200, 3), elements=UNIFORM))
def test_percentiles_rise_and_are_scipys(family, length, u):
    *_, from_uniform = functions_of(family, length)
    u = np.sort(u, axis=0)
    z = np.asarray(from_uniform(u, -1), np.float64)
    assert np.isfinite(z).all() and (np.diff(z, axis=0) >= 0).all()
    inner = np.clip(u.astype(np.float64), 1e-3, 1 - 1e-3)
    reference = scipy.stats.norm(0, length) if family == "gaussian" else scipy.stats.uniform(-length, 3 * length)
    z = np.asarray(from_uniform(inner.astype(np.float32), -1), np.float64)
    np.testing.assert_allclose(reference.cdf(z), inner, atol=2e-5)


@given(st.sampled_from(CONTINUOUS), LENGTHS, st.integers(0, 2**32 - 1), st.integers(-1, 2))
def test_mapped_uniforms_and_samples_are_of_one_distribution(family, length, seed, label):
    prior, sample, _, from_uniform = functions_of(family, length)
    z = np.asarray(sample(np.uint32(seed), label))
    u = np.random.default_rng(seed).uniform(size=(200, prior.size)).astype(np.float32)
    mapped = np.asarray(from_uniform(u, label))
    # Two samples of 200: by Kolmogorov and Smirnov, seven sigma would be chance.
    for column in range(prior.size):
        assert scipy.stats.ks_2samp(z[:, column], mapped[:, column]).pvalue > 1e-9


@given(st.sampled_from(["gaussian_mixture", "categorical"]), LENGTHS, st.integers(0, 2**32 - 1))
def test_the_whole_is_the_mean_of_its_classes_in_any_order(family, length, seed):
    _, sample, density, _ = functions_of(family, length)
    z = sample(np.uint32(seed), -1)
    of_class = np.stack([density(z, label) for label in np.random.default_rng(seed).permutation(3)])
    expected = scipy.special.logsumexp(of_class.astype(np.float64), axis=0) - math.log(3)
    np.testing.assert_allclose(density(z, -1), expected, rtol=1e-4, atol=1e-4)


# --- Losses

LOGITS = st.floats(-1e6, 1e6, width=32) | st.floats(-3, 3, width=32)
ROWS = drawn.arrays(np.float32, 8, elements=LOGITS)
MASSES = drawn.arrays(np.float64, 6, elements=st.floats(0, 1) | st.just(0.0)).filter(lambda mass: mass.sum() > 1e-3)


def distribution(mass):
    return (mass / mass.sum()).astype(np.float32)


@functools.cache
def jitted(loss):
    """Values and gradients of a loss of eight scores, summed."""
    return jax.jit(jax.value_and_grad(lambda *scores: loss(*scores).sum(), argnums=0)), jax.jit(loss)


@given(ROWS, ROWS)
def test_adversarial_losses_have_their_sign_and_relations_at_any_logit(real, fake):
    value, gradient = jitted(losses.discriminator_loss)[0](real, fake)
    both = np.asarray(jitted(losses.discriminator_loss)[1](real, fake))
    assert np.isfinite(value) and np.isfinite(gradient).all() and (both >= 0).all()
    non_saturating = np.asarray(jitted(losses.non_saturating_generator_loss)[1](fake))
    minimax = np.asarray(jitted(losses.minimax_generator_loss)[1](fake))
    assert (non_saturating >= 0).all() and (minimax <= 0).all()
    # −log σ(s) + log(1 − σ(s)) is −s; and −log σ(real) − log(1 − σ(fake)) is a difference of the other two.
    np.testing.assert_allclose(non_saturating + minimax, -fake, rtol=1e-5, atol=1e-5)
    of_real = jitted(losses.non_saturating_generator_loss)[1](real)
    np.testing.assert_allclose(both, of_real - minimax, rtol=1e-5, atol=1e-5)
    for loss in (losses.non_saturating_generator_loss, losses.minimax_generator_loss):
        _, slope = jitted(loss)[0](fake)
        # Both fall as the score rises, by at most 1 a unit.
        assert (np.asarray(slope) <= 0).all() and (np.asarray(slope) >= -1).all()


@given(ROWS, drawn.arrays(np.float32, 8, elements=UNIFORM))
def test_bernoulli_nll_is_scipys_and_finite_at_any_logit(logits, image):
    (value, gradient), binary = jitted(losses.bernoulli_nll)[0](logits, image), np.round(image)
    assert np.isfinite(value) and value >= 0
    np.testing.assert_allclose(gradient, scipy.special.expit(logits.astype(np.float64)) - image, atol=1e-5)
    wide = logits.astype(np.float64)
    # log p is −log(1 + exp(∓ logit)).
    expected = -np.where(binary == 1, scipy.special.log_expit(wide), scipy.special.log_expit(-wide)).sum()
    np.testing.assert_allclose(jitted(losses.bernoulli_nll)[1](logits, binary), expected, rtol=1e-5, atol=1e-5)
    mild = np.clip(wide, -10, 10).astype(np.float32)
    expected = -scipy.stats.bernoulli.logpmf(binary.astype(int), scipy.special.expit(mild.astype(np.float64))).sum()
    np.testing.assert_allclose(jitted(losses.bernoulli_nll)[1](mild, binary), expected, rtol=1e-4, atol=1e-4)


@given(ROWS, st.integers(-1, 7))
def test_cross_entropy_is_scipys_and_nothing_where_the_label_is_unknown(logits, label):
    value, gradient = jitted(losses.categorical_cross_entropy)[0](logits, np.int32(label))
    assert np.isfinite(gradient).all() and value >= 0
    wide = logits.astype(np.float64)
    expected = 0.0 if label < 0 else scipy.special.logsumexp(wide) - wide[label]
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5 * np.abs(wide).max() + 1e-5)
    # Probabilities less a one-hot vector sum to zero.
    np.testing.assert_allclose(np.sum(gradient), 0, atol=1e-5)


@given(MASSES, MASSES)
@example(np.eye(6)[0], np.eye(6)[1])
@example(np.ones(6), np.ones(6))
def test_discrete_divergences_keep_their_bounds(first, second):
    p, q = distribution(first), distribution(second)
    forward, backward = (np.float64(jitted(losses.jensen_shannon_divergence)[1](*pair)) for pair in ((p, q), (q, p)))
    np.testing.assert_allclose(forward, backward, atol=1e-6)
    assert -1e-6 <= forward <= math.log(2) + 1e-6
    # scipy's distance is its root.
    wide = p.astype(np.float64), q.astype(np.float64)
    np.testing.assert_allclose(forward, scipy.spatial.distance.jensenshannon(*wide) ** 2, atol=2e-6)
    kl = np.float64(jitted(losses.kl_divergence)[1](p, q))
    # Sums of p and q are one up to rounding, and so is zero.
    assert kl >= -1e-6
    large = (p > 1e-30) & (q > 1e-30)
    if (large | (p == 0)).all():
        np.testing.assert_allclose(kl, scipy.special.rel_entr(wide[0], wide[1])[large].sum(), rtol=1e-4, atol=1e-5)
        assert kl >= 2 * (np.abs(wide[0] - wide[1]).sum() / 2) ** 2 - 1e-5  # Pinsker
    if ((p > 1e-30) & (q == 0)).any():
        assert kl == np.inf
    assert jitted(losses.kl_divergence)[1](p, p) == 0


@given(drawn.arrays(np.float32, (2, 8), elements=st.floats(-8, 8, width=32)))
def test_a_gaussian_kl_is_nonnegative_and_that_of_its_density(parameters):
    mean, log_variance = parameters
    value, gradient = jitted(losses.kl_to_standard_normal)[0](mean, log_variance)
    assert value >= 0 and np.isfinite(gradient).all()
    wide, variance = mean.astype(np.float64), np.exp(log_variance.astype(np.float64))
    expected = (variance + wide**2 - 1 - log_variance).sum() / 2
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    density = jitted(losses.gaussian_log_density)[1](mean, jnp.zeros(8), log_variance)
    expected = scipy.stats.norm.logpdf(wide, 0, np.sqrt(variance)).sum()
    np.testing.assert_allclose(density, expected, rtol=1e-4, atol=1e-4)


@given(ROWS, ROWS)
def test_the_bound_is_below_log_2_and_has_an_error_bar(real, fake):
    bound, error = jitted(losses.jensen_shannon_bound)[1](real, fake)
    assert np.isfinite(bound) and bound <= math.log(2) and error >= 0


@given(drawn.arrays(np.float32, (4, 3), elements=st.floats(-50, 50, width=32)), st.floats(0.125, 100, width=32))
def test_repulsion_is_bounded_and_does_not_mind_the_order_of_heads(heads, eta):
    value = functools.partial(jitted(losses.repulsion)[1], eta=jnp.float32(eta))
    assert 0 <= value(heads) <= 6 * eta * (1 + 1e-6)
    np.testing.assert_allclose(value(heads), value(heads[::-1]), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(value(heads), value(heads + np.float32(1)), rtol=1e-3, atol=1e-2)
