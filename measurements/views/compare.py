"""Runs side by side. The URL holds which, and against which of them: it is the share link."""

from __future__ import annotations

import csv
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from measurements import comparing, comparison_figures, latency, like_with_like, overlay
from measurements.browsing import url
from measurements.comparing import LETTERS, MOST, Side
from measurements.comparison_figures import Curve
from measurements.models import Run, energy_unit_of

SUGGESTED = 12


class Refused(ValueError):
    """These cannot be compared; the text says what to do."""


def compare_runs(request: HttpRequest) -> HttpResponse:
    """The page of `runs=a,b,c`; with `format=csv` the same as a file."""
    try:
        found = _runs(request.GET.get("runs", ""))
    except Refused as refused:
        context = {"refused": str(refused), "suggested": _suggested([]), "chosen": []}
        return render(request, "measurements/compare.html", context, status=404)
    if len(found) < 2:
        context = {"suggested": _suggested(found), "chosen": found}
        return render(request, "measurements/compare.html", context)
    context = _context(request, comparing.sides(found))
    if request.GET.get("format") == "csv":
        return _csv(context)
    return render(request, "measurements/compare.html", context)


def listed(text: str, *, most: int = MOST) -> list[str]:
    """The ids between the commas, each once.

    Raises:
        Refused: There are more than `most`.
    """
    ids = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(ids) > most:
        raise Refused(f"{len(ids)} were asked for; at most {most} stand side by side.")
    return ids


def baseline_of(query: QueryDict, ids: list[str]) -> int:
    """Which of `ids` the others are held against; the first unless the URL names one."""
    asked = query.get("baseline", "")
    return ids.index(asked) if asked in ids else 0


def links(query: QueryDict, key: str, ids: list[str]) -> list[dict[str, str]]:
    """For each id the page with it as the baseline, and without it."""
    return [
        {
            "as_baseline": url(query, baseline=one),
            "without": url(query, **{key: ",".join(other for other in ids if other != one)}),
        }
        for one in ids
    ]


def plain(rows: Any) -> Any:
    """The rows with no cell that a spreadsheet would run."""
    for row in rows:
        yield [f"'{cell}" if str(cell)[:1] in tuple("=+-@\t\r") and isinstance(cell, str) else cell
               for cell in row]  # fmt: skip


def _runs(text: str) -> list[Run]:
    ids = []
    for part in listed(text):
        try:
            ids.append(uuid.UUID(part))
        except ValueError as error:
            raise Refused(f"“{part[:60]}” is not the id of a run.") from error
    found = comparing.runs(ids)
    if missing := set(ids) - {run.pk for run in found}:
        raise Refused(f"There is no run {', '.join(sorted(map(str, missing)))}.")
    return found


def _context(request: HttpRequest, shown: list[Side]) -> dict[str, Any]:
    ids = [str(side.run.pk) for side in shown]
    baseline = baseline_of(request.GET, ids)
    measured = comparing.results(shown, baseline)
    only = request.GET.get("only") == "differences"
    tables = [
        ("Settings", like_with_like.settings(shown)),
        ("Results", measured),
        ("Board, versions and definitions", like_with_like.versions(shown)),
    ]
    return {
        "sides": list(zip(shown, links(request.GET, "runs", ids), strict=True)),
        "baseline": baseline,
        "base": shown[baseline],
        "tables": [
            (name, [row for row in rows if row.differs or not only]) for name, rows in tables
        ],
        "all_tables": [rows for _, rows in tables],
        "sentences": comparing.sentences(shown, baseline, measured),
        "unlike": like_with_like.unlike(shown),
        "not_done": [side for side in shown if side.run.state != Run.State.DONE],
        "only": only,
        "toggle": url(request.GET, only=None if only else "differences"),
        "csv": url(request.GET, format="csv"),
        "others": len(shown) - 1,
        "drawn": _figures(request, shown),
        "suggested": _suggested([side.run for side in shown]),
        "chosen": [side.run for side in shown],
    }


def _figures(request: HttpRequest, shown: list[Side]) -> list[tuple[str, Any]]:
    names = [side.letter for side in shown]
    unit = energy_unit_of(request.user)
    powers = overlay.powers(shown)
    timed = [
        Curve(n, side.letter, x, [100 * share for share in y])
        for n, side in enumerate(shown)
        for x, y in [latency.distribution(side.latencies.ms)]
        if x
    ]
    traced = [
        Curve(n, side.letter, *powers[side.run.pk])
        for n, side in enumerate(shown)
        if powers[side.run.pk][0]
    ]
    energies = comparison_figures.energies(
        names, [side.energy for side in shown], what="Energy", unit=unit
    )
    drawn = [("compared-energy", energies)]
    if timed:
        drawn.append(("compared-latency", comparison_figures.distributions(timed)))
    if traced:
        drawn.append(("compared-power", comparison_figures.powers(traced)))
    return [(name, figure.to_plotly_json()) for name, figure in drawn]


def _csv(context: dict[str, Any]) -> HttpResponse:
    shown = [side for side, _ in context["sides"]]
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    writer = csv.writer(answer)
    writer.writerow(["run", "", *(side.run.pk for side in shown)])
    writer.writerow(["baseline", "", context["base"].letter])
    writer.writerows(plain(comparing.csv_rows(shown, context["all_tables"])))
    answer["Content-Disposition"] = 'attachment; filename="comparison-of-runs.csv"'
    return answer


def _suggested(chosen: list[Run]) -> list[Run]:
    """The newest runs that one may want beside the chosen ones: of the same network."""
    runs = Run.objects.done().sampled().select_related("device", "network").defer("manifest")
    others = runs.exclude(pk__in=[run.pk for run in chosen])
    if chosen and chosen[0].network_id:
        others = others.filter(network=chosen[0].network_id)
    return list(others.order_by("-finished_at")[:SUGGESTED])


__all__ = ["LETTERS", "Refused", "baseline_of", "compare_runs", "links", "listed", "plain"]
