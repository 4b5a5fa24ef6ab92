from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from measurements.models import Run

from .sweeps import Sweep

RUNS_PER_TRIAL = 3
"""An invalid run is repeated; after this many the trial is given up."""


class TrialQuerySet(models.QuerySet["Trial"]):
    def asked(self) -> TrialQuerySet:
        return self.filter(state=Trial.State.ASKED)

    def observed(self) -> TrialQuerySet:
        return self.filter(state=Trial.State.OBSERVED)

    def ended_unnoticed(self) -> models.QuerySet:
        """Ids of runs that ended while their trial still waits: a message was lost."""
        latest = TrialRun.objects.filter(trial=models.OuterRef("pk")).order_by("-pk")
        ended = [Run.State.DONE, Run.State.INVALID, Run.State.CANCELLED]
        return (
            self.asked()
            .annotate(
                latest_run=models.Subquery(latest.values("run")[:1]),
                latest_state=models.Subquery(latest.values("run__state")[:1]),
            )
            .filter(latest_state__in=ended)
            .values_list("latest_run", flat=True)
        )

    def own(self) -> TrialQuerySet:
        """Those that this sweep asked for itself: they count against its budget."""
        return self.filter(taken_over=False)

    def given_up_in_a_row(self) -> int:
        """How many of the latest trials were given up, one after another."""
        count = 0
        for state in self.order_by("-number").values_list("state", flat=True)[:20]:
            if state != Trial.State.GIVEN_UP:
                break
            count += 1
        return count


class Trial(models.Model):
    """One step of a sweep: a point of its space, measured by one or more runs."""

    class State(models.TextChoices):
        ASKED = "asked", "asked"
        OBSERVED = "observed", "observed"
        GIVEN_UP = "given_up", "given up"
        CANCELLED = "cancelled", "cancelled"

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField(help_text="From 1, in the order of asking")
    values = ArrayField(models.BigIntegerField(), help_text="In the order of the sweep's axes")
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    taken_over = models.BooleanField(
        default=False, help_text="Measured for the sweep that this one was forked from"
    )
    asked_at = models.DateTimeField(auto_now_add=True)

    objects = TrialQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["sweep", "number"], name="trial_number_once"),
            models.UniqueConstraint(fields=["sweep", "values"], name="trial_point_once"),
        ]

    def __str__(self) -> str:
        return f"trial {self.number} of {self.sweep_id}"

    def observed(self) -> bool:
        return self._end(self.State.OBSERVED)

    def give_up(self) -> bool:
        return self._end(self.State.GIVEN_UP)

    def cancel(self) -> bool:
        return self._end(self.State.CANCELLED)

    def may_be_repeated(self) -> bool:
        """Whether an invalid run gets another; a trial is given up after RUNS_PER_TRIAL."""
        invalid = self.trial_runs.filter(run__state=Run.State.INVALID)
        return invalid.count() < RUNS_PER_TRIAL

    @property
    def device_id(self) -> int | None:
        """The board of its latest run; None before the first."""
        return self.trial_runs.order_by("-pk").values_list("run__device", flat=True).first()

    def wants_another_run(self) -> bool:
        """Whether it waits and none of its runs is under way or done."""
        alive = [Run.State.QUEUED, Run.State.RUNNING, Run.State.DONE]
        return not self.trial_runs.filter(run__state__in=alive).exists()

    def _end(self, state: str) -> bool:
        ended = Trial.objects.asked().filter(pk=self.pk).update(state=state)
        self.refresh_from_db()
        return bool(ended)


class TrialRun(models.Model):
    """Which run measured a trial; a trial whose run was invalid gets another.

    A fork takes over the observations of its sweep, so a run may serve several trials,
    each of another sweep.
    """

    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="trial_runs")
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="trial_links", related_query_name="trial_run"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trial", "run"], name="trial_run_once")]

    def __str__(self) -> str:
        return f"{self.trial_id}: {self.run_id}"
