"""Random search without replacement: small grids by hand, larger ones by drawing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.random_search import expected_best, expected_trials


def test_two_of_three_draws_by_hand():
    # Of {1, 2}, {1, 3}, {2, 3} the least are 1, 1, 2.
    assert expected_best([1, 2, 3], points=3, draws=2)[1] == pytest.approx(4 / 3)


def test_before_anything_feasible_is_drawn_there_is_no_best():
    # One feasible of four points: whenever it is drawn, the best is its value.
    assert expected_best([5.0], points=4, draws=4) == pytest.approx([5, 5, 5, 5])


def test_all_draws_find_the_best_and_more_change_nothing():
    assert expected_best([3.0, 1.0], points=3, draws=5)[2:] == pytest.approx([1, 1, 1])


def test_a_grid_with_nothing_feasible_has_no_best():
    assert np.isnan(expected_best([], points=9, draws=3)).all()


@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=5),
    st.integers(0, 3),
    st.integers(1, 8),
)
def test_it_is_the_mean_over_all_subsets(feasible: list[float], outside: int, k: int):
    grid = [*feasible, *[math.inf] * outside]
    k = min(k, len(grid))
    least = [min(drawn) for drawn in itertools.combinations(grid, k)]
    known = [value for value in least if value < math.inf]
    found = expected_best(feasible, points=len(grid), draws=k)[k - 1]
    assert found == pytest.approx(sum(known) / len(known))


def test_it_falls_with_every_draw_on_a_grid_of_five_thousand_points():
    energies = np.random.default_rng(1).uniform(1, 2, 3000)
    found = expected_best(list(energies), points=5005, draws=200)
    assert np.isfinite(found).all() and (np.diff(found) < 0).all()


def test_the_first_of_the_good_points_comes_after_n_plus_one_over_k_plus_one():
    # One good of three: after 1, 2 or 3 draws, each as likely.
    assert expected_trials(3, 1) == 2.0
