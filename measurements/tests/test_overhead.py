from __future__ import annotations

import numpy as np
import pytest

from measurements.overhead import Arm, NotComparable, overhead

ABBA = (50, 1000, 1000, 50)


def arms(extra_w: float, *, blocks: int = 4, noise_w: float = 0.0, slope_w: float = 0.0, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Arm(ms, 10 + slope_w * n + extra_w * (ms == 50) + noise_w * rng.normal())
        for n, ms in enumerate(ABBA * blocks)
    ]


def test_a_straight_drift_cancels_within_a_block():
    found = overhead(arms(0.3, slope_w=0.05))
    assert found.extra_w == pytest.approx(0.3)
    assert found.half_width_w == pytest.approx(0, abs=1e-9)
    assert (found.fast_ms, found.slow_ms, found.blocks) == (50, 1000, 4)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    found = [overhead(arms(0.3, blocks=6, noise_w=0.2, seed=seed)) for seed in range(400)]
    held = [abs(check.extra_w - 0.3) <= check.half_width_w for check in found]
    assert 0.92 <= np.mean(held) <= 0.98


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([Arm(50, 1.0)] * 12, "1 different intervals"),
        (arms(0.3, blocks=2), "at least 3"),
        (arms(0.3)[1:], "do not alternate"),
    ],
)
def test_runs_that_are_no_check_are_refused(given, says):
    with pytest.raises(NotComparable, match=says):
        overhead(given)
