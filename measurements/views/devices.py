"""Devices: what each board is, what it is doing, and the keys that let it speak."""

from __future__ import annotations

from typing import NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    conditional_page,
    require_GET,
    require_http_methods,
    require_POST,
)
from django.views.decorators.vary import vary_on_headers

from measurements.calibrating import sampler_cpu
from measurements.forms.devices import DeviceForm
from measurements.ladders import Ladder, ladder
from measurements.lists import DEVICES
from measurements.models import Device, DeviceToken
from measurements.roles import ADMIN, role_required

from . import lists, rail_maps
from .calibrations import of_device

RECENT_RUNS = 12
PARTS = ("gpu", "cpu", "memory", "soc")


class RailRow(NamedTuple):
    name: str
    part: str
    step_w: float | None
    in_total: bool


@require_GET
@conditional_page
@vary_on_headers("HX-Request")
def device_list(request: HttpRequest) -> HttpResponse:
    return lists.show(request, DEVICES, live=True)


@require_GET
@conditional_page
@vary_on_headers("HX-Request")
def device_detail(request: HttpRequest, name: str) -> HttpResponse:
    device = get_object_or_404(Device.objects.with_activity(), name=name)
    context = {"device": device, "ladders": _ladders(device), "counts": device.runs.counts()}
    if request.htmx:
        return render(request, "measurements/_device_now.html", context)
    return render(request, "measurements/device.html", {**context, **_particulars(request, device)})


@role_required(ADMIN)
@require_http_methods(["GET", "POST"])
@never_cache
def device_new(request: HttpRequest) -> HttpResponse:
    form = DeviceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _show_token(request, form.store(by=request.user), added=True)
    return render(request, "measurements/device_new.html", {"form": form})


@role_required(ADMIN)
@require_POST
@never_cache
def device_token(request: HttpRequest, name: str) -> HttpResponse:
    return _show_token(request, get_object_or_404(Device, name=name), added=False)


@role_required(ADMIN)
@require_POST
def device_token_revoke(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    token = get_object_or_404(DeviceToken, device__name=name, pk=pk, revoked_at=None)
    token.revoke(by=request.user)
    messages.success(
        request,
        f"Token {pk} is revoked: the server refuses it from now on. The board keeps its records.",
    )
    return redirect("device", name=name)


def _show_token(request: HttpRequest, device: Device, *, added: bool) -> HttpResponse:
    """The one page that ever shows a token; it is not stored, not even in the session."""
    context = {
        "device": device,
        "added": added,
        "token": DeviceToken.issue(device, by=request.user),
        "server_url": request.build_absolute_uri("/"),
    }
    return render(request, "measurements/device_token.html", context)


def _particulars(request: HttpRequest, device: Device) -> dict[str, object]:
    """What a device's page shows below its state; none of it moves by the second."""
    runs = list(device.runs.select_related("network")[:RECENT_RUNS])
    return {
        **of_device(device),
        "sampler_cpu": sampler_cpu(runs),
        "rails": _rails(device),
        **rail_maps.of_device(device),
        "parts_without_rail": [part for part in PARTS if part not in device.rail_parts],
        "runs": runs,
        "rejected": device.rejected_records.all()[:20],
        "tokens": device.tokens.select_related("created_by").order_by("-created_at"),
        "server_url": request.build_absolute_uri("/"),
    }


def _ladders(device: Device) -> list[Ladder]:
    """A strip for each clock that the board has."""
    default, now = device.default_point, device.now_point
    rows = [
        ladder(
            "GPU",
            "gpu",
            legal_hz=device.gpu_hz,
            default_hz=(default.gpu_min_hz, default.gpu_max_hz),
            now_hz=(now.gpu_min_hz, now.gpu_max_hz),
        ),
        ladder(
            "Memory",
            "memory",
            legal_hz=device.emc_hz,
            default_hz=(default.emc_hz, default.emc_hz),
            now_hz=(now.emc_hz, now.emc_hz),
        ),
        ladder(
            "CPU",
            "cpu",
            legal_hz=device.cpu_hz,
            default_hz=(default.cpu_hz, default.cpu_hz),
            now_hz=(now.cpu_hz, now.cpu_hz),
        ),
    ]
    return [row for row in rows if row.legal_hz]


def _rails(device: Device) -> list[RailRow]:
    columns = zip(device.rails, device.rail_parts, device.rail_steps_w, strict=True)
    return [RailRow(name, part, step, name in device.total_of) for name, part, step in columns]
