"""Parallel coordinates of a sweep's trials: one line a trial across its knobs and results.

Drawn from scatter lines: Plotly's own parallel coordinates need `unsafe-eval`, which the
page's policy refuses. `static/js/brush.js` lets a reader keep ranges of axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from measurements.charts import Chart, Table
from measurements.drawing import Figure, Trace, scatter, shade
from measurements.figures import figure
from tuning.figure_tables import head, knob, of_results
from tuning.results import Result
from tuning.space import Space
from tuning.wording import Question, hover, known_energy, three_digits
from tuning.zero_line import scale_for

MOST_LINES = 150
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class _Column:
    """One axis: where each trial stands on it, from 0 to 1, and what its ticks say."""

    title: str
    heights: list[float]
    ticks: list[tuple[float, str]]


def chart(space: Space, results: Sequence[Result], *, question: Question) -> Chart:
    """The lines in the colour of their energy; what breaks the limit is grey and dotted."""
    known = [result for result in results if result.latency_ms is not None]
    shown = sorted(known, key=known_energy, reverse=True)[-MOST_LINES:]
    note = "Drag over an axis to keep a range of it; double-click to see all lines again."
    if len(known) > len(shown):
        note += f" The {MOST_LINES} of {len(known)} trials with the least energy are drawn."
    table = of_results(known, question=question) if known else Table([], [])
    return Chart(
        "parallel",
        "What do the good points have in common?",
        _figure(space, shown, question),
        table,
        note,
    )


def _figure(space: Space, shown: Sequence[Result], question: Question) -> Figure:
    columns = _columns(space, shown, question)
    drawn = figure(
        height=420,
        showlegend=False,
        dragmode="select",
        selectdirection="any",
        hovermode="closest",
        meta={"brush": True},
        margin={"l": 40, "r": 56, "t": 40, "b": 16},
        xaxis={
            "tickvals": list(range(len(columns))),
            "ticktext": [column.title for column in columns],
            "side": "top",
            "range": [-0.2, len(columns) - 0.65],
            "fixedrange": True,
        },
        yaxis={"visible": False, "range": [-0.06, 1.06], "fixedrange": True},
        annotations=[
            {
                "x": at,
                "y": height,
                "text": text,
                "showarrow": False,
                "xanchor": "left",
                "xshift": 5,
                "font": {"size": 11},
            }
            for at, column in enumerate(columns)
            for height, text in column.ticks
        ],
    )
    for n, (result, share) in enumerate(zip(shown, _shares(shown), strict=True)):
        drawn.add_trace(_line(n, result, share, columns, question))
    return drawn


def _columns(space: Space, shown: Sequence[Result], question: Question) -> list[_Column]:
    columns = []
    for axis in space.axes:
        if len(axis.values) < 2:
            continue
        places = {value: n / (len(axis.values) - 1) for n, value in enumerate(axis.values)}
        step = math.ceil(len(axis.values) / MOST_TICKS)
        marked = [*axis.values[:-1:step], axis.values[-1]]
        columns.append(
            _Column(
                head(axis.name).replace(" (", "<br>("),
                [places[result.point[axis.name]] for result in shown],
                [(places[value], knob(axis.name, value)) for value in marked],
            )
        )
    unit = scale_for(shown, unit=question.unit).unit
    energies = [unit.value(known_energy(result)) for result in shown]
    latencies = [result.latency_ms or 0.0 for result in shown]
    return [
        *columns,
        _measured(f"{question.statistic}<br>(ms)", latencies),
        _measured(f"Energy<br>({unit.label})", energies),
    ]


def _measured(title: str, values: Sequence[float]) -> _Column:
    """A logarithmic axis from the least to the largest value."""
    low, high = min(values, default=1.0), max(values, default=2.0)
    span = math.log(high / low) or 1.0
    ticks = [(n / 4, three_digits(low * math.exp(span * n / 4))) for n in range(5)]
    return _Column(title, [math.log(value / low) / span for value in values], ticks)


def _shares(shown: Sequence[Result]) -> list[float]:
    """Where each energy stands from the least (0) to the largest (1), by its logarithm."""
    logs = [math.log(known_energy(one)) for one in shown]
    low, span = min(logs), (max(logs) - min(logs)) or 1.0
    return [(value - low) / span for value in logs]


def _line(
    n: int, result: Result, share: float, columns: Sequence[_Column], question: Question
) -> Trace:
    look = (
        {"line": {"width": 1.5, "color": shade(share)}}
        if result.meets_slo
        else {"line": {"width": 1, "dash": "dot"}, "meta": {"token": "--line-strong"}}
    )
    return scatter(
        x=list(range(len(columns))),
        y=[column.heights[n] for column in columns],
        mode="lines+markers",
        marker={"size": 5},
        text=hover(result, question=question),
        customdata=[result.url] * len(columns),
        hovertemplate="%{text}<extra></extra>",
        **look,
    )
