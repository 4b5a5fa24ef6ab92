from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import energy_unit_of
from tuning import heat_maps
from tuning.models import Sweep

from . import found


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    measured, question = found.measured(sweep), found.question(sweep, energy_unit_of(request.user))
    return {
        "charts": heat_maps.charts(sweep.space(), measured, question=question),
        "question": question,
    }
