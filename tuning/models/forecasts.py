from __future__ import annotations

from dataclasses import asdict

import numpy as np
from django.db import models
from django.db.models import Q

from tuning.forecast import Forecast, Share

from .sweeps import Sweep


class StoredForecast(models.Model):
    """The latest forecast of a sweep's model: fitted once, shown by every page.

    `mark` says which observations it knows; it may be deleted at any time.
    """

    sweep = models.OneToOneField(
        Sweep, primary_key=True, on_delete=models.CASCADE, related_name="forecast"
    )
    mark = models.CharField(max_length=80)
    used = models.PositiveIntegerField(help_text="Observations that the model looked at")
    measured = models.PositiveIntegerField(help_text="Observations that there were")
    log_margin = models.FloatField()
    moments = models.BinaryField(help_text="float32, 4 x points: log J, its sd, log ms, its sd")
    shares = models.JSONField(default=list)
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(used__gt=0, used__lte=models.F("measured")),
                name="forecast_rests_on_observations",
            )
        ]

    def __str__(self) -> str:
        return f"forecast of sweep {self.sweep_id} from {self.used} points"

    @classmethod
    def keep(cls, sweep: Sweep, found: Forecast, *, mark: str) -> None:
        moments = np.array([found.log_j, found.log_j_sd, found.log_ms, found.log_ms_sd])
        cls.objects.update_or_create(
            sweep=sweep,
            defaults={
                "mark": mark,
                "used": found.used,
                "measured": found.measured,
                "log_margin": found.log_margin,
                "moments": moments.astype("<f4").tobytes(),
                "shares": [asdict(share) for share in found.shares],
            },
        )

    def forecast(self) -> Forecast:
        moments = np.frombuffer(bytes(self.moments), dtype="<f4").astype(float).reshape(4, -1)
        shares = tuple(Share(**share) for share in self.shares)
        return Forecast(*moments, self.log_margin, self.used, self.measured, shares)
