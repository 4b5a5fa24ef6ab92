import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.quantisation import Belief, belief, half_width_w

STEP_W = 0.4


def _read(power_w):
    return np.rint(np.asarray(power_w) / STEP_W) * STEP_W


def test_a_power_that_stands_still_may_lie_anywhere_within_a_step():
    found = belief([4.0] * 100, STEP_W, independent=10)
    assert found.mean_w == pytest.approx(0, abs=1e-12)
    # 95 % of +-0.2 W is +-0.19 W; near the edges the next step would have been read, too.
    assert 0.15 < half_width_w([found], 0.0, confidence=0.95) < 0.19


def test_two_rails_that_stand_still_add_like_a_triangle_not_like_a_normal():
    two = [Belief(np.linspace(-0.2, 0.2, 101), np.full(101, 1 / 101))] * 2
    # 0.4 W * (1 - sqrt(0.05)) = 0.311 W; as normals it would be 1.96 * 0.4 / sqrt(6) = 0.320 W.
    assert half_width_w(two, 0.0, confidence=0.95) == pytest.approx(0.311, rel=0.015)


def test_a_power_read_half_the_time_at_each_of_two_steps_lies_between_them():
    found = belief([4.0, 4.4] * 50, STEP_W, independent=10)
    assert found.mean_w == pytest.approx(0, abs=0.01)
    assert half_width_w([found], 0.0, confidence=0.95) < 0.15


def test_a_rare_reading_above_says_that_the_power_lies_near_the_edge():
    found = belief([4.0] * 95 + [4.4] * 5, STEP_W, independent=20)
    assert 0.03 < found.mean_w < 0.2  # the edge is 0.18 W above the readings' mean


def test_readings_over_many_steps_leave_nothing_open():
    assert belief(_read(np.linspace(3, 6, 100)), STEP_W, independent=10) is None


def test_a_normal_part_alone_is_a_normal_interval():
    assert half_width_w([], 0.1, confidence=0.95) == pytest.approx(0.196, rel=0.01)


def test_nothing_open_is_no_width():
    assert half_width_w([], 0.0, confidence=0.95) == 0.0


@given(st.floats(2, 6), st.floats(0.005, 0.15))
def test_the_interval_of_any_swaying_power_is_no_wider_than_its_step_and_sway(mean_w, sway_w):
    rng = np.random.default_rng(1)
    found = belief(_read(rng.normal(mean_w, sway_w, 200)), STEP_W, independent=12)
    if found is not None:
        assert half_width_w([found], 0.0, confidence=0.95) <= STEP_W / 2 + sway_w


def test_intervals_cover_the_power_they_claim():
    """Powers anywhere between the steps, with a sway of a twentieth to a quarter of one."""
    rng, covered = np.random.default_rng(5), []
    for _ in range(300):
        mean_w, sway_w = rng.uniform(2, 6), STEP_W * rng.choice([0.02, 0.05, 0.1, 0.25])
        readings = _read(rng.normal(mean_w, sway_w, 12))
        found = belief(readings, STEP_W, independent=12)
        estimate_w = readings.mean() + found.mean_w
        covered.append(abs(estimate_w - mean_w) <= half_width_w([found], 0.0, confidence=0.95))
    assert 0.93 <= np.mean(covered) <= 0.985


@pytest.mark.parametrize(("sway", "at_least"), [(0.5, 0.93), (1.0, 0.87)])
def test_intervals_cover_a_power_that_sways_by_a_step_or_half_of_one(sway, at_least):
    """Of so few readings, which say little of the sway itself; see `SPREADS`."""
    rng, covered = np.random.default_rng(6), []
    while len(covered) < 150:
        mean_w = rng.uniform(2, 6)
        readings = _read(rng.normal(mean_w, sway * STEP_W, 4))
        if found := belief(readings, STEP_W, independent=4):
            error_w = readings.mean() + found.mean_w - mean_w
            covered.append(abs(error_w) <= half_width_w([found], 0.0, confidence=0.95))
    assert np.mean(covered) >= at_least
