"""The winner of a sweep: verify it, take it away as a bundle, apply it, roll it back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from measurements.models import Application
from measurements.roles import OPERATOR, role_required
from tuning import applying, figures_of_pairs, pairs, results, verifying
from tuning.models import Frozen, Sweep, Verification
from tuning.steering_forms import VerifyForm


def panel(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    return context(sweep)


def context(sweep: Sweep) -> dict[str, Any]:
    """What is known of the winner: its latest verification, the pairs, what was applied."""
    found = sweep.verifications.select_related("trial", "device", "created_by").first()
    rows = pairs.rows(found) if found else []
    done = found is not None and found.state == Verification.State.DONE
    is_running = found is not None and found.state == Verification.State.RUNNING
    answer = pairs.answer(found) if done else None
    applied = applying.of_sweep(sweep)
    on_front = front(sweep)
    searching = sweep.state in (Sweep.State.RUNNING, Sweep.State.WAITING)
    return {
        "verification": found,
        "is_current": done and _is_current(sweep, found, on_front),
        "front": on_front,
        "steps": rows,
        "steps_done": sum(row.is_measured for row in rows),
        "pairs_answer": answer,
        "charts": [figures_of_pairs.chart(answer.comparisons)] if answer else [],
        "verify_form": VerifyForm(label_suffix=""),
        "application": applied,
        "may_verify": bool(sweep.best) and not is_running and not searching,
        "is_verified": sweep.standing == Sweep.Standing.VERIFIED,
        "winner_mark": f"{found and found.state}.{applied and applied.state}",
        "winner_moves": is_running or (applied and applied.state in Application.UNANSWERED),
        "statistic": results.STATISTIC_LABELS[sweep.slo_statistic],
    }


def front(sweep: Sweep) -> list[results.Result]:
    """The points to choose from, of a sweep that asks for a front; else none."""
    if sweep.goal != Sweep.GoalChoice.PARETO:
        return []
    return results.front(results.rows(sweep, results.measured(sweep), sweep.space().names))


def _is_current(sweep: Sweep, found: Verification, on_front: list[results.Result]) -> bool:
    if sweep.goal == Sweep.GoalChoice.PARETO:
        return found.trial.number in {one.number for one in on_front}
    return bool(sweep.best) and sweep.best["values"] == found.trial.values


@require_GET
def winner(request: HttpRequest, pk: int) -> HttpResponse:
    """The moving part; htmx asks for it while a verification or an order is under way."""
    sweep = _sweep(pk)
    known = context(sweep)
    if request.GET.get("mark") != known["winner_mark"]:
        return HttpResponseClientRefresh()
    return render(request, "tuning/_sweep_winner.html", {"sweep": sweep, **known})


@require_POST
@role_required(OPERATOR)
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    sweep, form = _sweep(pk), VerifyForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Blocks: " + " ".join(form.errors.get("blocks", ["which point?"])))
        return _to_winner(sweep)
    try:
        found = verifying.begin(
            sweep,
            blocks=form.cleaned_data["blocks"],
            by=request.user,
            number=form.cleaned_data["trial"],
        )
    except (verifying.CannotVerify, Frozen) as reason:
        messages.warning(request, str(reason))
    else:
        verifying.advance(found.pk)
    return _to_winner(sweep)


@require_POST
@role_required(OPERATOR)
def verify_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = _sweep(pk)
    for found in sweep.verifications.filter(state=Verification.State.RUNNING):
        verifying.cancel(found, f"Cancelled by {request.user}.", by=request.user)
    return _to_winner(sweep)


@require_POST
@role_required(OPERATOR)
def apply(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = _sweep(pk)
    try:
        applying.apply(sweep, by=request.user)
    except applying.CannotApply as reason:
        messages.error(request, str(reason))
    return _to_winner(sweep)


@require_POST
@role_required(OPERATOR)
def roll_back(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = _sweep(pk)
    try:
        applying.roll_back(sweep, by=request.user)
    except applying.CannotApply as reason:
        messages.error(request, str(reason))
    return _to_winner(sweep)


@require_GET
@role_required(OPERATOR)
def bundle(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = _sweep(pk)
    try:
        data = applying.bundle_of(sweep)
    except applying.CannotApply as reason:
        messages.error(request, str(reason))
        return _to_winner(sweep)
    name = f"{slugify(sweep.name) or 'sweep'}-{sweep.pk}-{sweep.device.name}.zip"
    response = HttpResponse(data, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _sweep(pk: int) -> Sweep:
    sweeps = Sweep.objects.select_related("device", "network").with_standing()
    return get_object_or_404(sweeps.prefetch_related("axes"), pk=pk)


def _to_winner(sweep: Sweep) -> HttpResponse:
    return redirect(sweep.get_absolute_url() + "#winner")
