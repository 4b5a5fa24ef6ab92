from __future__ import annotations

import csv
from collections.abc import Iterator

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from measurements.roles import OPERATOR, role_required
from measurements.views import lists
from tuning import results, steering
from tuning.lists import SWEEPS
from tuning.models import Sweep


@require_GET
def sweep_list(request: HttpRequest) -> HttpResponse:
    return lists.show(request, SWEEPS)


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
    if deed not in steering.DEEDS:
        raise Http404(f"There is no such deed: {deed}")
    if not steering.DEEDS[deed](sweep, by=request.user):
        messages.warning(request, f"Nothing changed: the sweep is {sweep.get_state_display()}.")
    return redirect(sweep)


def _sweep(pk: int) -> Sweep:
    sweeps = Sweep.objects.select_related("device", "network", "created_by").with_standing()
    return get_object_or_404(sweeps.prefetch_related("axes", "others"), pk=pk)


def _csv_rows(sweep: Sweep) -> Iterator[list[object]]:
    names, statistic = sweep.space().names, sweep.slo_statistic
    yield ["trial", "state", *names, "energy_j_per_request", "energy_half_width_j",
           f"latency_{statistic}_ms", f"latency_{statistic}_upper_ms", "meets_slo",
           "mean_power_w", "board_s", "run", "run_state", "device", "provenance", "network",
           "objective", "taken_over", "sweep_winner", "goal",
           "asked_half_width_percent", "look", "is_superseded"]  # fmt: skip
    for row in results.rows(sweep, results.latest(sweep), names):
        yield [row.number, row.state, *(row.point[name] for name in names), row.energy_j,
               row.half_width_j, row.latency_ms, row.upper_ms,
               row.meets_slo if row.is_measured else None, row.power_w, row.board_s, row.run_id,
               row.run_state, row.device, sweep.device.provenance, sweep.network.name,
               sweep.objective, row.taken_over, sweep.standing.value, sweep.goal,
               row.precision_percent, row.look, row.is_superseded]  # fmt: skip
