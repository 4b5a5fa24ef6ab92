from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tuning.models import Sweep


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    return {"points": len(sweep.space())}
