"""Rows for tests of the search."""

from __future__ import annotations

from typing import Any

from measurements.models import Run
from measurements.tests.rows import CPU_HZ, EMC_HZ, GPU_HZ, make_device, make_done_run, make_network
from tuning.models import CpuPhase, Sweep, SweepAxis, Trial

AXES = {"gpu_max_hz": GPU_HZ, "emc_hz": EMC_HZ, "batch_size": [1, 4]}


def make_sweep(*, axes: dict[str, list[int]] | None = None, **fields: Any) -> Sweep:
    """A running sweep over 3 GPU clocks x 4 memory clocks x 2 batch sizes = 24 points."""
    values: dict[str, Any] = {"name": "a sweep", "budget_trials": 10, "slo_ms": 50.0}
    if "device" not in fields:
        values["device"] = make_device()
    if "network" not in fields:
        values["network"] = make_network()
    sweep = Sweep.objects.create(**{**values, **fields})
    for position, (name, axis) in enumerate((axes or AXES).items()):
        SweepAxis.objects.create(sweep=sweep, position=position, name=name, values=axis)
    return sweep


def make_trial(sweep: Sweep, **run_fields: Any) -> Trial:
    """The next point of the grid, observed by a done run."""
    number = sweep.trials.count() + 1
    point = sweep.space().points[number - 1]
    named = sweep.space().named(point)
    run: Run = make_done_run(
        **{"device": sweep.device, "network": sweep.network, **named, **run_fields}
    )
    trial = sweep.trials.create(number=number, values=list(point), state=Trial.State.OBSERVED)
    trial.trial_runs.create(run=run)
    return trial


def make_phase(sweep: Sweep, **fields: Any) -> CpuPhase:
    """An open CPU phase over 3 clocks."""
    return CpuPhase.objects.create(sweep=sweep, **{"clocks_hz": CPU_HZ, **fields})
