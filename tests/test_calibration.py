"""From emulated runs and the emulated meter that looked on to calibrated energies on a page."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from measurements import energy, recording
from measurements.board.hardware.emulator import EmulatedBoard, open_board
from measurements.board.trial import run_trial
from measurements.models import Calibration, Device, OverheadCheck, Run
from measurements.roles import OPERATOR
from measurements.sessions import OFF, SLOW_MS, queue_calibration, queue_overhead_check
from measurements.tests.rows import make_network, make_user

pytestmark = pytest.mark.django_db
GAIN, CARRIER_W = 1.10, 1.5
"""An external view of an emulated board: made up after jetson-power.md, 9; no meter, no carrier."""
LINE_CORE_S = 0.02
"""CPU seconds that a line of tegrastats is made to cost the emulated board here."""


def external_meter_csv(
    board: EmulatedBoard,
    *,
    start_s: float,
    end_s: float,
    offset_s: float = -1234.5,
    drift_ppm: float = 60.0,
    seed: int = 1,
) -> bytes:
    """EMULATED: what a meter in the supply would log each second, in its own wrong seconds."""
    rng, out = np.random.default_rng(seed), io.StringIO()
    rows = csv.writer(out, delimiter=";")
    rows.writerow(["Time (s)", "Power (W)", "emulated, not a meter"])
    second_s = 1 + 1e-6 * drift_ppm
    for n in range(int((end_s - start_s) / second_s) - 1):
        from_s, to_s = start_s + n * second_s, start_s + (n + 1) * second_s
        inside_w = board.model.true_energy_j(from_s, to_s).total_j / second_s
        shown_w = GAIN * inside_w + CARRIER_W + 0.03 * rng.normal()
        rows.writerow([f"{n + 1 + offset_s + 5000:.1f}", f"{shown_w:.1f}".replace(".", ",")])
    return out.getvalue().encode()


class Lab:
    """An emulated AGX Orin, its row, and what ran on it."""

    def __init__(self, tree: Path, line_core_s: float = 0.0) -> None:
        self.board = open_board("agx-orin", name="lab", tree=tree, seed=7, line_core_s=line_core_s)
        self.device = Device(name="lab")
        self.device.register(self.board.describe())
        self.network = make_network(name="net", flops_per_item=9e9, bytes_per_item=5e8)
        self.heavy = make_network(name="heavy", flops_per_item=2e11, bytes_per_item=5e8)
        self.began_s = self.board.clock.now()
        self.pause(40)

    def pause(self, seconds: float) -> None:
        self.board.clock.sleep_until(self.board.clock.now() + seconds)

    def carry_out(self, runs: list[Run]) -> None:
        for run in runs:
            run.claim()
            record = run_trial(
                run.plan(), self.board, attempt=1, progress=lambda _: None, cancelled=lambda: False
            )
            assert recording.store(run, record)
            assert run.state == Run.State.DONE, [v.text for v in run.verdicts.all()]
            self.pause(2.5)

    def meter(self) -> SimpleUploadedFile:
        self.pause(40)
        data = external_meter_csv(self.board, start_s=self.began_s, end_s=self.board.clock.now())
        return SimpleUploadedFile("meter.csv", data, "text/csv")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "tree")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR))
    return client


def session_key(device: Device) -> str:
    return str(device.runs.done().order_by("-claimed_at")[0].pk)


def test_a_meters_file_calibrates_the_board_and_its_runs_show_it(lab: Lab, operator: Client):
    lab.carry_out(queue_calibration(lab.device, lab.network, requests=400, by=None))
    answer = operator.post(
        reverse("calibration_new", args=["lab"]),
        {
            "file": lab.meter(),
            "session": session_key(lab.device),
            "meter": "emulated meter",
            "valid_days": "90",
        },
    )
    assert answer.status_code == 302, answer.context["form"].errors
    made = Calibration.objects.get()
    assert abs(made.gain - GAIN) <= made.gain_half_width < 0.1
    assert abs(made.offset_w - CARRIER_W) <= made.offset_half_width_w < 2.0
    assert operator.get(answer.url).status_code == 200
    run = lab.device.runs.done().first()
    page = operator.get(run.get_absolute_url()).content.decode()
    assert ">calibrated</a>" in page
    assert '<th scope="col" class="number">calibration</th>' in page
    assert "holds until" in operator.get(reverse("device", args=["lab"])).content.decode()
    switched = operator.get(run.get_absolute_url(), {"energy": "calibrated"}).content.decode()
    assert "Outside the board, calibrated:" in switched


def test_a_meter_that_saw_no_change_is_refused_and_nothing_is_stored(lab: Lab, operator: Client):
    runs = queue_calibration(lab.device, lab.network, requests=400, by=None)
    lab.carry_out(runs[:4])
    other = b"time (s);power (W)\n" + b"".join(b"%d;12,0\n" % n for n in range(200))
    answer = operator.post(
        reverse("calibration_new", args=["lab"]),
        {
            "file": SimpleUploadedFile("meter.csv", other),
            "session": session_key(lab.device),
            "meter": "emulated meter",
            "valid_days": "90",
        },
    )
    assert answer.status_code == 422
    assert "calibration session" in answer.content.decode()
    assert not Calibration.objects.exists()


def checked(lab: Lab, operator: Client, runs: list[Run], **fields: Any) -> Any:
    lab.carry_out(runs)
    fields.setdefault("file", lab.meter())
    words = {"session": session_key(lab.device), "meter": "emulated meter", **fields}
    return operator.post(reverse("overhead_new", args=["lab"]), words)


def true_cost_w(directory: Path, run: Run, interval_ms: int | None) -> float:
    """What sampling adds to the model's power in `run`: two boards alike but for its cost."""
    plan = msgspec.structs.replace(run.plan(), sample_interval_ms=interval_ms)
    drawn_w = []
    for core_s in (LINE_CORE_S, 0.0):
        tree = directory / f"{interval_ms}/{core_s}"
        board = open_board("agx-orin", name="lab", tree=tree, seed=7, line_core_s=core_s)
        began_s = board.clock.now()
        record = run_trial(plan, board, attempt=1, progress=lambda _: None, cancelled=lambda: False)
        start_s, end_s = energy.busy_window(record.requests)
        spent = board.model.true_energy_j(began_s + start_s, began_s + end_s)
        drawn_w.append(spent.total_j / (end_s - start_s))
    return drawn_w[0] - drawn_w[1]


@pytest.mark.parametrize("against_ms", [OFF, SLOW_MS])
def test_the_samplers_cost_is_found_in_watts_by_the_meter(
    tmp_path: Path, operator: Client, against_ms: int | None
):
    lab = Lab(tmp_path / "tree", LINE_CORE_S)
    runs = queue_overhead_check(lab.device, lab.heavy, requests=300, by=None, against_ms=against_ms)
    answer = checked(lab, operator, runs)
    assert answer.status_code == 302, answer.context["form"].errors
    check = OverheadCheck.objects.get()
    assert check.slow_ms == against_ms
    fast_w, slow_w = (true_cost_w(tmp_path / "true", runs[-1], ms) for ms in (50, against_ms))
    true_w = GAIN * (fast_w - slow_w)
    assert true_w > 0.1
    assert abs(check.extra_w - true_w) <= check.extra_half_width_w < 0.2
    assert check.extra_percent == pytest.approx(100 * check.extra_w / check.slow_w)
    page = operator.get(reverse("device", args=["lab"])).content.decode()
    assert "seen by emulated meter" in page
    assert ("instead of not at all" in page) is (against_ms is OFF)
    if against_ms is OFF:
        unsampled = lab.device.runs.filter(sample_interval_ms=OFF).first()
        assert (
            "Nothing was sampled, by plan"
            in operator.get(unsampled.get_absolute_url()).content.decode()
        )


def test_without_a_meter_a_sampler_that_was_off_is_not_compared(lab: Lab, operator: Client):
    runs = queue_overhead_check(lab.device, lab.network, requests=60, by=None, against_ms=OFF)
    answer = checked(lab, operator, runs, file="")
    assert answer.status_code == 422
    assert "only an external meter" in answer.content.decode()
    assert not OverheadCheck.objects.exists()
