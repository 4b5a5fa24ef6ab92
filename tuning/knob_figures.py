"""What each knob does: its share, slices through the winner, and two knobs against each other.

All from the model's forecast, beside what was measured: predictions are lines and bands,
measurements are filled marks.
"""

from __future__ import annotations

from collections.abc import Sequence

from measurements.charts import Chart, Link, Table
from measurements.drawing import Figure, Trace, bar, scatter
from measurements.figures import figure
from tuning.figure_tables import head, knob
from tuning.forecast import Forecast, Share
from tuning.results import Result
from tuning.space import Space
from tuning.wording import SHORT, Question, hover, known_energy, three_digits
from tuning.zero_line import EnergyScale, scale_for

SHADES = "Viridis"


def importance(forecast: Forecast) -> Chart:
    """Shares of the predicted variation, the largest first, with what the model leaves open."""
    shares = sorted(forecast.shares, key=lambda share: share.total)
    drawn = figure(
        height=120 + 56 * len(shares),
        barmode="overlay",
        xaxis={"title": {"text": "Share of the variation of log energy (%)"}, "range": [0, 105]},
        yaxis={"showgrid": False},
    )
    drawn.add_trace(_bars(shares, "with other knobs", "total", 0.8, "--rail-soc"))
    drawn.add_trace(_bars(shares, "alone", "alone", 0.45, "--accent"))
    rows = [
        [SHORT.get(s.name, s.name), *(f"{100 * value:.0f}" for value in _numbers(s))]
        for s in reversed(shares)
    ]
    return Chart(
        "importance",
        "Which knob matters most?",
        drawn,
        Table(["Knob", "Alone (%)", "from", "to", "With others (%)", "from", "to"], rows),
        "Variance decomposition (Sobol' indices) of the model's predicted log energy over all "
        "points of the space, each counting alike, whether it keeps the limit or not. Whiskers: "
        f"5 to 95 % over the model's members, after {forecast.measured} measured points; what "
        "all members are wrong about is not in them.",
    )


def slices(
    space: Space, results: Sequence[Result], forecast: Forecast, around: Result, *,
    question: Question,
) -> list[Chart]:  # fmt: skip
    """One chart a knob: it varies, the others stay where `around` has them, or follow it."""
    scale = scale_for(results, unit=question.unit)
    meets = forecast.meets(question.slo_ms)
    charts = []
    for axis in space.axes:
        if len(axis.values) < 2:
            continue
        along = [
            i for value in axis.values
            if (i := _index(space, around.point, {axis.name: value})) is not None
        ]  # fmt: skip
        seen = _measured_at(space, results, along)
        drawn = _slice(space, axis.name, along, seen, forecast, scale, question)
        rows = [
            [
                knob(axis.name, space.named(space.points[i])[axis.name]),
                three_digits(scale.value(float(forecast.energy_j[i]), 1) or 0.0),
                " to ".join(
                    three_digits(v) for v in sorted(_ends(forecast, i, scale))
                ),
                f"{100 * meets[i]:.0f} %",
            ]
            for i in along
        ]  # fmt: skip
        heads = [head(axis.name), f"Predicted ({scale.label})", "95 % interval", "SLO met with"]
        name = SHORT.get(axis.name, axis.name)
        question_words = f"What does {name} do at the winner?"
        charts.append(Chart(f"slice-{axis.name}", question_words, drawn, Table(heads, rows)))
    return charts


def contour(
    space: Space, results: Sequence[Result], forecast: Forecast, around: Result, *,
    knobs: tuple[str, str], question: Question,
) -> Chart:  # fmt: skip
    """Two knobs against each other: lines of equal predicted energy, measured points filled."""
    scale = scale_for(results, unit=question.unit)
    first, second = knobs
    axes = {axis.name: [knob(axis.name, value) for value in axis.values] for axis in space.axes}
    by_name = {axis.name: axis.values for axis in space.axes}
    at = [
        [_index(space, around.point, {first: x, second: y}) for x in by_name[first]]
        for y in by_name[second]
    ]
    values = [
        [None if i is None else scale.value(float(forecast.energy_j[i]), 1) for i in row]
        for row in at
    ]
    seen = _measured_at(space, results, [i for row in at for i in row if i is not None])
    drawn = figure(
        height=440,
        showlegend=False,
        xaxis={"title": {"text": head(first)}, "type": "category", "categoryarray": axes[first],
               "categoryorder": "array"},
        yaxis={"title": {"text": head(second)}, "type": "category",
               "categoryarray": axes[second], "categoryorder": "array"},
    )  # fmt: skip
    drawn.add_trace(_lines(axes[first], axes[second], values, scale))
    drawn.add_trace(_marks(seen, first, second, scale, question))
    rows: list[list[str | Link]] = [
        [y, *("not allowed" if v is None else three_digits(v) for v in row)]
        for y, row in zip(axes[second], values, strict=True)
    ]
    heads = [f"{head(second)} \\ {head(first)}", *axes[first]]
    return Chart(
        "contour",
        f"How do {SHORT.get(first, first)} and {SHORT.get(second, second)} act together?",
        drawn,
        Table(heads, rows),
        f"Lines: the model's prediction, in {scale.label}, the other knobs as the winner has "
        "them. Marks: measured there.",
    )


def _numbers(share: Share) -> tuple[float, ...]:
    return (share.alone, share.alone_low, share.alone_high,
            share.total, share.total_low, share.total_high)  # fmt: skip


def _bars(shares: Sequence[Share], name: str, key: str, width: float, token: str) -> Trace:
    values = [getattr(share, key) for share in shares]
    lows = [getattr(share, f"{key}_low") for share in shares]
    highs = [getattr(share, f"{key}_high") for share in shares]
    return bar(
        y=[SHORT.get(share.name, share.name) for share in shares],
        x=[100 * value for value in values],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [100 * max(0.0, high - v) for high, v in zip(highs, values, strict=True)],
            "arrayminus": [100 * max(0.0, v - low) for low, v in zip(lows, values, strict=True)],
            "thickness": 1.2,
            "width": 4,
        },
        width=width,
        orientation="h",
        name=name,
        hovertemplate="%{y}: %{x:.0f} %<extra>%{fullData.name}</extra>",
        meta={"token": token},
    )


def _slice(
    space: Space,
    name: str,
    along: Sequence[int],
    seen: Sequence[Result],
    forecast: Forecast,
    scale: EnergyScale,
    question: Question,
) -> Figure:
    x = [space.named(space.points[i])[name] for i in along]
    in_unit = [value / 1e6 for value in x] if name.endswith("_hz") else [float(v) for v in x]
    ends = [sorted(_ends(forecast, i, scale)) for i in along]
    drawn = figure(
        height=300,
        xaxis={"title": {"text": head(name)}, **({} if name.endswith("_hz") else {"type": "log",
               "tickvals": in_unit})},
        yaxis={"title": {"text": scale.title(question.energy)}},
    )  # fmt: skip
    drawn.add_scatter(
        x=[*in_unit, *reversed(in_unit)],
        y=[*(high for _, high in ends), *(low for low, _ in reversed(ends))],
        mode="none",
        fill="toself",
        name="95 % of the prediction",
        hoverinfo="skip",
        meta={"token": "--accent", "band": 0.15},
    )
    drawn.add_scatter(
        x=in_unit,
        y=[scale.value(float(forecast.energy_j[i]), 1) for i in along],
        mode="lines",
        line={"width": 2, "dash": "dot"},
        name="predicted",
        hovertemplate=f"%{{x:.5~g}}: %{{y:.3~g}} {scale.unit.symbol} predicted<extra></extra>",
        meta={"token": "--accent"},
    )
    drawn.add_scatter(
        x=[r.point[name] / 1e6 if name.endswith("_hz") else r.point[name] for r in seen],
        y=[scale.value(known_energy(r), 1) for r in seen],
        mode="markers",
        name="measured",
        marker={"size": 9, "symbol": ["circle" if r.meets_slo else "x" for r in seen]},
        error_y=scale.error_bars(seen),
        text=[hover(r, question=question) for r in seen],
        customdata=[r.url for r in seen],
        hovertemplate="%{text}<extra></extra>",
        meta={"token": "--text"},
    )
    return drawn


def _lines(
    x: list[str], y: list[str], values: list[list[float | None]], scale: EnergyScale
) -> Trace:
    return dict(
        type="contour",
        x=x,
        y=y,
        z=values,
        colorscale=SHADES,
        reversescale=scale.more_is_better,
        contours={"coloring": "lines", "showlabels": True},
        line={"width": 2},
        ncontours=12,
        connectgaps=False,
        hovertemplate=f"%{{x}}, %{{y}}: %{{z:.3~g}} {scale.label} predicted<extra></extra>",
        colorbar={"title": {"text": scale.label, "side": "right"}, "thickness": 10,
                  "outlinewidth": 0},
    )  # fmt: skip


def _marks(
    seen: Sequence[Result], first: str, second: str, scale: EnergyScale, question: Question
) -> Trace:
    return scatter(
        x=[knob(first, r.point[first]) for r in seen],
        y=[knob(second, r.point[second]) for r in seen],
        mode="markers+text",
        marker={"size": 10, "symbol": ["circle" if r.meets_slo else "x" for r in seen]},
        text=[three_digits(scale.value(known_energy(r), 1) or 0.0) for r in seen],
        textposition="top center",
        hovertext=[hover(r, question=question) for r in seen],
        customdata=[r.url for r in seen],
        hovertemplate="%{hovertext}<extra></extra>",
        meta={"token": "--text"},
    )


def _ends(forecast: Forecast, i: int, scale: EnergyScale) -> list[float]:
    return [scale.value(end, 1) or 0.0 for end in forecast.energy_ends_j(i)]


def _index(space: Space, around: dict[str, int], held: dict[str, int]) -> int | None:
    """Where the point stands that has `held` and else is as `around`; None if not allowed.

    Where the GPU's lower limit would lie above the upper one, the one that is not held follows.
    """
    point = {**around, **held}
    low, high = point.get("gpu_min_hz"), point.get("gpu_max_hz")
    if low is not None and high is not None and low > high:
        values = {axis.name: axis.values for axis in space.axes}
        if "gpu_min_hz" not in held:
            point["gpu_min_hz"] = max((v for v in values["gpu_min_hz"] if v <= high), default=low)
        elif "gpu_max_hz" not in held:
            point["gpu_max_hz"] = min((v for v in values["gpu_max_hz"] if v >= low), default=high)
    return space.index.get(tuple(point[name] for name in space.names))


def _measured_at(space: Space, results: Sequence[Result], places: Sequence[int]) -> list[Result]:
    """Those results that were measured at one of these points."""
    wanted = {space.points[i] for i in places}
    return [r for r in results if tuple(r.point[name] for name in space.names) in wanted]
