"""Figures of a sweep's CPU phase: preprocessing over the CPU clock, and how the limit is split."""

from __future__ import annotations

from collections.abc import Sequence

from measurements.charts import Chart, Link, Table
from measurements.drawing import Trace, bar, scatter
from measurements.figures import figure
from measurements.units import JOULE, EnergyUnit
from tuning.cpu_answer import Answer, Energy, Measured, Split
from tuning.wording import clock_mhz, three_digits

CURVE_POINTS = 60


def over_clock(found: Answer, *, chosen_hz: int | None) -> Chart:
    """Time and energy per preprocessed request over the CPU clock, with the chosen one marked."""
    held = [one for one in found.measured if one.cpu_hz is not None]
    unit = JOULE.fitting([one.board.joules for one in found.measured])
    energy = {"title": {"text": f"Energy ({unit.symbol})"}, "type": "log", "dtick": "D2"}
    drawn = figure(
        height=560,
        xaxis={"title": {"text": "CPU clock (MHz)"}, "anchor": "y2", "rangemode": "tozero"},
        yaxis={"title": {"text": "Time (ms)"}, "domain": [0.64, 1], "rangemode": "tozero"},
        yaxis2={**energy, "domain": [0, 0.56], "tickformat": "~g"},
        shapes=_marks(chosen_hz, found.terms.limit_s),
    )
    times = [one.time_ms for one in held]
    drawn.add_trace(_points(held, times, "time", "--text", "circle", axis="y"))
    if found.curves is not None and held:
        drawn.add_trace(_curve(found, held))
    for label, token, symbol, energies in _energies(held):
        joules = [one and one.joules * unit.scale for one in energies]
        if any(value is not None for value in joules):
            widths = [((one and one.half_width_j) or 0.0) * unit.scale for one in energies]
            drawn.add_trace(_points(held, joules, label, token, symbol, widths=widths, axis="y2"))
    if found.found is not None and held:
        drawn.add_trace(_as_found(found.found, held, unit.scale))
    return Chart(
        "cpu-clock",
        "What does preparing one request take at each CPU clock?",
        drawn,
        _table(found.measured, unit),
        "Preprocessing alone, on one core, nothing inferred; bars are 95 % intervals. “With its "
        "wait” adds the idle board until the next request, at the pace of inference: the choice "
        "looks for its least value.",
    )


def _energies(
    held: Sequence[Measured],
) -> list[tuple[str, str, str, list[Energy | None]]]:
    """(label, colour, symbol, values) of each energy that is drawn."""
    at_pace = [one.at_pace_j and Energy(one.at_pace_j, None) for one in held]
    return [
        ("with its wait", "--text-quiet", "diamond", at_pace),
        ("whole board", "--accent", "circle", [one.board for one in held]),
        ("the CPU's rail", "--rail-cpu", "square", [one.cpu for one in held]),
    ]


def split(found: Split) -> Chart:
    """Where the time of a mean request goes, beside the limit, as one bar."""
    parts = [
        ("preprocessing", found.preprocessing_ms, "--rail-cpu"),
        ("queue", found.queue_ms, "--text-quiet"),
        ("inference", found.inference_ms, "--rail-gpu"),
    ]
    if found.left_ms is not None and found.left_ms > 0:
        parts.append(("left of the limit", found.left_ms, "--line"))
    drawn = figure(
        height=170,
        barmode="stack",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        xaxis={"title": {"text": "Time of a mean request (ms)"}, "rangemode": "tozero"},
        yaxis={"showticklabels": False, "ticks": "", "showgrid": False},
        margin={"l": 16, "r": 16, "t": 40, "b": 48},
    )
    for name, ms, token in parts:
        drawn.add_trace(
            bar(
                x=[ms], y=[""], orientation="h", name=name, width=0.5, meta={"token": token},
                hovertemplate=f"{name} {three_digits(ms)} ms<extra></extra>",
            )
        )  # fmt: skip
    rows = [[name, three_digits(ms)] for name, ms, _ in parts]
    rows.append(["its run", Link("open", found.run_url)])
    return Chart("cpu-split", "How is the latency limit spent?", drawn,
                 Table(["Part", "Mean (ms)"], rows))  # fmt: skip


def _points(
    held: Sequence[Measured], values: Sequence[float | None], label: str, token: str, symbol: str,
    *, axis: str, widths: Sequence[float] | None = None,
) -> Trace:  # fmt: skip
    return scatter(
        x=[one.cpu_hz / 1e6 for one in held],
        y=values,
        error_y=widths and {"type": "data", "array": widths, "thickness": 1, "width": 2},
        mode="markers" if axis == "y" else "lines+markers",
        name=label,
        marker={"symbol": symbol, "size": 8},
        line={"width": 1},
        customdata=[one.run_url for one in held],
        hovertemplate=f"%{{x:.0f}} MHz: %{{y:.3g}}<extra>{label}</extra>",
        meta={"token": token},
        yaxis=axis,
    )


def _curve(found: Answer, held: Sequence[Measured]) -> Trace:
    low, high = held[0].cpu_hz, held[-1].cpu_hz
    clocks = [low + (high - low) * i / (CURVE_POINTS - 1) for i in range(CURVE_POINTS)]
    return scatter(
        x=[hz / 1e6 for hz in clocks],
        y=[1e3 * found.curves.at(hz).time_s for hz in clocks],
        mode="lines",
        line={"width": 1.5},
        name="constant + cycles ÷ clock",
        hoverinfo="skip",
        meta={"token": "--text-quiet"},
    )


def _as_found(found: Measured, held: Sequence[Measured], scale: float) -> Trace:
    return scatter(
        x=[held[0].cpu_hz / 1e6, held[-1].cpu_hz / 1e6],
        y=[found.board.joules * scale] * 2,
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


def _table(measured: Sequence[Measured], unit: EnergyUnit) -> Table:
    names = ("whole board", "beyond the idle board", "the CPU's rail", "with its wait")

    def written(value: Energy | float | None) -> str:
        if value is None:
            return "unknown"
        joules, half_j = (value.joules, value.half_width_j) if isinstance(value, Energy) else (
            value, None)  # fmt: skip
        text = three_digits(joules * unit.scale)
        return text if half_j is None else f"{text} ± {three_digits(half_j * unit.scale)}"

    rows = [
        [
            Link("as found" if one.cpu_hz is None else f"{clock_mhz(one.cpu_hz)} MHz", one.run_url),
            three_digits(one.time_ms),
            *map(written, (one.board, one.added, one.cpu, one.at_pace_j)),
        ]
        for one in measured
    ]
    return Table(["CPU clock", "Time (ms)", *(f"{name} ({unit.symbol})" for name in names)], rows)
