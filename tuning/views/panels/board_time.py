from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import Phase, Run
from tuning import board_time
from tuning.board_time import Stay
from tuning.models import Sweep, TrialRun

MOST_RUNS = 300


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    stays = _stays(sweep)
    charts = [board_time.chart(stays)] if stays else []
    return {"charts": charts, "most": MOST_RUNS if len(stays) == MOST_RUNS else None}


def _stays(sweep: Sweep) -> list[Stay]:
    """The sweep's own latest runs that took board time, oldest first."""
    rows = (
        TrialRun.objects.filter(trial__sweep=sweep, trial__taken_over=False, run__board_s__gt=0)
        .order_by("-run__claimed_at", "-pk")
        .values_list("run_id", "run__device__name", "trial__number", "run__state",
                     "run__clock_zero_s", "run__board_s")
    )  # fmt: skip
    latest = list(rows[:MOST_RUNS])[::-1]
    phases: dict[Any, list[tuple[str, float, float]]] = {}
    spans = Phase.objects.filter(run__in=[run for run, *_ in latest]).order_by("start_s")
    for run, *span in spans.values_list("run_id", "name", "start_s", "end_s"):
        phases.setdefault(run, []).append((span[0], span[1], span[2]))
    return [
        Stay(run, *rest, phases=tuple(phases.get(run, ())), url=Run(id=run).get_absolute_url())
        for run, *rest in latest
    ]
