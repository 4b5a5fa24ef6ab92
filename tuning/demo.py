"""The small sweep that a first start launches, so that the first page is not empty."""

from __future__ import annotations

import time

from measurements.models import Device, Network

from . import tasks
from .models import Sweep, SweepAxis

DEVICE = "emulated-agx-orin"
NETWORK = "efficientnet-b4"
TRIALS = 24
SLO_MS = 120.0


def launch(*, patience_s: float = 60.0) -> Sweep | None:
    """Launch the demo sweep on the demo board; None if there has been any sweep before.

    Raises:
        TimeoutError: The demo board did not register within `patience_s`.
    """
    if Sweep.objects.exists():
        return None
    device = _registered(patience_s)
    sweep = Sweep.objects.create(
        name="First look: EfficientNet-B4 on the emulated Orin",
        device=device,
        network=Network.objects.get(builtin=NETWORK),
        strategy=Sweep.Strategy.GRID,
        slo_ms=SLO_MS,
        budget_trials=TRIALS,
    )
    axes = {
        "gpu_max_hz": _spread(device.gpu_hz[2:], 4),
        "emc_hz": device.emc_hz[1:],
        "batch_size": [1, 4],
    }
    SweepAxis.objects.bulk_create(
        SweepAxis(sweep=sweep, position=position, name=name, values=values)
        for position, (name, values) in enumerate(axes.items())
    )
    tasks.advance.delay(sweep.pk)
    return sweep


def _registered(patience_s: float) -> Device:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        device = Device.objects.filter(name=DEVICE, registered_at__isnull=False).first()
        if device is not None:
            return device
        time.sleep(0.2)
    raise TimeoutError(f"The board {DEVICE} did not register within {patience_s:.0f} s.")


def _spread(values: list[int], count: int) -> list[int]:
    """`count` of `values`, evenly spread, both ends included."""
    step = (len(values) - 1) / (count - 1)
    return [values[round(index * step)] for index in range(count)]
