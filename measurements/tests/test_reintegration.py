from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements import reintegration
from measurements.messages import Rail
from measurements.power import PowerMissing, Trace, Window, WindowNotCovered
from measurements.reintegration import NoWindow

INPUT = Rail(name="VDD_IN", part="input", in_total=True)
GPU = Rail(name="VDD_GPU", part="gpu", in_total=False)
T_S = np.arange(0, 101) / 10


def constant(power_w: float, lag_s: float = 0.0) -> Trace:
    return Trace(T_S, np.full(len(T_S), power_w), lag_s)


def over(start_s: float, end_s: float, *, requests: int | None = 4, gpu: Trace | None = None):
    return reintegration.over(
        Window(start_s, end_s),
        total=constant(10.0),
        rails=[(INPUT, constant(10.0)), (GPU, gpu or constant(6.0))],
        requests=requests,
    )


def test_constant_power_over_two_seconds():
    found = over(1.05, 3.05)
    assert found.energy_j == pytest.approx(20.0) and found.mean_w == pytest.approx(10.0)
    assert [rail.energy_j for rail in found.rails] == pytest.approx([20.0, 12.0])
    assert found.rest_j == pytest.approx(8.0)
    assert found.per_request_j == pytest.approx(5.0)
    assert found.samples == 20


def test_the_sensors_delay_is_undone():
    # A step from 10 to 20 W at 2 s, shown through a low-pass of 0.5 s.
    t_s = np.arange(0, 10_001) / 1000
    shown = np.where(t_s < 2, 10.0, 20 - 10 * np.exp(-(t_s - 2) / 0.5))
    total = Trace(t_s, shown, 0.5)
    found = reintegration.over(Window(1.0, 3.0), total=total, rails=[], requests=None)
    assert found.energy_j == pytest.approx(30.0, rel=1e-5)


def test_windows_side_by_side_add_up():
    assert over(1, 2.34).energy_j + over(2.34, 7).energy_j == pytest.approx(over(1, 7).energy_j)


@given(st.floats(0, 9), st.floats(0.02, 1))
def test_any_window_of_a_constant_power_is_power_times_length(start_s, length_s):
    assert over(start_s, start_s + length_s).energy_j == pytest.approx(10 * length_s, rel=1e-6)


def test_without_a_completed_request_there_is_no_energy_for_each():
    assert over(1, 2, requests=0).per_request_j is None
    assert over(1, 2, requests=None).per_request_j is None


def test_a_window_beyond_the_samples_has_no_energy():
    with pytest.raises(WindowNotCovered, match="do not cover"):
        over(8, 12)


def test_a_rail_that_was_not_stated_is_unknown_and_the_total_stays():
    gpu_w = np.full(len(T_S), 6.0)
    gpu_w[15] = np.nan
    found = over(1, 2, gpu=Trace(T_S, gpu_w))
    assert found.rails[1].energy_j is None and found.rest_j is None
    assert found.energy_j == pytest.approx(10.0)


def test_a_total_that_was_not_stated_is_an_error():
    total = Trace(T_S, np.full(len(T_S), np.nan))
    with pytest.raises(PowerMissing):
        reintegration.over(Window(1, 2), total=total, rails=[], requests=None)


@pytest.mark.parametrize("ends", [(2, 1), (1, 1.001), (float("nan"), 2), (0, float("inf"))])
def test_what_is_no_stretch_of_time_is_refused(ends):
    with pytest.raises(NoWindow):
        reintegration.window(*ends)
