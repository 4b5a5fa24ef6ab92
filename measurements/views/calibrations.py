"""Calibrations by an external meter, and what sampling costs."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from measurements import calibration_figures
from measurements.calibration_figures import Pairs
from measurements.forms.calibrations import (
    CalibrationForm,
    CheckQueueForm,
    OverheadForm,
    QueueForm,
)
from measurements.models import Calibration, Device
from measurements.roles import OPERATOR, role_required
from measurements.tasks import dispatch

SHOWN = 20
QUEUES = {"calibration": QueueForm, "overhead": CheckQueueForm}


@require_GET
def calibration_detail(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Calibration.objects.select_related("device", "made_by", "withdrawn_by", "series")
    calibration = get_object_or_404(rows, pk=pk)
    series, line = calibration.series, calibration.line
    pairs = Pairs(series.meter_s, series.meter_w, series.board_w, series.run_number, series.is_used)
    drawn = {
        "overlay": calibration_figures.overlay(pairs, line).to_plotly_json(),
        "residuals": calibration_figures.residuals(pairs, line).to_plotly_json(),
    }
    middle_w = (calibration.lowest_w + calibration.highest_w) / 2
    context = {
        "calibration": calibration,
        "device": calibration.device,
        "drawn": drawn.items(),
        "middle_w": middle_w,
        "outside_w": line.power_w(middle_w),
        "outside_half_width_w": line.half_width_w(middle_w),
        "left_out": len(series.is_used) - calibration.readings,
        "run_count": calibration.runs.count(),
    }
    return render(request, "measurements/calibration.html", context)


@role_required(OPERATOR)
@require_http_methods(["GET", "POST"])
def calibration_new(request: HttpRequest, name: str) -> HttpResponse:
    device = get_object_or_404(Device, name=name)
    form = CalibrationForm(request.POST or None, request.FILES or None, device=device)
    if request.method == "POST" and form.is_valid() and (made := form.store(by=request.user)):
        return redirect(made)
    return _form_page(request, "calibration_new", device, form)


@role_required(OPERATOR)
@require_http_methods(["GET", "POST"])
def overhead_new(request: HttpRequest, name: str) -> HttpResponse:
    device = get_object_or_404(Device, name=name)
    form = OverheadForm(request.POST or None, request.FILES or None, device=device)
    if request.method == "POST" and form.is_valid() and form.store(by=request.user):
        messages.success(request, "The sampler check is stored.")
        return redirect(f"{reverse('device', args=[name])}#calibration")
    return _form_page(request, "overhead_new", device, form)


@role_required(OPERATOR)
@require_POST
def calibration_queue(request: HttpRequest, name: str) -> HttpResponse:
    """Queue a session's runs; the page it came from says what the meter has to do."""
    device = get_object_or_404(Device, name=name, registered_at__isnull=False)
    kind = "overhead" if request.POST.get("kind") == "overhead" else "calibration"
    form = QUEUES[kind](request.POST)
    if form.is_valid():
        runs = form.queue(device, by=request.user)
        dispatch.delay_on_commit(device.pk)
        messages.success(request, f"{len(runs)} runs are queued. Let the meter record until a "
                         "minute after the last one.")  # fmt: skip
    else:
        messages.error(request, "Nothing was queued: choose a network and 50 to 20,000 requests.")
    return redirect(f"{kind}_new", name=name)


@role_required(OPERATOR)
@require_POST
def calibration_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    calibration = get_object_or_404(Calibration, pk=pk)
    because = request.POST.get("because", "").strip()[:300]
    if not because:
        messages.error(request, "Say why: the reason is kept with the calibration.")
    elif calibration.withdraw(by=request.user, because=because):
        messages.success(request, "The calibration is withdrawn: it holds for no run any more.")
    return redirect(calibration)


def of_device(device: Device) -> dict[str, Any]:
    """What a device's page says of its calibrations and of its sampler's cost."""
    rows, now = list(device.calibrations.select_related("made_by")[:SHOWN]), timezone.now()
    current = next((row for row in rows if row.holds_at(now)), None)
    if current is None and len(rows) == SHOWN:  # It may be older than those shown.
        current = Calibration.of_device(device)
    return {
        "calibration": current,
        "calibrations": [(row, row.state_beside(current)) for row in rows],
        "overhead_checks": device.overhead_checks.all()[:5],
    }


def _form_page(
    request: HttpRequest, template: str, device: Device, form: CalibrationForm | OverheadForm
) -> HttpResponse:
    kind = template.removesuffix("_new")
    context = {"device": device, "form": form, "queue": QUEUES[kind](initial={"kind": kind})}
    status = 422 if request.method == "POST" else 200
    return render(request, f"measurements/{template}.html", context, status=status)
