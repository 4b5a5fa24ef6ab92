"""A sweep's page: the answer, four figures, and the tabs, which are fetched by themselves."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET
from django_htmx.http import trigger_client_event

from measurements.models import Run
from measurements.models.calibrations import Outside, outside
from tuning import baselines, results, search_cost
from tuning.baselines import Saving
from tuning.models import Sweep
from tuning.paying import PayBack, pay_back
from tuning.steering_forms import VerifyForm
from tuning.views import panels, winner


@require_GET
def sweep_detail(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = _sweep(pk)
    context = _head(sweep) | {"panels": panels.shown(sweep)}
    return render(request, "tuning/sweep_detail.html", context)


@require_GET
def sweep_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The moving part of the page; the tabs are told when there is something new to fetch."""
    sweep = _sweep(pk)
    context = _head(sweep)
    context["is_moved"] = request.GET.get("state") != context["position"]
    response = render(request, "tuning/_sweep_news.html", context)
    if request.GET.get("seen") != context["progress"].mark or context["is_moved"]:
        trigger_client_event(response, "sweep:news")
    return response


def _sweep(pk: int) -> Sweep:
    sweeps = Sweep.objects.select_related("device", "network", "cpu_phase").with_head()
    return get_object_or_404(sweeps.prefetch_related("axes", "others"), pk=pk)


def _head(sweep: Sweep) -> dict[str, Any]:
    """Where the sweep stands: the answer so far, what is spent, what is left."""
    best, progress = results.best_of(sweep), results.progress(sweep)
    saving, cost = baselines.saving(sweep, best), search_cost.of(sweep)
    points = len(sweep.space())
    planned = min(sweep.budget_trials, sweep.most_trials)
    ended = not sweep.is_open or sweep.state == Sweep.State.PAUSED
    return {
        "sweep": sweep,
        "position": f"{sweep.state}.{sweep.standing}.{sweep.is_verifying}",
        "points": points,
        "planned": planned,
        "best": best,
        "saving": saving,
        "cost": cost,
        "pay_back": _pay_back(sweep, cost.energy_j, saving),
        "front": winner.front(sweep),
        "outside": _outside(sweep, best),
        "progress": progress,
        "eta_s": _eta_s(sweep, planned - progress.ended),
        "board_left_s": max(0.0, (sweep.budget_board_s or 0.0) - progress.board_s),
        "margin_ms": _margin_ms(sweep, best),
        "statistic": results.STATISTIC_LABELS[sweep.slo_statistic],
        "is_verified": sweep.standing == Sweep.Standing.VERIFIED,
        "may_verify": best is not None and ended and not sweep.is_verifying,
        "verify_form": VerifyForm(label_suffix=""),
    }


def _pay_back(sweep: Sweep, cost_j: float | None, saving: Saving | None) -> PayBack | None:
    """Only what was verified in pairs counts as saved."""
    if sweep.standing != Sweep.Standing.VERIFIED or saving is None or cost_j is None:
        return None
    if not saving.default_j or saving.low is None or saving.high is None:
        return None
    return pay_back(
        cost_j=cost_j,
        default_j=saving.default_j,
        share=saving.share,
        low=saving.low,
        high=saving.high,
    )


def _outside(sweep: Sweep, best: results.Result | None) -> Outside | None:
    """The best energy as an external meter would have it; None if there never was one."""
    if best is None or not sweep.is_calibrated:
        return None
    return outside(Run.objects.get(pk=best.run_id))


def _margin_ms(sweep: Sweep, best: results.Result | None) -> float | None:
    """How far the best point's bound lies below the limit."""
    if best is None or best.bound_ms is None or sweep.slo_ms is None:
        return None
    return sweep.slo_ms - best.bound_ms


def _eta_s(sweep: Sweep, left: int) -> float | None:
    """Seconds from now at the mean pace of its runs; None while that is not known."""
    if sweep.state != Sweep.State.RUNNING or sweep.eta is None:
        return None
    return sweep.eta.total_seconds() * max(0, left) / (sweep.trials_left or 1)
