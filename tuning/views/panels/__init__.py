"""The tabs of a sweep's page. Each is fetched by itself when it is first looked at.

To add a tab: a function (request, sweep) -> context, a template `tuning/panels/<name>.html`,
and a line in `PANELS`. Its address is `sweeps/<pk>/panel/<name>/`; opened by itself it is a
page of its own, and `sweeps/<pk>/#<name>` opens the sweep's page at it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from tuning.models import Sweep
from tuning.views import reviews, what_if, winner

from . import (
    board_time,
    convergence,
    cpu,
    knobs,
    live,
    maps,
    rails,
    scatter,
    settings,
    trials,
)


def _always(sweep: Sweep) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Panel:
    """A tab: `is_steady` ones (forms, live traces) are not fetched again when a trial ends."""

    name: str
    label: str
    context: Callable[[HttpRequest, Sweep], dict[str, Any]]
    is_steady: bool = False
    is_shown: Callable[[Sweep], bool] = _always

    @property
    def template(self) -> str:
        return f"tuning/panels/{self.name}.html"


PANELS = (
    Panel("maps", "Heat maps", maps.context),
    Panel("energy-latency", "Energy vs latency", scatter.context),
    Panel("convergence", "Convergence", convergence.context),
    Panel("knobs", "Knobs", knobs.context),
    Panel("rails", "Rails", rails.context),
    Panel("what-if", "What if", what_if.panel, is_steady=True),
    Panel("winner", "Winner", winner.panel),
    Panel("trials", "Trials", trials.context),
    Panel("cpu", "CPU phase", cpu.context),
    Panel("board-time", "Board time", board_time.context),
    Panel("live", "Live", live.context, is_steady=True, is_shown=lambda sweep: sweep.is_open),
    Panel("review", "Review", reviews.panel, is_steady=True),
    Panel("settings", "Settings", settings.context, is_steady=True),
)


def shown(sweep: Sweep) -> list[Panel]:
    return [panel for panel in PANELS if panel.is_shown(sweep)]


@require_GET
@vary_on_headers("HX-Request")
def sweep_panel(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One tab of a sweep, as a fragment for htmx and else as a page."""
    panel = next((panel for panel in PANELS if panel.name == name), None)
    if panel is None:
        raise Http404(f"A sweep has no part {name}.")
    sweeps = Sweep.objects.select_related(
        "device", "network", "created_by", "cpu_phase"
    ).with_standing()
    sweep = get_object_or_404(sweeps.prefetch_related("axes"), pk=pk)
    context = {"sweep": sweep, "panel": panel, **panel.context(request, sweep)}
    template = panel.template if request.htmx else "tuning/panel_page.html"
    return render(request, template, context)
