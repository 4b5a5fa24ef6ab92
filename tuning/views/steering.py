"""A sweep that exists: give it more budget, or ask another question of what it observed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from measurements.roles import OPERATOR, role_required
from tuning import forking, steering
from tuning.models import Frozen, Sweep
from tuning.steering_forms import ExtendForm, ForkForm


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def sweep_extend(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = get_object_or_404(Sweep, pk=pk)
    if sweep.pack_id:
        return _is_elsewhere(request, sweep)
    form = ExtendForm(request.POST or None, sweep=sweep)
    if request.method == "POST" and form.is_valid():
        more = {
            "trials": form.cleaned_data["trials"],
            "board_s": form.board_s,
            "pays_over_requests": form.cleaned_data.get("pays_over_requests"),
        }
        try:
            if not steering.extend(sweep, **more, by=request.user):
                state = sweep.get_state_display()
                messages.warning(request, f"Nothing changed: the sweep is {state}.")
        except Frozen as reason:
            messages.error(request, str(reason))
        return redirect(sweep)
    status = 422 if request.method == "POST" else 200
    context = {"sweep": sweep, "form": form, "deed": "Extend"}
    return render(request, "tuning/sweep_steer.html", context, status=status)


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def sweep_fork(request: HttpRequest, pk: int) -> HttpResponse:
    source = get_object_or_404(Sweep, pk=pk)
    if source.pack_id:
        return _is_elsewhere(request, source)
    form = ForkForm(request.POST or None, sweep=source)
    if request.method == "POST" and form.is_valid():
        return redirect(forking.fork(source, form.cleaned_data, by=request.user))
    status = 422 if request.method == "POST" else 200
    taken = source.trials.observed().count()
    context = {"sweep": source, "form": form, "deed": "Fork", "taken": taken}
    return render(request, "tuning/sweep_steer.html", context, status=status)


def _is_elsewhere(request: HttpRequest, sweep: Sweep) -> HttpResponse:
    """An imported sweep is read here, not measured further."""
    messages.warning(request, "It was imported: its board is elsewhere, so it cannot go on here.")
    return redirect(sweep)
