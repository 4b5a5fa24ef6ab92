import pytest

from measurements import quality
from measurements.messages import Fault, OperatingPoint, Rail
from measurements.tests.records import (
    make_board,
    make_plan,
    make_record,
    make_requests,
    make_samples,
)

PINNED = OperatingPoint(
    gpu_min_hz=1_300_500_000, gpu_max_hz=1_300_500_000, emc_hz=3_199_000_000, cpu_hz=2_201_600_000
)


def codes(record) -> dict[str, str]:
    return {finding.code: finding.severity for finding in quality.findings(record)}


def test_a_sound_record_has_no_findings():
    assert codes(make_record()) == {}


def test_a_pinned_board_that_reads_back_its_clocks_is_sound():
    assert codes(make_record(plan=make_plan(point=PINNED))) == {}


def test_a_clock_that_did_not_take_is_named():
    held = OperatingPoint(
        gpu_min_hz=1_224_000_000, gpu_max_hz=1_300_500_000,
        emc_hz=3_199_000_000, cpu_hz=2_201_600_000,
    )  # fmt: skip
    record = make_record(plan=make_plan(point=PINNED), held=held)
    (finding,) = quality.findings(record)
    assert (finding.severity, finding.code) == ("invalid", "clock-not-held")
    assert finding.text == (
        "The GPU's lower limit was set to 1300.5 MHz, but the board read back 1224 MHz."
    )


def test_a_clock_that_floats_although_one_was_asked_is_invalid():
    record = make_record(plan=make_plan(point=PINNED), held=OperatingPoint())
    assert codes(record) == {"clock-not-held": "invalid"}


def test_a_counter_within_2_5_percent_counts_as_the_clock():
    samples = make_samples()
    samples.gpu_mhz = [1281] * 201  # 1.5 % below 1300.5
    assert codes(make_record(plan=make_plan(point=PINNED), samples=samples)) == {}


def test_throttling_shows_in_the_counters():
    samples = make_samples()
    samples.gpu_mhz[80:120] = [1122] * 40
    (finding,) = quality.findings(make_record(plan=make_plan(point=PINNED), samples=samples))
    assert finding.code == "throttled"
    assert "40 of 101 samples read 1122 MHz to 1300 MHz" in finding.text


def test_a_governed_gpu_may_run_between_its_limits():
    samples = make_samples()
    samples.gpu_mhz = [510] * 201
    held = OperatingPoint(gpu_min_hz=306_000_000, gpu_max_hz=1_300_500_000)
    assert codes(make_record(plan=make_plan(point=held), samples=samples)) == {}


def test_a_gated_gpu_between_requests_is_no_throttling():
    samples = make_samples()
    samples.gpu_mhz[80:120] = [0] * 40
    assert codes(make_record(plan=make_plan(point=PINNED), samples=samples)) == {}


def test_clocks_that_no_line_states_are_not_judged():
    samples = make_samples()
    samples.gpu_mhz = samples.emc_mhz = [None] * 201
    assert codes(make_record(plan=make_plan(point=PINNED), samples=samples)) == {}


def test_a_board_without_total_is_invalid():
    rails = [Rail(name="VDD_GPU", part="gpu", in_total=False)]
    record = make_record(board=make_board(rails=rails), samples=make_samples(rails_w=(5.0,)))
    assert codes(record) == {"no-total": "invalid"}


def test_a_missing_value_in_the_total_is_invalid():
    samples = make_samples()
    samples.rails_w[0][7] = None
    assert codes(make_record(samples=samples)) == {"rail-missing": "invalid"}


def test_a_missing_value_elsewhere_is_not():
    samples = make_samples()
    samples.rails_w[1][7] = None
    assert codes(make_record(samples=samples)) == {}


def test_a_sampler_that_started_late_is_invalid():
    samples = make_samples()
    samples.t_us = [t_us + 6_000_000 for t_us in samples.t_us]
    assert codes(make_record(samples=samples)) == {"window-not-covered": "invalid"}


def test_no_samples_at_all_are_invalid():
    samples = make_samples(rails_w=(1.0, 1.0))
    for column in ("t_us", "gpu_mhz", "emc_mhz", "cpu_mhz", "temp_c", "gpu_busy_percent"):
        setattr(samples, column, [])
    samples.rails_w = [[], []]
    assert codes(make_record(samples=samples)) == {"window-not-covered": "invalid"}


def test_a_hole_among_the_requests_is_invalid():
    samples = make_samples()
    samples.t_us[100:] = [t_us + 700_000 for t_us in samples.t_us[100:]]
    (finding,) = quality.findings(make_record(samples=samples))
    assert (finding.code, finding.text) == ("gap", "The sampler was silent for 0.80 s.")


def test_a_hole_before_the_requests_does_not_matter():
    samples = make_samples()
    samples.t_us = [t_us + (700_000 if i > 10 else 0) for i, t_us in enumerate(samples.t_us)]
    assert codes(make_record(samples=samples)) == {}


@pytest.mark.parametrize(
    ("interval_ms", "longest_s"), [(50, 0.3), (100, 0.55), (500, 1.02), (1000, 2.02)]
)
def test_a_gap_is_five_periods_or_a_second_but_never_less_than_two_periods(interval_ms, longest_s):
    assert quality.longest_gap_s(interval_ms) == pytest.approx(longest_s)


def test_too_few_samples_among_the_requests_are_invalid():
    requests = make_requests(each_s=0.003)  # 0.3 s: three samples
    assert codes(make_record(requests=requests)) == {"too-few-samples": "invalid"}


def test_time_that_does_not_advance_is_invalid():
    samples = make_samples()
    samples.t_us[20] = samples.t_us[19]
    assert codes(make_record(samples=samples)) == {"time-backwards": "invalid"}


def test_a_sensor_that_stands_still_under_changing_load_is_stuck():
    samples = make_samples()
    samples.gpu_busy_percent[:40] = [0.0] * 40
    assert codes(make_record(samples=samples)) == {"sensor-stuck": "invalid"}


def test_a_coarse_sensor_under_steady_load_is_not_stuck():
    assert codes(make_record(samples=make_samples(rails_w=(10.0, 10.0)))) == {}


def test_a_board_left_changed_is_noted():
    record = make_record(restored=OperatingPoint(cpu_hz=1_113_600_000))
    (finding,) = quality.findings(record)
    assert (finding.severity, finding.code) == ("note", "not-restored")
    assert "The CPU clock" in finding.text


def test_requests_that_were_not_served_are_counted():
    (finding,) = quality.findings(make_record(requests=make_requests(n=99)))
    assert finding.text == "99 of 100 requests were served."


def test_requests_beyond_those_asked_fill_the_last_batch():
    plan = make_plan(requests=97)
    assert codes(make_record(plan=plan)) == {}


def test_a_point_that_was_never_held_is_reported_once():
    faults = [Fault(code="point-not-held", text="EBUSY")]
    record = make_record(
        plan=make_plan(point=PINNED), held=OperatingPoint(), phases=[], faults=faults
    )
    assert "clock-not-held" not in codes(record)


def test_two_findings_of_one_kind_become_one():
    faults = [Fault(code="oc", text="Over-current at 1 s."), Fault(code="oc", text="Again at 2 s.")]
    (finding,) = quality.findings(make_record(faults=faults))
    assert finding.text == "Over-current at 1 s. Again at 2 s."
