from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurements.alignment import NotAligned, align
from measurements.calibration import Line, NotCalibrated, calibrate, calibrated
from measurements.meter_csv import Readings

from .meter_sim import GAIN, OFFSET_W, Session, session

LINE = Line(1.1, 0.01, 1.5, 0.2, -0.9)


def fit(made: Session, step_w: float = 0.04):
    return calibrate(made.readings, made.traces, steps_w=[step_w])


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(-1800, 1800),
    st.floats(-100, 100),
    st.floats(10, 1800),
)
def test_any_lag_is_found_to_a_tenth_of_a_second(seed, lag_s, drift_ppm, before_s):
    made = session(seed, lag_s=lag_s, drift_ppm=drift_ppm, before_s=before_s)
    found = align(made.readings, made.traces)
    run_s = (made.traces[0].t_s[0] + made.traces[-1].t_s[-1]) / 2
    # Where the runs are, the two clocks are told apart to 0.1 s; elsewhere the drift decides.
    true_s = made.lag_s + 1e-6 * drift_ppm * (run_s - made.lag_s)
    found_s = found.lag_s + 1e-6 * found.drift_ppm * (run_s - found.lag_s)
    assert found_s == pytest.approx(true_s, abs=0.1)


@pytest.mark.parametrize(
    "world",
    [
        {},
        {"board_step_w": 0.4},
        {"averages": False},
        {"meter_step_w": 1.0},
        {"ripple_w": 1.0, "runs": 5},
    ],
)
def test_the_intervals_hold_the_true_gain_and_offset(world):
    held = []
    for seed in range(20):
        line = fit(session(seed, **world), world.get("board_step_w", 0.04)).line
        held.append(abs(line.gain - GAIN) <= line.gain_half_width)
        held.append(abs(line.offset_w - OFFSET_W) <= line.offset_half_width_w)
        true_w = GAIN * 17 + OFFSET_W
        held.append(abs(line.power_w(17) - true_w) <= line.half_width_w(17))
    assert np.mean(held) >= 0.9


def test_the_intervals_are_of_use():
    line = fit(session(1)).line
    assert line.gain_half_width < 0.01
    assert line.half_width_w(17) < 0.15


def test_a_steady_load_is_refused_with_the_remedy():
    made = session(3, levels_w=[6.5] * 6, ripple_w=0.01, meter_noise_w=0.3)
    with pytest.raises((NotAligned, NotCalibrated), match="calibration session"):
        fit(made)


def test_a_meter_that_looked_at_something_else_is_refused():
    with pytest.raises(NotAligned, match="Nowhere do the meter"):
        calibrate(session(1).readings, session(2).traces, steps_w=[0.04])


def test_two_lags_that_fit_equally_well_are_refused():
    pattern = np.tile([6.0] * 20 + [20.0] * 20, 12)
    once = session(1)
    t_s = np.arange(200) * 0.5
    trace = type(once.traces[0])(t_s, np.interp(t_s, np.arange(len(pattern)), pattern))
    readings = Readings(np.arange(float(len(pattern))), pattern, 0.1, 0)
    with pytest.raises(NotAligned, match="Two lags fit"):
        align(readings, [trace])


def test_a_meter_that_reads_too_rarely_is_refused():
    made = session(1)
    rare = Readings(made.readings.t_s[::30], made.readings.power_w[::30], 0.1, 0)
    with pytest.raises(NotAligned, match="one reading a second"):
        align(rare, made.traces)


def test_a_meter_that_paused_is_aligned_all_the_same():
    made = session(5)
    kept = np.r_[0:120, 170 : len(made.readings.t_s)]
    paused = Readings(made.readings.t_s[kept], made.readings.power_w[kept], 0.1, 0)
    line = calibrate(paused, made.traces, steps_w=[0.04]).line
    assert abs(line.gain - GAIN) <= line.gain_half_width


def test_calibrated_energy_is_that_of_the_calibrated_power():
    # 0.4 J at 20 W are 20 ms; outside 1.1 * 20 + 1.5 = 23.5 W, so 0.47 J.
    outside = calibrated(0.4, 0.004, mean_power_w=20.0, line=LINE)
    assert outside.energy_j == pytest.approx(0.47)
    assert outside.statistical_j == pytest.approx(0.0047)
    # (0.01 * 20)^2 + 0.2^2 - 2 * 0.9 * 0.2 * 0.2 = 0.008: 0.0894 W for 20 ms.
    assert outside.calibration_j == pytest.approx(0.02 * math.sqrt(0.008))


def test_the_meters_own_accuracy_adds_to_the_interval():
    told = Line(1.1, 0.01, 1.5, 0.2, -0.9, meter_accuracy=0.005)
    assert told.half_width_w(20) == pytest.approx(math.hypot(math.sqrt(0.008), 0.005 * 23.5))


def test_an_unknown_interval_stays_unknown():
    assert calibrated(0.4, None, mean_power_w=20.0, line=LINE).statistical_j is None
