"""The page of one run: the same while it is measured, and from its record."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Exists, F, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRefresh

from measurements import figures, repeat
from measurements.energy import not_attributed
from measurements.figures import EnergyShare, Mark
from measurements.messages import Rail
from measurements.models import PowerSample, Run, RunQuerySet, Verdict, energy_unit_of
from measurements.models.calibrations import outside
from measurements.units import EnergyUnit
from measurements.views.notes import note_context
from measurements.views.traces import window_context

NO_RATE = "Requests came back to back: there is no rate."
OPEN = (Run.State.QUEUED, Run.State.RUNNING)


@require_GET
def run_detail(request: HttpRequest, run_id: str) -> HttpResponse:
    run = get_object_or_404(_runs(), pk=run_id)
    if request.htmx:
        return _news(request, run)
    rails = _rails(run)
    link, is_log = _trial_link(run), run.origin == Run.Origin.IMPORTED_LOG
    context = {
        "run": run,
        "is_open": run.state in OPEN,
        "rails": rails,
        "outside": outside(run),
        "shows_outside": request.GET.get("energy") == "calibrated",
        "not_attributed": _not_attributed(run, rails),
        **_verdicts(run),
        "no_busy": _no_busy(run),
        "no_at_rate": "See the verdicts." if is_log or run.rate_hz else NO_RATE,
        "link": link,
        "comparison": _comparison(run),
        "repeats": run.repeats.order_by("queued_at"),
        "drawn": _figures(run, rails, link, energy_unit_of(request.user)),
        **window_context(request.GET, run),
        **note_context(run),
        **_neighbours(link),
    }
    return render(request, "measurements/run_detail.html", context)


def _no_busy(run: Run) -> str:
    if run.origin == Run.Origin.IMPORTED_LOG:
        return "A log does not say when inferences ran."
    return "See the verdicts." if run.is_sampled else "Not sampled, by plan."


def _runs() -> RunQuerySet:
    """A run with whatever its page reads that hangs on one row."""
    related = ("device", "network", "created_by", "request_log", "note__written_by",
               "repeat_of__request_log")  # fmt: skip
    samples = PowerSample.objects.filter(run=OuterRef("pk"))
    runs = Run.objects.select_related(*related).prefetch_related("phases")
    return runs.annotate(has_samples=Exists(samples))


def _comparison(run: Run) -> repeat.Comparison | None:
    """This run beside the one that it repeats; None if it repeats none, or has not ended."""
    if run.repeat_of is None or run.state in OPEN:
        return None
    return repeat.compare(run.repeat_of, run)


def _news(request: HttpRequest, run: Run) -> HttpResponse:
    """What a page of a run under way asks for: how far it is, or to be loaded anew."""
    if run.state not in OPEN:
        return HttpResponseClientRefresh()
    return render(request, "measurements/_run_live.html", {"run": run, "is_open": True})


def _trial_link(run: Run) -> Any:
    """The link to the trial that asked for this run; None if nothing did.

    Forks that took the run over have later links.
    """
    return run.trial_links.select_related("trial__sweep").order_by("pk").first()


def _neighbours(link: Any) -> dict[str, Any]:
    """The latest runs of the trials before and after in the same sweep."""
    if link is None:
        return {}
    number, name = link.trial.number, F("trial_run__trial__number")
    runs = Run.objects.filter(
        trial_run__trial__sweep=link.trial.sweep_id,
        trial_run__trial__number__in=(number - 1, number + 1),
    )
    latest = runs.annotate(trial_number=name).order_by("queued_at").only("pk", "title")
    found = {run.trial_number: run for run in latest}
    return {"before": found.get(number - 1), "after": found.get(number + 1)}


def _verdicts(run: Run) -> dict[str, list[Verdict]]:
    """Both kinds from one query; the run has few."""
    found = list(run.verdicts.order_by("pk"))
    invalid = Verdict.Severity.INVALID
    return {
        "faults": [verdict for verdict in found if verdict.severity == invalid],
        "notes": [verdict for verdict in found if verdict.severity != invalid],
    }


def _rails(run: Run) -> list[dict[str, Any]]:
    """Each rail with what it feeds and the joules that it adds to a request."""
    known = {rail["name"]: rail for rail in run.manifest.get("board", {}).get("rails", [])}
    busy = run.rail_busy_energy_j or [None] * len(run.rails)
    at_rate = run.rail_at_rate_energy_j or [None] * len(run.rails)
    return [
        {
            "name": name,
            "part": known.get(name, {}).get("part", "other"),
            "in_total": name in run.total_of,
            "busy_j": busy_j,
            "at_rate_j": at_rate_j,
        }
        for name, busy_j, at_rate_j in zip(run.rails, busy, at_rate, strict=True)
    ]


def _not_attributed(run: Run, rails: list[dict[str, Any]]) -> dict[str, float | None]:
    known = msgspec.convert([_rail(rail) for rail in rails], list[Rail])
    busy_j = not_attributed(known, [rail["busy_j"] for rail in rails])
    at_rate_j = not_attributed(known, [rail["at_rate_j"] for rail in rails])
    return {"busy_j": busy_j, "at_rate_j": at_rate_j}


def _rail(rail: dict[str, Any]) -> dict[str, Any]:
    return {key: rail[key] for key in ("name", "part", "in_total")}


def _figures(
    run: Run, rails: list[dict[str, Any]], link: Any, unit: EnergyUnit
) -> list[tuple[str, Any]]:
    """(id, figure) for whatever this run has to show."""
    drawn = []
    what, key = ("Busy", "busy_j") if run.busy_energy_j is not None else ("At-rate", "at_rate_j")
    shares = [
        EnergyShare(rail["name"], rail["part"], rail[key])
        for rail in rails
        if rail[key] is not None
    ]
    if (rest := _not_attributed(run, rails)[key]) is not None:
        shares.append(EnergyShare("not attributed", "other", rest))
    if shares:
        drawn.append(("rails", figures.rail_energy(shares, what=f"{what} energy", unit=unit)))
    if (latencies_ms := _latencies_ms(run)) is not None:
        marks = _marks(run, link)
        drawn.append(("latency", figures.latency_histogram(latencies_ms, marks=marks)))
    return [(name, figure.to_plotly_json()) for name, figure in drawn]


def _latencies_ms(run: Run) -> np.ndarray | None:
    try:
        log = run.request_log
    except ObjectDoesNotExist:
        return None
    if not log.end_s:
        return None
    return (np.array(log.end_s) - np.array(log.arrival_s)) * 1e3


def _marks(run: Run, link: Any) -> list[Mark]:
    known = (("median", run.latency_p50_ms), ("p95", run.latency_p95_ms),
             ("p99", run.latency_p99_ms))  # fmt: skip
    marks = [Mark(f"{name} {value:.3g} ms", value) for name, value in known if value is not None]
    if link is not None and link.trial.sweep.slo_ms is not None:
        slo_ms = link.trial.sweep.slo_ms
        marks.append(Mark(f"SLO {slo_ms:g} ms", slo_ms, "--bad"))
    return marks
