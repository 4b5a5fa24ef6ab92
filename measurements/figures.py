"""Figures of one run, and the chart template that every figure of PolyWeb shares.

A figure is made of numbers only: colours are names of CSS custom properties, given in
a trace's `meta.token` or a shape's `name`, and `static/js/chart.js` fills them in, so a
chart follows the theme without asking the server again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from measurements.units import JOULE, EnergyUnit

MOST_BINS = 60
PHASE_TOKENS = {"serve": "--accent", "warm_up": "--warn"}
PHASE_LABELS = {"settle": "settle", "warm_up": "warm up", "serve": "serve", "tail": "tail"}
DASHES = ("solid", "dash", "dot", "dashdot")
"""Rails of one part share its colour and are told apart by their dashes."""

_AXIS = {
    "automargin": True,
    "showgrid": True,
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 4,
    "title": {"standoff": 8, "font": {"size": 12}},
}
TEMPLATE = go.layout.Template(
    layout={
        "autotypenumbers": "strict",
        "font": {"size": 12},
        "hoverlabel": {"align": "left"},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 56, "r": 16, "t": 32, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)


@dataclass(frozen=True, slots=True)
class RailTrace:
    """Power of one rail at the instants of its `PowerTrace`, shape (n,)."""

    name: str
    part: str
    power_w: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """Columns of n samples, `t_s` ascending from the run's start; None: not stated."""

    t_s: Sequence[float]
    total_w: Sequence[float | None]
    rails: Sequence[RailTrace]
    gpu_mhz: Sequence[int | None]
    emc_mhz: Sequence[int | None]
    cpu_mhz: Sequence[int | None]
    temp_c: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of a run's time, in seconds from its start."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled line at a value of the horizontal axis."""

    label: str
    value: float
    token: str = "--text-quiet"


@dataclass(frozen=True, slots=True)
class EnergyShare:
    """What one rail, or what no rail, adds to a request: joules."""

    name: str
    part: str
    energy_j: float


def figure(**layout: object) -> go.Figure:
    """An empty figure in PolyWeb's template."""
    return go.Figure(layout={"template": TEMPLATE, **layout})


def power_trace(trace: PowerTrace, *, phases: Sequence[Span]) -> go.Figure:
    """Total and rails over time, with the clocks and the temperature below on the same axis."""
    drawn = figure(
        height=560,
        hovermode="x unified",
        xaxis={"title": {"text": "Time from the run's start (s)"}, "anchor": "y3"},
        yaxis={"title": {"text": "Power (W)"}, "domain": [0.5, 1], "rangemode": "tozero"},
        yaxis2={"title": {"text": "Clock (MHz)"}, "domain": [0.22, 0.44], "rangemode": "tozero"},
        yaxis3={"title": {"text": "Hottest zone (°C)"}, "domain": [0, 0.16]},
        shapes=[_shade(phase) for phase in phases],
    )
    drawn.add_traces(_power_lines(trace) + _clock_lines(trace) + [_temperature(trace)])
    return drawn


def latency_histogram(latencies_ms: ArrayLike, *, marks: Sequence[Mark]) -> go.Figure:
    """How many requests took how long, with percentiles and the SLO as lines.

    Args:
        latencies_ms: One per measured request, shape (n,); n >= 1.
        marks: Lines at values in ms.
    """
    latencies = np.asarray(latencies_ms, dtype=float)
    counts, edges = np.histogram(latencies, bins=_bins(latencies))
    bars = go.Bar(
        x=((edges[:-1] + edges[1:]) / 2).tolist(),
        y=counts.tolist(),
        width=np.diff(edges).tolist(),
        customdata=np.column_stack([edges[:-1], edges[1:]]).tolist(),
        hovertemplate="%{customdata[0]:.3~f} to %{customdata[1]:.3~f} ms: %{y} requests"
        "<extra></extra>",
        meta={"token": "--accent"},
    )
    return figure(
        bargap=0.04,
        showlegend=False,
        xaxis={"title": {"text": "Latency (ms)"}},
        yaxis={"title": {"text": "Requests"}, "rangemode": "tozero"},
        shapes=[_line_at(mark) for mark in marks],
        annotations=[_label_at(mark, row) for row, mark in enumerate(marks)],
        margin={"t": 20 + 16 * len(marks)},
    ).add_trace(bars)


def rail_energy(shares: Sequence[EnergyShare], *, what: str, unit: EnergyUnit = JOULE) -> go.Figure:
    """One bar per rail: what each adds to a request, in `unit` or, for hours, in joules.

    Args:
        what: Which energy it is, e.g. "Busy energy".
    """
    unit = unit.additive.fitting([share.energy_j for share in shares])
    drawn = figure(
        height=96 + 32 * len(shares),
        showlegend=False,
        xaxis={"title": {"text": unit.title(what)}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "showgrid": False},
        margin={"t": 8},
    )
    for share in shares:
        drawn.add_bar(
            x=[unit.value(share.energy_j)],
            y=[share.name],
            orientation="h",
            meta={"token": f"--rail-{share.part}"},
            hovertemplate=f"%{{y}}: %{{x:.3~g}} {unit.symbol}<extra></extra>",
        )
    return drawn


def _power_lines(trace: PowerTrace) -> list[go.Scatter]:
    total = go.Scatter(
        x=trace.t_s,
        y=trace.total_w,
        name="total",
        line={"width": 2},
        meta={"token": "--text"},
        hovertemplate="%{y:.3~f} W",
    )
    seen: dict[str, int] = {}
    lines = [total]
    for rail in trace.rails:
        dash = DASHES[seen.get(rail.part, 0) % len(DASHES)]
        seen[rail.part] = seen.get(rail.part, 0) + 1
        lines.append(
            go.Scatter(
                x=trace.t_s,
                y=rail.power_w,
                name=rail.name,
                line={"width": 1.2, "dash": dash},
                meta={"token": f"--rail-{rail.part}"},
                hovertemplate="%{y:.3~f} W",
            )
        )
    return lines


def _clock_lines(trace: PowerTrace) -> list[go.Scatter]:
    clocks = (("GPU clock", "gpu", trace.gpu_mhz), ("memory clock", "memory", trace.emc_mhz),
              ("CPU clock", "cpu", trace.cpu_mhz))  # fmt: skip
    return [
        go.Scatter(
            x=trace.t_s,
            y=mhz,
            yaxis="y2",
            name=name,
            line={"width": 1.2, "shape": "hv"},
            meta={"token": f"--rail-{part}"},
            showlegend=False,
            hovertemplate="%{y} MHz",
        )
        for name, part, mhz in clocks
        if any(value is not None for value in mhz)
    ]


def _temperature(trace: PowerTrace) -> go.Scatter:
    return go.Scatter(
        x=trace.t_s,
        y=trace.temp_c,
        yaxis="y3",
        name="hottest zone",
        line={"width": 1.2},
        meta={"token": "--bad"},
        showlegend=False,
        hovertemplate="%{y:.1f} °C",
    )


def _shade(phase: Span) -> dict[str, object]:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": phase.start_s,
        "x1": phase.end_s,
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"width": 0},
        "opacity": 0.1,
        "name": PHASE_TOKENS.get(phase.name, "--text-quiet"),
        "label": {
            "text": PHASE_LABELS.get(phase.name, phase.name),
            "textposition": "top left",
            "font": {"size": 11},
        },
    }


def _bins(latencies: np.ndarray) -> int | np.ndarray:
    """Freedman and Diaconis' bins, at least 8 and at most 60 of them."""
    wanted = len(np.histogram_bin_edges(latencies, bins="fd")) - 1 if len(latencies) > 1 else 1
    return int(np.clip(wanted, 8, MOST_BINS))


def _line_at(mark: Mark) -> dict[str, object]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": mark.value,
        "x1": mark.value,
        "y0": 0,
        "y1": 1,
        "line": {"width": 1.5, "dash": "dash"},
        "name": mark.token,
    }


def _label_at(mark: Mark, row: int) -> dict[str, object]:
    return {
        "x": mark.value,
        "xref": "x",
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": "left",
        "yshift": 2 + 15 * row,
        "showarrow": False,
        "text": mark.label,
        "name": mark.token,
        "font": {"size": 11},
    }
