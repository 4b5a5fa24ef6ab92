"""How a verification moves: plan the pairs, measure one run after another, say what came of it.

Like a search it starts from the rows alone at every step, so each step is safe to repeat.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements import tasks as measurement_tasks
from measurements.models import AuditEntry, Device, Run
from measurements.models.runs import POINT_FIELDS
from tuning import pairs, results, telling, verification
from tuning.models import Sweep, Trial, Verification, VerificationRun
from tuning.results import Result
from tuning.search import seed_of
from tuning.verification import Arm

VERIFY = "tuning.tasks.verify"
TRIES = 3
"""An invalid run is repeated; after this many the verification has failed."""


class CannotVerify(ValueError):
    """There is nothing to verify now; the text says why."""


@transaction.atomic
def begin(
    sweep: Sweep, *, blocks: int, by: AbstractUser | None, number: int | None = None
) -> Verification:
    """A verification of the sweep's best point, on the board that measured it.

    Args:
        number: Of a front, which trial's point; None: its knee.

    Raises:
        CannotVerify: It is being searched or verified, or has no point within its limit.
        Frozen: Its result is approved.
    """
    Sweep.objects.select_for_update().get(pk=sweep.pk)
    sweep.refresh_from_db()
    sweep.refuse_if_frozen()
    if sweep.state in (Sweep.State.RUNNING, Sweep.State.WAITING):
        raise CannotVerify("The search goes on: pause it, or wait for its end.")
    if sweep.pack_id:
        raise CannotVerify("It was imported: its board is elsewhere.")
    if sweep.verifications.filter(state=Verification.State.RUNNING).exists():
        raise CannotVerify("It is being verified already.")
    best = _chosen(sweep, number)
    if best is None:
        raise CannotVerify("No measured point meets the limit: there is no winner to verify.")
    found = Verification.objects.create(
        sweep=sweep,
        trial=sweep.trials.get(number=best.number),
        device=Device.objects.get(name=best.device),
        blocks=blocks,
        seed=sweep.seed + 7919 * (1 + sweep.verifications.count()),
        created_by=by,
    )
    plan = verification.order(_arms(best.batch_size), blocks=blocks, seed=found.seed)
    VerificationRun.objects.bulk_create(
        VerificationRun(verification=found, position=position, block=block, arm=arm.value)
        for position, (block, arm) in enumerate(plan)
    )
    AuditEntry.objects.note(by, "began to verify", sweep, trial=best.number, blocks=blocks)
    return found


def _chosen(sweep: Sweep, number: int | None) -> Result | None:
    names = sweep.space().names
    if number is None:
        return results.best(sweep, names)
    if sweep.goal != Sweep.GoalChoice.PARETO:
        raise CannotVerify("Only a point of a front can be chosen: this sweep has one winner.")
    front = results.front(results.rows(sweep, results.measured(sweep), names))
    if chosen := next((one for one in front if one.number == number), None):
        return chosen
    raise CannotVerify(f"Trial {number} is not on the front.")


@transaction.atomic
def advance(pk: int) -> None:
    """Queue the next run of a running verification, or conclude it."""
    found = Verification.objects.select_for_update().get(pk=pk)
    if found.state != Verification.State.RUNNING:
        return
    step = found.next_step()
    if step is None:
        _conclude(found)
    elif step.run is None or step.run.state == Run.State.INVALID:
        if step.tries < TRIES:
            _measure(found, step)
        else:
            found.fail(f"Run {step.position + 1} was invalid {TRIES} times; see its verdicts.")
            telling.verified(found)
    elif step.run.state == Run.State.CANCELLED:
        found.cancel("A run of it was cancelled.")


def observe(run_id: str) -> None:
    """Take note of a run that ended."""
    pk = VerificationRun.objects.filter(run=run_id).values_list("verification", flat=True).first()
    if pk is not None:
        advance(pk)


@transaction.atomic
def cancel(found: Verification, because: str, *, by: AbstractUser | None = None) -> bool:
    """End it now; what it is measuring stops within seconds and leaves no record."""
    if not found.cancel(because):
        return False
    for step in found.steps.filter(run__state__in=[Run.State.QUEUED, Run.State.RUNNING]):
        step.run.cancel()
    AuditEntry.objects.note(by, "stopped verifying", found.sweep, because=because)
    return True


def _arms(batch_size: int) -> list[Arm]:
    """At batch 1 the default is one arm, above it two."""
    arms = [Arm.WINNER, Arm.DEFAULT, Arm.MAXIMUM]
    return arms if batch_size == 1 else [*arms, Arm.DEFAULT_ONE]


def _conclude(found: Verification) -> None:
    answer = pairs.answer(found)
    if answer is None:
        found.fail("A run of it has no energy, so there is nothing to compare.")
    else:
        found.conclude(answer.verdict, answer.words)
    telling.verified(found)


def _measure(found: Verification, step: VerificationRun) -> None:
    sweep, trial = found.sweep, found.trial
    point, batch_size = _setting(Arm(step.arm), trial, found.device)
    step.run = Run.objects.create(
        device=found.device,
        network=sweep.network,
        then=VERIFY,
        created_by=found.created_by,
        batch_size=batch_size,
        seed=seed_of(found.seed, step.position, step.tries),
        **sweep.load(),
        **point,
    )
    step.tries += 1
    step.save(update_fields=["run", "tries"])
    transaction.on_commit(partial(measurement_tasks.dispatch.delay, found.device_id), robust=True)


def _setting(arm: Arm, trial: Trial, device: Device) -> tuple[dict[str, Any], int]:
    """(clocks to hold, batch size) of an arm. A clock of None is left at the board's default."""
    values = trial.sweep.space().named(tuple(trial.values))
    batch_size = 1 if arm is Arm.DEFAULT_ONE else values.get("batch_size", 1)
    if arm is Arm.WINNER:
        return trial.sweep.clocks_at(trial.values), batch_size
    if arm is Arm.MAXIMUM:
        tables = (device.gpu_hz, device.gpu_hz, device.emc_hz, device.cpu_hz)
        tops = (max(table, default=None) for table in tables)
        return dict(zip(POINT_FIELDS, tops, strict=True)), batch_size
    return {}, batch_size
