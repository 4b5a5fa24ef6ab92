"""How far sweeps are and what they found, in SQL: a list of sweeps costs one query."""

from __future__ import annotations

from django.apps import apps
from django.db import models
from django.db.models import (
    Avg,
    Case,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Greatest, JSONObject

from measurements.models import Calibration, Device, Network, Run
from measurements.models.runs import FIXED_REQUESTS

MOST_EARLIER = 12
"""So many earlier sweeps are offered to start from."""


class SweepQuerySet(models.QuerySet["Sweep"]):
    def open(self) -> SweepQuerySet:
        """Running, paused or waiting."""
        return self.filter(state__in=self.model.OPEN)

    def ended(self) -> SweepQuerySet:
        return self.exclude(state__in=self.model.OPEN)

    def awaiting_review(self) -> SweepQuerySet:
        """Those whose result was put before reviewers, the one that waits longest first."""
        waiting = self.filter(review__state="in_review").select_related("review")
        return waiting.order_by("review__requested_at")

    def to_start_from(self, device: Device | None, network: Network | None) -> SweepQuerySet:
        """Ended sweeps that a new one can start from: the likest first, at most MOST_EARLIER."""
        kind = "" if device is None else device.kind
        likeness = Case(
            When(network=network, device__kind=kind, then=0),
            When(network=network, then=1),
            When(device__kind=kind, then=2),
            default=3,
            output_field=models.IntegerField(),
        )
        ended = self.ended().filter(trials__state="observed").distinct().order_by()
        likest = self.filter(pk__in=ended.values("pk")).annotate(likeness=likeness)
        likest = likest.order_by("likeness", "-created_at").values("pk")[:MOST_EARLIER]
        chosen = self.filter(pk__in=list(likest.values_list("pk", flat=True)))
        chosen = chosen.select_related("network", "device")
        return chosen.annotate(likeness=likeness).order_by("likeness", "-created_at")

    def with_progress(self) -> SweepQuerySet:
        """Annotate `trials_ended`, `trials_left` and `eta` (a timedelta, None while unknown).

        `eta` is the trials left times the mean wall time of the sweep's measured runs, shared
        by its boards.
        """
        spent = ExpressionWrapper(F("finished_at") - F("claimed_at"), DurationField())
        mean = (
            Run.objects.done()
            .filter(trial_run__trial__sweep=OuterRef("pk"), trial_run__trial__taken_over=False)
            .order_by()
            .values("trial_run__trial__sweep")
            .annotate(mean=Avg(spent))
            .values("mean")
        )
        left = F("budget_trials") - F("trials_ended")
        others = self.model.others.through.objects.filter(sweep=OuterRef("pk")).order_by()
        boards = Coalesce(
            Subquery(others.values("sweep").annotate(count=Count("pk") + 1).values("count")), 1
        )
        return self.annotate(
            trials_ended=Count(
                "trials", filter=~Q(trials__state="asked") & Q(trials__taken_over=False)
            )
        ).annotate(
            trials_left=Greatest(left, Value(0)),
            eta=ExpressionWrapper(
                Subquery(mean) * F("trials_left") / boards, output_field=DurationField()
            ),
        )

    def with_best(self) -> SweepQuerySet:
        """Annotate `best`: the done run that its goal ranks first and that keeps the SLO, or None.

        Of a front it is the knee: least energy x latency.

        A dict with trial, number, values (in the order of the axes), run, energy_j,
        half_width_j, latency_ms, bound_ms, batch_size and the clocks.
        """
        best = feasible_links().order_by("cost", "trial__number")
        fields = ("batch_size", "gpu_min_hz", "gpu_max_hz", "emc_hz", "cpu_hz")
        found = JSONObject(
            trial="trial_id",
            number="trial__number",
            values="trial__values",
            run="run_id",
            energy_j="energy_j",
            half_width_j="half_width_j",
            latency_ms="latency_ms",
            bound_ms="bound_ms",
            **{name: f"run__{name}" for name in fields},
        )
        return self.annotate(best=Subquery(best.annotate(found=found).values("found")[:1]))

    def with_standing(self) -> SweepQuerySet:
        """Annotate `best`, and `checked`: of which point the latest verification said what."""
        latest = apps.get_model("tuning", "Verification").objects.filter(
            sweep=OuterRef("pk"), verdict__gt=""
        )
        found = JSONObject(id="id", values="trial__values", verdict="verdict", words="words")
        checked = latest.order_by("-pk").annotate(found=found).values("found")[:1]
        return self.with_best().annotate(checked=Subquery(checked))

    def with_head(self) -> SweepQuerySet:
        """All that the head of a sweep's page shows of its row, in one query.

        Beside standing and progress: `is_verifying`, and `is_calibrated`: whether an
        external meter was compared with its device's sensors.
        """
        verifying = apps.get_model("tuning", "Verification").objects.filter(
            sweep=OuterRef("pk"), state="running"
        )
        standing = Calibration.objects.standing().filter(device=OuterRef("device"))
        return (
            self.with_standing()
            .with_progress()
            .annotate(is_verifying=Exists(verifying), is_calibrated=Exists(standing))
        )


def feasible_links() -> models.QuerySet:
    """Done runs of the outer sweep with `energy_j`, `half_width_j`, `latency_ms` as it asks.

    Of a point that was measured again, the latest. They are reached by way of their links: a
    fork's runs belong to several sweeps.
    """
    sweep, at_rate = "trial__sweep", {"trial__sweep__objective": "at_rate"}

    def asked_for(column: str, of_the_mean: str) -> Case:
        columns = {name: column.format(name) for name in ("p50", "p95", "p99")}
        columns["mean"] = of_the_mean
        return Case(
            *(When(**{f"{sweep}__slo_statistic": name}, then=F(c)) for name, c in columns.items())
        )

    return (
        apps.get_model("tuning", "TrialRun")
        .objects.filter(
            trial__sweep=OuterRef("pk"), trial__is_superseded=False, run__state=Run.State.DONE
        )
        .annotate(
            energy_j=Case(
                When(**at_rate, then=F("run__at_rate_energy_j")), default="run__busy_energy_j"
            ),
            half_width_j=Case(
                When(**at_rate, then=F("run__at_rate_half_width_j")),
                default="run__busy_half_width_j",
            ),
            latency_ms=asked_for("run__latency_{}_ms", "run__latency_mean_ms"),
            bound_ms=asked_for("run__latency_{}_upper_ms", "run__latency_mean_ms"),
        )
        .filter(Q(**{f"{sweep}__slo_ms": None}) | Q(bound_ms__lte=F(f"{sweep}__slo_ms")))
        .annotate(
            cost=Case(
                When(trial__sweep__goal="energy", then=F("energy_j")),
                default=F("energy_j") * F("latency_ms"),
            )
        )
        .filter(energy_j__isnull=False, cost__isnull=False)
    )


def beside_fixed_s(run: str) -> CombinedExpression:
    """Board seconds of a run had it served the fixed 1,000 requests, at its own pace: an estimate.

    Args:
        run: The path to the run's columns, like "run__".
    """
    served = F(f"{run}requests_served")
    each_s = (F(f"{run}window_end_s") - F(f"{run}window_start_s")) / served
    return F(f"{run}board_s") + each_s * (Value(float(FIXED_REQUESTS)) - served)
