from __future__ import annotations

from django.db import models

from .runs import Run


class Verdict(models.Model):
    """A named reason why a run is invalid, or a thing its reader should know."""

    class Severity(models.TextChoices):
        INVALID = "invalid", "invalid"
        NOTE = "note", "note"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="verdicts")
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.INVALID)
    code = models.CharField(max_length=40)
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "code"], name="verdict_once")]

    def __str__(self) -> str:
        return self.text
