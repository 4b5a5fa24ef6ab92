"""How a sweep moves: ask the strategy, measure the point, note what came of it, go on.

Every step is idempotent and starts from the rows alone, so that it can be repeated after
the death of any process: a lost message is made good by the next tick.
"""

from __future__ import annotations

from functools import partial

from django.db import transaction

from measurements import tasks as measurement_tasks
from measurements.models import Device, Run
from measurements.models.runs import POINT_FIELDS
from tuning import strategies

from .models import Sweep, Trial, TrialRun

FAILURES_IN_A_ROW = 3
"""A sweep whose latest trials were all given up has failed: its board needs a person."""
OBSERVE = "tuning.tasks.observe"


@transaction.atomic
def advance(sweep_id: int) -> None:
    """Plan what a running sweep measures next, one run a board, or end it."""
    sweep = Sweep.objects.select_for_update().get(pk=sweep_id)
    if sweep.state != Sweep.State.RUNNING:
        return
    devices = {device.pk: device for device in sweep.devices}
    under_way = {trial: devices.get(trial.device_id) for trial in sweep.trials.asked()}
    for trial, device in under_way.items():
        if trial.wants_another_run():
            _measure(trial, device or sweep.device)
    for device in _free(sweep, busy=list(under_way.values())):
        if not _ask(sweep, device):
            break


def has_board(sweep: Sweep) -> bool:
    """Whether one of its boards is online that has, or could get, something to measure."""
    online = {device.pk for device in sweep.devices if device.is_online}
    if online and sweep.spent_budget():
        under_way = {trial.device_id for trial in sweep.trials.asked()}
        return not under_way or bool(under_way & online)
    return bool(online)


@transaction.atomic
def observe(run_id: str) -> int | None:
    """Take note of a run that ended; the sweep's id, or None if it is nobody's trial."""
    links = TrialRun.objects.select_related("run").filter(trial__taken_over=False)
    link = links.filter(run=run_id).first()
    if link is None:
        return None
    trial = Trial.objects.select_for_update().get(pk=link.trial_id)
    if link.run.state == Run.State.DONE:
        trial.observed()
    elif link.run.state == Run.State.CANCELLED:
        trial.cancel()
    elif not trial.may_be_repeated():
        trial.give_up()
    return trial.sweep_id


@transaction.atomic
def cancel(sweep: Sweep, because: str) -> bool:
    """End `sweep` now; what it is measuring stops within seconds and leaves no record."""
    if not sweep.cancel(because):
        return False
    for trial in sweep.trials.asked():
        for run in Run.objects.filter(trial_run__trial=trial):
            run.cancel()
        trial.cancel()
    return True


def _free(sweep: Sweep, *, busy: list[Device | None]) -> list[Device]:
    """Boards that measure nothing of `sweep`; one that is away gets nothing others could do."""
    free = [device for device in sweep.devices if device not in busy]
    return free if len(sweep.devices) == 1 else [device for device in free if device.is_online]


def _ask(sweep: Sweep, device: Device) -> bool:
    """Give `device` the next point; False if there is none, which ends a sweep at rest."""
    because, point = sweep.spent_budget(), None
    failed = sweep.trials.given_up_in_a_row() >= FAILURES_IN_A_ROW
    if not failed and not because:
        point = strategies.ask(sweep.strategy, sweep.question())
    if point is not None:
        trial = sweep.trials.create(number=sweep.trials.count() + 1, values=list(point))
        _measure(trial, device)
        return True
    if sweep.trials.asked().exists():
        return False
    if failed:
        sweep.fail(f"{FAILURES_IN_A_ROW} trials in a row could not be measured; see their runs.")
    else:
        sweep.finish(because or "Every point of the space has been measured.")
    return False


def _measure(trial: Trial, device: Device) -> None:
    """Queue one more run for `trial`; each run has its own seed, so a repeat is a new draw."""
    sweep = trial.sweep
    values = sweep.space().named(tuple(trial.values))
    repeat = trial.trial_runs.count()
    run = Run.objects.create(
        device=device,
        network=sweep.network,
        then=OBSERVE,
        created_by=sweep.created_by,
        batch_size=values.get("batch_size", 1),
        seed=seed_of(sweep.seed, trial.number, repeat),
        gate_reference_c=sweep.gate_reference_c(device),
        **sweep.load(),
        **{name: values.get(name) for name in POINT_FIELDS},
    )
    trial.trial_runs.create(run=run)
    transaction.on_commit(partial(measurement_tasks.dispatch.delay, device.pk), robust=True)


def seed_of(sweep_seed: int, number: int, repeat: int) -> int:
    """Distinct for each run of a sweep, and the same again for the same run."""
    return (sweep_seed * 1_000_003 + number * 101 + repeat) % 2**31
