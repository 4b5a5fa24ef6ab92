"""How far sweeps are and what they found, in SQL: a list of sweeps costs one query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import (
    Avg,
    Case,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Greatest, JSONObject

from measurements.models import Run

if TYPE_CHECKING:
    pass


class SweepQuerySet(models.QuerySet["Sweep"]):
    def open(self) -> SweepQuerySet:
        """Running, paused or waiting."""
        return self.filter(state__in=self.model.OPEN)

    def ended(self) -> SweepQuerySet:
        return self.exclude(state__in=self.model.OPEN)

    def with_progress(self) -> SweepQuerySet:
        """Annotate `trials_ended`, `trials_left` and `eta` (a timedelta, None while unknown).

        `eta` is the trials left times the mean wall time of the sweep's measured runs.
        """
        spent = ExpressionWrapper(F("finished_at") - F("claimed_at"), DurationField())
        mean = (
            Run.objects.done()
            .filter(trial_run__trial__sweep=OuterRef("pk"))
            .order_by()
            .values("trial_run__trial__sweep")
            .annotate(mean=Avg(spent))
            .values("mean")
        )
        left = F("budget_trials") - F("trials_ended")
        return self.annotate(
            trials_ended=Count("trials", filter=~Q(trials__state="asked"))
        ).annotate(
            trials_left=Greatest(left, Value(0)),
            eta=ExpressionWrapper(Subquery(mean) * F("trials_left"), DurationField()),
        )

    def with_best(self) -> SweepQuerySet:
        """Annotate `best`: the done run with the least energy that keeps the SLO, or None.

        A dict with run, energy_j, half_width_j, latency_ms, batch_size and the clocks.
        """
        best = _feasible_runs().order_by("energy_j", "id")
        fields = ("energy_j", "half_width_j", "latency_ms", "batch_size", "gpu_min_hz",
                  "gpu_max_hz", "emc_hz", "cpu_hz")  # fmt: skip
        found = JSONObject(run="id", **{name: name for name in fields})
        return self.annotate(best=Subquery(best.annotate(found=found).values("found")[:1]))


def _feasible_runs() -> models.QuerySet[Run]:
    """Done runs of the outer sweep with `energy_j`, `half_width_j`, `latency_ms` as it asks."""
    sweep = "trial_run__trial__sweep"
    at_rate = {f"{sweep}__objective": "at_rate"}
    latency = [
        When(**{f"{sweep}__slo_statistic": name}, then=F(f"latency_{name}_ms"))
        for name in ("mean", "p50", "p95", "p99")
    ]
    return (
        Run.objects.done()
        .filter(**{sweep: OuterRef("pk")})
        .annotate(
            energy_j=Case(When(**at_rate, then=F("at_rate_energy_j")), default="busy_energy_j"),
            half_width_j=Case(
                When(**at_rate, then=F("at_rate_half_width_j")), default="busy_half_width_j"
            ),
            latency_ms=Case(*latency),
        )
        .filter(Q(**{f"{sweep}__slo_ms": None}) | Q(latency_ms__lte=F(f"{sweep}__slo_ms")))
        .filter(energy_j__isnull=False)
    )
