"""Launching a sweep: from what the form holds to rows, and back again for "run again"."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements.models import AuditEntry
from tuning import knobs, tasks
from tuning.models import Sweep, SweepAxis
from tuning.space import Axis

COPIED = ("device", "network", "objective", "slo_statistic", "slo_ms", "arrivals", "rate_hz",
          "trace", "requests", "half_width_percent", "sample_interval_ms", "strategy", "seed",
          "budget_trials", "goal", "pays_over_requests")  # fmt: skip


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
    told = {"board": sweep.device.name, "network": sweep.network.name}
    AuditEntry.objects.note(by, "launched", sweep, **told)
    tasks.advance.delay_on_commit(sweep.pk)
    return sweep


def settings_of(sweep: Sweep) -> dict[str, Any]:
    """What the launch form shows when `sweep` is run again."""
    values = {axis.name: axis.values for axis in sweep.axes.all()}
    settings = {field: getattr(sweep, field) for field in COPIED}
    for knob in knobs.knobs_of(sweep.device):
        settings |= knob.initial(values.get(knob.name))
    minutes = None if sweep.budget_board_s is None else sweep.budget_board_s / 60
    return settings | {
        "name": sweep.name,
        "also_on": [device.pk for device in sweep.others.all()],
        "earlier": [sweep.pk for sweep in sweep.earlier.all()],
        "batch_sizes": values.get("batch_size", [1]),
        "budget_minutes": minutes,
    }
