from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from measurements.models import Run
from tuning.questions import Observation
from tuning.repeats import MOST_RUNS

from .steps import RUNS_PER_TRIAL, Step, StepQuerySet
from .sweeps import Sweep

__all__ = ["RUNS_PER_TRIAL", "Trial", "TrialRun"]


class TrialQuerySet(StepQuerySet):
    def observations(self, *, like: Sweep) -> list[Observation]:
        """In the order of asking, with the energy and the latency that `like` asks for."""
        energy = "busy" if like.objective == Sweep.Objective.BUSY else "at_rate"
        latency = f"trial_runs__run__latency_{like.slo_statistic}"
        upper = [] if like.slo_statistic == Sweep.SloStatistic.MEAN else [f"{latency}_upper_ms"]
        measured = {
            trial: observed
            for trial, *observed in self.observed()
            .filter(trial_runs__run__state=Run.State.DONE)
            .values_list(
                "pk",
                f"trial_runs__run__{energy}_energy_j",
                f"trial_runs__run__{energy}_half_width_j",
                f"{latency}_ms",
                *upper,
            )
        }
        rows = self.order_by("number").values_list("values", "pk")
        return [Observation(tuple(values), *measured.get(pk, ())) for values, pk in rows]


class Trial(Step):
    """One step of a sweep: a point of its space, measured by one or more runs.

    Where the sweep repeats contenders, each look at a point is a trial of its own; the
    latest one that was observed stands for the point.
    """

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField(help_text="From 1, in the order of asking")
    values = ArrayField(models.BigIntegerField(), help_text="In the order of the sweep's axes")
    look = models.PositiveSmallIntegerField(default=1, help_text="At this point, from 1")
    is_superseded = models.BooleanField(
        default=False, help_text="Its point was measured again: that run stands for it"
    )

    objects = TrialQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["sweep", "number"], name="trial_number_once"),
            models.UniqueConstraint(fields=["sweep", "values", "look"], name="trial_look_once"),
            models.CheckConstraint(
                condition=models.Q(look__gte=1, look__lte=MOST_RUNS), name="trial_look_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"trial {self.number} of {self.sweep_id}"

    @property
    def half_width_percent(self) -> float | None:
        """How well its latest run was asked to know the energy; None: a fixed length."""
        runs = self.trial_runs.order_by("-pk")
        return runs.values_list("run__half_width_percent", flat=True).first()

    def stand_for_its_point(self) -> None:
        """Earlier looks at the same point stand for it no more."""
        mine = Trial.objects.filter(sweep=self.sweep_id, values=self.values)
        mine.filter(look__lt=self.look).update(is_superseded=True)


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
