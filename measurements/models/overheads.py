from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from .devices import Device
from .runs import Run


class OverheadCheck(models.Model):
    """What sampling costs on a device: one load under a fast sampler and a slow one, or none."""

    class Reference(models.TextChoices):
        METER = "meter", "external meter"
        RAILS = "rails", "the board's own rails"

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="overhead_checks")
    runs = models.ManyToManyField(Run, related_name="overhead_checks_made")
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reference = models.CharField(max_length=10, choices=Reference)
    meter = models.CharField(max_length=120, blank=True)
    file_name = models.CharField(max_length=200, blank=True)
    file_sha256 = models.CharField(max_length=64, blank=True)
    fast_ms = models.PositiveIntegerField()
    slow_ms = models.PositiveIntegerField(null=True, help_text="NULL: nothing was sampled")
    extra_w = models.FloatField(help_text="Power at the fast interval less that at the slow one")
    extra_half_width_w = models.FloatField()
    slow_w = models.FloatField(help_text="Mean power at the slow interval")
    blocks = models.PositiveIntegerField()

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(slow_ms__isnull=True) | Q(fast_ms__lt=F("slow_ms")))
                & Q(extra_half_width_w__gte=0),
                name="overhead_compares_fast_with_slow",
            ),
            models.CheckConstraint(
                condition=Q(slow_ms__isnull=False) | Q(reference="meter"),
                name="only_a_meter_sees_the_sampler_off",
            ),
        ]

    def __str__(self) -> str:
        return f"overhead check {self.pk} of {self.device_id}"

    @property
    def extra_percent(self) -> float:
        return 100 * self.extra_w / self.slow_w

    @property
    def extra_half_width_percent(self) -> float:
        return 100 * self.extra_half_width_w / self.slow_w

    @property
    def is_within_noise(self) -> bool:
        return abs(self.extra_w) <= self.extra_half_width_w
