from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from .runs import Run


class Phase(models.Model):
    """A named stretch of a run's time: settle, warm_up, serve, tail."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="phases")
    name = models.CharField(max_length=20)
    start_s = models.FloatField()
    end_s = models.FloatField()

    class Meta:
        ordering = ["start_s"]

    def __str__(self) -> str:
        return f"{self.name} {self.start_s:.3f} to {self.end_s:.3f} s"


class PowerSample(models.Model):
    """One line of tegrastats, or one reading of the rails, in the order of `Run.rails`."""

    pk = models.CompositePrimaryKey("run_id", "t_us")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="samples", db_index=False)
    t_us = models.BigIntegerField(help_text="Microseconds from the run's start")
    rails_w = ArrayField(models.FloatField(null=True))
    total_w = models.FloatField(null=True)
    gpu_mhz = models.IntegerField(null=True)
    emc_mhz = models.IntegerField(null=True)
    cpu_mhz = models.IntegerField(null=True)
    temp_c = models.FloatField(null=True)
    gpu_busy_percent = models.FloatField(null=True)
    level = models.SmallIntegerField(
        db_default=0, help_text="Of the longest stretch that it is an extreme of; see envelope.py"
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["run", "level", "t_us"],
                condition=Q(level__gt=0),
                name="sample_seen_from_afar",
            )
        ]

    def __str__(self) -> str:
        return f"{self.total_w} W at {self.t_us} µs"


class RequestLog(models.Model):
    """When each measured request arrived, started, entered inference and was complete.

    Four parallel arrays in seconds from the run's start, in order of completion.
    """

    run = models.OneToOneField(
        Run, primary_key=True, on_delete=models.CASCADE, related_name="request_log"
    )
    arrival_s = ArrayField(models.FloatField())
    start_s = ArrayField(models.FloatField())
    inference_start_s = ArrayField(models.FloatField())
    end_s = ArrayField(models.FloatField())

    def __str__(self) -> str:
        return f"{len(self.end_s)} requests of {self.run_id}"
