from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from .sweeps import Sweep


class SweepAxis(models.Model):
    """One named axis of a sweep's space: gpu_min_hz, gpu_max_hz, emc_hz, cpu_hz or batch_size."""

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="axes")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=40)
    values = ArrayField(models.BigIntegerField())

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["sweep", "name"], name="axis_once_per_sweep"),
            models.UniqueConstraint(fields=["sweep", "position"], name="axis_position_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.values}"
