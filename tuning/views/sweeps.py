from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from measurements import browsing
from measurements.browsing import Column, FilterRow
from measurements.models import Device, Network, Run
from measurements.models.calibrations import outside
from measurements.roles import OPERATOR, role_required
from tuning import figures, results, search, tasks
from tuning.models import Sweep, Trial
from tuning.views import winner
from tuning.wording import Question

FILTERS = {"state": "state", "device": "device__name", "network": "network__name"}
COLUMNS = (
    Column("Sweep", "name", "name"),
    Column("State", "state", "state"),
    Column("Winner"),
    Column("Device", "device", "device__name"),
    Column("Network", "network", "network__name"),
    Column("Strategy"),
    Column("SLO", "slo", "slo_ms", unit="ms", is_number=True),
    Column("Trials", "trials", "observed", is_number=True),
    Column("Launched", "created", "created_at"),
)


@require_GET
def sweep_list(request: HttpRequest) -> HttpResponse:
    wanted = {FILTERS[key]: request.GET[key] for key in FILTERS if request.GET.get(key)}
    sweeps = (
        Sweep.objects.select_related("device", "network")
        .with_standing()
        .annotate(observed=Count("trials", filter=Q(trials__state=Trial.State.OBSERVED)))
    )
    sweeps = browsing.ordered(sweeps.filter(**wanted), request.GET, COLUMNS, default="-created")
    context = {
        "pages": browsing.pages(sweeps, request.GET),
        "headings": browsing.headings(request.GET, COLUMNS, default="-created"),
        "filters": _filters(request),
        "is_filtered": bool(wanted),
    }
    return render(request, "tuning/sweep_list.html", context)


@require_GET
def sweep_detail(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = _sweep(pk)
    device = sweep.device
    rails = [
        {"name": name, "part": part, "in_total": name in device.total_of}
        for name, part in zip(device.rails, device.rail_parts, strict=True)
    ]
    context = _standing(request, sweep) | _findings(request, sweep) | {"rails": rails}
    return render(request, "tuning/sweep_detail.html", context)


@require_GET
def sweep_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The moving part of the sweep's page; with what was found, if that is new to the asker."""
    sweep = _sweep(pk)
    context = _standing(request, sweep)
    if request.GET.get("seen") != context["progress"].mark:
        context |= _findings(request, sweep) | {"is_news": True}
    context["is_moved"] = request.GET.get("state") != sweep.state
    return render(request, "tuning/_sweep_news.html", context)


@require_GET
def sweep_csv(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = _sweep(pk)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    csv.writer(response).writerows(_csv_rows(sweep))
    name = f"{slugify(sweep.name) or 'sweep'}-{sweep.pk}-trials.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_POST
@role_required(OPERATOR)
def sweep_deed(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    sweep = _sweep(pk)
    if deed == "pause":
        done = sweep.pause()
    elif deed == "resume":
        done = sweep.resume()
        tasks.advance.delay_on_commit(sweep.pk)
    elif deed == "cancel":
        done = search.cancel(sweep, f"Cancelled by {request.user}.")
    else:
        raise Http404(f"There is no such deed: {deed}")
    if not done:
        messages.warning(request, f"Nothing changed: the sweep is {sweep.get_state_display()}.")
    return redirect(sweep)


def _sweep(pk: int) -> Sweep:
    sweeps = Sweep.objects.select_related("device", "network", "created_by").with_standing()
    return get_object_or_404(sweeps.prefetch_related("axes", "others"), pk=pk)


def _filters(request: HttpRequest) -> list[FilterRow]:
    """Chips for every state, and for the devices and networks that have been swept."""
    named = {
        "device": ("Device", Device.objects.filter(sweeps__isnull=False)),
        "network": ("Network", Network.objects.filter(sweeps__isnull=False)),
    }
    rows = [browsing.filter_row(request.GET, "state", "State", Sweep.State.choices)]
    for key, (label, subjects) in named.items():
        names = subjects.order_by("name").distinct().values_list("name", "name")
        rows.append(browsing.filter_row(request.GET, key, label, names))
    return rows


def _standing(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """Where the sweep stands: the answer so far, what is spent, what is left."""
    space = sweep.space()
    best = results.best(sweep, space.names)
    default = best and results.at_default_clocks(sweep, space.names, best.batch_size)
    progress = results.progress(sweep)
    planned = min(sweep.budget_trials, len(space))
    bound_ms = best and best.bound_ms
    has_margin = bound_ms is not None and sweep.slo_ms is not None
    return {
        "sweep": sweep,
        "points": len(space),
        "best": best,
        "default": default,
        "outside": best and outside(Run.objects.get(pk=best.run_id)),
        "difference": default and results.less(best, default),
        "progress": progress,
        "planned": planned,
        "eta_s": _eta_s(sweep, progress, planned),
        "margin_ms": sweep.slo_ms - bound_ms if has_margin else None,
        "statistic": results.STATISTIC_LABELS[sweep.slo_statistic],
        "shared": len(sweep.devices) > 1,
        **winner.context(sweep),
        "page_number": request.GET.get("page", "1"),
    }


def _eta_s(sweep: Sweep, progress: results.Progress, planned: int) -> float | None:
    """Seconds from now at the pace of the latest runs; None when that is not known."""
    pace_s = results.pace_s(sweep) if sweep.state == Sweep.State.RUNNING else None
    return None if pace_s is None else pace_s * max(0, planned - progress.ended)


def _findings(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """Figures and the page of trials."""
    space = sweep.space()
    rows = results.rows(sweep, results.measured(sweep), space.names)
    energy = "Busy energy" if sweep.objective == Sweep.Objective.BUSY else "At-rate energy"
    statistic = results.STATISTIC_LABELS[sweep.slo_statistic]
    question = Question(energy, statistic, sweep.slo_ms)
    maps = figures.heat_maps(space, rows, question=question)
    scatter = figures.energy_against_latency(rows, question=question)
    found = results.latest(sweep).reverse()
    asked = QueryDict(mutable=True)
    asked["page"] = request.GET.get("page", "1")
    pages = browsing.pages(found, asked)
    return {
        "maps": maps,
        "question": question,
        "measured": len(rows),
        "drawn": [(f"heat-{one.batch_size}", one.figure.to_plotly_json()) for one in maps]
        + [("against", scatter.to_plotly_json())],
        "pages": pages,
        "trials": results.rows(sweep, pages.page.object_list, space.names),
        "axes": [axis.name for axis in space.axes],
    }


def _csv_rows(sweep: Sweep) -> Iterator[list[object]]:
    names, statistic = sweep.space().names, sweep.slo_statistic
    yield ["trial", "state", *names, "energy_j_per_request", "energy_half_width_j",
           f"latency_{statistic}_ms", f"latency_{statistic}_upper_ms", "meets_slo",
           "mean_power_w", "board_s", "run", "run_state", "device", "provenance", "network",
           "objective", "taken_over", "sweep_winner"]  # fmt: skip
    for row in results.rows(sweep, results.latest(sweep), names):
        yield [row.number, row.state, *(row.point[name] for name in names), row.energy_j,
               row.half_width_j, row.latency_ms, row.upper_ms,
               row.meets_slo if row.is_measured else None, row.power_w, row.board_s, row.run_id,
               row.run_state, row.device, sweep.device.provenance, sweep.network.name,
               sweep.objective, row.taken_over, sweep.standing.value]  # fmt: skip
