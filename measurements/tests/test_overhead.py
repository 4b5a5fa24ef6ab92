from __future__ import annotations

import numpy as np
import pytest

from measurements.messages import SamplerCpu
from measurements.overhead import Arm, NotComparable, cpu_cost, overhead

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
        ([Arm(None, 1.0)] * 12, "1 different intervals"),
        (arms(0.3, blocks=2), "at least 3"),
        (arms(0.3)[1:], "one is missing or invalid"),
    ],
)
def test_runs_that_are_no_check_are_refused(given, says):
    with pytest.raises(NotComparable, match=says):
        overhead(given)


def test_cpu_time_is_a_share_of_one_core_at_the_latest_interval():
    fast = SamplerCpu(over_s=10, reader_s=0.1, program_s=0.3)
    longer = SamplerCpu(over_s=30, reader_s=0.1, program_s=0.1)
    slow = SamplerCpu(over_s=10, reader_s=5, program_s=5)
    found = cpu_cost([(50, None), (50, fast), (1000, slow), (50, longer)])
    assert (found.interval_ms, found.runs) == (50, 2)
    assert (found.reader, found.program) == (pytest.approx(0.005), pytest.approx(0.01))
    assert found.percent == pytest.approx(1.5)


def test_without_a_child_of_its_own_only_the_reader_counts():
    alone = SamplerCpu(over_s=10, reader_s=0.1, program_s=None)
    found = cpu_cost([(50, alone), (50, SamplerCpu(over_s=10, reader_s=1, program_s=1))])
    assert (found.runs, found.program, found.share) == (1, None, pytest.approx(0.01))
    assert cpu_cost([(50, None)]) is None


def test_a_sampler_that_is_off_is_the_slow_arm():
    found = overhead(
        [Arm(None if arm.interval_ms == 1000 else 50, arm.power_w) for arm in arms(0.3)]
    )
    assert found.extra_w == pytest.approx(0.3)
    assert (found.fast_ms, found.slow_ms) == (50, None)
