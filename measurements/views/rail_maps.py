"""Which rails make a device's total, as an admin corrects it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from measurements.board.hardware.rails import unseen
from measurements.forms.rail_maps import RailMapForm
from measurements.models import Device
from measurements.roles import ADMIN, role_required

SHOWN = 8


def of_device(device: Device) -> dict[str, object]:
    """What a device's page says of its total beside the rails."""
    return {
        "rail_maps": device.rail_maps.select_related("made_by")[:SHOWN],
        "unseen": unseen(device.total_of),
        "is_corrected": device.total_of != device.board_total_of,
    }


@role_required(ADMIN)
@require_http_methods(["GET", "POST"])
@never_cache
def rail_map(request: HttpRequest, name: str) -> HttpResponse:
    device = get_object_or_404(Device, name=name, registered_at__isnull=False)
    form = RailMapForm(device, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        row = form.store(request.user)
        total = " + ".join(row.total_of) or "what the board says"
        messages.success(request, f"From now on the total of runs on {name} is {total}.")
        return redirect("device", name=name)
    context = {"device": device, "form": form, **of_device(device)}
    return render(request, "measurements/rail_map.html", context)
