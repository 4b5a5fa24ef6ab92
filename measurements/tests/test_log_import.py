import datetime as dt

import pytest

from measurements.log_import import LogRefused, import_log
from measurements.log_time import timing
from measurements.models import Run

pytestmark = pytest.mark.django_db


def line(power_mw: int = 10_000, *, stamp: str = "", extra: str = "") -> str:
    return (
        f"{stamp} RAM 707/7854MB (lfb 1x4MB) CPU [3%@1190,off] EMC_FREQ 1%@665 "
        f"GR3D_FREQ 40%@1300 GPU@48.5C PMIC@100C {extra}"
        f"VDD_IN {power_mw}/{power_mw} VDD_CPU 2000/2000"
    ).strip()


def log(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def at(hour: int, second: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, 23, hour, 0, second, tzinfo=dt.timezone.utc)


def stamped(seconds: float) -> str:
    return (at(10) + dt.timedelta(seconds=int(seconds))).strftime("%m-%d-%Y %H:%M:%S")


def steady(n: int = 101, **fields: object) -> bytes:
    return log(*[line(**fields) for _ in range(n)])


def texts(run: Run) -> dict[str, str]:
    return {verdict.code: verdict.text for verdict in run.verdicts.all()}


def test_joules_per_request_are_window_energy_over_requests():
    run = import_log(steady(), interval_ms=100, requests=50, start_s=1, end_s=6)
    # 10 W for 5 s, shared by 50 requests; VDD_CPU draws 2 W of it.
    assert run.at_rate_energy_j == pytest.approx(1.0)
    assert run.rail_at_rate_energy_j == pytest.approx([1.0, 0.2])
    assert (run.rails, run.total_of) == (["VDD_IN", "VDD_CPU"], ["VDD_IN"])
    assert run.state == Run.State.DONE


def test_a_log_has_no_device_network_point_or_busy_energy():
    run = import_log(steady(), interval_ms=100, requests=50)
    assert (run.origin, run.device, run.network) == (Run.Origin.IMPORTED_LOG, None, None)
    assert (run.gpu_max_hz, run.held_emc_hz, run.busy_energy_j) == (None, None, None)
    assert run.at_rate_half_width_j is None
    assert "does not say when inferences ran" in texts(run)["busy-unknown"]
    assert "± 0 J" in texts(run)["interval-unknown"]


def test_every_line_becomes_a_sample():
    run = import_log(steady(), interval_ms=100, requests=50)
    assert run.samples.count() == 101
    first = run.samples.get(t_us=0)
    assert (first.rails_w, first.total_w) == ([10.0, 2.0], 10.0)
    assert (first.gpu_mhz, first.emc_mhz, first.cpu_mhz) == (1300, 665, 1190)
    assert first.gpu_busy_percent == 40
    assert run.temp_max_c == 48.5  # not the PMIC's constant 100


def test_without_stamps_the_period_is_the_interval_and_tegrastats_own_work():
    run = import_log(steady(), interval_ms=100, requests=50)
    assert run.board_s == pytest.approx(10.8)  # 100 steps of 108 ms
    assert run.manifest["period_s"] == pytest.approx(0.108)
    assert "108.0 ms apart, within 1.9 %: from the interval of 100 ms" in texts(run)["log-time"]


def test_long_stamped_logs_tell_their_own_period():
    lines = [line(stamp=stamped(0.1092 * i)) for i in range(2001)]
    run = import_log(log(*lines), interval_ms=100, requests=50)
    assert run.manifest["period_s"] == pytest.approx(0.1092, rel=0.005)
    assert "time stamps" in texts(run)["log-time"]


def test_a_wrong_interval_is_contradicted_by_the_stamps():
    lines = [line(stamp=stamped(1.008 * i)) for i in range(60)]
    run = import_log(log(*lines), interval_ms=100, requests=50)
    assert run.manifest["period_s"] == pytest.approx(1.008, rel=0.02)
    assert "not the 100 ms" in texts(run)["log-time"]


def test_a_short_stamped_log_keeps_the_interval():
    timed = timing([at(10, s) for s in range(10)], interval_ms=1000)
    assert timed.period_s == 1.008


def test_stamps_that_run_backwards_are_not_believed():
    stamps = [at(10, s) for s in (5, 6, 2, 3)]
    timed = timing(stamps, interval_ms=1000)
    assert timed.period_s == 1.008
    assert "backwards" in timed.contradicts


def paused_log() -> bytes:
    times = [*range(20), *range(80, 100)]
    return log(*[line(stamp=stamped(t)) for t in times])


def test_a_pause_in_the_window_makes_the_run_invalid():
    run = import_log(paused_log(), interval_ms=1000, requests=50)
    assert run.state == Run.State.INVALID
    assert "pauses for 61 s after line 20" in texts(run)["gap"]


def test_a_pause_before_the_window_only_moves_it():
    run = import_log(paused_log(), interval_ms=1000, requests=50, start_s=82, end_s=92)
    assert run.state == Run.State.DONE
    assert run.at_rate_energy_j == pytest.approx(2.0)  # 10 W for 10 s
    assert run.board_s == pytest.approx(99, abs=1)


def test_unknown_words_are_counted_and_kept():
    run = import_log(steady(extra="FANCY_NEW 7! "), interval_ms=100, requests=50)
    assert run.unknown_tokens == {"FANCY_NEW": 101, "7!": 101}
    assert run.state == Run.State.DONE


def test_lines_of_other_programs_are_skipped():
    data = log("$ sudo tegrastats", *[line()] * 50)
    assert import_log(data, interval_ms=100, requests=5).samples.count() == 50


def test_an_unfinished_last_line_is_left_out():
    data = steady(50) + line().encode()[:90]
    assert import_log(data, interval_ms=100, requests=5).samples.count() == 50


def test_a_line_without_the_total_leaves_the_energy_unknown():
    lines = [line()] * 50
    lines[20] = lines[20].replace("VDD_IN 10000/10000", "")
    run = import_log(log(*lines), interval_ms=100, requests=5)
    assert (run.state, run.at_rate_energy_j) == (Run.State.INVALID, None)
    assert run.rail_at_rate_energy_j == [None, pytest.approx(2 * 5.292 / 5)]
    assert "1 of 50 samples" in texts(run)["energy-unknown"]


def test_rails_that_make_no_total_leave_the_energy_unknown():
    lines = [line().replace("VDD_IN", "VDD_SYS_DDR")] * 50
    run = import_log(log(*lines), interval_ms=100, requests=5)
    assert run.state == Run.State.INVALID
    assert "no rail" in texts(run)["energy-unknown"]


def test_a_log_of_real_agx_orin_lines_adds_its_three_rails():
    real = (
        "RAM 2980/30536MB (lfb 5932x4MB) CPU [0%@729] GPU@40C VDD_GPU_SOC 2401mW/2401mW "
        "VDD_CPU_CV 800mW/800mW VIN_SYS_5V0 3000mW/3000mW VDDQ_VDD2_1V8AO 700mW/700mW"
    )
    run = import_log(log(*[real] * 100), interval_ms=50, requests=10, start_s=0, end_s=5)
    assert run.mean_power_w == pytest.approx(6.201)
    assert run.total_of == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]


@pytest.mark.parametrize(
    ("data", "fields", "text"),
    [
        (b"", {}, "state no power rail"),
        (b"hello\nworld\n", {}, "state no power rail"),
        (b"\x89PNG\0\0", {}, "not a text file"),
        (line().encode() + b"\n", {}, "No two lines"),
        (steady(), {"requests": 0}, "At least one request"),
        (steady(), {"interval_ms": 0}, "interval"),
        (steady(), {"start_s": 5, "end_s": 20}, "cover 0 to 10.80 s"),
        (steady(), {"start_s": 5, "end_s": 5}, "start before its end"),
        (steady(), {"start_s": -1, "end_s": 5}, "cover 0 to"),
        (steady(), {"start_s": float("nan"), "end_s": 5}, "cover 0 to"),
        (steady(), {"start_s": 1, "end_s": 1.3}, "Only 3 lines"),
    ],
)
def test_a_log_that_cannot_be_a_run_is_refused_with_advice(data, fields, text):
    with pytest.raises(LogRefused, match=text):
        import_log(data, **{"interval_ms": 100, "requests": 10, **fields})
    assert not Run.objects.exists()


def test_a_log_that_is_too_large_is_refused(settings):
    settings.LOG_MAX_BYTES = 1000
    with pytest.raises(LogRefused, match="larger"):
        import_log(steady(), interval_ms=100, requests=10)
