"""Networks: by hand, shapes for images of any size, batch norm against its definition."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aae_jax import networks


def test_mlp_by_hand():
    network = networks.mlp([2], (2,), 1)
    # hidden = relu([1 − 2, 1 + 2]) = [0, 3], plus biases [0.5, 0] before the rectifier: relu(−0.5) = 0;
    # output = 0 · 1 + 3 · 2 + 1 = 7
    variables = {
        "params": {
            "Dense_0": {"kernel": jnp.array([[1.0, 1.0], [-1.0, 1.0]]), "bias": jnp.array([0.5, 0.0])},
            "Dense_1": {"kernel": jnp.array([[1.0], [2.0]]), "bias": jnp.array([1.0])},
        }
    }
    assert network.apply(variables, jnp.array([[1.0, 2.0]])).tolist() == [[7.0]]


def test_inputs_are_concatenated_in_order():
    network = networks.mlp([4, 3], (), 1)
    variables = {"params": {"Dense_0": {"kernel": jnp.arange(7.0)[:, None], "bias": jnp.zeros(1)}}}
    image, noise = jnp.ones((1, 2, 2, 1)), jnp.array([[0.0, 0.0, 1.0]])
    # 0 + 1 + 2 + 3 from the image, 6 from the noise
    assert network.apply(variables, image, noise).tolist() == [[12.0]]


def test_initial_weights_are_the_papers():
    network = networks.mlp([784], (1000,), 8)
    params = network.init(jax.random.key(0))["params"]
    kernel = np.asarray(params["Dense_0"]["kernel"])
    # 784 000 draws: the standard error of the standard deviation is 0.01 / sqrt(2 · 784000) = 8e-6
    assert abs(kernel.std() - 0.01) < 5 * 8e-6
    assert not params["Dense_0"]["bias"].any()
    he = networks.mlp([784], (1000,), 8, initializer=networks.he()).init(jax.random.key(0))["params"]
    np.testing.assert_allclose(np.asarray(he["Dense_0"]["kernel"]).std(), (2 / 784) ** 0.5, rtol=5e-3)


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 5, 3), (1, 9, 2)])
def test_the_convolutional_pair_takes_images_of_any_size(shape):
    encoder = networks.convolutional_encoder(shape, 4, other_sizes=[3], features=(2, 2), hidden_size=5)
    decoder = networks.convolutional_decoder([4, 10], shape, features=(2, 2), hidden_size=5)

    def there_and_back():
        key = jax.random.key(0)
        code = encoder.apply(encoder.init(key), jnp.ones((2, *shape)), jnp.ones((2, 3)))
        return code, decoder.apply(decoder.init(key), code, jnp.ones((2, 10)))

    code, image = jax.eval_shape(there_and_back)
    assert (code.shape, image.shape) == ((2, 4), (2, *shape))


def test_noise_beside_the_image_changes_the_code():
    encoder = networks.convolutional_encoder((6, 6, 1), 2, other_sizes=[3], features=(2,), hidden_size=5)
    variables = encoder.init(jax.random.key(0))
    codes = [encoder.apply(variables, jnp.ones((1, 6, 6, 1)), jnp.full((1, 3), noise)) for noise in (0.0, 1.0)]
    assert float(abs(codes[0] - codes[1]).max()) > 1e-3


def test_no_rows_have_no_codes():
    network = networks.mlp([2 * 3], (4,), 5)
    assert network.apply(network.init(jax.random.key(0)), jnp.zeros((0, 2, 3))).shape == (0, 5)


def test_linear_is_a_matrix():
    network = networks.linear(3, 2)
    variables = network.init(jax.random.key(0))
    np.testing.assert_allclose(network.apply(variables, jnp.eye(3)), variables["params"]["kernel"])


def test_batch_norm_standardizes_the_batch_and_then_uses_stored_moments():
    network = networks.mlp([3], (), 2, batch_norm="all")
    variables = network.init(jax.random.key(0))
    batch = jax.random.normal(jax.random.key(1), (50, 3)) * 3 + 1
    linear = np.asarray(batch) @ np.asarray(variables["params"]["Dense_0"]["kernel"])
    expected = (linear - linear.mean(0)) / np.sqrt(linear.var(0) + 1e-5)
    np.testing.assert_allclose(network.apply(variables, batch), expected, rtol=1e-3, atol=1e-4)

    stored = {**variables, "moments": network.moments(variables, batch)}
    # One row alone would have variance zero: with stored moments it is treated as in the batch.
    np.testing.assert_allclose(network.apply(stored, batch[:1]), expected[:1], rtol=1e-3, atol=1e-4)
    assert not np.allclose(network.apply(variables, batch[:1]), expected[:1], atol=1e-2)


def test_batch_norm_of_a_constant_feature_is_finite():
    network = networks.mlp([1], (), 1, batch_norm="all")
    variables = network.init(jax.random.key(0))
    gradient = jax.grad(lambda v: network.apply(v, jnp.full((4, 1), 1e4)).sum())(variables)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.mlp([0], (), 1), r"input_sizes is \[0\]"),
        (lambda: networks.mlp([1], (3, -1), 1), r"hidden_sizes is \[3, -1\]"),
        (lambda: networks.mlp([1], (), 0), r"output_shape is \[0\]"),
        (lambda: networks.normal(0.0), "standard deviation is 0.0"),
        (lambda: networks.convolutional_encoder((784,), 2), r"image_shape is \(784,\)"),
        (lambda: networks.convolutional_decoder([2], (28, 28)), r"image_shape is \(28, 28\)"),
    ],
)
def test_bad_sizes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("precision", ["float32", "tensorfloat32", "bfloat16"])
def test_precision_rounds_products_and_leaves_weights_and_outputs_alone(precision):
    image = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    make = functools.partial(networks.convolutional_encoder, (28, 28, 1), 3, batch_norm="hidden")
    exact, rounded = make(), make(precision=precision)
    variables = exact.init(jax.random.key(0))
    chex.assert_trees_all_equal(variables, rounded.init(jax.random.key(0)))
    output, expected = rounded.apply(variables, image), exact.apply(variables, image)
    assert output.dtype == jnp.float32
    # A CPU does not mind, but the program says of both factors of all four products whether they are to be whole.
    program = str(jax.make_jaxpr(rounded.apply)(variables, image))
    assert program.count("HIGHEST") == (0 if precision == "tensorfloat32" else 2 * 4)
    error = float(jnp.abs(output - expected).max() / jnp.abs(expected).max())
    # bfloat16 has 8 bits of mantissa: 2⁻⁸ = 0.4 % a product; a CPU does the other two alike.
    assert 1e-4 < error < 0.05 if precision == "bfloat16" else error < 1e-6
