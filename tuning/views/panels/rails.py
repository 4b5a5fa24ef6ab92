from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import energy_unit_of
from tuning import rail_figures, rails
from tuning.models import Sweep

from . import found


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    bars = rails.configurations(sweep)
    question = found.question(sweep, energy_unit_of(request.user))
    return {"charts": [rail_figures.chart(bars, question=question)] if bars else []}
