from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction

from measurements.messages import BoardInfo

from .audit import AuditEntry
from .devices import Device
from .runs import Run


class RailMap(models.Model):
    """An admin's word on which rails make a device's total; the latest is in force.

    It holds for runs that are claimed from then on; what was measured before stays.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="rail_maps")
    total_of = ArrayField(
        models.CharField(max_length=60), default=list, help_text="None: what the board says."
    )
    was = ArrayField(models.CharField(max_length=60), default=list)
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.device_id}: {' + '.join(self.total_of) or 'as the board says'}"

    @classmethod
    def correct(cls, device: Device, total_of: Sequence[str], *, by: models.Model) -> RailMap:
        """Put `total_of` in force for `device`; none: the board's own word again."""
        with transaction.atomic():
            row = cls.objects.create(
                device=device, total_of=list(total_of), was=device.total_of, made_by=by
            )
            device.total_of = list(total_of) or device.board_total_of
            device.save(update_fields=["total_of"])
            AuditEntry.objects.note(
                by, "changed the total", device, before=row.was, after=device.total_of
            )
        return row


def counted(board: BoardInfo, run: Run) -> BoardInfo:
    """`board` with the total that was in force when `run` was claimed."""
    maps = RailMap.objects.filter(
        device=run.device_id, made_at__lte=run.claimed_at or run.queued_at
    )
    row = maps.first()
    names = {rail.name for rail in board.rails}
    if row is None or not row.total_of or not names.issuperset(row.total_of):
        return board
    rails = [
        msgspec.structs.replace(rail, in_total=rail.name in row.total_of) for rail in board.rails
    ]
    return msgspec.structs.replace(board, rails=rails)
