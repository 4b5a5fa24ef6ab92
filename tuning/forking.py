"""A sweep again with another question: every observation is taken over, none is measured twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements.models import AuditEntry, Run
from tuning import launching, tasks
from tuning.forms_of_goals import why_it_cannot_repeat
from tuning.models import CpuPhase, CpuTrial, CpuTrialRun, Sweep, SweepAxis, TrialRun

ASKED_ANEW = ("name", "objective", "goal", "slo_statistic", "slo_ms", "strategy", "budget_trials",
              "pays_over_requests")  # fmt: skip


@transaction.atomic
def fork(source: Sweep, cleaned: dict[str, Any], *, by: AbstractUser) -> Sweep:
    """A new running sweep over the space and load of `source`, with the limit in `cleaned`.

    Its trials begin with all that `source` has observed so far, in the same order.
    """
    copied = {field: getattr(source, field) for field in launching.COPIED}
    minutes = cleaned["budget_minutes"]
    values = copied | {field: cleaned[field] for field in ASKED_ANEW if field in cleaned}
    values["may_repeat"] &= not why_it_cannot_repeat(values)
    sweep = Sweep.objects.create(
        **values,
        forked_from=source,
        budget_board_s=None if minutes is None else minutes * 60,
        created_by=by,
    )
    sweep.others.set(source.others.all())
    sweep.earlier.set(source.earlier.all())
    SweepAxis.objects.bulk_create(
        SweepAxis(sweep=sweep, position=axis.position, name=axis.name, values=axis.values)
        for axis in source.axes.all()
    )
    _take_over(source, sweep)
    if source.phase is not None:
        _take_over_phase(source.phase, sweep)
    AuditEntry.objects.note(by, "forked", source, into=sweep.pk)
    AuditEntry.objects.note(by, "launched as a fork", sweep, source=source.pk)
    tasks.advance.delay_on_commit(sweep.pk)
    return sweep


def _take_over(source: Sweep, sweep: Sweep) -> None:
    looks: Counter[tuple[int, ...]] = Counter()  # Anew, since what was given up stays behind.
    for number, trial in enumerate(source.trials.observed(), start=1):
        looks[tuple(trial.values)] += 1
        mine = sweep.trials.create(
            number=number,
            values=trial.values,
            state=trial.state,
            taken_over=True,
            look=looks[tuple(trial.values)],
            is_superseded=trial.is_superseded,
        )
        done = trial.trial_runs.filter(run__state=Run.State.DONE).order_by("pk")
        TrialRun.objects.bulk_create(TrialRun(trial=mine, run_id=link.run_id) for link in done)


def _take_over_phase(theirs: CpuPhase, sweep: Sweep) -> None:
    """Its choice stands, since every trial that is taken over held that clock."""
    copied = ("clocks_hz", "is_thinned", "state", "chosen_hz", "because", "ended_at")
    mine = CpuPhase.objects.create(
        sweep=sweep, **{field: getattr(theirs, field) for field in copied}
    )
    for number, trial in enumerate(theirs.trials.observed(), start=1):
        copy = CpuTrial.objects.create(
            phase=mine, number=number, work=trial.work, cpu_hz=trial.cpu_hz,
            state=trial.state, taken_over=True,
        )  # fmt: skip
        done = trial.trial_runs.filter(run__state=Run.State.DONE).order_by("pk")
        CpuTrialRun.objects.bulk_create(CpuTrialRun(trial=copy, run_id=one.run_id) for one in done)
