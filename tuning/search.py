"""How a sweep moves: ask the strategy, measure the point, note what came of it, go on.

Every step is idempotent and starts from the rows alone, so that it can be repeated after
the death of any process: a lost message is made good by the next tick.
"""

from __future__ import annotations

from django.db import transaction

from measurements.models import Device, Run
from tuning import (
    cpu_search,
    measuring,
    optimizer,
    repeats,
    results,
    search_cost,
    strategies,
    telling,
)
from tuning.measuring import OBSERVE, seed_of
from tuning.paying import Prospect, stop_because
from tuning.questions import Ask, Question

from .models import CpuTrialRun, Sweep, Trial, TrialRun
from .models.steps import Step

__all__ = ["OBSERVE", "advance", "cancel", "has_board", "observe", "seed_of"]

FAILURES_IN_A_ROW = 3
"""A sweep whose latest trials were all given up has failed: its board needs a person."""


@transaction.atomic
def advance(sweep_id: int) -> None:
    """Plan what a running sweep measures next, one run a board, or end it."""
    sweep = Sweep.objects.select_for_update().get(pk=sweep_id)
    if sweep.state != Sweep.State.RUNNING:
        return
    if cpu_search.advance(sweep):
        _ask_free_boards(sweep)
    if not sweep.is_open:
        telling.ended(sweep)


def _ask_free_boards(sweep: Sweep) -> None:
    devices = {device.pk: device for device in sweep.devices}
    under_way = {trial: devices.get(trial.device_id) for trial in sweep.trials.asked()}
    for trial, device in under_way.items():
        if trial.wants_another_run():
            _measure(trial, device or sweep.device, trial.half_width_percent)
    for device in measuring.free(sweep, busy=list(under_way.values())):
        if not _ask(sweep, device):
            break


def has_board(sweep: Sweep) -> bool:
    """Whether one of its boards is online that has, or could get, something to measure."""
    online = {device.pk for device in sweep.devices if device.is_online}
    if online and sweep.spent_budget():
        under_way = {step.device_id for step in _under_way(sweep)}
        return not under_way or bool(under_way & online)
    return bool(online)


@transaction.atomic
def observe(run_id: str) -> int | None:
    """Take note of a run that ended; the sweep's id, or None if it is nobody's trial."""
    link = _link_of(run_id)
    if link is None:
        return None
    step = type(link.trial).objects.select_for_update().get(pk=link.trial_id)
    if link.run.state == Run.State.DONE:
        step.observed()
        if isinstance(step, Trial):
            _stand_for_its_point(step)
    elif link.run.state == Run.State.CANCELLED:
        step.cancel()
    elif not step.may_be_repeated() or cpu_search.is_pointless(link.run):
        step.give_up()
        if isinstance(step, Trial):
            telling.given_up(step)
    return step.sweep_id


@transaction.atomic
def cancel(sweep: Sweep, because: str) -> bool:
    """End `sweep` now; what it is measuring stops within seconds and leaves no record."""
    if not sweep.cancel(because):
        return False
    for step in _under_way(sweep):
        for link in step.trial_runs.select_related("run"):
            link.run.cancel()
        step.cancel()
    return True


def _under_way(sweep: Sweep) -> list[Step]:
    """What it has asked for and does not know yet, in both phases."""
    phase = sweep.phase
    return [*sweep.trials.asked(), *(phase.trials.asked() if phase else ())]


def _link_of(run_id: str) -> TrialRun | CpuTrialRun | None:
    for links in (TrialRun.objects, CpuTrialRun.objects):
        mine = links.select_related("run", "trial").filter(trial__taken_over=False)
        if link := mine.filter(run=run_id).first():
            return link
    return None


def _ask(sweep: Sweep, device: Device) -> bool:
    """Give `device` the next point; False if there is none, which ends a sweep at rest."""
    because, asked = sweep.spent_budget(), None
    failed = sweep.trials.given_up_in_a_row() >= FAILURES_IN_A_ROW
    if not failed and not because:
        question = sweep.question()
        because = _pays_no_longer(sweep, question)
        asked = _next_run(sweep, question, ends=bool(because))
    if asked is not None:
        _measure(sweep.next_trial(asked.point), device, asked.half_width_percent)
        return True
    if sweep.trials.asked().exists():
        return False
    if failed:
        sweep.fail(f"{FAILURES_IN_A_ROW} trials in a row could not be measured; see their runs.")
    else:
        sweep.finish(because or "Every point of the space has been measured.")
    return False


def _next_run(sweep: Sweep, question: Question, *, ends: bool) -> Ask | None:
    """What to measure next; before the end a winner that was seen coarsely only, once more."""
    is_last = ends or sweep.trials.own().count() == sweep.budget_trials - 1
    asked = None if is_last else strategies.next_run(sweep.strategy, question)
    if asked is None and (winner := repeats.last_look(question)) is not None:
        return Ask(winner, question.half_width_percent)
    return asked if ends or asked else strategies.next_run(sweep.strategy, question)


def _pays_no_longer(sweep: Sweep, question: Question) -> str:
    """That the next measurement costs more than it is expected to save, in words, or nothing."""
    if sweep.pays_over_requests is None:
        return ""
    cost_j, prospect = search_cost.of(sweep).each_j, None
    if cost_j is not None:
        gain_j = optimizer.expected_gain_j(question)
        prospect = Prospect(gain_j, sweep.pays_over_requests, cost_j)
    sweep.expect(prospect)
    return stop_because(prospect, measured=len(question.measured))


def _stand_for_its_point(trial: Trial) -> None:
    """A closer look takes the place of the earlier ones, if it tells an energy."""
    if trial.look > 1 and results.measured(trial.sweep).filter(trial=trial).exists():
        trial.stand_for_its_point()


def _measure(trial: Trial, device: Device, half_width_percent: float | None) -> None:
    """Queue one more run for `trial`; each run has its own seed, so a repeat is a new draw.

    Args:
        half_width_percent: How well it has to know the energy; None: it has a fixed length.
    """
    sweep = trial.sweep
    values = sweep.space().named(tuple(trial.values))
    run = measuring.queue(
        sweep,
        device,
        seed=seed_of(sweep.seed, trial.number, trial.trial_runs.count()),
        half_width_percent=half_width_percent,
        batch_size=values.get("batch_size", 1),
        **sweep.clocks_at(trial.values),
    )
    trial.trial_runs.create(run=run)
