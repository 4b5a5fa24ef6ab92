"""In which unit a reader sees energies: one choice for all pages, kept with the account."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from measurements.forms.units import UnitsForm
from measurements.models import UnitSettings, energy_unit_of
from measurements.models.unit_settings import SAID
from measurements.units import NAMES


def reader(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `energy_unit` of who reads, and `unit_names` to choose from."""
    unit = energy_unit_of(getattr(request, "user", None))
    return {"energy_unit": unit, "unit_names": NAMES}


@require_http_methods(["GET", "POST"])
def unit_settings(request: HttpRequest) -> HttpResponse:
    settings = _of(request)
    form = UnitsForm(request.POST or None, initial=_initial(request, settings))
    if request.method == "POST" and form.is_valid():
        form.store(settings)
        messages.success(request, f"All pages now show {NAMES[settings.unit]}.")
        return redirect(_next(request, otherwise=reverse("unit_settings")))
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "next": _next(request, otherwise="")}
    return render(request, "measurements/unit_settings.html", context, status=status)


@require_POST
def unit_use(request: HttpRequest) -> HttpResponse:
    """Switch to a unit; to the form, if what it rests on was never said."""
    unit, back = request.POST.get("unit", ""), _next(request, otherwise="/")
    if unit in NAMES and _of(request).use(unit):
        return redirect(back)
    asked = urlencode({"unit": unit, "next": back})
    return redirect(f"{reverse('unit_settings')}?{asked}")


def _of(request: HttpRequest) -> UnitSettings:
    return getattr(request.user, "unit_settings", None) or UnitSettings(user=request.user)


def _initial(request: HttpRequest, settings: UnitSettings) -> dict[str, Any]:
    unit = request.GET.get("unit")
    chosen = unit if unit in NAMES else settings.unit
    return {name: getattr(settings, name) for name in SAID} | {"unit": chosen}


def _next(request: HttpRequest, *, otherwise: str) -> str:
    """The page to go back to; only one of ours."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if is_ours else otherwise
