from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from measurements.board.load import trace


class ArrivalTrace(models.Model):
    """A recorded trace of arrivals that runs can replay; it never changes."""

    name = models.CharField(max_length=80, unique=True)
    times_s = ArrayField(models.FloatField(), help_text="From the first arrival, ascending")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def arrivals(self) -> int:
        return len(self.times_s)

    @property
    def duration_s(self) -> float:
        return self.times_s[-1] - self.times_s[0]

    @property
    def rate_hz(self) -> float:
        """Mean rate; runs and sweeps that replay it carry the same."""
        return trace.mean_rate_hz(self.times_s)

    @property
    def busiest_hz(self) -> float:
        """The most arrivals within one second."""
        return float(trace.most_within(self.times_s, 1.0))
