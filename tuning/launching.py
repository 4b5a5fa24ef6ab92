"""Launching a sweep: from what the form holds to rows, and back again for "run again"."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements.models import AuditEntry
from tuning import knobs, tasks
from tuning.cpu_phase_form import ALL, NONE, THINNED
from tuning.models import CpuPhase, Sweep, SweepAxis
from tuning.space import Axis

COPIED = ("device", "network", "objective", "slo_statistic", "slo_ms", "arrivals", "rate_hz",
          "trace", "requests", "half_width_percent", "sample_interval_ms", "strategy", "seed",
          "budget_trials", "goal", "pays_over_requests", "may_repeat")  # fmt: skip


@transaction.atomic
def launch(cleaned: dict[str, Any], axes: list[Axis], *, by: AbstractUser) -> Sweep:
    """A new running sweep over `axes`; its first step follows once the rows are committed."""
    minutes = cleaned["budget_minutes"]
    sweep = Sweep.objects.create(
        name=cleaned["name"],
        budget_board_s=None if minutes is None else minutes * 60,
        created_by=by,
        **{field: cleaned[field] for field in COPIED},
    )
    sweep.others.set(cleaned.get("also_on", ()))
    sweep.earlier.set(cleaned.get("earlier", ()))
    SweepAxis.objects.bulk_create(
        SweepAxis(sweep=sweep, position=position, name=axis.name, values=list(axis.values))
        for position, axis in enumerate(axes)
    )
    if cleaned.get("cpu_phase"):
        _begin_phase(sweep, cleaned)
    told = {"board": sweep.device.name, "network": sweep.network.name}
    AuditEntry.objects.note(by, "launched", sweep, **told)
    tasks.advance.delay_on_commit(sweep.pk)
    return sweep


def _begin_phase(sweep: Sweep, cleaned: dict[str, Any]) -> None:
    """The CPU phase that comes before the search; skipped where nothing is prepared."""
    is_thinned = cleaned["cpu_phase"] == THINNED
    clocks_hz = list(cleaned["phase_clocks_hz"])
    phase = CpuPhase.objects.create(sweep=sweep, clocks_hz=clocks_hz, is_thinned=is_thinned)
    if not sweep.network.takes_images:
        phase.skip(
            f"{sweep.network} takes no pictures: there is nothing to prepare that a CPU clock "
            "would decide about. The clock is as set among the others, or as found."
        )


def settings_of(sweep: Sweep) -> dict[str, Any]:
    """What the launch form shows when `sweep` is run again."""
    values = {axis.name: axis.values for axis in sweep.axes.all()}
    settings = {field: getattr(sweep, field) for field in COPIED}
    for knob in knobs.knobs_of(sweep.device):
        settings |= knob.initial(values.get(knob.name))
    if (phase := sweep.phase) is not None:
        settings |= _settings_of_phase(phase)
    minutes = None if sweep.budget_board_s is None else sweep.budget_board_s / 60
    initial = {"cpu_phase": NONE} | settings
    return initial | {
        "name": sweep.name,
        "also_on": [device.pk for device in sweep.others.all()],
        "earlier": [sweep.pk for sweep in sweep.earlier.all()],
        "batch_sizes": values.get("batch_size", [1]),
        "budget_minutes": minutes,
        "may_repeat": "1" if sweep.may_repeat else "",
    }


def _settings_of_phase(phase: CpuPhase) -> dict[str, Any]:
    settings = {"cpu_phase": THINNED if phase.is_thinned else ALL}
    cpu = next((k for k in knobs.knobs_of(phase.sweep.device) if k.name == "cpu_hz"), None)
    if cpu is None or not phase.clocks_hz or tuple(phase.clocks_hz) == cpu.legal_hz:
        return settings
    return settings | cpu.initial(phase.clocks_hz)
