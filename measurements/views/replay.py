"""Replay boards: added with their tables, and the tables for workers on other machines."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from measurements.forms.replay import ReplayBoardForm
from measurements.models import Device
from measurements.roles import ADMIN, role_required


@role_required(ADMIN)
@require_http_methods(["GET", "POST"])
def replay_board_new(request: HttpRequest) -> HttpResponse:
    form = ReplayBoardForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (device := form.store(request.user)):
        messages.success(
            request, f"Added {device}. Its worker is to be started now: see below, or ./run again."
        )
        return redirect("device", name=device.name)
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/replay_board_new.html", {"form": form}, status=status)


@require_GET
def replay_table(request: HttpRequest, name: str) -> HttpResponse:
    """The table as a worker reads it (`--board replay:FILE`)."""
    device = get_object_or_404(Device.objects.select_related("replay_table"), name=name)
    if device.replay_table is None:
        raise Http404("This device replays no table.")
    answer = HttpResponse(device.replay_table.document, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{device.replay_table.name}.json"'
    return answer
