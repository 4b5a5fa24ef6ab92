"""A verification against the emulated board's physics, without broker and browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from measurements import recording
from measurements import tasks as measurement_tasks
from measurements.board.hardware import emulator
from measurements.board.trial import run_trial
from measurements.models import Device, Run
from measurements.tests.rows import make_network
from tuning import verifying
from tuning.models import Sweep
from tuning.tests.rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db


def test_a_raised_lower_gpu_limit_is_verified_as_a_saving(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", lambda device: None)
    board = emulator.open_board("agx-orin", name="orin", tree=tmp_path)
    device = Device(name="orin")
    device.register(board.describe())
    network = make_network(flops_per_item=8.8e9, bytes_per_item=300e6, bytes_fixed=77e6)
    axes = {"gpu_min_hz": [device.gpu_hz[8]], "batch_size": [4]}
    state = Sweep.State.FINISHED
    sweep = make_sweep(
        device=device, network=network, axes=axes, state=state, slo_ms=400.0, requests=200
    )
    make_trial(sweep)
    found = verifying.begin(sweep, blocks=2, by=None)
    verifying.advance(found.pk)
    while (step := found.next_step()) is not None and found.state == "running":
        run = step.run
        run.claim()
        record = run_trial(
            run.plan(), board, attempt=1, progress=lambda _: None, cancelled=lambda: False
        )
        recording.store(Run.objects.get(pk=run.pk), record)
        verifying.observe(str(run.pk))
        found.refresh_from_db()
    assert found.state == "done", found.ended_because
    assert found.verdict == "verified", found.words
