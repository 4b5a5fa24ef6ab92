"""Each verdict by itself: a fault injected between the emulated board and its adapter."""

import re
from contextlib import contextmanager

import pytest

from measurements import quality
from measurements.board.hardware.emulator import open_board
from measurements.board.trial import run_trial
from measurements.messages import OperatingPoint
from measurements.tests.records import make_plan

HELD = OperatingPoint(gpu_min_hz=930_750_000, gpu_max_hz=930_750_000)


class Spoilt:
    """A line source that changes what tegrastats prints from `from_s` on; None drops a line."""

    def __init__(self, lines, change, from_s=0.0):
        self._lines, self._change, self._from_s = lines, change, from_s

    @contextmanager
    def lines(self, interval_ms, feed):
        began = []

        def spoil(t_s, line):
            began.append(t_s)
            changed = (t_s, line)
            if t_s - began[0] >= self._from_s:
                changed = self._change(t_s, line)
            if changed is not None:
                feed(*changed)

        with self._lines.lines(interval_ms, spoil):
            yield


def _verdicts(tmp_path, change, *, from_s=0.0):
    board = open_board("agx-orin", name="orin", tree=tmp_path, seed=1)
    board._known_rails()
    board._lines = Spoilt(board._lines, change, from_s)
    record = run_trial(
        make_plan(point=HELD, requests=6000, batch_size=16),
        board,
        attempt=1,
        progress=lambda seen: None,
        cancelled=lambda: False,
    )
    return {finding.code: finding.severity for finding in quality.findings(record)}


def _replaced(pattern, by):
    return lambda t_s, line: (t_s, re.sub(pattern, by, line))


def _stuck(t_s, line):
    return t_s, re.sub(r"(V\w+) \d+mW/\d+mW", r"\1 4000mW/4000mW", line)


class _BackAndForth:
    def __init__(self):
        self.count = 0

    def __call__(self, t_s, line):
        self.count += 1
        return (t_s - 0.5 if self.count % 20 == 0 else t_s), line


class _Gap:
    """Says nothing for 1.5 s."""

    def __init__(self):
        self.since_s = None

    def __call__(self, t_s, line):
        self.since_s = t_s if self.since_s is None else self.since_s
        return None if t_s - self.since_s < 1.5 else (t_s, line)


@pytest.mark.parametrize(
    ("change", "from_s", "code"),
    [
        (_replaced(r"GR3D_FREQ (\d+)%@\d+", r"GR3D_FREQ \1%@612"), 4.0, "throttled"),
        (_replaced(r"GR3D_FREQ (\d+)%@\d+", r"GR3D_FREQ \1%@1300"), 4.0, "clock-drift"),
        (_replaced(r"VDD_CPU_CV \S+", ""), 4.0, "rail-missing"),
        (_stuck, 0.0, "sensor-stuck"),
        (_Gap(), 4.5, "gap"),
        (_BackAndForth(), 0.0, "time-backwards"),
        (lambda t_s, line: None, 4.5, "sampler-stopped"),
        (lambda t_s, line: None, 0.0, "no-samples"),
    ],
)
def test_a_fault_has_its_named_verdict(tmp_path, change, from_s, code):
    assert _verdicts(tmp_path, change, from_s=from_s)[code] == "invalid"


def test_without_a_fault_nothing_is_found(tmp_path):
    assert _verdicts(tmp_path, lambda t_s, line: (t_s, line)) == {}
