from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import energy_unit_of
from tuning import baselines, figures
from tuning.models import Sweep

from . import asked, found


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    measured = found.measured(sweep)
    zero = baselines.of(sweep, measured)
    against = asked.against(request, is_known=bool(zero))
    chart = figures.energy_against_latency_chart(
        measured,
        question=found.question(sweep, energy_unit_of(request.user)),
        baselines=zero,
        is_relative=bool(against.chosen),
    )
    return {"charts": [chart], "controls": [against]}
