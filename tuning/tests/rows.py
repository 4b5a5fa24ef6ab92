"""Rows for tests of the search."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from measurements.models import Run
from measurements.roles import OPERATOR, REVIEWER
from measurements.tests.rows import (
    CPU_HZ,
    EMC_HZ,
    GPU_HZ,
    make_device,
    make_done_run,
    make_network,
    make_user,
)
from tuning import pinning, reviewing
from tuning.models import Approval, CpuPhase, Sweep, SweepAxis, Trial, Verification

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


def make_verification(sweep: Sweep, trial: Trial, **fields: Any) -> Verification:
    """A verdict, verified if nothing else is said, of a winner."""
    values: dict[str, Any] = {
        "device": sweep.device,
        "blocks": 4,
        "seed": 1,
        "state": Verification.State.DONE,
        "verdict": "verified",
        "words": "saves 23 % (19 to 27 %)",
    }
    return sweep.verifications.create(trial=trial, **{**values, **fields})


def make_finished_sweep(*, verified: bool = True, **fields: Any) -> Sweep:
    """A finished sweep of two trials; the second is its winner."""
    values: dict[str, Any] = {"state": Sweep.State.FINISHED, "finished_at": timezone.now()}
    sweep = make_sweep(**{**values, **fields})
    make_trial(sweep, busy_energy_j=0.5)
    winner = make_trial(sweep, busy_energy_j=0.41)
    if verified:
        make_verification(sweep, winner)
    return sweep


def make_approved_sweep(**fields: Any) -> Sweep:
    """A finished and verified sweep whose result a reviewer approved."""
    sweep = make_finished_sweep(**{"created_by": make_user(OPERATOR), **fields})
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    approve(sweep, by=make_user(REVIEWER))
    return sweep


def approve(sweep: Sweep, *, by: User, **fields: Any) -> Approval:
    """As the page does it: what is seen there is approved."""
    seen = pinning.answer_of(Sweep.objects.with_standing().get(pk=sweep.pk))
    return reviewing.approve(sweep, by=by, seen=seen.digest if seen else "", **fields)
