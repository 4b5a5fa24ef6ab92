from __future__ import annotations

from django.db import models

from measurements.models import Run

RUNS_PER_TRIAL = 3
"""An invalid run is repeated; after this many the step is given up."""


class StepQuerySet(models.QuerySet):
    def asked(self) -> StepQuerySet:
        return self.filter(state=Step.State.ASKED)

    def observed(self) -> StepQuerySet:
        return self.filter(state=Step.State.OBSERVED)

    def own(self) -> StepQuerySet:
        """Those that this sweep asked for itself: they count against its budget."""
        return self.filter(taken_over=False)

    def ended_unnoticed(self) -> models.QuerySet:
        """Ids of runs that ended while their step still waits: a message was lost."""
        links = self.model._meta.get_field("trial_runs").related_model
        latest = links.objects.filter(trial=models.OuterRef("pk")).order_by("-pk")
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

    def given_up_in_a_row(self) -> int:
        """How many of the latest were given up, one after another."""
        count = 0
        for state in self.order_by("-number").values_list("state", flat=True)[:20]:
            if state != Step.State.GIVEN_UP:
                break
            count += 1
        return count


class Step(models.Model):
    """Something that a sweep asks for, measured by one or more runs: its `trial_runs`."""

    class State(models.TextChoices):
        ASKED = "asked", "asked"
        OBSERVED = "observed", "observed"
        GIVEN_UP = "given_up", "given up"
        CANCELLED = "cancelled", "cancelled"

    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    taken_over = models.BooleanField(
        default=False, help_text="Measured for the sweep that this one was forked from"
    )
    asked_at = models.DateTimeField(auto_now_add=True)

    objects = StepQuerySet.as_manager()

    class Meta:
        abstract = True

    def observed(self) -> bool:
        return self._end(self.State.OBSERVED)

    def give_up(self) -> bool:
        return self._end(self.State.GIVEN_UP)

    def cancel(self) -> bool:
        return self._end(self.State.CANCELLED)

    def may_be_repeated(self) -> bool:
        """Whether an invalid run gets another; the step is given up after RUNS_PER_TRIAL."""
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
        ended = type(self).objects.asked().filter(pk=self.pk).update(state=state)
        self.refresh_from_db()
        return bool(ended)
