from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from measurements.messages import Applied, OperatingPoint, Standing

from .devices import Device
from .runs import POINT_FIELDS

PATIENCE = dt.timedelta(seconds=60)
"""An order that a board has not answered after this long counts as refused."""
SEND_AGAIN = dt.timedelta(seconds=10)


class ApplicationQuerySet(models.QuerySet["Application"]):
    def unanswered(self) -> ApplicationQuerySet:
        return self.filter(state__in=Application.UNANSWERED)

    def standing(self) -> ApplicationQuerySet:
        """Whose point the board holds now, as far as is known."""
        return self.filter(state__in=[Application.State.APPLIED, Application.State.ROLLING_BACK])


class Application(models.Model):
    """A point that a board was told to hold for good, and what became of it."""

    class State(models.TextChoices):
        ASKED = "asked", "asked"
        APPLIED = "applied", "applied"
        REFUSED = "refused", "refused"
        ROLLING_BACK = "rolling_back", "rolling back"
        ROLLED_BACK = "rolled_back", "rolled back"
        REPLACED = "replaced", "replaced"

    UNANSWERED = (State.ASKED, State.ROLLING_BACK)
    LIVE = (*UNANSWERED, State.APPLIED)

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="applications")
    gpu_min_hz = models.BigIntegerField(null=True)
    gpu_max_hz = models.BigIntegerField(null=True)
    emc_hz = models.BigIntegerField(null=True)
    cpu_hz = models.BigIntegerField(null=True)
    state = models.CharField(max_length=15, choices=State, default=State.ASKED)
    sent_at = models.DateTimeField(null=True)
    order_at = models.DateTimeField(default=timezone.now, help_text="When it was last told what")
    read_gpu_min_hz = models.BigIntegerField(null=True)
    read_gpu_max_hz = models.BigIntegerField(null=True)
    read_emc_hz = models.BigIntegerField(null=True)
    read_cpu_hz = models.BigIntegerField(null=True)
    log = ArrayField(models.TextField(), default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(state__in=["asked", "rolling_back"]),
                name="one_order_to_a_board_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"application {self.pk} on {self.device_id}"

    @property
    def point(self) -> OperatingPoint:
        return OperatingPoint(**{field: getattr(self, field) for field in POINT_FIELDS})

    @property
    def read_back(self) -> OperatingPoint:
        """What the board read after the last order."""
        return OperatingPoint(**{field: getattr(self, f"read_{field}") for field in POINT_FIELDS})

    def order(self) -> Standing:
        """What the board is to be told now."""
        wants_point = self.state == self.State.ASKED
        return Standing(
            application=self.pk,
            device=self.device.name,
            point=self.point if wants_point else None,
        )

    def ask_back(self, *, by: str) -> bool:
        """APPLIED -> ROLLING_BACK."""
        return self._move(
            (self.State.APPLIED,),
            self.State.ROLLING_BACK,
            f"Roll-back asked by {by}.",
            sent_at=None,
            order_at=timezone.now(),
        )

    def refuse(self, because: str) -> bool:
        """ASKED -> REFUSED; a roll-back that failed leaves the point APPLIED."""
        if self.state == self.State.ROLLING_BACK:
            text = f"Not rolled back: {because}"
            return self._move((self.State.ROLLING_BACK,), self.State.APPLIED, text)
        return self._move((self.State.ASKED,), self.State.REFUSED, f"Refused: {because}")

    @transaction.atomic
    def answered(self, answer: Applied) -> bool:
        """Take the board's word for the order that it was given last; False if that was another."""
        self.note_read_back(answer.read_back)
        if answer.is_back == (self.state == self.State.ASKED):
            return False
        if not answer.is_ok:
            return self.refuse(answer.reason)
        if answer.is_back:
            text = "Rolled back and read back."
            return self._move((self.State.ROLLING_BACK,), self.State.ROLLED_BACK, text)
        earlier = self.device.applications.filter(state=self.State.APPLIED).exclude(pk=self.pk)
        for application in earlier:
            text = f"Replaced by application {self.pk}."
            application._move((self.State.APPLIED,), self.State.REPLACED, text)
        return self._move((self.State.ASKED,), self.State.APPLIED, "Applied and read back.")

    def note_read_back(self, point: OperatingPoint) -> None:
        for field in POINT_FIELDS:
            setattr(self, f"read_{field}", getattr(point, field))
        self.save(update_fields=[f"read_{field}" for field in POINT_FIELDS])

    def _move(self, before: tuple[str, ...], after: str, text: str, **fields: object) -> bool:
        line = f"{timezone.now():%Y-%m-%d %H:%M:%S} {text}"
        moved = Application.objects.filter(pk=self.pk, state__in=before)
        done = moved.update(state=after, log=[*self.log, line], **fields)
        self.refresh_from_db()
        return bool(done)
