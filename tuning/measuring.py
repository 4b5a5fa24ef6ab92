"""One run for one step of a sweep, on a board: what searching and its CPU phase share."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from measurements import tasks as measurement_tasks
from measurements.models import Device, Run

from .models import Sweep

OBSERVE = "tuning.tasks.observe"


def queue(sweep: Sweep, device: Device, *, seed: int, **asked: Any) -> Run:
    """A run of the sweep's network and load; `asked` are further columns of it."""
    run = Run.objects.create(
        device=device,
        network=sweep.network,
        then=OBSERVE,
        created_by=sweep.created_by,
        seed=seed,
        gate_reference_c=sweep.gate_reference_c(device),
        **{**sweep.load(), **asked},
    )
    transaction.on_commit(partial(measurement_tasks.dispatch.delay, device.pk), robust=True)
    return run


def free(sweep: Sweep, *, busy: list[Device | None]) -> list[Device]:
    """Boards that measure nothing of `sweep`; one that is away gets nothing others could do."""
    idle = [device for device in sweep.devices if device not in busy]
    return idle if len(sweep.devices) == 1 else [device for device in idle if device.is_online]


def seed_of(sweep_seed: int, number: int, repeat: int) -> int:
    """Distinct for each run of a sweep, and the same again for the same run."""
    return (sweep_seed * 1_000_003 + number * 101 + repeat) % 2**31
