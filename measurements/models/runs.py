from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from measurements.messages import (
    OLDEST_VERSION,
    VERSION,
    Arrivals,
    Gate,
    OperatingPoint,
    Plan,
    Stopping,
)

from .arrival_traces import ArrivalTrace
from .devices import Device
from .networks import Network
from .packs import Pack
from .run_queries import ArrivalsKind, Origin, RunQuerySet, State, StoppedBecause, Work
from .tags import Tag

MAX_ATTEMPTS = 3
LONGEST_WARM_UP_S = 20.0
FIXED_REQUESTS = 1000
"""What the paper serves in each run, and what adaptive stopping is compared with."""
POINT_FIELDS = ("gpu_min_hz", "gpu_max_hz", "emc_hz", "cpu_hz")


class Run(models.Model):
    """One network at one operating point and batch size under one load, and what it cost.

    An imported log has no device, no network and no operating point: they are NULL.
    """

    State = State
    Origin = Origin
    ArrivalsKind = ArrivalsKind
    Work = Work
    StoppedBecause = StoppedBecause

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.MEASURED)
    title = models.CharField(max_length=200, blank=True)
    device = models.ForeignKey(Device, null=True, on_delete=models.PROTECT, related_name="runs")
    network = models.ForeignKey(Network, null=True, on_delete=models.PROTECT, related_name="runs")
    then = models.CharField(
        max_length=120, blank=True, help_text="Task to send, with this run's id, once it ended"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    pack = models.ForeignKey(
        Pack, null=True, on_delete=models.PROTECT, related_name="runs", help_text="Imported"
    )
    repeat_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="repeats"
    )
    tags = models.ManyToManyField(Tag, related_name="runs")

    # What was asked.
    gpu_min_hz = models.BigIntegerField(null=True)
    gpu_max_hz = models.BigIntegerField(null=True)
    emc_hz = models.BigIntegerField(null=True)
    cpu_hz = models.BigIntegerField(null=True)
    batch_size = models.PositiveIntegerField(null=True)
    work = models.CharField(max_length=15, choices=Work, default=Work.REQUEST)
    arrivals = models.CharField(
        max_length=20, choices=ArrivalsKind, default=ArrivalsKind.BACK_TO_BACK
    )
    rate_hz = models.FloatField(null=True, help_text="Of a trace: its mean rate")
    trace = models.ForeignKey(
        ArrivalTrace, null=True, on_delete=models.PROTECT, related_name="runs"
    )
    requests_asked = models.PositiveIntegerField()
    half_width_percent = models.FloatField(
        null=True, help_text="Ends once the energy is known so well; NULL: exactly requests_asked"
    )
    slo_quantile = models.FloatField(null=True, help_text="Must exist before the run may end")
    gate_reference_c = models.FloatField(null=True, help_text="NULL: it makes the reference")
    warm_up_s = models.FloatField(default=2.5)
    sample_interval_ms = models.PositiveIntegerField(
        null=True, default=50, help_text="NULL: nothing is sampled"
    )
    seed = models.BigIntegerField(default=0)

    # Where it stands.
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    queued_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    # What came of it. NULL: not known.
    started_at = models.DateTimeField(null=True, help_text="The board's wall clock")
    clock_zero_s = models.FloatField(null=True, help_text="The board's own clock at t = 0")
    board_s = models.FloatField(null=True)
    held_gpu_min_hz = models.BigIntegerField(null=True)
    held_gpu_max_hz = models.BigIntegerField(null=True)
    held_emc_hz = models.BigIntegerField(null=True)
    held_cpu_hz = models.BigIntegerField(null=True)
    requests_served = models.PositiveIntegerField(null=True)
    rails = ArrayField(models.CharField(max_length=60), default=list)
    total_of = ArrayField(models.CharField(max_length=60), default=list)
    window_start_s = models.FloatField(null=True)
    window_end_s = models.FloatField(null=True)
    inference_s = models.FloatField(
        null=True, help_text="Length of the union of inference intervals"
    )
    stopped_because = models.CharField(max_length=10, choices=StoppedBecause, blank=True)
    mean_power_w = models.FloatField(null=True)
    idle_power_w = models.FloatField(null=True, help_text="Just before the warm-up, clocks held")
    idle_half_width_w = models.FloatField(null=True)
    busy_energy_j = models.FloatField(null=True, help_text="Per request")
    busy_half_width_j = models.FloatField(null=True, help_text="95 % interval, half its width")
    at_rate_energy_j = models.FloatField(null=True, help_text="Per request")
    at_rate_half_width_j = models.FloatField(null=True)
    rail_busy_energy_j = ArrayField(models.FloatField(null=True), default=list)
    rail_at_rate_energy_j = ArrayField(models.FloatField(null=True), default=list)
    latency_mean_ms = models.FloatField(null=True)
    latency_p50_ms = models.FloatField(null=True)
    latency_p50_upper_ms = models.FloatField(null=True)
    latency_p95_ms = models.FloatField(null=True)
    latency_p95_upper_ms = models.FloatField(null=True)
    latency_p99_ms = models.FloatField(null=True)
    latency_p99_upper_ms = models.FloatField(null=True)
    temp_before_c = models.FloatField(null=True, help_text="Just before the warm-up")
    temp_max_c = models.FloatField(null=True)
    unknown_tokens = models.JSONField(default=dict)
    manifest = models.JSONField(default=dict)
    record_sha256 = models.CharField(max_length=64, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at"]
        indexes = [
            models.Index(fields=["queued_at"]),
            models.Index(fields=["state", "queued_at"]),
            models.Index(fields=["device", "state"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="done")
                | (Q(requests_served__isnull=False) & Q(finished_at__isnull=False)),
                name="done_run_has_results",
            ),
            models.CheckConstraint(
                condition=Q(origin="log")
                | (
                    Q(device__isnull=False) & Q(network__isnull=False) & Q(batch_size__isnull=False)
                ),
                name="measured_run_has_device_and_network",
            ),
            models.CheckConstraint(
                condition=Q(arrivals="back_to_back", rate_hz__isnull=True)
                | (~Q(arrivals="back_to_back") & Q(rate_hz__isnull=False) & Q(rate_hz__gt=0)),
                name="run_rate_fits_arrivals",
            ),
            models.CheckConstraint(
                condition=Q(arrivals="trace", trace__isnull=False)
                | (~Q(arrivals="trace") & Q(trace__isnull=True)),
                name="run_has_the_trace_that_it_replays",
            ),
            models.CheckConstraint(
                condition=Q(gpu_min_hz__isnull=True)
                | Q(gpu_max_hz__isnull=True)
                | Q(gpu_min_hz__lte=F("gpu_max_hz")),
                name="run_gpu_min_not_above_max",
            ),
            models.CheckConstraint(condition=Q(requests_asked__gt=0), name="run_asks_for_requests"),
            models.CheckConstraint(
                condition=Q(work="request") | Q(arrivals="back_to_back", batch_size=1),
                name="preprocessing_is_measured_one_by_one",
            ),
            models.CheckConstraint(
                condition=Q(sample_interval_ms__isnull=False)
                | Q(
                    half_width_percent__isnull=True,
                    mean_power_w__isnull=True,
                    idle_power_w__isnull=True,
                    busy_energy_j__isnull=True,
                    at_rate_energy_j__isnull=True,
                ),
                name="unsampled_run_has_no_energy",
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"run {str(self.id)[:8]}"

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.id])

    @property
    def point(self) -> OperatingPoint:
        return OperatingPoint(**{field: getattr(self, field) for field in POINT_FIELDS})

    @property
    def held_point(self) -> OperatingPoint:
        return OperatingPoint(**{field: getattr(self, f"held_{field}") for field in POINT_FIELDS})

    def plan(self) -> Plan:
        """What the board is asked to do; an older board gets what it understands."""
        return Plan(
            run_id=str(self.id),
            device=self.device.name,
            network=self.network.features(),
            point=self.point,
            batch_size=self.batch_size,
            arrivals=self._arrivals(),
            requests=self.requests_asked,
            warm_up_s=self.warm_up_s,
            sample_interval_ms=self.sample_interval_ms,
            seed=self.seed,
            stopping=self._stopping(),
            gate=Gate(reference_c=self.gate_reference_c) if self.is_sampled else None,
            longest_warm_up_s=LONGEST_WARM_UP_S if self.is_sampled else None,
            work=self.work,
            version=OLDEST_VERSION if self._is_plain else VERSION,
        )

    @property
    def is_sampled(self) -> bool:
        """Whether its power is read at all; if not, it has no energy, by plan."""
        return self.sample_interval_ms is not None

    @property
    def _is_plain(self) -> bool:
        """Whether a worker of the version before understands its plan."""
        return self.work == self.Work.REQUEST and self.is_sampled

    def _stopping(self) -> Stopping | None:
        if self.half_width_percent is None:
            return None
        return Stopping(half_width_percent=self.half_width_percent, quantile=self.slo_quantile)

    @property
    def above_idle_j(self) -> float | None:
        """Busy energy per request beyond what the idle board would have drawn meanwhile."""
        if self.busy_energy_j is None or self.idle_power_w is None or not self.mean_power_w:
            return None
        return self.busy_energy_j * (1 - self.idle_power_w / self.mean_power_w)

    def refuse(self, code: str, text: str) -> None:
        """QUEUED -> INVALID: it cannot be sent to its board, for the reason in `text`."""
        with transaction.atomic():
            queued = Run.objects.filter(pk=self.pk, state=Run.State.QUEUED)
            if queued.update(state=Run.State.INVALID, finished_at=timezone.now()):
                self.verdicts.create(code=code, text=text)
        self.refresh_from_db()

    def _arrivals(self) -> Arrivals:
        if self.trace is None:
            return Arrivals(kind=self.arrivals, rate_hz=self.rate_hz)
        return Arrivals(
            kind=self.arrivals,
            rate_hz=self.rate_hz,
            trace=self.trace.name,
            times_s=self.trace.times_s,
        )

    def claim(self) -> int | None:
        """QUEUED -> RUNNING; the attempt's number, or None if it is not there to be claimed."""
        now = timezone.now()
        queued = Run.objects.filter(pk=self.pk, state=Run.State.QUEUED)
        claimed = queued.update(
            state=Run.State.RUNNING, attempt=F("attempt") + 1, claimed_at=now, heard_at=now
        )
        if not claimed:
            return None
        self.refresh_from_db()
        return self.attempt

    def release(self) -> None:
        """RUNNING -> QUEUED after its board fell silent; INVALID once it was lost too often."""
        with transaction.atomic():
            running = Run.objects.select_for_update().filter(pk=self.pk, state=Run.State.RUNNING)
            if not running.exists():
                return
            if self.attempt < MAX_ATTEMPTS:
                running.update(state=Run.State.QUEUED, dispatched_at=None)
            else:
                running.update(state=Run.State.INVALID, finished_at=timezone.now())
                text = f"The board fell silent in each of {self.attempt} attempts."
                self.verdicts.create(code="lost", text=text)
        self.refresh_from_db()

    def cancel(self) -> bool:
        """QUEUED or RUNNING -> CANCELLED; False if it had ended before."""
        open_runs = Run.objects.filter(pk=self.pk, state__in=[Run.State.QUEUED, Run.State.RUNNING])
        return bool(open_runs.update(state=Run.State.CANCELLED, finished_at=timezone.now()))
