"""Tables to replay: read from what somebody uploaded, stored once, made into boards.

A table that is refused leaves nothing behind.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from measurements.board.hardware import replay
from measurements.board.hardware.replay import TableRefused, encoded
from measurements.models import AuditEntry, Device, Network, ReplayTable


@transaction.atomic
def store(table: replay.ReplayTable, *, by: AbstractUser | None = None) -> ReplayTable:
    """The row of `table`, made with its workloads as networks if it is not there yet.

    Raises:
        TableRefused: Another table, or a network, has the name already.
    """
    row = ReplayTable.objects.filter(sha256=table.sha256).first()
    if row is not None:
        return row
    if ReplayTable.objects.filter(name=table.name).exists():
        raise TableRefused(f"there is another table called {table.name}; give another name")
    row = ReplayTable.objects.create(
        name=table.name, sha256=table.sha256, document=encoded(table).decode(), created_by=by
    )
    for workload in table.workloads:
        _make_network(row, workload, by=by)
    return row


@transaction.atomic
def add_board(name: str, table: replay.ReplayTable, *, by: AbstractUser | None = None) -> Device:
    """A new device that replays `table`; its worker still has to be started.

    Raises:
        TableRefused: The device's name is taken or no name, or see `store`.
    """
    device = Device(name=name)
    try:
        device.clean_fields(exclude=[f.name for f in Device._meta.fields if f.name != "name"])
        device.validate_unique()
    except ValidationError as error:
        raise TableRefused(f"{name!r} as a device's name: {' '.join(error.messages)}") from error
    device.replay_table = store(table, by=by)
    device.provenance = Device.Provenance.REPLAY
    device.provenance_note = replay.note(table)
    device.save()
    AuditEntry.objects.note(by, "added", device, replays=table.name)
    return device


def name_of(filename: str) -> str:
    """A table's name from that of its file."""
    return re.sub(r"[^a-z0-9]+", "-", PurePath(filename).stem.lower()).strip("-")[:40] or "table"


def _make_network(row: ReplayTable, workload: str, *, by: AbstractUser | None) -> None:
    name = f"{workload} ({row.name})"
    try:
        with transaction.atomic():
            Network.objects.create(
                name=name,
                replay_table=row,
                workload=workload,
                batch_is_dynamic=False,
                created_by=by,
            )
    except IntegrityError as error:
        raise TableRefused(f"there is a network called {name}; give another name") from error
