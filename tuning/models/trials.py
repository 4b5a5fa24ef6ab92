from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from measurements.models import Run

from .sweeps import Sweep


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
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["sweep", "number"], name="trial_number_once"),
            models.UniqueConstraint(fields=["sweep", "values"], name="trial_point_once"),
        ]

    def __str__(self) -> str:
        return f"trial {self.number} of {self.sweep_id}"


class TrialRun(models.Model):
    """Which run measured a trial; a trial whose run was invalid gets another."""

    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="trial_runs")
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="trial_run")

    def __str__(self) -> str:
        return f"{self.trial_id}: {self.run_id}"
