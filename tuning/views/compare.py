"""Comparing: runs by the page of measurements, sweeps by the one here, at one address."""

from __future__ import annotations

import csv
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from measurements import comparison_figures
from measurements.browsing import url
from measurements.comparison_figures import Curve
from measurements.models import energy_unit_of
from measurements.units import EnergyUnit
from measurements.views.compare import (
    Refused,
    baseline_of,
    compare_runs,
    links,
    listed,
    plain,
)
from tuning import comparing, figures
from tuning.comparing import Side
from tuning.models import Sweep

SUGGESTED = 12


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """`runs=a,b` or `sweeps=1,2`; ticked boxes (`run`, `sweep`) are sent on to such an address."""
    for key in ("run", "sweep"):
        if key in request.GET:
            ids = ",".join(dict.fromkeys(request.GET.getlist(key)))
            return redirect(f"{reverse('compare')}?{urlencode({f'{key}s': ids}, safe=',')}")
    return compare_sweeps(request) if "sweeps" in request.GET else compare_runs(request)


def compare_sweeps(request: HttpRequest) -> HttpResponse:
    try:
        found = _sweeps(request.GET["sweeps"])
    except Refused as refused:
        context = {"refused": str(refused), "suggested": _suggested([]), "chosen": []}
        return render(request, "tuning/compare_sweeps.html", context, status=404)
    if len(found) < 2:
        context = {"suggested": _suggested(found), "chosen": found}
        return render(request, "tuning/compare_sweeps.html", context)
    context = _context(request, comparing.sides(found))
    if request.GET.get("format") == "csv":
        return _csv(context)
    return render(request, "tuning/compare_sweeps.html", context)


def _sweeps(text: str) -> list[Sweep]:
    ids = []
    for part in listed(text):
        if not part.isdecimal() or len(part) > 9:
            raise Refused(f"“{part[:60]}” is not the number of a sweep.")
        ids.append(int(part))
    found = comparing.sweeps(ids)
    if missing := set(ids) - {sweep.pk for sweep in found}:
        raise Refused(f"There is no sweep {', '.join(map(str, sorted(missing)))}.")
    return found


def _context(request: HttpRequest, shown: list[Side]) -> dict[str, Any]:
    ids = [str(side.sweep.pk) for side in shown]
    baseline = baseline_of(request.GET, ids)
    best, common = comparing.winners(shown, baseline), comparing.paired(shown, baseline)
    only = request.GET.get("only") == "differences"
    tables = [
        ("Settings", comparing.settings(shown)),
        ("Results", comparing.outcomes(shown, baseline)),
    ]
    return {
        "sides": list(zip(shown, links(request.GET, "sweeps", ids), strict=True)),
        "baseline": baseline,
        "base": shown[baseline],
        "tables": [
            (name, [row for row in rows if row.differs or not only]) for name, rows in tables
        ],
        "all_tables": [rows for _, rows in tables],
        "sentences": comparing.sentences(shown, baseline, best, common),
        "unlike": comparing.unlike(shown),
        "others": len(shown) - 1,
        "only": only,
        "toggle": url(request.GET, only=None if only else "differences"),
        "csv": url(request.GET, format="csv"),
        "drawn": _figures(shown, energy_unit_of(request.user)),
        "suggested": _suggested([side.sweep for side in shown]),
        "chosen": [side.sweep for side in shown],
    }


def _figures(shown: list[Side], unit: EnergyUnit) -> list[tuple[str, Any]]:
    names = [side.letter for side in shown]
    energies = comparison_figures.energies(
        names, [side.energy for side in shown], what="Winner's energy", unit=unit
    )
    fronts = comparison_figures.fronts([_front(n, side) for n, side in enumerate(shown)], unit=unit)
    return [
        ("compared-energy", energies.to_plotly_json()),
        ("compared-fronts", fronts.to_plotly_json()),
    ]


def _front(number: int, side: Side) -> Curve:
    timed = [result for result in side.found if result.latency_ms is not None]
    front = figures.pareto_front(timed)
    return Curve(number, side.letter, [one.latency_ms or 0.0 for one in front],
                 [one.energy_j for one in front])  # fmt: skip


def _csv(context: dict[str, Any]) -> HttpResponse:
    shown = [side for side, _ in context["sides"]]
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    writer = csv.writer(answer)
    writer.writerows(plain([["sweep", "", *(str(side.sweep) for side in shown)]]))
    writer.writerow(["number", "", *(side.sweep.pk for side in shown)])
    writer.writerow(["baseline", "", context["base"].letter])
    writer.writerows(plain(comparing.csv_rows(shown, context["all_tables"])))
    answer["Content-Disposition"] = 'attachment; filename="comparison-of-sweeps.csv"'
    return answer


def _suggested(chosen: list[Sweep]) -> list[Sweep]:
    sweeps = Sweep.objects.select_related("device", "network").with_standing()
    others = sweeps.exclude(pk__in=[sweep.pk for sweep in chosen])
    return list(others.order_by("-created_at")[:SUGGESTED])
