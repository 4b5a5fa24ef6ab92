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
def extend(
    sweep: Sweep,
    *,
    trials: int,
    board_s: float | None,
    by: AbstractUser,
    pays_over_requests: int | None = None,
) -> bool:
    """More budget; see `Sweep.extend`.

    Raises:
        Frozen: Its result is approved.
    """
    more = {"trials": trials, "board_s": board_s, "pays_over_requests": pays_over_requests}
    if not sweep.extend(**more):
        return False
    tasks.advance.delay_on_commit(sweep.pk)
    return _noted(sweep, "extended", by, **more)


def _noted(sweep: Sweep, verb: str, by: AbstractUser, **details: object) -> bool:
    AuditEntry.objects.note(by, verb, sweep, **details)
    return True


DEEDS: dict[str, Callable[..., bool]] = {"pause": pause, "resume": resume, "cancel": cancel}
