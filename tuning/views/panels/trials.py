from __future__ import annotations

from typing import Any

from django.http import HttpRequest, QueryDict

from measurements import browsing
from tuning import results
from tuning.models import Sweep


def context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """A page of trials, the latest first."""
    names = sweep.space().names
    asked = QueryDict(mutable=True)
    asked["page"] = request.GET.get("page", "1")
    pages = browsing.pages(results.latest(sweep).reverse(), asked)
    trials = results.rows(sweep, pages.page.object_list, names)
    return {
        "pages": pages,
        "trials": trials,
        "axes": names,
        "columns": 6 + (sweep.slo_statistic != "mean") + (sweep.half_width_percent is not None),
        "best": results.best_of(sweep),
        "shared": len({trial.device for trial in trials}) > 1,
        "statistic": results.STATISTIC_LABELS[sweep.slo_statistic],
    }
