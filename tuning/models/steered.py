"""The states of a sweep and how it moves between them."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models
from django.utils import timezone


class Frozen(ValueError):
    """The result is approved, so nothing of it can be changed; the text says what to do."""


class Steered(models.Model):
    """What a person or the search can do to a sweep; an approved one refuses to be changed."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        WAITING = "waiting", "waiting"
        FINISHED = "finished", "finished"
        CANCELLED = "cancelled", "cancelled"
        FAILED = "failed", "failed"

    OPEN = (State.RUNNING, State.PAUSED, State.WAITING)

    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    ended_because = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    def pause(self) -> bool:
        """RUNNING or WAITING -> PAUSED: what runs goes on, nothing more is planned."""
        return self._move((self.State.RUNNING, self.State.WAITING), self.State.PAUSED)

    def resume(self) -> bool:
        return self._move((self.State.PAUSED,), self.State.RUNNING)

    def wait(self) -> bool:
        """RUNNING -> WAITING while its board is away."""
        return self._move((self.State.RUNNING,), self.State.WAITING)

    def carry_on(self) -> bool:
        """WAITING -> RUNNING: the board is back."""
        return self._move((self.State.WAITING,), self.State.RUNNING)

    @property
    def is_frozen(self) -> bool:
        """Whether its result stands approved."""
        review = apps.get_model("tuning", "Review")
        return review.objects.filter(sweep=self.pk, state="approved").exists()

    def refuse_if_frozen(self) -> None:
        """Call it before anything of the sweep is changed; the database refuses it, too.

        Raises:
            Frozen: Its result is approved.
        """
        if self.is_frozen:
            raise Frozen(
                f"Nothing was changed: the result of “{self}” is approved and frozen. "
                "A reviewer can withdraw the approval on its review page."
            )

    def extend(
        self, *, trials: int, board_s: float | None = None, pays_over_requests: int | None = None
    ) -> bool:
        """More budget; a sweep that has ended, except by failing, goes on with it.

        `pays_over_requests` takes the place of what was said before; None: the budget alone
        ends it.

        Raises:
            Frozen: Its result is approved.
        """
        self.refuse_if_frozen()
        more: dict[str, Any] = {
            "budget_trials": models.F("budget_trials") + trials,
            "pays_over_requests": pays_over_requests,
        }
        if board_s is not None:
            more["budget_board_s"] = models.F("budget_board_s") + board_s
        if self.pack_id:
            return False
        if self.state in self.OPEN:
            return self._move(self.OPEN, self.state, **more)
        ended = (self.State.FINISHED, self.State.CANCELLED)
        return self._move(ended, self.State.RUNNING, ended_because="", finished_at=None, **more)

    def finish(self, because: str) -> bool:
        return self._end(self.State.FINISHED, because)

    def fail(self, because: str) -> bool:
        return self._end(self.State.FAILED, because)

    def cancel(self, because: str) -> bool:
        return self._end(self.State.CANCELLED, because)

    def _end(self, state: str, because: str) -> bool:
        return self._move(self.OPEN, state, ended_because=because, finished_at=timezone.now())

    def _move(self, before: tuple[str, ...], after: str, **fields: object) -> bool:
        moved = (
            type(self).objects.filter(pk=self.pk, state__in=before).update(state=after, **fields)
        )
        self.refresh_from_db()
        return bool(moved)
