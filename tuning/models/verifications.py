from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from measurements.models import Application, Device, Run
from tuning.verification import Arm, Verdict

from .sweeps import Sweep
from .trials import Trial


class VerificationQuerySet(models.QuerySet["Verification"]):
    def savings(self) -> VerificationQuerySet:
        """Those that showed a saving, the latest of each sweep, newest first."""
        latest = Verification.objects.filter(sweep=OuterRef("sweep"), verdict__gt="")
        newest = latest.order_by("-pk").values("pk")[:1]
        shown = self.filter(verdict=Verdict.VERIFIED.value, pk=Subquery(newest))
        return shown.select_related("sweep__network", "sweep__device").order_by("-finished_at")


class Verification(models.Model):
    """Interleaved runs that hold a sweep's winner against the board's default and its maximum."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="verifications")
    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="verifications")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="verifications")
    blocks = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    verdict = models.CharField(
        max_length=15, choices=[(one.value, one.words) for one in Verdict], blank=True
    )
    words = models.CharField(max_length=300, blank=True, help_text="The verdict as a sentence")
    ended_because = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = VerificationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["sweep"], condition=Q(state="running"), name="one_verification_at_a_time"
            ),
            models.CheckConstraint(condition=Q(blocks__gte=2), name="verification_has_pairs"),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(verdict__gt=""), name="done_verification_has_verdict"
            ),
        ]

    def __str__(self) -> str:
        return f"verification {self.pk} of sweep {self.sweep_id}"

    def get_absolute_url(self) -> str:
        return reverse("sweep", args=[self.sweep_id]) + "#verification"

    def next_step(self) -> VerificationRun | None:
        """The first one, in the order of the plan, that has not been measured."""
        return self.steps.exclude(run__state=Run.State.DONE).order_by("position").first()

    def conclude(self, verdict: Verdict, words: str) -> bool:
        return self._end(self.State.DONE, verdict=verdict.value, words=words)

    def fail(self, because: str) -> bool:
        return self._end(self.State.FAILED, ended_because=because)

    def cancel(self, because: str) -> bool:
        return self._end(self.State.CANCELLED, ended_because=because)

    def _end(self, state: str, **fields: object) -> bool:
        running = Verification.objects.filter(pk=self.pk, state=self.State.RUNNING)
        ended = running.update(state=state, finished_at=timezone.now(), **fields)
        self.refresh_from_db()
        return bool(ended)


class VerificationRun(models.Model):
    """One place in a verification's plan, and the run that is to fill it, or has."""

    verification = models.ForeignKey(Verification, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField(help_text="From 0, in the order of measuring")
    block = models.PositiveIntegerField()
    arm = models.CharField(max_length=20, choices=[(arm.value, arm.words) for arm in Arm])
    run = models.OneToOneField(
        Run, null=True, on_delete=models.PROTECT, related_name="verification_run"
    )
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["verification", "position"], name="verification_position_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.arm} at {self.position} of {self.verification_id}"


class VerifiedApplication(models.Model):
    """Which verification vouches for what was applied to a board."""

    verification = models.ForeignKey(
        Verification, on_delete=models.PROTECT, related_name="applications"
    )
    application = models.OneToOneField(
        Application, on_delete=models.CASCADE, related_name="verified_by"
    )

    def __str__(self) -> str:
        return f"{self.application_id} by {self.verification_id}"
