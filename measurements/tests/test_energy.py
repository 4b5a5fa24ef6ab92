import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements import energy
from measurements.board.hardware.emulator import open_board
from measurements.board.trial import run_trial
from measurements.energy import EnergyUnknown, PowerMissing, WindowNotCovered, integrate
from measurements.mean_power import scatter_of
from measurements.messages import Arrivals, OperatingPoint, Rail, Requests
from measurements.power import TimeBackwards, Trace, Window, total_w
from measurements.tests.records import (
    RAILS,
    make_board,
    make_plan,
    make_record,
    make_requests,
    make_samples,
)

seconds = st.floats(0, 10)


def test_constant_power_times_time():
    assert integrate([0, 1, 2], [5, 5, 5], start_s=0, end_s=2) == 10


def test_edges_between_samples_are_interpolated():
    # 0 W to 10 W over 1 s: the second half holds (5 + 10) / 2 * 0.5 = 3.75 J.
    assert integrate([0, 1], [0, 10], start_s=0.5, end_s=1.0) == pytest.approx(3.75)


def test_a_window_within_one_pair_of_samples_is_a_trapezium():
    # 2 W at 0.2 s and 4 W at 0.4 s: 3 W for 0.2 s.
    assert integrate([0, 1], [0, 10], start_s=0.2, end_s=0.4) == pytest.approx(0.6)


@pytest.mark.parametrize(("start_s", "end_s"), [(-0.1, 1), (0, 2.1)])
def test_a_window_beyond_the_samples_is_unknown(start_s, end_s):
    with pytest.raises(WindowNotCovered):
        integrate([0, 1, 2], [5, 5, 5], start_s=start_s, end_s=end_s)


def test_no_samples_give_no_energy():
    with pytest.raises(WindowNotCovered):
        integrate([], [], start_s=0, end_s=1)


def test_a_missing_value_in_the_window_is_unknown_not_zero():
    with pytest.raises(PowerMissing, match="1 of 3"):
        integrate([0, 1, 2], [5, math.nan, 5], start_s=0, end_s=2)


def test_a_missing_value_outside_the_window_does_not_matter():
    assert integrate([0, 1, 2, 3], [5, 5, 5, math.nan], start_s=0, end_s=2) == 10


def test_times_that_run_backwards_are_refused():
    with pytest.raises(TimeBackwards):
        integrate([0, 2, 1, 3], [5, 5, 5, 5], start_s=0, end_s=3)


def test_the_sensors_lag_is_given_back_exactly():
    # A step from 0 to 10 W at t = 1 s, seen through a low-pass of 0.5 s.
    t_s = np.arange(0, 4, 0.001)
    shown_w = np.where(t_s < 1, 0, 10 * (1 - np.exp(-(t_s - 1) / 0.5)))
    assert integrate(t_s, shown_w, start_s=0.5, end_s=1.5) < 2.2
    corrected = integrate(t_s, shown_w, start_s=0.5, end_s=1.5, sensor_lag_s=0.5)
    assert corrected == pytest.approx(5.0, rel=1e-4)  # 10 W for half a second


@given(
    st.lists(st.floats(0, 50), min_size=3, max_size=20),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.floats(0, 1),
)
def test_energy_adds_up_over_neighbouring_windows(power_w, shares, lag_s):
    t_s = np.linspace(0, 10, len(power_w))
    a, b, c = sorted(10 * share for share in shares)
    whole, left, right = (
        integrate(t_s, power_w, start_s=start, end_s=end, sensor_lag_s=lag_s)
        for start, end in ((a, c), (a, b), (b, c))
    )
    assert whole == pytest.approx(left + right, abs=1e-9)


@given(st.lists(st.floats(0, 50), min_size=2, max_size=20), seconds)
def test_energies_between_edges_are_what_integrate_gives(power_w, middle_s):
    t_s = np.linspace(0, 10, len(power_w))
    trace = Trace(t_s, np.array(power_w))
    first, second = trace.joules_between([0, middle_s, 10])
    assert first == pytest.approx(integrate(t_s, power_w, start_s=0, end_s=middle_s), abs=1e-9)
    assert second == pytest.approx(integrate(t_s, power_w, start_s=middle_s, end_s=10), abs=1e-9)


def test_overlaps_count_once():
    # [0, 2] and [1, 3] cover 3 s, [5, 6] one more.
    assert energy.union_length_s([0, 1, 5], [2, 3, 6]) == 4


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10)), min_size=1, max_size=20))
def test_the_union_is_the_number_of_covered_unit_cells(intervals):
    starts = [start for start, _ in intervals]
    ends = [start + length for start, length in intervals]
    cells = {cell for start, length in intervals for cell in range(start, start + length)}
    assert energy.union_length_s(starts, ends) == len(cells)


def test_busy_energy_is_mean_power_times_inference_time():
    busy = energy.busy(make_record())
    assert busy.energy_j == pytest.approx(0.8)  # 10 W for 80 ms
    assert busy.rails_j == pytest.approx((0.8, 0.48))
    assert busy.window == pytest.approx((5.02, 15.0))


def test_requests_of_one_batch_share_their_inference():
    # Ten batches of ten requests, 1 s each, back to back.
    starts = [5.0 + i // 10 for i in range(100)]
    requests = Requests(
        arrival_s=starts, start_s=starts, inference_start_s=starts, end_s=[s + 1 for s in starts]
    )
    assert energy.busy(make_record(requests=requests)).energy_j == pytest.approx(1.0)


def test_at_rate_energy_includes_the_idle_time():
    plan = make_plan(arrivals=Arrivals(kind="uniform", rate_hz=10))
    record = make_record(plan=plan, requests=make_requests())
    # 10 W from 5 to 15 s for 100 requests.
    assert energy.at_rate(record).energy_j == pytest.approx(1.0)
    assert energy.busy(record).energy_j == pytest.approx(0.8)


def test_back_to_back_requests_have_no_at_rate_energy():
    with pytest.raises(EnergyUnknown, match="no rate"):
        energy.at_rate(make_record())


def _poisson_record(samples):
    rng = np.random.default_rng(3)
    arrivals = list(5 + np.cumsum(rng.exponential(0.1, size=1000)))
    requests = Requests(
        arrival_s=arrivals, start_s=arrivals, inference_start_s=arrivals,
        end_s=[arrival + 0.01 for arrival in arrivals],
    )  # fmt: skip
    plan = make_plan(arrivals=Arrivals(kind="poisson", rate_hz=10), requests=1000)
    return make_record(plan=plan, requests=requests, samples=samples)


def test_the_arrivals_belong_to_the_plan_so_their_chance_widens_no_interval():
    # At 10 W whatever happens, the same arrivals cost the same energy again: only the
    # sensor's step (0.04 W, uniform: 95 % of +-0.02 W) is left open.
    at_rate = energy.at_rate(_poisson_record(make_samples(seconds=200)))
    assert at_rate.spread == pytest.approx(0, abs=1e-6)
    assert at_rate.half_width_j / at_rate.energy_j == pytest.approx(0.0018, rel=0.1)


def test_power_that_follows_the_arrivals_is_explained_by_them():
    # 10 W idle, 100 W more while a request is served, as the samples would show it.
    record = _poisson_record(make_samples(seconds=200))
    busy_s = energy.busy_seconds(record.requests)
    edges = np.arange(0, 200.11, 0.1) - 0.05
    record.samples.rails_w[0] = list(10 + 100 * np.diff(busy_s(edges)) / 0.1)[:2001]
    at_rate = energy.at_rate(record)
    # 10 requests a second of 10 ms at 100 W: about a tenth of a sway of 30 % is left.
    assert at_rate.mean_power_w == pytest.approx(20, rel=0.1)
    assert at_rate.spread < 0.01


def test_the_lag_correction_enters_the_mean_power():
    samples = make_samples()
    ramp = [5.0 + 0.05 * i for i in range(201)]  # 0.5 W a second
    samples.rails_w[0] = ramp
    plain = energy.busy(make_record(samples=samples))
    board = make_board(sensor_lag_s=0.4)
    lagging = energy.busy(make_record(samples=samples, board=board))
    # A low-pass trails a ramp by lag * slope = 0.2 W.
    assert lagging.mean_power_w - plain.mean_power_w == pytest.approx(0.2)


def _seen_by_the_sensor(starts_s, ends_s, *, idle_w, busy_w, lag_s=0.42, every_s=0.1):
    """A record of inferences whose power jumps at once, in readings of a low-passed sensor."""
    fine_s = np.arange(0, 20, 0.001)
    running = np.zeros(len(fine_s), dtype=bool)
    for start_s, end_s in zip(starts_s, ends_s, strict=True):
        running |= (fine_s >= start_s) & (fine_s < end_s)
    shown_w = _low_passed(np.where(running, busy_w, idle_w), 0.001 / lag_s)
    kept = np.arange(37, len(fine_s), round(every_s * 1000))
    samples = make_samples(rails_w=(0.0, 0.0))
    samples.t_us = [round(1e6 * t_s) for t_s in fine_s[kept]]
    samples.rails_w = [list(shown_w[kept]), [1.0] * len(kept)]
    requests = Requests(
        arrival_s=starts_s, start_s=starts_s, inference_start_s=starts_s, end_s=ends_s
    )
    board = make_board(sensor_lag_s=lag_s)
    return make_record(samples=samples, requests=requests, board=board), fine_s, running


def test_a_load_that_ends_between_two_readings_is_counted_to_its_end():
    # 20 W from second 5 to 8.09, then 5 W: a line over the fall would show up to 2 % less.
    starts_s = list(np.linspace(5, 8.09, 101)[:-1])
    ends_s = [*starts_s[1:], 8.09]
    record, _, _ = _seen_by_the_sensor(starts_s, ends_s, idle_w=5.0, busy_w=20.0)
    # Served by other requests from second 2 on, as in a warm-up.
    warm, _, _ = _seen_by_the_sensor([2.0, *starts_s], [5.0, *ends_s], idle_w=5.0, busy_w=20.0)
    record.samples = warm.samples
    assert energy.busy(record).mean_power_w == pytest.approx(20, rel=3e-3)


def test_a_load_in_pulses_is_counted_by_its_inferences():
    starts_s = list(np.arange(5, 9, 0.37))
    ends_s = [start_s + 0.2 for start_s in starts_s]
    warm_s = list(np.arange(5 - 8 * 0.37, 5 - 0.1, 0.37))
    record, _, _ = _seen_by_the_sensor(starts_s, ends_s, idle_w=5.0, busy_w=20.0)
    warm, fine_s, running = _seen_by_the_sensor(
        [*warm_s, *starts_s], [*(s + 0.2 for s in warm_s), *ends_s], idle_w=5.0, busy_w=20.0
    )
    record.samples = warm.samples
    inside = (fine_s >= starts_s[0]) & (fine_s < ends_s[-1])
    true_w = np.where(running, 20.0, 5.0)[inside].mean()
    assert energy.busy(record).mean_power_w == pytest.approx(true_w, rel=3e-3)


def test_a_reading_after_the_load_is_no_level_of_its_power():
    # 10 W all along, 2 W from the first reading after the last request on.
    record = make_record()
    record.samples.rails_w[0] = [10.0 if t_us <= 15e6 else 2.0 for t_us in record.samples.t_us]
    still = energy.busy(make_record())
    assert energy.busy(record).half_width_j == pytest.approx(still.half_width_j, rel=0.01)
    assert energy.busy(record).mean_power_w == pytest.approx(10)


def test_how_batches_filled_belongs_to_the_arrivals():
    # Batches of 1 to 4 requests take 10 ms and 2 ms for each, whatever comes.
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 5, size=100)
    at_s, starts_s, ends_s = 5.0, [], []
    for size in sizes:
        starts_s += [at_s] * size
        ends_s += [at_s + 0.01 + 0.002 * size] * size
        at_s += 0.05
    requests = Requests(
        arrival_s=starts_s, start_s=starts_s, inference_start_s=starts_s, end_s=ends_s
    )
    any_draw = energy.inference_time_per_request(requests)
    these = energy.inference_time_per_request(requests, given_batches=True)
    assert these.value == pytest.approx(any_draw.value)
    assert any_draw.relative_half_width > 0.03
    assert these.relative_half_width == pytest.approx(0, abs=1e-6)


def test_a_board_without_a_total_has_no_energy():
    rails = [Rail(name="VDD_GPU", part="gpu", in_total=False)]
    record = make_record(
        board=make_board(rails=rails), samples=make_samples(rails_w=(5.0,))
    )  # fmt: skip
    with pytest.raises(PowerMissing, match="no rail"):
        energy.busy(record)


def test_a_power_of_zero_is_no_measurement():
    with pytest.raises(PowerMissing, match="0.000 W"):
        energy.busy(make_record(samples=make_samples(rails_w=(0.0, 0.0))))


def test_the_total_is_the_sum_of_its_rails_and_missing_with_any():
    samples = make_samples(seconds=1, rails_w=(1.0, 2.0, 4.0))
    samples.rails_w[1][1] = None
    rails = [
        Rail(name="a", part="gpu", in_total=True),
        Rail(name="b", part="cpu", in_total=True),
        Rail(name="c", part="memory", in_total=False),
    ]
    power_w = total_w(samples, rails)
    assert power_w[0] == 3.0
    assert math.isnan(power_w[1])


def test_not_attributed_is_input_minus_the_shown_rails():
    assert energy.not_attributed(RAILS, [1.0, 0.6]) == pytest.approx(0.4)


def test_not_attributed_leaves_a_wider_input_alone():
    mux = Rail(name="VDD_MUX", part="input", in_total=False)
    assert energy.not_attributed([*RAILS, mux], [1.0, 0.6, 1.3]) == pytest.approx(0.4)


def test_nothing_is_not_attributed_where_the_total_is_a_sum_of_parts():
    parts = [msgspec.structs.replace(rail, part="gpu", in_total=True) for rail in RAILS]
    assert energy.not_attributed(parts, [1.0, 0.6]) is None


def test_what_is_not_attributed_is_unknown_when_a_rail_is():
    assert energy.not_attributed(RAILS, [1.0, None]) is None


@pytest.mark.parametrize("lag_s", [0.0, 0.42])
def test_the_interval_of_a_noisy_power_covers_its_mean(lag_s):
    """Power of 10 W with noise that lasts 0.2 s, seen through the sensor, 50 ms apart."""
    rng, covered = np.random.default_rng(4), []
    for _ in range(200):
        true_w = 10 + _noise(rng, 0.2, n=4000)
        shown_w = true_w if lag_s == 0 else _low_passed(true_w, 0.01 / lag_s)
        trace = Trace(np.arange(0, 40, 0.01)[::5], shown_w[::5], lag_s)
        mean = scatter_of(trace, Window(8.0, 32.0)).mean
        covered.append(abs(mean.value - 10) <= mean.half_width)
    assert 0.90 <= np.mean(covered) <= 0.99


def _noise(rng: np.random.Generator, lasting_s: float, *, n: int) -> np.ndarray:
    return _low_passed(rng.normal(size=n), 0.01 / lasting_s)


def _low_passed(values: np.ndarray, share: float) -> np.ndarray:
    shown = np.empty_like(values)
    shown[0] = values[0]
    for i in range(1, len(values)):
        shown[i] = shown[i - 1] + share * (values[i] - shown[i - 1])
    return shown


def test_the_energy_of_an_emulated_run_is_near_what_the_board_really_drew(tmp_path):
    board = open_board("agx-orin", name="orin", tree=tmp_path, seed=1)
    clocks = OperatingPoint(gpu_min_hz=930_750_000, gpu_max_hz=930_750_000)
    arrivals = Arrivals(kind="uniform", rate_hz=40.0)
    zeros_s: list[float] = []
    record = run_trial(
        make_plan(point=clocks, arrivals=arrivals, requests=200),
        board,
        attempt=1,
        progress=lambda progress: zeros_s.append(progress.zero_s),
        cancelled=lambda: False,
    )
    at_rate = energy.at_rate(record)
    start_s, end_s = (zeros_s[0] + t_s for t_s in at_rate.window)
    true_j = board.model.true_energy_j(start_s, end_s).total_j / 200
    # 95 % of runs lie within the interval, and this one just does not.
    assert abs(at_rate.energy_j - true_j) < 1.5 * at_rate.half_width_j < 0.1 * true_j
