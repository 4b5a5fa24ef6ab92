from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import RequestLog, Run
from tuning import cpu_answer, cpu_search, figures_of_cpu
from tuning.models import CpuPhase, Sweep


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """What the CPU phase found; nothing but the sweep where there was none."""
    phase = sweep.phase
    if phase is None or phase.state == CpuPhase.State.SKIPPED:
        return {"phase": phase}
    found = cpu_answer.answer(sweep, phase)
    charts = []
    if found.measured:
        charts.append(figures_of_cpu.over_clock(found, chosen_hz=phase.chosen_hz))
    split = _split(sweep, phase, found)
    if split is not None:
        charts.append(figures_of_cpu.split(split))
    return {
        "phase": phase,
        "found": found,
        "charts": charts,
        "split": split,
        "smallest_batch": min(cpu_search.batch_sizes(sweep)),
    }


def _split(sweep: Sweep, phase: CpuPhase, found: cpu_answer.Answer) -> cpu_answer.Split | None:
    """Of the sweep's best point, or before there is one of the phase's own whole requests."""
    at = found.chosen or found.found
    run_id = sweep.best["run"] if sweep.best else _last_whole_run(phase)
    log = RequestLog.objects.select_related("run").filter(run=run_id).first()
    if at is None or log is None:
        return None
    return cpu_answer.split(log, preprocessing_ms=at.time_ms, slo_ms=sweep.slo_ms)


def _last_whole_run(phase: CpuPhase) -> object:
    runs = Run.objects.done().filter(cpu_trial_run__trial__phase=phase, work=Run.Work.REQUEST)
    return runs.order_by("-cpu_trial_run__trial__number").values_list("pk", flat=True).first()
