from __future__ import annotations

from itertools import accumulate
from typing import Any

from django.http import HttpRequest

from measurements.models import energy_unit_of
from tuning import convergence, results
from tuning.models import Sweep
from tuning.views import predicted

from . import asked, found


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    space, outlook = sweep.space(), predicted.outlook(sweep)
    # All runs in the order of asking, since those that were invalid took board time, too.
    runs = results.rows(sweep, results.links(sweep).order_by("trial__number", "pk"), space.names)
    spent = list(accumulate(0.0 if r.taken_over else r.board_s or 0.0 for r in runs))
    shown = [(r, s) for r, s in zip(runs, spent, strict=True) if r.is_measured]
    measured = [result for result, _ in shown]
    over = asked.control(request, "over", "Over", [("", "trials"), ("time", "board time")])
    chart = convergence.chart(
        measured,
        question=found.question(sweep, energy_unit_of(request.user)),
        grid=convergence.grid(space, measured, outlook.forecast, sweep.slo_ms),
        board_s=[s for _, s in shown] if over.chosen else None,
    )
    return {"charts": [chart], "controls": [over], "outlook": outlook}
