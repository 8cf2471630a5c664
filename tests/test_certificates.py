"""The certificate of a game whose outcome is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aae_jax import row_keys
from aae_jax.certificates import certificate
from aae_jax.types import Batch, Game, Keys


def game(distance):
    """Real: N(0, 1) in each of two dimensions; fake: the input, moved; the judge knows the true log ratio."""

    def discriminate(params, sample, batch):
        # log N(x; 0, 1) − log N(x; distance, 1) = distance (distance − 2 x) / 2 along the first axis
        return distance * (distance - 2 * sample[:, 0]) / 2

    return Game(
        "judge",
        real=lambda params, keys, batch: jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys.draw),
        generate=lambda params, keys, batch: batch.input + jnp.array([distance, 0.0]),
        discriminate=discriminate,
    )


def of(distance, num_rows=20_000):
    noise = jax.random.normal(jax.random.key(3), (num_rows, 2))
    keys = Keys(*row_keys(jax.random.key(4), 0, 2 * num_rows).reshape(2, -1))
    batch = Batch(noise, noise, jnp.full(num_rows, -1))
    return {name: float(value) for name, value in certificate((game(distance),), {}, keys, batch).items()}


def jsd(distance):
    x = np.linspace(-12, 12 + distance, 200_001)
    p, q = (np.exp(-0.5 * (x - mean) ** 2) / np.sqrt(2 * np.pi) for mean in (0, distance))
    m = (p + q) / 2
    integrand = sum(0.5 * d * np.log(np.where(d > 0, d, 1) / np.where(d > 0, m, 1)) for d in (p, q))
    return integrand.sum() * (x[1] - x[0])


@pytest.mark.parametrize("distance", [0.5, 2.0])
def test_the_best_judge_attains_the_divergence(distance):
    found = of(distance)
    assert abs(found["judge/jsd_bound"] - jsd(distance)) < 5 * found["judge/jsd_standard_error"]
    assert 0 < found["judge/jsd_standard_error"] < 0.01


def test_equal_distributions_are_called_equal():
    found = of(0.0)
    # The judge answers 0 everywhere: the bound is 0, neither side is ever right.
    assert found["judge/jsd_bound"] == pytest.approx(0, abs=1e-6)
    assert found["judge/held_out_accuracy"] == 0


def test_what_is_no_number_has_no_accuracy_and_bytes_are_no_images():
    keys = Keys(*row_keys(jax.random.key(4), 0, 8).reshape(2, -1))
    bad = Batch(jnp.full((4, 2), jnp.nan), jnp.zeros((4, 2)), jnp.full(4, -1))
    assert np.isnan(certificate((game(1.0),), {}, keys, bad)["judge/held_out_accuracy"])
    with pytest.raises(ValueError, match="image is uint8; expected floats"):
        certificate((game(1.0),), {}, keys, bad._replace(image=jnp.zeros((4, 2), jnp.uint8)))


def test_moments_are_those_of_the_fakes():
    found = of(3.0)
    # mean (3, 0), standard deviation 1
    assert found["judge/code_mean_norm"] == pytest.approx(3, abs=0.03)
    assert found["judge/code_std"] == pytest.approx(1, abs=0.03)
    # Φ(1.5) = 0.9332: midway between two unit Gaussians at distance 3
    assert found["judge/held_out_accuracy"] == pytest.approx(0.9332, abs=0.01)
