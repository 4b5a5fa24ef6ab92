"""Figures of one run, and the chart template that every figure of PolyWeb shares.

A figure is made of numbers only: colours are names of CSS custom properties, given in
a trace's `meta.token` or a shape's `name`, and `static/js/chart.js` fills them in, so a
chart follows the theme without asking the server again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from measurements.drawing import Figure, bar
from measurements.units import JOULE, EnergyUnit

MOST_BINS = 60

_AXIS = {
    "automargin": True,
    "showgrid": True,
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 4,
    "title": {"standoff": 8, "font": {"size": 12}},
}
TEMPLATE = {
    "layout": {
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
}


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


def figure(**layout: object) -> Figure:
    """An empty figure in PolyWeb's template; the browser colours the axes that it names."""
    return Figure({"template": TEMPLATE, "xaxis": {}, "yaxis": {}, **layout})


def latency_histogram(latencies_ms: ArrayLike, *, marks: Sequence[Mark]) -> Figure:
    """How many requests took how long, with percentiles and the SLO as lines.

    Args:
        latencies_ms: One per measured request, shape (n,); n >= 1.
        marks: Lines at values in ms.
    """
    latencies = np.asarray(latencies_ms, dtype=float)
    counts, edges = np.histogram(latencies, bins=_bins(latencies))
    bars = bar(
        x=((edges[:-1] + edges[1:]) / 2).tolist(),
        y=counts.tolist(),
        width=np.diff(edges).tolist(),
        customdata=np.column_stack([edges[:-1], edges[1:]]).tolist(),
        hovertemplate="%{customdata[0]:.3~f} to %{customdata[1]:.3~f} ms: %{y} requests"
        "<extra></extra>",
        meta={"token": "--accent"},
    )
    shown = _in_sight(edges, marks)
    return figure(
        bargap=0.04,
        showlegend=False,
        xaxis={"title": {"text": "Latency (ms)"}, "range": shown},
        yaxis={"title": {"text": "Requests"}, "rangemode": "tozero"},
        shapes=[_line_at(mark) for mark in marks if mark.value <= shown[1]],
        annotations=[_label_at(mark, row, shown) for row, mark in enumerate(marks)],
        margin={"t": 20 + 16 * len(marks)},
    ).add_trace(bars)


def rail_energy(shares: Sequence[EnergyShare], *, what: str, unit: EnergyUnit = JOULE) -> Figure:
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


def _bins(latencies: np.ndarray) -> int | np.ndarray:
    """Freedman and Diaconis' bins, at least 8 and at most 60 of them."""
    wanted = len(np.histogram_bin_edges(latencies, bins="fd")) - 1 if len(latencies) > 1 else 1
    return int(np.clip(wanted, 8, MOST_BINS))


def _in_sight(edges: np.ndarray, marks: Sequence[Mark]) -> list[float]:
    """From the first bin to the last, and to each mark that does not crush the bins."""
    low, high = float(edges[0]), float(edges[-1])
    width = high - low or 1.0
    near = [mark.value for mark in marks if low - width <= mark.value <= high + 1.5 * width]
    return [min([low, *near]) - 0.05 * width, max([high, *near]) + 0.05 * width]


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


def _label_at(mark: Mark, row: int, shown: Sequence[float]) -> dict[str, object]:
    """The mark's label above its line; at the right edge where the line is beyond it."""
    is_beyond = mark.value > shown[1]
    is_right = mark.value > (shown[0] + shown[1]) / 2
    return {
        "x": 1 if is_beyond else mark.value,
        "xref": "paper" if is_beyond else "x",
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": "right" if is_right else "left",
        "yshift": 2 + 15 * row,
        "showarrow": False,
        "text": f"{mark.label} →" if is_beyond else mark.label,
        "name": mark.token,
        "font": {"size": 11},
    }
