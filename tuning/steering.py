"""What people do to a sweep that goes on: each deed is done and written down, or neither."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements.models import AuditEntry
from tuning import search, tasks
from tuning.models import Sweep


@transaction.atomic
def pause(sweep: Sweep, *, by: AbstractUser) -> bool:
    """False if there was nothing to pause; so with the other deeds."""
    return sweep.pause() and _noted(sweep, "paused", by)


@transaction.atomic
def resume(sweep: Sweep, *, by: AbstractUser) -> bool:
    tasks.advance.delay_on_commit(sweep.pk)
    return sweep.resume() and _noted(sweep, "resumed", by)


@transaction.atomic
def cancel(sweep: Sweep, *, by: AbstractUser) -> bool:
    return search.cancel(sweep, f"Cancelled by {by}.") and _noted(sweep, "cancelled", by)


@transaction.atomic
def extend(sweep: Sweep, *, trials: int, board_s: float | None, by: AbstractUser) -> bool:
    """More budget.

    Raises:
        Frozen: Its result is approved.
    """
    if not sweep.extend(trials=trials, board_s=board_s):
        return False
    tasks.advance.delay_on_commit(sweep.pk)
    return _noted(sweep, "extended", by, trials=trials, board_s=board_s)


def _noted(sweep: Sweep, verb: str, by: AbstractUser, **details: object) -> bool:
    AuditEntry.objects.note(by, verb, sweep, **details)
    return True


DEEDS: dict[str, Callable[..., bool]] = {"pause": pause, "resume": resume, "cancel": cancel}
