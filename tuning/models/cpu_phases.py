from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from measurements.models import Run
from tuning import cpu_phase

from .steps import Step
from .sweeps import Sweep


class CpuPhase(models.Model):
    """The first phase of a sweep: its CPU clock, chosen by preprocessing alone."""

    class State(models.TextChoices):
        MEASURING = "measuring", "measuring"
        CHOSEN = "chosen", "a clock was chosen"
        LEFT = "left", "left as found"
        SKIPPED = "skipped", "skipped"

    sweep = models.OneToOneField(Sweep, on_delete=models.CASCADE, related_name="cpu_phase")
    clocks_hz = ArrayField(models.BigIntegerField(), help_text="To choose from, ascending")
    is_thinned = models.BooleanField(
        default=True, help_text="Measure some, then where the curve through them is lowest"
    )
    state = models.CharField(max_length=10, choices=State, default=State.MEASURING)
    chosen_hz = models.BigIntegerField(null=True)
    because = models.CharField(max_length=400, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="chosen", chosen_hz__isnull=False)
                | (~Q(state="chosen") & Q(chosen_hz__isnull=True)),
                name="cpu_phase_chose_a_clock_or_none",
            ),
            models.CheckConstraint(
                condition=Q(state="measuring") | Q(because__gt=""),
                name="ended_cpu_phase_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"CPU phase of sweep {self.sweep_id}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.MEASURING

    @property
    def most_items(self) -> int:
        """How many runs it takes, about."""
        return cpu_phase.most_items(self.clocks_hz, is_thinned=self.is_thinned)

    def choose(self, clock_hz: int, because: str) -> bool:
        """MEASURING -> CHOSEN: all trials of the sweep hold this clock."""
        return self._end(self.State.CHOSEN, because, chosen_hz=clock_hz)

    def leave(self, because: str) -> bool:
        """MEASURING -> LEFT: the clock stays as it was found."""
        return self._end(self.State.LEFT, because)

    def skip(self, because: str) -> bool:
        """MEASURING -> SKIPPED: there is nothing whose clock to choose."""
        return self._end(self.State.SKIPPED, because)

    def _end(self, state: str, because: str, **fields: object) -> bool:
        measuring = CpuPhase.objects.filter(pk=self.pk, state=self.State.MEASURING)
        ended = measuring.update(
            state=state, because=because[:400], ended_at=timezone.now(), **fields
        )
        self.refresh_from_db()
        return bool(ended)


class CpuTrial(Step):
    """One step of a CPU phase: preprocessing, or whole requests, at one CPU clock."""

    phase = models.ForeignKey(CpuPhase, on_delete=models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField(help_text="From 1, in the order of asking")
    work = models.CharField(max_length=15, choices=Run.Work)
    cpu_hz = models.BigIntegerField(null=True, help_text="NULL: as found")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["phase", "number"], name="cpu_trial_number_once"),
            models.UniqueConstraint(
                fields=["phase", "work", "cpu_hz"],
                nulls_distinct=False,
                name="cpu_trial_once",
            ),
        ]

    def __str__(self) -> str:
        return f"CPU trial {self.number} of {self.phase_id}"

    @property
    def sweep_id(self) -> int:
        return self.phase.sweep_id


class CpuTrialRun(models.Model):
    """Which run measured a CPU trial; a fork shares the runs of its sweep."""

    trial = models.ForeignKey(CpuTrial, on_delete=models.CASCADE, related_name="trial_runs")
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="cpu_links", related_query_name="cpu_trial_run"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trial", "run"], name="cpu_trial_run_once")]

    def __str__(self) -> str:
        return f"{self.trial_id}: {self.run_id}"
