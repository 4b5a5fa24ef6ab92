from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.acquisition import (
    log_expected_area,
    log_expected_improvement,
    log_h,
    log_probability_below,
)
from tuning.surrogate import Mixture


def belief(*members: tuple[float, float, float]) -> Mixture:
    """One point; (mean, sd, weight) of each member."""
    mean, sd, weight = (np.array(column) for column in zip(*members, strict=True))
    return Mixture(mean[:, None], sd[:, None], weight)


def test_expected_improvement_at_the_incumbents_level_is_sd_over_root_tau():
    found = log_expected_improvement(belief((2.0, 3.0, 1.0)), 2.0)
    assert math.exp(found[0]) == pytest.approx(3.0 / math.sqrt(2 * math.pi))


def test_expected_improvement_agrees_with_monte_carlo():
    rng = np.random.default_rng(1)
    draws = np.concatenate([rng.normal(1.0, 0.5, 300_000), rng.normal(0.0, 2.0, 100_000)])
    expected = np.maximum(0.0, 0.4 - draws).mean()
    found = log_expected_improvement(belief((1.0, 0.5, 0.75), (0.0, 2.0, 0.25)), 0.4)
    assert math.exp(found[0]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("z", [-40.0, -1e3, -1e5])
def test_far_from_the_optimum_the_logarithm_stays_finite(z: float):
    # phi(z) / z^2 is the leading term there.
    leading = -z * z / 2 - 0.5 * math.log(2 * math.pi) - 2 * math.log(-z)
    assert log_h(np.array([z]))[0] == pytest.approx(leading, rel=1e-3)


@given(st.floats(-1e3, 50), st.floats(1e-3, 1.0))
def test_more_headroom_is_worth_more(z: float, more: float):
    low, high = log_h(np.array([z, z + more]))
    assert low < high


def test_the_two_branches_meet():
    below, above = log_h(np.array([-1.0 - 1e-9, -1.0 + 1e-9]))
    assert below == pytest.approx(above, abs=1e-7)


def test_a_limit_at_the_median_is_met_in_half_the_cases():
    assert math.exp(log_probability_below(belief((1.0, 0.3, 1.0)), 1.0)[0]) == pytest.approx(0.5)


def test_no_limit_is_always_met():
    assert log_probability_below(belief((1.0, 0.3, 1.0)), math.inf)[0] == 0.0


def test_members_count_by_their_weight():
    sure = belief((0.0, 1e-3, 0.3), (9.0, 1e-3, 0.7))
    assert math.exp(log_probability_below(sure, 1.0)[0]) == pytest.approx(0.3)


def test_the_expected_area_agrees_with_monte_carlo():
    energy = Mixture(np.array([[0.2], [-0.3]]), np.array([[0.3], [0.2]]), np.array([0.6, 0.4]))
    latency = Mixture(np.array([[0.1]]), np.array([[0.4]]), np.ones(1))
    front_ms, front_j, ends = np.array([-0.5, 0.3]), np.array([0.4, 0.0]), (0.6, 0.8)
    area = float(np.exp(log_expected_area(energy, latency, front_j, front_ms, ends))[0])

    rng = np.random.default_rng(1)
    which = rng.random(200_000) < 0.6
    e = np.where(which, 0.2, -0.3) + np.where(which, 0.3, 0.2) * rng.standard_normal(which.size)
    ms = 0.1 + 0.4 * rng.standard_normal(which.size)
    added = np.zeros(which.size)
    for low, high, level in [(-9.0, -0.5, 0.6), (-0.5, 0.3, 0.4), (0.3, 0.8, 0.0)]:
        width = np.maximum(high - np.maximum(ms, low), 0.0)
        added += width * np.maximum(level - e, 0.0)
    assert area == pytest.approx(added.mean(), rel=0.02)
