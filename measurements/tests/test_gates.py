"""Gates, steadiness and throttling: on series made by hand, and on boards with injected faults."""

import errno
from collections import deque

import pytest

from measurements import quality
from measurements.board.gates import climate
from measurements.board.hardware import throttling
from measurements.board.hardware.emulator import EmulatedBoard, open_board
from measurements.board.hardware.protocol import Sample
from measurements.board.load.protocol import ServedBatch
from measurements.board.steady import is_steady
from measurements.board.trial import run_trial
from measurements.messages import Gate, Rail, Stopping
from measurements.tests.bench_board import BenchBoard
from measurements.tests.records import make_plan

RAILS = [Rail(name="VDD_IN", part="input", in_total=True, step_w=0.04)]


def _samples(temp_c=lambda t_s: 40.0, power_w=lambda t_s: 10.0):
    times = [i * 0.05 for i in range(101)]
    return [Sample(t, (power_w(t),), None, None, None, temp_c(t), None) for t in times]


@pytest.mark.parametrize(
    ("temp_c", "found"), [(40.0, "open"), (44.9, "open"), (45.1, "hot"), (34.8, "cold")]
)
def test_the_gate_has_two_sides(temp_c, found):
    assert climate(Gate(reference_c=40.0), _samples(lambda t_s: temp_c), 5.0) == found


def test_a_temperature_that_moves_is_waited_for():
    assert climate(Gate(), _samples(lambda t_s: 40 + 0.6 * t_s), 5.0) == "drifting"
    assert climate(Gate(), _samples(lambda t_s: 40 + 0.4 * t_s), 5.0) == "open"


def test_a_board_without_thermal_zones_passes():
    assert climate(Gate(reference_c=40.0), _samples(lambda t_s: None), 5.0) == "open"


def _batches(each_s=lambda t_s: 0.01):
    starts = [i * 0.05 for i in range(100)]
    return [ServedBatch((t,), (t,), t, t + each_s(t)) for t in starts]


def test_constant_power_and_inference_time_are_steady():
    assert is_steady(_samples(), _batches(), RAILS, 5.0)


def test_power_that_climbs_is_not_steady():
    climbing = _samples(power_w=lambda t_s: 10 + 0.2 * t_s)
    assert not is_steady(climbing, _batches(), RAILS, 5.0)


def test_power_that_climbs_by_less_than_one_percent_is_steady():
    assert is_steady(_samples(power_w=lambda t_s: 10 + 0.05 * t_s), _batches(), RAILS, 5.0)


def test_one_step_of_the_sensor_is_no_drift():
    coarse = [Rail(name="VDD_IN", part="input", in_total=True, step_w=0.4)]
    step = _samples(power_w=lambda t_s: 10.0 if t_s < 4 else 10.4)
    assert is_steady(step, _batches(), coarse, 5.0)
    assert not is_steady(step, _batches(), RAILS, 5.0)


def test_inference_that_becomes_faster_is_not_steady():
    assert not is_steady(_samples(), _batches(lambda t_s: 0.02 - 0.001 * t_s), RAILS, 5.0)


def test_the_rhythm_of_slow_batches_is_no_drift():
    slow = [ServedBatch((t,), (t,), t, t + 0.9) for t in (0.0, 2.0, 4.0)]
    assert is_steady(_samples(power_w=lambda t_s: 10 if t_s < 4 else 20.0), slow, RAILS, 5.0)


def test_scatter_is_no_drift():
    scattering = _samples(power_w=lambda t_s: 10.0 + 3 * (round(t_s * 20) % 3))
    assert is_steady(scattering, _batches(), RAILS, 5.0)


# On the emulated board.


def _board(tmp_path) -> EmulatedBoard:
    return open_board("agx-orin", name="orin", tree=tmp_path, seed=1)


def _run(board, **fields):
    plan = make_plan(requests=100, longest_warm_up_s=20.0, **fields)
    return run_trial(
        plan, board, attempt=1, progress=lambda seen: None, cancelled=lambda: False
    )  # fmt: skip


def _severities(record):
    return {finding.code: finding.severity for finding in quality.findings(record)}


def test_a_cold_board_is_warmed_up_before_its_run(tmp_path):
    board = _board(tmp_path)
    cold_c = _run(board).samples.temp_c[0]
    record = _run(board, gate=Gate(reference_c=cold_c + 7.5))
    names = [phase.name for phase in record.phases]
    assert names[:3] == ["settle", "gate", "settle"]
    assert names[-3:] == ["warm_up", "serve", "tail"]


def test_a_board_that_stays_too_hot_is_noted_and_far_too_hot_is_invalid(tmp_path):
    now_c = _run(BenchBoard()).samples.temp_c[0]
    near, far = (
        _run(BenchBoard(), gate=Gate(reference_c=now_c - off_k, longest_s=3.0)) for off_k in (8, 11)
    )
    assert _severities(near)["temperature-gate"] == "note"
    assert _severities(far)["temperature-gate"] == "invalid"


def test_an_adaptive_run_on_the_emulated_board_is_shorter_and_believed(tmp_path):
    stopping = Stopping(half_width_percent=1.0, quantile=0.95)
    record = _run(_board(tmp_path), stopping=stopping, gate=Gate())
    assert record.stopped_because in ("precise", "ceiling")
    assert record.is_steady
    assert _severities(record) == {}


class _OverCurrentFiles:
    """The board's files, with an over-current counter that goes up each time it is read."""

    def __init__(self, files):
        self._files, self._counts = files, deque(["0\n", "3\n"])

    def read(self, path):
        return self._counts.popleft() if path.endswith("oc1_event_cnt") else self._files.read(path)

    def write(self, path, text):
        self._files.write(path, text)

    def glob(self, pattern):
        if pattern.endswith("event_cnt"):
            return ["/sys/class/hwmon/hwmon4/oc1_event_cnt"]
        return self._files.glob(pattern)


def test_over_current_events_during_a_run_make_it_invalid(tmp_path):
    board = _board(tmp_path)
    board._files = _OverCurrentFiles(board._files)
    record = _run(board)
    assert _severities(record)["throttled"] == "invalid"
    assert "oc1_event_cnt" in quality.findings(record)[0].text


def test_an_alarm_that_cannot_be_read_is_left_out():
    class Denied:
        def glob(self, pattern):
            return ["/sys/class/hwmon/hwmon4/oc1_event_cnt"]

        def read(self, path):
            raise PermissionError(errno.EACCES, "denied")

    assert throttling.events(Denied()) == {}
