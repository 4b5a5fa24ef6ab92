"""Figures of a sweep's CPU phase: preprocessing over the CPU clock, and how the limit is split."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from measurements.charts import Chart, Link, Table
from measurements.figures import figure
from measurements.units import JOULE
from tuning.cpu_answer import Answer, Measured, Split
from tuning.wording import clock_mhz, three_digits

ENERGIES = (
    ("energy_j", "whole board", "--accent", "circle"),
    ("cpu_j", "the CPU's rail", "--rail-cpu", "square"),
    ("added_j", "beyond the idle board", "--rail-memory", "diamond"),
)
CURVE_POINTS = 60


def over_clock(found: Answer, *, chosen_hz: int | None) -> Chart:
    """Time and energy per preprocessed request over the CPU clock, with the chosen one marked."""
    held = [one for one in found.measured if one.cpu_hz is not None]
    fitting = JOULE.fitting([one.energy_j for one in found.measured])
    scale, unit = fitting.scale, fitting.symbol
    drawn = figure(
        height=520,
        xaxis={"title": {"text": "CPU clock (MHz)"}, "anchor": "y2", "rangemode": "tozero"},
        yaxis={"title": {"text": "Time (ms)"}, "domain": [0.6, 1], "rangemode": "tozero"},
        yaxis2={"title": {"text": f"Energy ({unit})"}, "domain": [0, 0.5], "rangemode": "tozero"},
        shapes=_marks(chosen_hz, found.terms.limit_s),
    )
    drawn.add_trace(_points(held, "time_ms", 1.0, "time", "--text", "circle", axis="y"))
    if found.curves is not None and held:
        drawn.add_trace(_curve(found, held))
    for name, label, token, symbol in ENERGIES:
        if any(getattr(one, name) is not None for one in held):
            drawn.add_trace(_points(held, name, scale, label, token, symbol, axis="y2"))
    if found.found is not None and held:
        drawn.add_trace(_as_found(found.found, held, scale))
    return Chart(
        "cpu-clock",
        "What does preparing one request take at each CPU clock?",
        drawn,
        _table(found.measured, unit, scale),
        "Preprocessing alone, on one core, nothing inferred. Error bars: 95 % intervals of the "
        "whole board's energy.",
    )


def split(found: Split) -> Chart:
    """Where the time of a mean request goes, beside the limit, as one bar."""
    parts = [
        ("preprocessing", found.preprocessing_ms, "--rail-cpu"),
        ("queue", found.queue_ms, "--text-quiet"),
        ("inference", found.inference_ms, "--rail-gpu"),
    ]
    if found.left_ms is not None and found.left_ms > 0:
        parts.append(("left of the limit", found.left_ms, "--line-strong"))
    drawn = figure(
        height=170,
        barmode="stack",
        xaxis={"title": {"text": "Time of a mean request (ms)"}, "rangemode": "tozero"},
        yaxis={"showticklabels": False, "ticks": "", "showgrid": False},
        margin={"l": 16, "r": 16, "t": 40, "b": 48},
    )
    for name, ms, token in parts:
        drawn.add_trace(
            go.Bar(
                x=[ms], y=[""], orientation="h", name=name, width=0.5, meta={"token": token},
                hovertemplate=f"{name} {three_digits(ms)} ms<extra></extra>",
            )
        )  # fmt: skip
    rows = [[name, three_digits(ms)] for name, ms, _ in parts]
    rows.append(["its run", Link("open", found.run_url)])
    return Chart("cpu-split", "How is the latency limit spent?", drawn,
                 Table(["Part", "Mean (ms)"], rows))  # fmt: skip


def _points(
    held: Sequence[Measured], name: str, scale: float, label: str, token: str, symbol: str,
    *, axis: str,
) -> go.Scatter:  # fmt: skip
    values = [getattr(one, name) for one in held]
    widths = [(one.half_width_j or 0.0) * scale for one in held] if name == "energy_j" else None
    return go.Scatter(
        x=[one.cpu_hz / 1e6 for one in held],
        y=[None if value is None else value * scale for value in values],
        error_y=widths and {"type": "data", "array": widths, "thickness": 1, "width": 2},
        mode="markers" if name == "time_ms" else "lines+markers",
        name=label,
        marker={"symbol": symbol, "size": 8},
        line={"width": 1},
        customdata=[one.run_url for one in held],
        hovertemplate=f"%{{x:.0f}} MHz: %{{y:.3g}}<extra>{label}</extra>",
        meta={"token": token},
        yaxis=axis,
    )


def _curve(found: Answer, held: Sequence[Measured]) -> go.Scatter:
    low, high = held[0].cpu_hz, held[-1].cpu_hz
    clocks = [low + (high - low) * i / (CURVE_POINTS - 1) for i in range(CURVE_POINTS)]
    return go.Scatter(
        x=[hz / 1e6 for hz in clocks],
        y=[1e3 * found.curves.at(hz).time_s for hz in clocks],
        mode="lines",
        line={"width": 1.5},
        name="constant + cycles ÷ clock",
        hoverinfo="skip",
        meta={"token": "--text-quiet"},
    )


def _as_found(found: Measured, held: Sequence[Measured], scale: float) -> go.Scatter:
    return go.Scatter(
        x=[held[0].cpu_hz / 1e6, held[-1].cpu_hz / 1e6],
        y=[found.energy_j * scale] * 2,
        mode="lines",
        line={"width": 1.5, "dash": "dash"},
        name="whole board, clock as found",
        hovertemplate="as found: %{y:.3g}<extra></extra>",
        meta={"token": "--accent"},
        yaxis="y2",
    )


def _marks(chosen_hz: int | None, limit_s: float | None) -> list[dict[str, object]]:
    marks: list[dict[str, object]] = []
    if chosen_hz is not None:
        label = {"text": f"chosen: {clock_mhz(chosen_hz)} MHz", "textposition": "end",
                 "textangle": 0, "xanchor": "right", "yanchor": "top"}  # fmt: skip
        marks.append({
            "type": "line", "x0": chosen_hz / 1e6, "x1": chosen_hz / 1e6, "y0": 0, "y1": 1,
            "yref": "paper", "name": "--text", "line": {"width": 1.5, "dash": "dot"},
            "label": label,
        })  # fmt: skip
    if limit_s is not None:
        marks.append({
            "type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": 1e3 * limit_s,
            "y1": 1e3 * limit_s, "yref": "y", "name": "--bad", "line": {"width": 1, "dash": "dash"},
            "label": {"text": "its part of the limit", "textposition": "end", "yanchor": "bottom"},
        })  # fmt: skip
    return marks


def _table(measured: Sequence[Measured], unit: str, scale: float) -> Table:
    heads = ["CPU clock", "Time (ms)", *(f"{label} ({unit})" for _, label, _, _ in ENERGIES)]

    def number(value: float | None) -> str:
        return "unknown" if value is None else three_digits(value * scale)

    rows = [
        [
            Link("as found" if one.cpu_hz is None else f"{clock_mhz(one.cpu_hz)} MHz", one.run_url),
            three_digits(one.time_ms),
            *(number(getattr(one, name)) for name, *_ in ENERGIES),
        ]
        for one in measured
    ]
    return Table(heads, rows)
