from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from measurements.models import Run

from .steps import RUNS_PER_TRIAL, Step
from .sweeps import Sweep

__all__ = ["RUNS_PER_TRIAL", "Trial", "TrialRun"]


class Trial(Step):
    """One step of a sweep: a point of its space, measured by one or more runs."""

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField(help_text="From 1, in the order of asking")
    values = ArrayField(models.BigIntegerField(), help_text="In the order of the sweep's axes")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["sweep", "number"], name="trial_number_once"),
            models.UniqueConstraint(fields=["sweep", "values"], name="trial_point_once"),
        ]

    def __str__(self) -> str:
        return f"trial {self.number} of {self.sweep_id}"


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
