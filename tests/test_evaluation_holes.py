"""Cells of equal probability, and the holes that codes leave in them."""

import numpy as np
import pytest
from scipy.stats import poisson

from aae_jax.evaluation import cell_counts, equal_probability_cells, hole_fraction, num_cells_for


def gaussian(generator, num_samples, size=2):
    return generator.normal(size=(num_samples, size)).astype(np.float32)


def petals(generator, num_samples):
    """Ten thin Gaussians that point outward from a ring."""
    angle = 2 * np.pi * generator.integers(10, size=num_samples) / 10
    radius, across = generator.normal(1.4, 0.5, num_samples), generator.normal(0, 0.07, num_samples)
    x = radius * np.cos(angle) - across * np.sin(angle)
    return np.stack([x, radius * np.sin(angle) + across * np.cos(angle)], axis=1).astype(np.float32)


def swiss_roll(generator, num_samples):
    root = np.sqrt(generator.uniform(size=num_samples))
    turn = 4 * np.pi * root
    return np.stack([3 * root * np.cos(turn), 3 * root * np.sin(turn)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def gaussian_cells():
    return equal_probability_cells(gaussian(np.random.default_rng(0), 65_536), num_cells_for(10_000))


def test_num_cells_leaves_at_least_25_codes_a_cell():
    assert [num_cells_for(n) for n in (50, 99, 100, 1000, 10_000)] == [2, 2, 4, 32, 256]
    with pytest.raises(ValueError, match="at least 50 codes, got 49"):
        num_cells_for(49)


def test_cells_by_hand():
    # 0 to 7 in a line, shuffled: cut after 3, then after 1 and after 5. The second coordinate does not vary.
    samples = np.stack([np.array([3, 0, 7, 4, 1, 6, 2, 5]), np.ones(8)], axis=1)
    cells = equal_probability_cells(samples, 4)
    assert cells.dimension.tolist() == [0, 0, 0]
    assert cells.threshold.tolist() == [3, 1, 5]
    assert cell_counts(cells, samples).tolist() == [2, 2, 2, 2]
    # A code on a threshold belongs below it.
    assert cell_counts(cells, np.array([[-9.0, 0], [1.0, 0], [1.5, 0], [5.5, 0], [99.0, 0]])).tolist() == [2, 1, 0, 2]


def test_each_cell_is_cut_across_its_own_widest_coordinate():
    # The lower half of the first coordinate is a tall column, the upper half a flat line.
    column = np.stack([np.linspace(-5, -4, 8), np.linspace(-3, 3, 8)[[0, 4, 1, 5, 2, 6, 3, 7]]], axis=1)
    line = np.stack([np.linspace(4, 9, 8), np.zeros(8)], axis=1)
    cells = equal_probability_cells(np.concatenate([column, line]), 4)
    assert cells.dimension.tolist() == [0, 1, 0]


@pytest.mark.parametrize("prior", [gaussian, petals, swiss_roll])
def test_cells_hold_equal_mass_for_any_continuous_prior(prior):
    generator = np.random.default_rng(1)
    cells = equal_probability_cells(prior(generator, 65_536), 256)
    counts = cell_counts(cells, prior(generator, 100_000))
    # 390 expected in each: the codes scatter by 1/√390 = 0.05 of it, the cells by √(256 / 65,536) = 0.06.
    assert np.std(counts / counts.mean()) == pytest.approx(np.hypot(0.051, 0.0625), rel=0.2)
    assert hole_fraction(cells, prior(generator, 10_000)) == 0


def test_counts_are_those_of_a_recursive_tree(gaussian_cells):
    codes = gaussian(np.random.default_rng(2), 500)

    def leaves(node, inside):
        if node >= len(gaussian_cells.threshold):
            return [inside.sum()]
        upper = codes[:, gaussian_cells.dimension[node]] > gaussian_cells.threshold[node]
        return leaves(2 * node + 1, inside & ~upper) + leaves(2 * node + 2, inside & upper)

    assert cell_counts(gaussian_cells, codes).tolist() == leaves(0, np.ones(len(codes), bool))


@pytest.mark.parametrize("shape", ["disc", "half-plane"])
def test_a_hole_of_a_tenth_of_the_mass_is_found(gaussian_cells, shape):
    codes = gaussian(np.random.default_rng(3), 11_500)
    # P(|z|² < −2 log 0.9) = 0.1 in two dimensions, and P(z > 1.2816) = 0.1 in one.
    hole = np.sum(codes**2, axis=1) < -2 * np.log(0.9) if shape == "disc" else codes[:, 0] > 1.2816
    codes = codes[~hole][:10_000]
    # Cells that reach out of the hole are filled in part: some tenths of those inside are not counted.
    assert 0.06 < hole_fraction(gaussian_cells, codes) < 0.105


def test_collapsed_codes_leave_one_cell(gaussian_cells):
    assert hole_fraction(gaussian_cells, np.full((10_000, 2), 0.3, np.float32)) == 255 / 256


def test_codes_in_half_of_ten_dimensions_leave_half():
    generator = np.random.default_rng(4)
    cells = equal_probability_cells(gaussian(generator, 65_536, 10), 256)
    assert hole_fraction(cells, gaussian(generator, 10_000, 10)) == 0
    codes = gaussian(generator, 10_000, 10)
    codes[:, cells.dimension[0]] = -np.abs(codes[:, cells.dimension[0]])
    assert hole_fraction(cells, codes) == pytest.approx(0.5, abs=0.01)


def test_the_null_is_as_rare_as_the_docstring_says():
    # A quarter of 25 is 6.25, of 10 is 2.5; the binomial of many cells is a Poisson.
    assert 1 / poisson(25).cdf(6) == pytest.approx(160_000, rel=0.05)
    assert 1 / poisson(10).cdf(2) == pytest.approx(360, rel=0.01)


@pytest.mark.parametrize("num_cells", [0, 1, 3, 128])
def test_a_wrong_number_of_cells_is_refused(num_cells):
    with pytest.raises(ValueError, match=rf"power of two.*\(64\), got {num_cells}"):
        equal_probability_cells(np.random.default_rng(0).normal(size=(64, 2)), num_cells)


def test_a_discrete_prior_is_refused():
    one_hot = np.eye(3)[np.random.default_rng(0).integers(3, size=1024)]
    with pytest.raises(ValueError, match="continuous priors"):
        equal_probability_cells(one_hot, 16)
