from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import energy_unit_of
from tuning import baselines, heat_maps
from tuning.figure_tables import head, knob
from tuning.models import Sweep
from tuning.space import Axis
from tuning.views import predicted

from . import asked, found


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    space, measured = sweep.space(), found.measured(sweep)
    zero, outlook = baselines.of(sweep, measured), predicted.outlook(sweep)
    against = asked.against(request, is_known=bool(zero))
    facets = [_facet(request, axis) for axis in heat_maps.facets(space)]
    question = found.question(sweep, energy_unit_of(request.user))
    charts = heat_maps.charts(
        space,
        measured,
        question=question,
        forecast=outlook.forecast,
        baselines=zero if against.chosen else None,
        only={facet.name: int(facet.chosen) for facet in facets if facet.chosen},
    )
    controls = [against, *facets]
    return {"charts": charts, "controls": controls, "outlook": outlook, "question": question}


def _facet(request: HttpRequest, axis: Axis) -> asked.Control:
    values = [(str(value), knob(axis.name, value)) for value in axis.values]
    return asked.control(request, axis.name, head(axis.name), [("", "best over all"), *values])
