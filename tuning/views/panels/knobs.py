from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from measurements.models import energy_unit_of
from tuning import knob_figures, parallel
from tuning.figure_tables import head
from tuning.models import Sweep
from tuning.space import Space
from tuning.views import predicted

from . import asked, found


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """What each knob does: the model where there is one, and the trials themselves."""
    space, measured, outlook = sweep.space(), found.measured(sweep), predicted.outlook(sweep)
    question = found.question(sweep, energy_unit_of(request.user))
    around = found.winner(measured, question)
    names = [axis.name for axis in space.axes if len(axis.values) > 1]
    charts, controls = [], []
    if outlook.forecast is not None and around is not None:
        believed = outlook.forecast
        charts.append(knob_figures.importance(believed))
        charts += knob_figures.slices(space, measured, believed, around, question=question)
        if len(names) > 1:
            controls = _pair(request, names, space)
            charts.append(
                knob_figures.contour(
                    space, measured, believed, around,
                    knobs=(controls[0].chosen, controls[1].chosen), question=question,
                )
            )  # fmt: skip
    if measured:
        charts.append(parallel.chart(space, measured, question=question))
    return {"charts": charts, "controls": controls, "outlook": outlook, "around": around}


def _pair(request: HttpRequest, names: list[str], space: Space) -> list[asked.Control]:
    """The two knobs of the contour: never the same one twice."""
    options = [(name, head(name)) for name in names]
    first = asked.control(request, "across", "Contour over", options, first="gpu_max_hz")
    others = [option for option in options if option[0] != first.chosen]
    return [first, asked.control(request, "up", "and", others, first="emc_hz")]
