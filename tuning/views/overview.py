from __future__ import annotations

from collections import Counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import conditional_page, require_GET
from django.views.decorators.vary import vary_on_headers

from measurements.models import Device, Network, Run
from tuning.models import Sweep, Verification

RESULTS = 6
RUNS = 8
SAVINGS = 4


@require_GET
@conditional_page
@vary_on_headers("HX-Request")
def overview(request: HttpRequest) -> HttpResponse:
    """What goes on now, and the latest results; htmx asks again for the part that moves."""
    template = "_overview_now.html" if request.htmx else "overview.html"
    sweeps = Sweep.objects.select_related("device", "network").with_standing()
    context = _boards(list(Device.objects.with_activity())) | {
        "open_sweeps": list(sweeps.open().with_progress()),
        "awaiting": list(sweeps.awaiting_review()[:RESULTS]),
        "results": list(sweeps.ended().order_by("-finished_at")[:RESULTS]),
        "savings": list(Verification.objects.savings()[:SAVINGS]),
        "runs": list(Run.objects.select_related("device", "network")[:RUNS]),
    }
    if not any(sweep.best for sweep in context["results"]):
        context["steps"] = _first_steps(context)
    return render(request, f"tuning/{template}", context)


def _boards(devices: list[Device]) -> dict[str, Any]:
    present = Counter(device.presence for device in devices)
    busy = present[Device.Presence.BUSY]
    return {
        "devices": sorted(devices, key=lambda device: not device.is_online),
        "busy": busy,
        "online": busy + present[Device.Presence.ONLINE],
    }


def _first_steps(context: dict[str, Any]) -> dict[str, object]:
    """How far the way to the first result is: a board, a network, a sweep."""
    registered = (device for device in context["devices"] if device.registered_at)
    return {
        "board": next(registered, None),
        "networks": Network.objects.count(),
        "sweep": next(iter(context["open_sweeps"]), None),
    }
