from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tuning.models import Sweep


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    earlier = sweep.earlier.select_related("network", "device")
    return {"points": len(sweep.space()), "earlier": earlier}
