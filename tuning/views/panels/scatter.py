from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import energy_unit_of
from tuning import figures
from tuning.models import Sweep

from . import found


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    chart = figures.energy_against_latency_chart(
        found.measured(sweep), question=found.question(sweep, energy_unit_of(request.user))
    )
    return {"charts": [chart]}
