from __future__ import annotations

import datetime as dt
import hashlib
import secrets

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.utils import timezone

from measurements.messages import BoardInfo, Heartbeat, OperatingPoint

from .audit import AuditEntry
from .packs import Pack
from .replay import ReplayTable
from .tags import Tag

OFFLINE_AFTER = dt.timedelta(seconds=10)
"""Five missed heartbeats: the device counts as offline."""
DISPATCH_PATIENCE = dt.timedelta(seconds=10)
"""A plan that an idle board has not claimed after this long is sent again."""


class DeviceQuerySet(models.QuerySet["Device"]):
    def with_activity(self) -> DeviceQuerySet:
        """What each is doing in the same query, and how many records of it were refused."""
        rejected = models.Count("rejected_records")
        activity = self.select_related("running__network").annotate(records_rejected=rejected)
        return activity.order_by("name")


class Device(models.Model):
    """The row of a board: what it said when it registered, and when it was last heard."""

    class Provenance(models.TextChoices):
        REAL = "real", "real"
        EMULATED = "emulated", "emulated"
        REPLAY = "replay", "replay"
        HOST = "host", "host"

    class Presence(models.TextChoices):
        ONLINE = "online", "online"
        BUSY = "busy", "busy"
        OFFLINE = "offline", "offline"

    name = models.SlugField(max_length=60, unique=True)
    kind = models.CharField(max_length=40, blank=True)
    board_model = models.CharField(max_length=200, blank=True)
    l4t = models.CharField(max_length=40, blank=True)
    jetpack = models.CharField(max_length=40, blank=True)
    provenance = models.CharField(max_length=10, choices=Provenance, default=Provenance.REAL)
    provenance_note = models.TextField(blank=True)
    replay_table = models.ForeignKey(
        ReplayTable, null=True, on_delete=models.PROTECT, related_name="devices"
    )
    pack = models.ForeignKey(
        Pack, null=True, on_delete=models.PROTECT, related_name="devices", help_text="Imported"
    )
    gpu_hz = ArrayField(models.BigIntegerField(), default=list)
    emc_hz = ArrayField(models.BigIntegerField(), default=list)
    cpu_hz = ArrayField(models.BigIntegerField(), default=list)
    default_gpu_min_hz = models.BigIntegerField(null=True)
    default_gpu_max_hz = models.BigIntegerField(null=True)
    default_emc_hz = models.BigIntegerField(null=True)
    default_cpu_hz = models.BigIntegerField(null=True)
    rails = ArrayField(models.CharField(max_length=60), default=list)
    rail_parts = ArrayField(models.CharField(max_length=10), default=list)
    rail_steps_w = ArrayField(models.FloatField(null=True), default=list)
    total_of = ArrayField(models.CharField(max_length=60), default=list)
    board_total_of = ArrayField(models.CharField(max_length=60), default=list)
    sensor_lag_s = models.FloatField(null=True)
    software = models.JSONField(default=dict)
    problems = ArrayField(models.TextField(), default=list)
    tags = models.ManyToManyField(Tag, related_name="devices")
    needs_network_file = models.BooleanField(default=False)
    registered_at = models.DateTimeField(null=True)
    # What the last heartbeat said.
    last_seen_at = models.DateTimeField(null=True)
    running = models.ForeignKey(
        "measurements.Run", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    phase = models.CharField(max_length=20, blank=True)
    requests_done = models.PositiveIntegerField(default=0)
    now_gpu_min_hz = models.BigIntegerField(null=True)
    now_gpu_max_hz = models.BigIntegerField(null=True)
    now_emc_hz = models.BigIntegerField(null=True)
    now_cpu_hz = models.BigIntegerField(null=True)
    spooled = models.PositiveIntegerField(default=0)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def presence(self) -> str:
        if self.last_seen_at is None or timezone.now() - self.last_seen_at > OFFLINE_AFTER:
            return self.Presence.OFFLINE
        return self.Presence.BUSY if self.running_id else self.Presence.ONLINE

    @property
    def is_online(self) -> bool:
        return self.presence != self.Presence.OFFLINE

    @property
    def default_point(self) -> OperatingPoint:
        return OperatingPoint(
            gpu_min_hz=self.default_gpu_min_hz,
            gpu_max_hz=self.default_gpu_max_hz,
            emc_hz=self.default_emc_hz,
            cpu_hz=self.default_cpu_hz,
        )

    @property
    def now_point(self) -> OperatingPoint:
        """The limits that the last heartbeat told."""
        return OperatingPoint(
            gpu_min_hz=self.now_gpu_min_hz,
            gpu_max_hz=self.now_gpu_max_hz,
            emc_hz=self.now_emc_hz,
            cpu_hz=self.now_cpu_hz,
        )

    def twins(self) -> DeviceQuerySet:
        """Other boards of the same kind whose tables of clocks are the same."""
        same = ("kind", "provenance", "gpu_hz", "emc_hz", "cpu_hz")
        alike = Device.objects.filter(**{field: getattr(self, field) for field in same})
        return alike.filter(registered_at__isnull=False).exclude(pk=self.pk)

    def next_run(self) -> models.Model | None:
        """The run whose plan is to be sent now; None while one is running or on its way."""
        runs = self.runs.select_related("network", "device")
        stale = timezone.now() - DISPATCH_PATIENCE
        if runs.filter(state="running").exists() or runs.queued().filter(dispatched_at__gt=stale):
            return None
        return runs.queued().first()

    def register(self, info: BoardInfo) -> None:
        """Take over what the board says about itself."""
        for field in ("kind", "provenance", "provenance_note", "gpu_hz", "emc_hz", "cpu_hz",
                      "sensor_lag_s", "software", "problems", "needs_network_file"):  # fmt: skip
            setattr(self, field, getattr(info, field))
        self.board_model = info.model
        self.l4t, self.jetpack = info.l4t or "", info.jetpack or ""
        self.default_gpu_min_hz = info.default.gpu_min_hz
        self.default_gpu_max_hz = info.default.gpu_max_hz
        self.default_emc_hz, self.default_cpu_hz = info.default.emc_hz, info.default.cpu_hz
        self.rails = [rail.name for rail in info.rails]
        self.rail_parts = [rail.part for rail in info.rails]
        self.rail_steps_w = [rail.step_w for rail in info.rails]
        self.board_total_of = [rail.name for rail in info.rails if rail.in_total]
        corrected = self.rail_maps.first() if self.pk else None
        is_good = corrected and set(corrected.total_of) <= set(self.rails)
        self.total_of = (is_good and corrected.total_of) or self.board_total_of
        self.registered_at = self.last_seen_at = timezone.now()
        self.save()

    def hear(self, heartbeat: Heartbeat) -> None:
        """Note what the board is doing now."""
        runs = self.runs.filter(pk=heartbeat.run_id) if heartbeat.run_id else self.runs.none()
        self.running = runs.first()
        self.phase = heartbeat.phase or ""
        self.requests_done = heartbeat.requests_done
        self.now_gpu_min_hz, self.now_gpu_max_hz = (
            heartbeat.point.gpu_min_hz,
            heartbeat.point.gpu_max_hz,
        )
        self.now_emc_hz, self.now_cpu_hz = heartbeat.point.emc_hz, heartbeat.point.cpu_hz
        self.spooled = heartbeat.spooled
        self.last_seen_at = timezone.now()
        self.save(update_fields=["running", "phase", "requests_done", "now_gpu_min_hz",
                                 "now_gpu_max_hz", "now_emc_hz", "now_cpu_hz", "spooled",
                                 "last_seen_at"])  # fmt: skip
        for rejected in heartbeat.rejected:
            self.rejected_records.get_or_create(
                run_uuid=rejected.run_id, defaults={"reason": rejected.reason}
            )


class DeviceToken(models.Model):
    """A board's key to the API. Only its SHA-256 is kept: the token has 256 random bits."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="tokens")
    sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"token {self.pk} of {self.device_id}"

    @classmethod
    def issue(cls, device: Device, *, by: models.Model | None = None) -> str:
        """A new token for `device`; shown once, never stored."""
        token = secrets.token_urlsafe(32)
        with transaction.atomic():
            row = cls.objects.create(device=device, sha256=_digest(token), created_by=by)
            AuditEntry.objects.note(by, "issued a token", device, token=row.pk)
        return token

    @classmethod
    def device_of(cls, token: str) -> Device | None:
        """The device that `token` belongs to, if the token is valid."""
        valid = cls.objects.select_related("device").filter(revoked_at=None)
        found = valid.filter(sha256=_digest(token)).first()
        if found is None:
            return None
        cls.objects.filter(pk=found.pk).update(last_used_at=timezone.now())
        return found.device

    @transaction.atomic
    def revoke(self, *, by: models.Model | None = None) -> None:
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at"])
        AuditEntry.objects.note(by, "revoked a token", self.device, token=self.pk)


class RejectedRecord(models.Model):
    """A record that the server refused for good; the board keeps it in `spool/rejected/`."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="rejected_records")
    run_uuid = models.UUIDField()
    reason = models.TextField()
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-seen_at"]
        constraints = [
            models.UniqueConstraint(fields=["device", "run_uuid"], name="rejected_record_once")
        ]

    def __str__(self) -> str:
        return f"{self.run_uuid}: {self.reason}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
