"""What each variant shows to whom: its decoder, its judges, its labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aae_jax import Keys, derive, games, heads, likelihoods, losses, models, networks, priors, row_keys, wiring
from aae_jax.phases import classification, reconstruction, regularization
from aae_jax.types import Batch, Network, Prior

NUM_ROWS = 4
KEYS = Keys(row_keys(jax.random.key(0), 0, NUM_ROWS), row_keys(jax.random.key(1), 0, NUM_ROWS))
LABEL = jnp.array([2, -1, 0, 1])
IMAGE = jnp.arange(4.0 * NUM_ROWS).reshape(NUM_ROWS, 4) / 16
LIKELIHOOD = likelihoods.half_squared_error(jax.nn.identity)


def batch_of(label=LABEL, labeled_label=(0, 1, 2, 0), labeled_input=IMAGE, labeled_image=IMAGE):
    return Batch(IMAGE, IMAGE, label, Batch(labeled_input, labeled_image, jnp.asarray(labeled_label)))


def spy():
    """A network without weights that returns its inputs side by side: what it was shown."""
    return Network(init=lambda key: {}, apply=lambda variables, *inputs: jnp.concatenate(inputs, axis=-1))


def judge_of(*indices):
    """A judge whose score is the sum of some of the numbers that it is shown."""
    return Network(
        init=lambda key: {},
        apply=lambda variables, *inputs: jnp.concatenate(inputs, axis=-1)[:, list(indices)].sum(-1, keepdims=True),
    )


def linear(shape):
    """A network x W with W as its variables, its inputs side by side."""
    return Network(lambda key: jax.random.normal(key, shape), lambda w, *inputs: jnp.concatenate(inputs, axis=-1) @ w)


def class_prior():
    """The whole prior is at 9, 9; the part of class k at k, k. Nothing is random."""
    return Prior(2, lambda key, label: jnp.full(2, jnp.where(label < 0, 9, label), float))


def params_of(model, seed=0):
    return {name: network.init(jax.random.key(seed)) for name, network in model.networks.items()}


def phase(model, name):
    return next(phase for phase in model.phases if phase.name == name)


def label_conditioned(discriminator, **options):
    trio = linear((4, 2)), linear((2, 4)), discriminator
    return models.label_conditioned_aae(*trio, prior=class_prior(), num_classes=3, likelihood=LIKELIHOOD, **options)


def supervised(variant=models.supervised_aae, discriminator=None):
    trio = linear((4, 2)), spy(), discriminator or judge_of(0)
    return variant(*trio, prior=class_prior(), num_classes=3, likelihood=LIKELIHOOD)


def two_codes(variant, decoder, *arguments, category=3, **options):
    return variant(
        linear((4, 2 + category)),
        decoder,
        {"style": judge_of(0), "category": judge_of(0)},
        *arguments,
        priors={"style": class_prior(), "category": priors.categorical(category)},
        likelihood=LIKELIHOOD,
        **options,
    )


def dimension_reduction(variant=models.semi_supervised_dimension_reduction_aae, eta=5.0):
    return two_codes(variant, linear((2, 4)), networks.linear(3, 2, initializer=networks.normal(1.0)), eta=eta)


def test_labeled_prior_samples_come_from_their_class_and_others_from_the_whole():
    model = label_conditioned(judge_of(0))
    (game,) = model.games
    real = game.real(params_of(model), KEYS, batch_of())
    np.testing.assert_array_equal(real, [[2, 2], [9, 9], [0, 0], [1, 1]])
    # A game that knows no labels draws from the whole.
    (game,) = supervised().games
    np.testing.assert_array_equal(game.real({}, KEYS, batch_of()), np.full((4, 2), 9))


def test_parts_of_a_real_prior_are_found_again():
    mixture = priors.gaussian_mixture(3, radial_std=0.1)
    model = models.label_conditioned_aae(
        linear((4, 2)), linear((2, 4)), judge_of(0), prior=mixture, num_classes=3, likelihood=LIKELIHOOD
    )
    label = jnp.arange(300) % 4 - 1
    rows = Batch(label, label, label)
    keys = row_keys(jax.random.key(2), 0, 300)
    real = model.games[0].real({}, Keys(keys, keys), rows)
    found = jax.vmap(lambda z: priors.responsibilities(mixture, z, 3).argmax())(real)
    assert (found[label >= 0] == label[label >= 0]).all()
    # 75 draws of the whole miss a third of it with probability 3 · (2/3)⁷⁵ < 1e-12.
    assert set(np.asarray(found[label < 0]).tolist()) == {0, 1, 2}


@pytest.mark.parametrize(("entry", "expected"), [(2, [0, 0, 1, 0]), (4, [1, 0, 0, 0]), (5, [0, 1, 0, 0])])
def test_the_judge_is_told_the_class_or_that_there_is_none(entry, expected):
    # It is shown (z₁, z₂, class 0, class 1, class 2, unlabeled) of rows with labels 2, −1, 0, 1.
    judge = judge_of(entry)
    for model in (label_conditioned(judge), supervised(models.label_conditioned_supervised_aae, judge)):
        scores = model.games[0].discriminate({"discriminator": {}}, jnp.zeros((4, 2)), batch_of())
        np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("variant", [models.supervised_aae, models.label_conditioned_supervised_aae])
def test_the_styles_of_each_class_are_to_fill_the_whole_prior(variant):
    # The whole of this prior is at 9, 9; the part of class k would be at k, k.
    np.testing.assert_array_equal(supervised(variant).games[0].real({}, KEYS, batch_of()), np.full((4, 2), 9))


def test_smoothness_is_the_divergence_at_the_far_end_of_the_steepest_direction():
    # Of a logistic classifier, q(y = 1 given x) = σ(w · x), that is along w, whatever the random direction was.
    weight = jnp.array([3.0, -1.0, 0.0, 2.0])
    classifier = models.classifier(
        Network(lambda key: weight, lambda w, image: jnp.stack([image @ w, jnp.zeros(len(image))], axis=-1)),
        num_classes=2,
    )
    radius = 0.7
    model = models.smoothed(classifier, radius)
    assert [each.name for each in model.phases] == ["classification", "smoothness"]
    gradient, metrics = jax.grad(model.phases[-1].loss, has_aux=True)({"encoder": weight}, KEYS, batch_of())

    def divergence(sign):
        score = IMAGE @ weight
        here, there = jax.nn.sigmoid(score), jax.nn.sigmoid(score + sign * radius * jnp.linalg.norm(weight))
        return here * jnp.log(here / there) + (1 - here) * jnp.log((1 - here) / (1 - there))

    both = np.stack([divergence(sign) for sign in (1, -1)])
    # Which of the two ways a row goes depends on its random direction.
    possible = np.array([both[choice, range(NUM_ROWS)].mean() for choice in np.ndindex(*[2] * NUM_ROWS)])
    assert np.abs(possible - metrics["smoothness/loss"]).min() < 1e-5
    # It is trained to say the same: a smaller weight.
    assert jnp.vdot(gradient["encoder"], weight) > 0


def test_smoothness_takes_one_step_of_the_power_method_and_what_it_compares_stands_still():
    weight, inputs, radius = 2 * jax.random.normal(jax.random.key(2), (4, 3)), [], 1.0

    def apply(weight, image):
        inputs.append(image)
        return image @ weight

    smooth = models.smoothed(models.classifier(Network(lambda key: weight, apply), num_classes=3), radius).phases[-1]
    smooth.loss({"encoder": weight}, KEYS, batch_of())
    far, here = inputs[-1], jax.nn.softmax(IMAGE @ weight)
    # The divergence's Hessian at no perturbation is W (diag q − q qᵀ) Wᵀ; its product with the start is the way.
    start = jax.vmap(lambda key: jax.random.normal(key, (4,)))(derive(KEYS.draw, "direction"))
    covariance = jax.vmap(jnp.diag)(here) - here[:, :, None] * here[:, None]
    way = jnp.einsum("iy,byz,jz,bj->bi", weight, covariance, weight, start)
    np.testing.assert_allclose(far - IMAGE, radius * way / jnp.linalg.norm(way, axis=1, keepdims=True), atol=0.1)
    # With the first probabilities and the perturbation as constants: the cross-entropy's gradient at the far end.
    gradient, _ = jax.grad(smooth.loss, has_aux=True)({"encoder": weight}, KEYS, batch_of())
    by_hand = far.T @ (jax.nn.softmax(far @ weight) - here) / NUM_ROWS
    np.testing.assert_allclose(gradient["encoder"], by_hand, rtol=1e-4, atol=1e-6)


def test_the_steepest_direction_is_as_long_where_the_gradient_is_tiny():
    # 50 nats from the border the gradient's entries are about e^-50, and their squares no float32.
    inputs = []

    def apply(weight, image):
        inputs.append(image)
        return jnp.stack([image @ weight, -image @ weight], axis=-1)

    weight = jnp.array([25.0, 0.0, 0.0, 0.0])
    model = models.smoothed(models.classifier(Network(lambda key: weight, apply), num_classes=2), 0.7)
    image = jnp.eye(4)[jnp.zeros(NUM_ROWS, int)]
    model.phases[-1].loss({"encoder": weight}, KEYS, Batch(image, image, LABEL))
    far = np.asarray(inputs[-1] - image)
    np.testing.assert_allclose(np.linalg.norm(far, axis=1), 0.7, rtol=1e-5)


def test_invariance_is_the_divergence_from_another_view_of_the_clean_image():
    weight = jnp.array([3.0, -1.0, 0.0, 2.0])
    classifier = models.classifier(
        Network(lambda key: weight, lambda w, image: jnp.stack([image @ w, jnp.zeros(len(image))], axis=-1)),
        num_classes=2,
    )
    model = models.invariant(classifier, lambda key, image: 2 * image)
    assert [each.name for each in model.phases] == ["classification", "invariance"]
    batch = Batch(IMAGE + 1, IMAGE, LABEL)
    gradient, metrics = jax.grad(model.phases[-1].loss, has_aux=True)({"encoder": weight}, KEYS, batch)
    here, there = jax.nn.sigmoid((IMAGE + 1) @ weight), jax.nn.sigmoid(2 * IMAGE @ weight)
    divergence = here * jnp.log(here / there) + (1 - here) * jnp.log((1 - here) / (1 - there))
    np.testing.assert_allclose(metrics["invariance/loss"], divergence.mean(), rtol=1e-5)
    # What the image itself says stands still: the cross-entropy's gradient at the view.
    np.testing.assert_allclose(gradient["encoder"], ((there - here) @ (2 * IMAGE)) / NUM_ROWS, rtol=1e-4, atol=1e-6)


def test_views_of_neighbors_are_of_what_the_batch_names_as_such():
    model = models.classifier(linear((4, 3)), num_classes=3)
    params, batch = params_of(model), Batch(IMAGE + 1, IMAGE, LABEL, neighbor=IMAGE[::-1])

    def loss(batch, **options):
        of_views = models.invariant(model, lambda key, image: 2 * image, **options)
        return phase(of_views, "invariance").loss(params, KEYS, batch)[0]

    by_hand = loss(Batch(IMAGE + 1, IMAGE[::-1], LABEL))
    np.testing.assert_allclose(loss(batch, viewed=lambda batch: batch.neighbor), by_hand, rtol=1e-6)
    assert loss(batch) != by_hand
    with pytest.raises(ValueError, match=r"nothing to view; expected neighbors .* Rows\(..., neighbors=...\)"):
        loss(Batch(IMAGE, IMAGE, LABEL), viewed=lambda batch: batch.neighbor)


def test_balance_charges_for_categories_that_the_views_of_a_batch_do_not_have():
    weight = jnp.array([[3.0, -1.0, 0.5], [-1.0, 0.0, 0.2], [0.0, 4.0, 0.1], [2.0, 1.0, -90.0]])
    classifier = models.classifier(Network(lambda key: weight, lambda w, image: image @ w), num_classes=3)

    def view(key, image):
        return 2 * image

    params, batch = {"encoder": weight}, Batch(IMAGE, IMAGE, LABEL)
    _, agreement = phase(models.invariant(classifier, view), "invariance").loss(params, KEYS, batch)
    balanced = phase(models.invariant(classifier, view, balance=0.5), "invariance")
    gradient, metrics = jax.grad(balanced.loss, has_aux=True)(params, KEYS, batch)
    used = np.asarray(jax.nn.softmax(2 * IMAGE @ weight).mean(0))
    assert used[2] < 1e-16
    np.testing.assert_allclose(metrics["invariance/balance"], np.log(1 / 3 / used).mean(), rtol=1e-5)
    np.testing.assert_allclose(
        metrics["invariance/loss"], agreement["invariance/loss"] + 0.5 * metrics["invariance/balance"], rtol=1e-5
    )
    # One that is all but gone is not lost: its logit is raised by balance / K, at the image that has most of it left.
    np.testing.assert_allclose(-gradient["encoder"][:, 2], 0.5 / 3 * 2 * IMAGE[0], rtol=1e-4, atol=1e-9)
    with pytest.raises(ValueError, match="balance is -1"):
        models.invariant(classifier, view, balance=-1)


@pytest.mark.parametrize(("variant", "learns_classes"), [("semi_supervised_aae", True), ("clustering_aae", False)])
def test_views_of_labeled_images_are_to_be_of_their_class_where_classes_are_learned(variant, learns_classes):
    model = models.invariant(two_codes(getattr(models, variant), linear((5, 4))), lambda key, image: 2 * image)
    params, labeled = params_of(model), np.array([0, 1, 2, 0])
    _, metrics = phase(model, "invariance").loss(params, KEYS, batch_of(labeled_label=labeled, labeled_image=-IMAGE))

    def probabilities(image):
        return jax.nn.softmax(image @ params["encoder"][:, 2:])

    here, there, known = probabilities(IMAGE), probabilities(2 * IMAGE), probabilities(-2 * IMAGE)
    divergence = (here * jnp.log(here / there)).sum(-1).mean()
    cross_entropy = -jnp.log(known[np.arange(NUM_ROWS), labeled]).mean()
    expected = divergence + cross_entropy if learns_classes else divergence
    np.testing.assert_allclose(metrics["invariance/loss"], expected, rtol=1e-5)


def test_unlabeled_and_nonexistent_classes_as_one_hot_rows():
    rows = wiring.one_hot(jnp.array([0, -1, 2, 3]), 3)
    np.testing.assert_array_equal(rows, [[1, 0, 0], [0, 0, 0], [0, 0, 1], [np.nan] * 3])


def gan(**options):
    return models.gan(linear((2, 4)), judge_of(0), prior=class_prior(), likelihood=LIKELIHOOD, **options)


def test_a_gans_real_images_are_the_clean_ones():
    model, batch = gan(), batch_of()._replace(input=2 * IMAGE)
    np.testing.assert_array_equal(model.games[0].real(params_of(model), KEYS, batch), IMAGE)


def test_a_gans_fakes_are_of_the_whole_prior_whatever_the_labels():
    # The whole of this prior is at 9, 9; the part of class k would be at k, k.
    model = models.gan(spy(), judge_of(0), prior=class_prior(), likelihood=LIKELIHOOD)
    np.testing.assert_array_equal(model.games[0].generate(params_of(model), KEYS, batch_of()), np.full((4, 2), 9))


@pytest.mark.parametrize("variant", [gan, functools.partial(label_conditioned, judge_of(0))], ids=["gan", "codes"])
def test_the_judge_sees_real_and_fake_through_the_same_noise(variant):
    keys = Keys(*2 * [row_keys(jax.random.key(0), 0, 2000)])
    batch = Batch(*2 * [jnp.tile(IMAGE, (500, 1))], jnp.tile(LABEL, 500))

    def seen(**options):
        model = variant(**options)
        (game,), params = model.games, params_of(model)
        return np.asarray(game.real(params, keys, batch)), np.asarray(game.fake(game.generate(params, keys, batch)))

    on_real, on_fake = (noisy - plain for noisy, plain in zip(seen(instance_noise_std=0.5), seen(), strict=True))
    for noise in (on_real, on_fake):
        # Four standard errors of mean and standard deviation.
        np.testing.assert_allclose(noise.mean(), 0, atol=4 * 0.5 / noise.size**0.5)
        np.testing.assert_allclose(noise.std(), 0.5, atol=4 * 0.5 / (2 * noise.size) ** 0.5)
    assert abs(np.corrcoef(on_real.ravel(), on_fake.ravel())[0, 1]) < 4 / on_real.size**0.5


def test_the_label_conditioned_encoder_and_decoder_see_no_label():
    model = label_conditioned(judge_of(0))
    params, loss = params_of(model), phase(label_conditioned(judge_of(0)), "reconstruction").loss
    codes = model.encode_mean(params, IMAGE)
    np.testing.assert_array_equal(model.decode(params, codes, LABEL), model.decode(params, codes, -jnp.ones(4, int)))
    assert loss(params, KEYS, batch_of())[0] == loss(params, KEYS, batch_of(jnp.full(4, -1)))[0]


def test_the_supervised_decoder_sees_style_and_label():
    model = supervised()
    params = params_of(model)
    codes = {"style": jnp.array([[1.0, 2], [3, 4], [5, 6], [7, 8]])}
    # Label −1 is no class: zeros.
    expected = [[1, 2, 0, 0, 1], [3, 4, 0, 0, 0], [5, 6, 1, 0, 0], [7, 8, 0, 1, 0]]
    np.testing.assert_array_equal(model.decode(params, codes, LABEL), expected)
    # The likelihood asks about the image under the row's own label: ½ · 1² for each one-hot that has moved.
    nll = model.nll(params, codes, jnp.asarray(expected, float), jnp.array([2, 2, 1, 1]))
    np.testing.assert_array_equal(nll, [0, 0.5, 1, 0])


def test_supervised_samples_have_the_class_that_is_asked_for_and_the_whole_style():
    model = supervised()
    images = np.asarray(model.sample(params_of(model), KEYS.view, LABEL))
    np.testing.assert_array_equal(images[:, :2], np.full((4, 2), 9))
    np.testing.assert_array_equal(images[[0, 2, 3], 2:], np.eye(3)[[2, 0, 1]])
    # Where none is asked for, one is drawn: in 600 rows each about 200 times (standard deviation 11.5).
    many = model.sample(params_of(model), row_keys(jax.random.key(3), 0, 600), jnp.full(600, -1))
    np.testing.assert_array_less(np.abs(np.asarray(many[:, 2:]).sum(0) - 200), 60)
    np.testing.assert_array_equal(np.asarray(many[:, 2:]).sum(-1), 1)


@pytest.mark.parametrize("variant", [models.semi_supervised_aae, models.clustering_aae])
def test_style_and_category_of_codes_games_and_samples(variant):
    model = two_codes(variant, spy())
    params = params_of(model)
    raw = np.asarray(IMAGE @ params["encoder"])
    probabilities = np.exp(raw[:, 2:]) / np.exp(raw[:, 2:]).sum(-1, keepdims=True)
    codes = model.encode_mean(params, IMAGE)
    np.testing.assert_allclose(codes["style"], raw[:, :2], rtol=1e-6)
    np.testing.assert_allclose(codes["category"], probabilities, rtol=1e-5)
    np.testing.assert_array_equal(model.decode(params, codes, LABEL), np.hstack([codes["style"], codes["category"]]))

    style, category = model.games
    assert (style.network, category.network) == ("style_discriminator", "category_discriminator")
    np.testing.assert_array_equal(style.real(params, KEYS, batch_of()), np.full((4, 2), 9))
    np.testing.assert_allclose(category.fake(category.generate(params, KEYS, batch_of())), probabilities, rtol=1e-5)
    # The batch's labels do not choose the real categories.
    drawn = [category.real(params, KEYS, batch_of(label)) for label in (LABEL, jnp.zeros(4, int))]
    np.testing.assert_array_equal(*drawn)
    np.testing.assert_array_equal(np.sort(drawn[0], -1), np.tile([0, 0, 1], (4, 1)))

    images = np.asarray(model.sample(params, KEYS.view, LABEL))
    np.testing.assert_array_equal(images[:, :2], np.full((4, 2), 9))
    np.testing.assert_array_equal(images[[0, 2, 3], 2:], np.eye(3)[[2, 0, 1]])
    np.testing.assert_array_equal(images[1, 2:].sum(), 1)


def test_order_and_trained_networks_of_the_phases():
    discriminators = ("style_discriminator", "category_discriminator")
    semi_supervised = [
        ("reconstruction", ("encoder", "decoder")),
        ("discriminator", discriminators),
        ("generator", ("encoder",)),
        ("classification", ("encoder",)),
    ]

    def phases(model):
        return [(phase.name, phase.trains) for phase in model.phases]

    assert phases(two_codes(models.semi_supervised_aae, spy())) == semi_supervised
    assert phases(two_codes(models.clustering_aae, spy())) == semi_supervised[:3]
    with_heads = [("reconstruction", ("encoder", "decoder", "cluster_heads")), *semi_supervised[1:]]
    assert phases(dimension_reduction()) == with_heads
    assert phases(dimension_reduction(models.dimension_reduction_aae)) == with_heads[:3]


@pytest.mark.parametrize(
    "model",
    [
        two_codes(models.semi_supervised_aae, linear((5, 4))),
        dimension_reduction(),
        models.classifier(linear((4, 3)), num_classes=3),
    ],
    ids=["aae", "reduction", "classifier"],
)
def test_semi_supervised_phases_read_labels_of_the_labeled_rows_alone(model):
    params = params_of(model)
    for one in model.phases:
        loss = one.loss(params, KEYS, batch_of())[0]
        # Whatever labels the batch has, known or not, and whatever the labeled rows are.
        unlabeled = one.loss(params, KEYS, batch_of(jnp.full(4, -1)))[0]
        relabeled = one.loss(params, KEYS, batch_of(labeled_label=(1, 1, 1, 1), labeled_input=IMAGE[::-1]))[0]
        assert unlabeled == loss, one.name
        assert (relabeled != loss) == (one.name == "classification"), one.name


def test_labeled_rows_have_noise_of_their_own():
    used = []

    def logits(params, keys, image):
        used.append(keys)
        return image[:, :3]

    classification(logits, ["encoder"]).loss({}, KEYS, batch_of())
    all_keys = np.concatenate([jax.random.key_data(keys) for keys in (*KEYS, *used)])
    assert len(np.unique(all_keys, axis=0)) == 3 * NUM_ROWS


@pytest.mark.parametrize("variant", ["vae", "aae"])
def test_networks_read_the_input_by_the_keys_of_the_view_and_the_likelihood_the_clean_image(variant):
    parts, options = [linear((4, 4)), linear((2, 4))], {"prior": priors.gaussian(2), "likelihood": LIKELIHOOD}
    if variant == "aae":
        parts, options = [*parts, judge_of(0)], {**options, "head": heads.gaussian(2)}
    model = getattr(models, variant)(*parts, **options)
    params, batch = params_of(model), batch_of()._replace(input=IMAGE[::-1])
    codes = model.encode(params, KEYS.view, IMAGE[::-1])
    _, metrics = phase(model, "reconstruction").loss(params, KEYS, batch)
    by_hand = 0.5 * np.square(codes["style"] @ params["decoder"] - IMAGE).sum(-1).mean()
    np.testing.assert_allclose(metrics["reconstruction/nll"], by_hand, rtol=1e-5)
    for game in model.games:
        np.testing.assert_array_equal(game.fake(game.generate(params, KEYS, batch)), codes["style"])


def test_each_head_draws_noise_of_its_own():
    two = {name: heads.gaussian(2) for name in ("place", "shape")}
    codes = wiring.autoencoder(linear((4, 8)), None, two, None).encode(
        {"encoder": jnp.zeros((4, 8))}, KEYS.view, IMAGE
    )
    assert (codes["place"] != codes["shape"]).all()


def test_an_encoder_reads_noise_beside_the_image_and_zeros_for_its_mean():
    model = models.aae(
        spy(), linear((6, 4)), judge_of(0), prior=priors.gaussian(6), likelihood=LIKELIHOOD, noise_size=2
    )
    params, keys = {"encoder": {}}, row_keys(jax.random.key(0), 0, 500)
    np.testing.assert_array_equal(model.encode_mean(params, IMAGE)["style"], np.pad(IMAGE, [(0, 0), (0, 2)]))
    image, noise = np.split(model.encode(params, keys, jnp.tile(IMAGE, (125, 1)))["style"], [4], axis=1)
    np.testing.assert_array_equal(image, np.tile(IMAGE, (125, 1)))
    assert scipy.stats.kstest(noise.ravel(), scipy.stats.norm.cdf).pvalue > 1e-3


def test_classification_is_the_cross_entropy_of_the_labeled_rows():
    model = two_codes(models.semi_supervised_aae, spy())
    params, labeled = params_of(model), np.array([0, 1, 2, 0])
    raw = np.asarray(IMAGE[::-1] @ params["encoder"])[:, 2:].astype(float)
    log_probabilities = raw - np.log(np.exp(raw).sum(-1, keepdims=True))
    loss, metrics = phase(model, "classification").loss(params, KEYS, batch_of(labeled_input=IMAGE[::-1]))
    np.testing.assert_allclose(loss, -log_probabilities[np.arange(4), labeled].mean(), rtol=1e-5)
    assert metrics["classification/error"] == (raw.argmax(-1) != labeled).mean()
    right = raw.argmax(-1)
    some = batch_of(labeled_label=[right[0], -1, -1, (right[3] + 1) % 3], labeled_input=IMAGE[::-1])
    assert phase(model, "classification").loss(params, KEYS, some)[1]["classification/error"] == 0.25
    with pytest.raises(ValueError, match=r"expected batch\.labeled, got None"):
        phase(model, "classification").loss(params, KEYS, batch_of()._replace(labeled=None))


def test_both_games_count_in_one_update():
    # The judges' scores are the first numbers of style and category, so each game adds its own loss to the sum.
    model = two_codes(models.clustering_aae, spy())
    params = params_of(model)
    codes = model.encode(params, KEYS.view, IMAGE)
    expected, right = 0.0, []
    for name in ("style", "category"):
        fake = np.asarray(codes[name], float)[:, 0]
        real = 9.0 if name == "style" else np.asarray(model.games[1].real(params, KEYS, batch_of()), float)[:, 0]
        expected += (np.log1p(np.exp(-real)) + np.log1p(np.exp(fake))).mean()
        right += [np.mean(real > 0), np.mean(fake < 0)]
    loss, metrics = phase(model, "discriminator").loss(params, KEYS, batch_of())
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    # Of both games, as often real as fake.
    np.testing.assert_allclose(metrics["discriminator/accuracy"], np.mean(right), rtol=1e-6)


def test_the_reduced_code_is_the_style_around_its_cluster_head():
    model = dimension_reduction()
    params = params_of(model)
    heads_ = np.asarray(params["cluster_heads"]["params"]["kernel"])
    codes = {"style": jnp.array([[1.0, 2], [3, 4]]), "category": jnp.array([[0.0, 1, 0], [0.5, 0, 0.5]])}
    expected = [[1, 2] + heads_[1], [3, 4] + (heads_[0] + heads_[2]) / 2]
    reduced = models.representation(model, params, codes)
    np.testing.assert_allclose(reduced, expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.decode(params, codes, jnp.array([-1, -1])), reduced @ params["decoder"], rtol=1e-5
    )
    of_heads = models.representation(model, params, {"style": jnp.zeros(2), "category": jnp.eye(3)})
    np.testing.assert_allclose(of_heads, heads_, rtol=1e-6)
    with pytest.raises(ValueError, match="expected cluster_heads among them"):
        models.representation(two_codes(models.clustering_aae, spy()), params, codes)


def test_cluster_heads_learn_from_the_images_and_from_each_other():
    model = dimension_reduction()
    params = params_of(model)

    def terms(heads_, model=model):
        given = {**params, "cluster_heads": {"params": {"kernel": heads_}}}
        loss, metrics = phase(model, "reconstruction").loss(given, KEYS, batch_of())
        return loss, metrics

    heads_ = jnp.array([[0.0, 0.0], [3.0, 0.0], [30.0, 0.0]])
    gradient, metrics = jax.grad(terms, has_aux=True)(heads_)
    far, _ = jax.grad(terms, has_aux=True)(heads_, dimension_reduction(eta=1.0))
    # Heads 0 and 1 are 3 apart, eta is 5: a charge of 2, and each is pushed away from the other at slope 1.
    assert metrics["reconstruction/repulsion"] == 2
    np.testing.assert_allclose(gradient - far, [[1, 0], [-1, 0], [0, 0]], atol=1e-3)
    # Without repulsion: of ½ |r V − x|², averaged over rows, the gradient is yᵀ (r V − x) Vᵀ / B.
    codes = model.encode_mean(params, IMAGE)
    style, category, decoder = (np.asarray(x, float) for x in (codes["style"], codes["category"], params["decoder"]))
    error = (style + category @ np.asarray(heads_)) @ decoder - np.asarray(IMAGE)
    np.testing.assert_allclose(far, category.T @ error @ decoder.T / NUM_ROWS, rtol=1e-3, atol=1e-4)
    assert losses.repulsion(heads_, 1.0) == 0


@pytest.mark.parametrize(
    ("discriminators", "codes", "message"),
    [
        (("style", "category"), ("style",), r"priors for \['style'\]; expected 'style' and 'category'"),
        (("style",), ("style", "category"), r"discriminators for \['style'\] and priors for \['category', 'style'\]"),
    ],
)
def test_every_code_has_a_prior_and_a_judge(discriminators, codes, message):
    with pytest.raises(ValueError, match=message):
        models.clustering_aae(
            linear((4, 5)),
            spy(),
            {name: judge_of(0) for name in discriminators},
            priors={name: priors.categorical(3) for name in codes},
            likelihood=LIKELIHOOD,
        )


def test_a_variant_of_ones_own_is_ten_lines():
    def sparse_aae(encoder, decoder, discriminator, *, prior, likelihood, weight):
        """An AAE that is charged for codes far from zero."""
        functions = wiring.autoencoder(encoder, decoder, {"style": heads.deterministic(prior.size)}, likelihood)
        game = games.code_game("discriminator", discriminator, prior, functions, "style")

        def terms(params, keys, batch):
            codes = functions.generate(params, keys, batch)
            sparsity = weight * jnp.abs(codes["style"]).sum(-1)
            return {**functions.terms(params, keys, batch), "sparsity": sparsity}

        phases = (reconstruction(terms, functions.trains), *regularization((game,), ("encoder",)))
        discriminators = {"discriminator": discriminator}
        return wiring.bind(functions, phases, priors={"style": prior}, games=(game,), discriminators=discriminators)

    model = sparse_aae(
        linear((4, 2)), linear((2, 4)), judge_of(0), prior=class_prior(), likelihood=LIKELIHOOD, weight=0.5
    )
    params = params_of(model)
    _, metrics = model.phases[0].loss(params, KEYS, batch_of())
    expected = 0.5 * np.abs(np.asarray(IMAGE @ params["encoder"])).sum(-1).mean()
    np.testing.assert_allclose(metrics["reconstruction/sparsity"], expected, rtol=1e-5)
    assert model.sample(params, derive(KEYS.draw, "images"), LABEL).shape == IMAGE.shape
