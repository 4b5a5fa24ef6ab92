"""Figures of things laid side by side: energies with intervals, latencies, power over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measurements.comparison import Estimate
from measurements.drawing import Figure, Trace, scatter
from measurements.figures import figure
from measurements.units import JOULE, EnergyUnit

COLOURS = 6
DASHES = ("solid", "dash")


@dataclass(frozen=True, slots=True)
class Curve:
    """What is called `name`: y over x, both of shape (n,); `number` gives it its colour."""

    number: int
    name: str
    x: Sequence[float]
    y: Sequence[float | None]


def series(number: int) -> dict[str, str]:
    """The meta of a trace in the colour of the `number`th thing."""
    return {"token": f"--series-{number % COLOURS + 1}"}


def dash(number: int) -> str:
    return DASHES[number // COLOURS % len(DASHES)]


def energies(
    names: Sequence[str], found: Sequence[Estimate], *, what: str, unit: EnergyUnit = JOULE
) -> Figure:
    """One bar each, with its 95 % interval; what is not known has none."""
    known = [one.value for one in found if one.value is not None]
    unit = unit.fitting(known)
    drawn = figure(
        height=96 + 34 * len(names),
        showlegend=False,
        xaxis={"title": {"text": unit.title(what)}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
        margin={"t": 8},
    )
    for number, (name, one) in enumerate(zip(names, found, strict=True)):
        if one.value is None:
            continue
        drawn.add_bar(
            x=unit.of([one.value]).tolist(),
            y=[name],
            orientation="h",
            error_x=unit.error_bars([one.value], [one.half_width]),
            meta=series(number),
            hovertemplate=f"{name}: {unit.text(one.value, one.half_width)}<extra></extra>",
        )
    return drawn


def distributions(curves: Sequence[Curve]) -> Figure:
    """Which share of requests took no longer than so many ms."""
    drawn = figure(
        height=340,
        xaxis={"title": {"text": "Latency (ms)"}},
        yaxis={"title": {"text": "Requests that took no longer (%)"}, "range": [0, 100]},
    )
    for curve in curves:
        drawn.add_trace(_line(curve, "%{y:.1f} % within %{x:.4~g} ms", shape="hv"))
    return drawn


def powers(curves: Sequence[Curve]) -> Figure:
    """Total power of each run, from the start of its serving."""
    drawn = figure(
        height=340,
        xaxis={"title": {"text": "Time from the start of serving (s)"}},
        yaxis={"title": {"text": "Total power (W)"}, "rangemode": "tozero"},
    )
    for curve in curves:
        drawn.add_trace(_line(curve, "%{y:.3~f} W"))
    return drawn


def fronts(curves: Sequence[Curve], *, unit: EnergyUnit = JOULE) -> Figure:
    """Of each sweep the points that no other of it beats in both latency (x) and joules (y)."""
    unit = unit.fitting([y for curve in curves for y in curve.y if y is not None])
    drawn = figure(
        height=380,
        xaxis={"title": {"text": "Latency (ms)"}, "rangemode": "tozero"},
        yaxis={"title": {"text": unit.title("Energy")}, "rangemode": "tozero"},
    )
    for curve in curves:
        shown = Curve(curve.number, curve.name, curve.x, unit.of(curve.y).tolist())
        line = _line(shown, f"%{{y:.3~g}} {unit.symbol} at %{{x:.4~g}} ms", shape="hv")
        drawn.add_trace({**line, "mode": "lines+markers", "marker": {"size": 7}})
    return drawn


def _line(curve: Curve, hover: str, **line: object) -> Trace:
    return scatter(
        x=curve.x,
        y=curve.y,
        name=curve.name,
        mode="lines",
        line={"width": 1.6, "dash": dash(curve.number), **line},
        meta=series(curve.number),
        hovertemplate=f"{curve.name}: {hover}<extra></extra>",
    )
