from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from measurements.messages import Stopping
from measurements.models import Network
from measurements.roles import OPERATOR, role_required
from tuning import cpu_phase, knobs, launching
from tuning.estimate import Estimate, preparing_time_s, trial_time
from tuning.forms import LaunchForm
from tuning.models import Sweep
from tuning.models.sweeps import QUANTILES
from tuning.repeats import MOST_RUNS

SEVERAL = (
    "also_on",
    "earlier",
    "batch_sizes",
    "gpu_min_hz_values",
    "gpu_max_hz_values",
    "emc_hz_values",
    "cpu_hz_values",
)


@dataclass(frozen=True, slots=True)
class Size:
    """What a form, as far as it is filled in, amounts to."""

    points: int
    factors: list[tuple[int, str]]
    trials: int
    estimate: Estimate | None
    fits: int | None
    cpu_items: int
    cpu_s: float | None
    """Of the CPU phase, 0 without one; None: not known yet."""

    @property
    def search_s(self) -> float | None:
        return None if self.estimate is None else self.estimate.trial_s * self.trials

    @property
    def board_s(self) -> float | None:
        """Of both phases."""
        known = self.search_s is not None and self.cpu_s is not None
        return self.search_s + self.cpu_s if known else None


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def sweep_new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        form = LaunchForm(request.POST)
        if form.is_valid():
            sweep = launching.launch(form.cleaned_data, form.axes, by=request.user)
            messages.success(request, f"Launched. {sweep.device} takes its first trial next.")
            return redirect(sweep)
        status = 422
    else:
        form, status = LaunchForm(initial=_initial(request)), 200
    return render(request, "tuning/launch.html", _context(form), status=status)


@require_POST
@role_required(OPERATOR)
def sweep_size(request: HttpRequest) -> HttpResponse:
    form = LaunchForm(request.POST)
    return render(request, "tuning/_launch_size.html", {"form": form, "size": _size(form)})


def _context(form: LaunchForm) -> dict[str, Any]:
    shown = form if form.is_bound else form.as_if_sent()
    devices, networks = (form.fields[name].queryset for name in ("device", "network"))
    can_launch = bool(devices) and (bool(networks) or Network.objects.exists())
    return {"form": form, "size": _size(shown), "shown": shown, "can_launch": can_launch}


def _initial(request: HttpRequest) -> dict[str, Any]:
    """Defaults, under what `?from=` copies, under what the query string says itself."""
    initial: dict[str, Any] = {"slo_ms": 50}
    if (pk := request.GET.get("from", "")).isdigit():
        initial |= launching.settings_of(get_object_or_404(Sweep, pk=pk))
    for name in request.GET:
        initial[name] = request.GET.getlist(name) if name in SEVERAL else request.GET[name]
    if "requests" in request.GET:  # The form itself asks, after its device or network changed.
        initial |= {name: request.GET.getlist(name) for name in SEVERAL}
    return initial


def _size(form: LaunchForm) -> Size:
    form.is_valid()
    cleaned, axes = form.cleaned_data, form.axes
    points = knobs.size_of(axes)
    estimate = _estimate(form) if points else None
    minutes, fits, cpu_s = cleaned.get("budget_minutes"), None, _cpu_s(form, estimate)
    if estimate is not None and minutes is not None:
        fits = max(0, math.ceil((minutes * 60 - (cpu_s or 0.0)) / estimate.trial_s))
    most = points * (MOST_RUNS if cleaned.get("may_repeat") else 1)
    limits = [most, cleaned.get("budget_trials"), fits]
    trials = min(limit for limit in limits if limit is not None)
    return Size(points, knobs.factors(axes), trials, estimate, fits, form.cpu_items, cpu_s)


def _cpu_s(form: LaunchForm, estimate: Estimate | None) -> float | None:
    """Board seconds of the CPU phase: two runs of whole requests, the others preprocessing."""
    if not form.cpu_items:
        return 0.0
    if estimate is None:
        return None
    whole_s = cpu_phase.WHOLE * estimate.trial_s
    return whole_s + (form.cpu_items - cpu_phase.WHOLE) * preparing_time_s(form.chosen_device)


def _estimate(form: LaunchForm) -> Estimate | None:
    cleaned = form.cleaned_data
    device, network, requests = form.chosen_device, form.chosen_network, cleaned.get("requests")
    if device is None or network is None or requests is None:
        return None
    return trial_time(
        device=device,
        network=network,
        requests=requests,
        rate_hz=cleaned.get("rate_hz"),
        batch_sizes=cleaned.get("batch_sizes") or [1],
        stopping=_stopping(cleaned),
    )


def _stopping(cleaned: dict[str, Any]) -> Stopping | None:
    """The rule that the form asks for; None: the fixed number of requests."""
    if (percent := cleaned.get("half_width_percent")) is None:
        return None
    quantile = QUANTILES.get(cleaned.get("slo_statistic", "")) if cleaned.get("slo_ms") else None
    return Stopping(half_width_percent=percent, quantile=quantile)
