"""A run over time: the figure at any zoom, and the energy of any window of it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from measurements import envelope, reintegration, trace_figure, traces
from measurements.messages import Rail
from measurements.models import Run
from measurements.power import EnergyUnknown, Window
from measurements.reintegration import NoWindow, WindowEnergy
from measurements.trace_figure import PHASE_LABELS, PowerTrace, RailTrace, Span, Surroundings

FEWEST_POINTS = 100
OPEN = (Run.State.QUEUED, Run.State.RUNNING)


@require_GET
def run_trace(request: HttpRequest, run_id: str) -> HttpResponse:
    """The figure from `from` to `to` seconds (the whole run without), of at most `points`."""
    run = get_object_or_404(
        Run.objects.select_related("device").prefetch_related("phases"), pk=run_id
    )
    try:
        within = span(request.GET, "from", "to")
        chosen = span(request.GET, "start", "end")
    except NoWindow as error:
        return JsonResponse({"error": str(error)}, status=400)
    trace = traces.power_trace(run, parts=parts(run), within=within, most=_points(request.GET))
    around = _around(run, within, chosen)
    figure = trace_figure.power_trace(trace or _nothing_yet(run), around=around)
    drawn = {"stretch": trace.stretch, "samples": len(trace.t_s)} if trace else {"samples": 0}
    return JsonResponse({"figure": figure.to_plotly_json(), **drawn})


@require_GET
def run_window(request: HttpRequest, run_id: str) -> HttpResponse:
    """Energy from `start` to `end`; a part of the run's page, whose address then carries it."""
    run = get_object_or_404(Run, pk=run_id)
    answer = render(request, "measurements/_run_window.html", window_context(request.GET, run))
    answer["HX-Replace-Url"] = f"{run.get_absolute_url()}?{request.GET.urlencode()}"
    return answer


def window_context(query: QueryDict, run: Run) -> dict[str, Any]:
    """What `_run_window.html` shows of the window that stands in the URL, or why it cannot."""
    asked = {
        "run": run,
        "start": query.get("start", ""),
        "end": query.get("end", ""),
        "presets": _presets(run),
    }
    try:
        chosen = span(query, "start", "end")
        over = None if chosen is None else integrated(run, chosen)
    except EnergyUnknown as error:
        return {**asked, "why": str(error)}
    return {**asked, "over": over}


def span(query: QueryDict, start: str, end: str) -> Window | None:
    """The window that two parameters name; None if neither is given.

    Raises:
        NoWindow: They are no stretch of time.
    """
    given = query.get(start, ""), query.get(end, "")
    if given == ("", ""):
        return None
    try:
        return reintegration.window(*(float(text) for text in given))
    except (ValueError, OverflowError) as error:
        if isinstance(error, NoWindow):
            raise
        raise NoWindow("start and end must be numbers of seconds") from error


def integrated(run: Run, chosen: Window) -> WindowEnergy:
    """Raises EnergyUnknown: See its subclasses."""
    board = run.manifest.get("board", {})
    lag_s = float(board.get("sensor_lag_s") or 0.0)
    columns = traces.columns(run, chosen)
    rails = [(rail, columns.rail(row, lag_s)) for row, rail in enumerate(_rails(run))]
    return reintegration.over(
        chosen,
        total=columns.total(lag_s),
        rails=rails,
        requests=traces.completed_in(run, chosen),
    )


def _presets(run: Run) -> list[tuple[str, str]]:
    """(name, query string) of the windows that the run itself knows."""
    spans = [(PHASE_LABELS.get(one.name, one.name), one) for one in traces.phases(run)]
    if run.window_start_s is not None and run.window_end_s is not None:
        spans.append(("measured window", Span("", run.window_start_s, run.window_end_s)))
    return [(name, f"start={one.start_s:.6f}&end={one.end_s:.6f}") for name, one in spans]


def parts(run: Run) -> dict[str, str]:
    """What each rail feeds, by its name."""
    rails = run.manifest.get("board", {}).get("rails", [])
    return {rail["name"]: rail["part"] for rail in rails}


def _rails(run: Run) -> list[Rail]:
    known = parts(run)
    named = [
        {"name": name, "part": known.get(name, "other"), "in_total": name in run.total_of}
        for name in run.rails
    ]
    return msgspec.convert(named, list[Rail])


def _around(run: Run, within: Window | None, chosen: Window | None) -> Surroundings:
    return Surroundings(
        phases=traces.phases(run),
        batches=_batches(run, within),
        idle_w=run.idle_power_w,
        chosen=chosen,
    )


def _batches(run: Run, within: Window | None) -> list[trace_figure.Batch] | None:
    """Those in sight; not even looked for where the whole run has too many."""
    if within is not None:
        return traces.batches(run, within)
    if (run.requests_served or 0) > traces.MOST_BATCHES * (run.batch_size or 1):
        return None
    return traces.batches(run, Window(-math.inf, math.inf))


def _nothing_yet(run: Run) -> PowerTrace:
    """The empty figure of a run under way: its lines come live."""
    device = run.device if run.state in OPEN else None
    rails = zip(device.rails, device.rail_parts, strict=True) if device else ()
    none = [None]
    return PowerTrace(
        none, none, [RailTrace(*rail, none) for rail in rails], none, none, none, none
    )


def _points(query: QueryDict) -> int:
    """How many samples to draw: as asked, within what can be seen and paid for."""
    try:
        asked = int(query.get("points", ""))
    except ValueError:
        return traces.MOST_SAMPLES
    return min(max(asked, FEWEST_POINTS), envelope.SHORT)
