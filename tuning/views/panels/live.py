from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tuning.models import Sweep


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    device = sweep.device
    rails = [
        {"name": name, "part": part, "in_total": name in device.total_of}
        for name, part in zip(device.rails, device.rail_parts, strict=True)
    ]
    return {"rails": rails}
