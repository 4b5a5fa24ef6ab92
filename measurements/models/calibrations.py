from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from measurements.calibration import Calibrated, Line, calibrated

from .audit import AuditEntry
from .devices import Device
from .runs import Run
from .samples import RequestLog


class CalibrationQuerySet(models.QuerySet["Calibration"]):
    def standing(self) -> CalibrationQuerySet:
        """Those that nobody took back."""
        return self.filter(withdrawn_at=None)

    def valid_at(self, when: dt.datetime) -> CalibrationQuerySet:
        """Those that hold for a run of that time, the latest first."""
        held = self.standing().filter(valid_from__lte=when, valid_until__gt=when)
        return held.order_by("-valid_from", "-pk")


class Calibration(models.Model):
    """What an external meter says of a device's own sensors: outside = gain * inside + offset.

    It holds for runs from the first one it was made with until it expires, or until a
    later one holds. Half-widths are of 95 % intervals; nothing in it is ever edited.
    """

    class State(models.TextChoices):
        CURRENT = "current", "current"
        SUPERSEDED = "superseded", "superseded"
        EXPIRED = "expired", "expired"
        WITHDRAWN = "withdrawn", "withdrawn"

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="calibrations")
    runs = models.ManyToManyField(Run, related_name="calibrations_made")
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    meter = models.CharField(max_length=120, help_text="Which meter, and where in the supply")
    note = models.TextField(blank=True)
    file_name = models.CharField(max_length=200)
    file_sha256 = models.CharField(max_length=64)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    gain = models.FloatField()
    gain_half_width = models.FloatField()
    offset_w = models.FloatField()
    offset_half_width_w = models.FloatField()
    correlation = models.FloatField(help_text="Of the errors of gain and offset")
    meter_accuracy = models.FloatField(null=True, help_text="Share of the reading; NULL: not told")
    lowest_w = models.FloatField(help_text="Of the board's own total, in the readings used")
    highest_w = models.FloatField()
    residual_w = models.FloatField(help_text="Root mean square about the line")
    readings = models.PositiveIntegerField()
    batches = models.PositiveIntegerField()
    lag_s = models.FloatField(help_text="Board's clock less the meter's, mid-session")
    drift_ppm = models.FloatField()
    peak = models.FloatField(help_text="Correlation at this lag")
    runner_up = models.FloatField(help_text="Best correlation at any other lag")
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    withdrawn_because = models.CharField(max_length=300, blank=True)

    objects = CalibrationQuerySet.as_manager()

    class Meta:
        ordering = ["-valid_from", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(gain__gt=0)
                & Q(gain_half_width__gte=0)
                & Q(offset_half_width_w__gte=0)
                & Q(correlation__gte=-1, correlation__lte=1),
                name="calibration_is_a_line_with_intervals",
            ),
            models.CheckConstraint(
                condition=Q(valid_from__lt=F("valid_until")), name="calibration_expires_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"calibration {self.pk} of {self.device_id}"

    def get_absolute_url(self) -> str:
        return reverse("calibration", args=[self.pk])

    @property
    def line(self) -> Line:
        return Line(
            gain=self.gain,
            gain_half_width=self.gain_half_width,
            offset_w=self.offset_w,
            offset_half_width_w=self.offset_half_width_w,
            correlation=self.correlation,
            meter_accuracy=self.meter_accuracy,
        )

    @property
    def accuracy_percent(self) -> float | None:
        return None if self.meter_accuracy is None else 100 * self.meter_accuracy

    @property
    def state(self) -> str:
        return self.state_beside(Calibration.of_device(self.device))

    def state_beside(self, current: Calibration | None) -> str:
        """Its state now, where `current` is the one that holds for new runs of its device."""
        if self.withdrawn_at:
            return self.State.WITHDRAWN
        if self.valid_until <= timezone.now():
            return self.State.EXPIRED
        is_current = current is not None and current.pk == self.pk
        return self.State.CURRENT if is_current else self.State.SUPERSEDED

    def holds_at(self, when: dt.datetime) -> bool:
        """As `valid_at` filters; of those of one device the latest counts."""
        return self.withdrawn_at is None and self.valid_from <= when < self.valid_until

    @classmethod
    def of_device(cls, device: Device) -> Calibration | None:
        """The one that holds for runs of `device` from now on."""
        return cls.objects.valid_at(timezone.now()).filter(device=device).first()

    @classmethod
    def of_run(cls, run: Run) -> Calibration | None:
        """The one that holds for `run`, by the server's time at which its board took it."""
        when = run.claimed_at or run.finished_at
        if run.device_id is None or when is None:
            return None
        return cls.objects.valid_at(when).filter(device=run.device_id).first()

    @transaction.atomic
    def withdraw(self, *, by: models.Model | None, because: str) -> bool:
        """Take it back: it holds for no run any more. False if somebody did before."""
        standing = Calibration.objects.standing().filter(pk=self.pk)
        fields = {"withdrawn_by": by, "withdrawn_because": because}
        if not standing.update(withdrawn_at=timezone.now(), **fields):
            return False
        AuditEntry.objects.note(by, "withdrew a calibration", self.device, because=because)
        return True


class CalibrationSeries(models.Model):
    """The pairs that a calibration was fitted to: parallel arrays, one entry a meter reading."""

    calibration = models.OneToOneField(
        Calibration, primary_key=True, on_delete=models.CASCADE, related_name="series"
    )
    meter_s = ArrayField(models.FloatField(), help_text="On the meter's clock")
    board_s = ArrayField(models.FloatField(), help_text="On the board's clock")
    meter_w = ArrayField(models.FloatField())
    board_w = ArrayField(models.FloatField())
    run_number = ArrayField(models.IntegerField(), help_text="Which run of the session, from 0")
    is_used = ArrayField(models.BooleanField(), help_text="False beside a step of power")

    def __str__(self) -> str:
        return f"{len(self.meter_s)} readings of calibration {self.calibration_id}"


def run_time() -> Coalesce:
    """The server's time of a run, for ordering and filtering: when its board took it."""
    return Coalesce("claimed_at", "finished_at")


@dataclass(frozen=True, slots=True)
class Outside:
    """A run's energies as the meter would have them; None with `why` where they are not known."""

    calibration: Calibration | None
    busy: Calibrated | None
    at_rate: Calibrated | None
    power_w: float | None
    extrapolates: bool
    why: str

    @property
    def is_known(self) -> bool:
        return self.busy is not None or self.at_rate is not None


def outside(run: Run) -> Outside:
    """What the calibration that holds for `run` makes of its energies per request."""
    calibration = Calibration.of_run(run)
    if calibration is None or not run.mean_power_w:
        return Outside(None, None, None, None, False, _why_not(run))
    return Outside(
        calibration=calibration,
        busy=_busy(run, calibration.line),
        at_rate=_at_rate(run, calibration.line),
        power_w=calibration.line.power_w(run.mean_power_w),
        extrapolates=not calibration.lowest_w <= run.mean_power_w <= calibration.highest_w,
        why="",
    )


def _busy(run: Run, line: Line) -> Calibrated | None:
    if run.busy_energy_j is None or not run.mean_power_w:
        return None
    return calibrated(
        run.busy_energy_j, run.busy_half_width_j, mean_power_w=run.mean_power_w, line=line
    )


def _at_rate(run: Run, line: Line) -> Calibrated | None:
    """At-rate energy has a mean power of its own: idle time counts."""
    log = RequestLog.objects.filter(run=run).first()
    if not run.at_rate_energy_j or log is None or not log.end_s:
        return None
    seconds_each = (max(log.end_s) - min(log.arrival_s)) / len(log.end_s)
    return calibrated(
        run.at_rate_energy_j,
        run.at_rate_half_width_j,
        mean_power_w=run.at_rate_energy_j / seconds_each,
        line=line,
    )


def _why_not(run: Run) -> str:
    if not run.is_sampled:
        return "It was not sampled, by plan."
    if run.device_id is None:
        return "A log tells no device, so no calibration holds for it."
    if not run.mean_power_w:
        return "Its own power is not known."
    before = Calibration.objects.standing().filter(device=run.device_id)
    when = run.claimed_at or run.finished_at
    if not before.exists():
        return "No external meter was compared with this device's sensors."
    if when is not None and before.filter(valid_from__gt=when).exists():
        return "It was measured before the device's calibration began to hold."
    return "The device's calibration had expired when it was measured."
