"""What a run may be, and how runs are read."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils import timezone

if TYPE_CHECKING:
    pass

LEASE = dt.timedelta(seconds=15)
"""A running run whose board has not been heard for this long goes back to the queue."""


class State(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    INVALID = "invalid", "invalid"
    CANCELLED = "cancelled", "cancelled"


class Origin(models.TextChoices):
    MEASURED = "measured", "measured here"
    IMPORTED_LOG = "log", "imported tegrastats log"


class ArrivalsKind(models.TextChoices):
    BACK_TO_BACK = "back_to_back", "back to back"
    UNIFORM = "uniform", "uniform"
    POISSON = "poisson", "Poisson"
    TRACE = "trace", "replay of a trace"


class Work(models.TextChoices):
    REQUEST = "request", "whole requests"
    PREPROCESSING = "preprocessing", "preprocessing alone"


class StoppedBecause(models.TextChoices):
    FIXED = "fixed", "it served the fixed number of requests"
    PRECISE = "precise", "its energy was known well enough"
    CEILING = "ceiling", "it reached the most requests it may serve"


class RunQuerySet(models.QuerySet["Run"]):
    def queued(self) -> RunQuerySet:
        return self.filter(state=State.QUEUED).order_by("queued_at")

    def done(self) -> RunQuerySet:
        return self.filter(state=State.DONE)

    def of_requests(self) -> RunQuerySet:
        """Runs of whole requests: preprocessing alone is no inference."""
        return self.filter(work=Work.REQUEST)

    def sampled(self) -> RunQuerySet:
        """All but those that sampled nothing by plan, which enter no figure and no search."""
        return self.filter(sample_interval_ms__isnull=False)

    def lost(self) -> RunQuerySet:
        """Running runs whose board fell silent."""
        return self.filter(state=State.RUNNING, heard_at__lt=timezone.now() - LEASE)

    def finished(self) -> RunQuerySet:
        return self.filter(state__in=[State.DONE, State.INVALID])

    def counts(self) -> dict[str, int]:
        """How many runs are in each state."""
        return self.aggregate(
            **{state: models.Count("pk", filter=Q(state=state)) for state in State.values}
        )
