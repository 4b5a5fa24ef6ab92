"""What a sweep may spend, what it has spent, and whether the next measurement pays."""

from __future__ import annotations

import math

from django.db import models

from measurements.models import Run
from tuning.paying import Prospect


class Budgeted(models.Model):
    """Trials and board seconds, whichever ends first; or until measuring pays no longer."""

    budget_trials = models.PositiveIntegerField()
    budget_board_s = models.FloatField(null=True, help_text="NULL: no limit")
    pays_over_requests = models.BigIntegerField(
        null=True, help_text="It ends once measuring costs more than it saves on so many"
    )
    gain_j = models.FloatField(
        null=True, help_text="What the next measurement was last expected to save, per request"
    )
    next_cost_j = models.FloatField(null=True, help_text="What it was expected to draw")

    class Meta:
        abstract = True

    def board_s(self) -> float:
        """Board seconds that its finished runs took, on all boards; what it took over is free.

        Both phases count.
        """
        runs = Run.objects.filter(trial_run__trial__in=self.trials.own())
        searching_s = runs.aggregate(total=models.Sum("board_s"))["total"] or 0.0
        return searching_s + self.cpu_board_s()

    def cpu_board_s(self) -> float:
        """The part of its board seconds that its CPU phase took."""
        if self.phase is None:
            return 0.0
        runs = Run.objects.filter(
            cpu_trial_run__trial__phase__sweep=self, cpu_trial_run__trial__taken_over=False
        )
        return runs.aggregate(total=models.Sum("board_s"))["total"] or 0.0

    def spent_budget(self) -> str:
        """Which budget is used up, in words; empty while there is some left."""
        if self.trials.own().count() >= self.budget_trials:
            return f"All {self.budget_trials} trials of the budget are done."
        return self.spent_board_s()

    def spent_board_s(self) -> str:
        """That its board seconds are used up, in words; empty while there are some left."""
        if self.budget_board_s is not None and self.board_s() >= self.budget_board_s:
            return f"The budget of {self.budget_board_s:.0f} board seconds is used up."
        return ""

    @property
    def prospect(self) -> Prospect | None:
        """What its next measurement was last expected to save and to cost; None: not asked."""
        if self.pays_over_requests is None or self.next_cost_j is None:
            return None
        gain_j = math.inf if self.gain_j is None else self.gain_j
        return Prospect(gain_j, self.pays_over_requests, self.next_cost_j)

    def expect(self, prospect: Prospect | None) -> None:
        """Note for its page what the next measurement promises."""
        known = prospect is not None and math.isfinite(prospect.gain_j)
        self.gain_j = prospect.gain_j if prospect and known else None
        self.next_cost_j = prospect.cost_j if prospect else None
        self.save(update_fields=["gain_j", "next_cost_j"])
