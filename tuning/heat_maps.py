"""Heat maps of a sweep: energy per request over the clocks, one map per batch size.

They take results and return figures; nothing is queried here. See
`measurements.figures` for the template and for how colours get in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from measurements.charts import Chart
from measurements.figures import figure
from measurements.units import EnergyUnit
from tuning.figure_tables import of_results
from tuning.results import Result
from tuning.space import Axis, Space
from tuning.wording import SHORT, Question, clock_mhz, hover, known_energy

AS_FOUND = "as found"
AXIS_TITLES = {
    "gpu_max_hz": "GPU max clock (MHz)",
    "gpu_min_hz": "GPU min clock (MHz)",
    "emc_hz": "Memory clock (MHz)",
}
MOST_LEVEL_LABELS = 8


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One heat map, and the knobs over which each cell shows the best measured point."""

    batch_size: int
    figure: go.Figure
    best_over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    column: int
    row: int
    shown: Result
    measured: int


def charts(space: Space, results: Sequence[Result], *, question: Question) -> list[Chart]:
    """The maps as a page shows them, each with its measured points as a table."""
    return [
        Chart(
            f"heat-{one.batch_size}",
            f"Which clocks are best at batch {one.batch_size}?",
            one.figure,
            of_results([r for r in results if r.batch_size == one.batch_size], question=question),
            f"Each cell shows the best measured value over {' and '.join(one.best_over)}."
            if one.best_over
            else "",
        )
        for one in heat_maps(space, results, question=question)
    ]


def heat_maps(space: Space, results: Sequence[Result], *, question: Question) -> list[HeatMap]:
    """Energy per request over GPU clock x memory clock, one map per batch size.

    All maps share one colour scale, so that they can be compared. Where a cell holds
    several points (other knobs vary), it shows the best of them.

    Args:
        results: Measured trials only.
    """
    x, y = _plane(space)
    others = tuple(
        SHORT.get(axis.name, axis.name)
        for axis in space.axes
        if axis.name not in (x.name, y.name, "batch_size") and len(axis.values) > 1
    )
    feasible = [result for result in results if result.meets_slo]
    unit = question.unit.fitting([known_energy(result) for result in results])
    limits = _limits([unit.value(known_energy(result)) for result in feasible])
    best = min(feasible, key=known_energy, default=None)
    sizes = next((axis.values for axis in space.axes if axis.name == "batch_size"), (1,))
    maps = []
    for size in sizes:
        of_size = [result for result in results if result.batch_size == size]
        cells = _cells(of_size, x, y)
        drawn = _heat_map(cells, x, y, unit=unit, limits=limits, question=question)
        outlined = [cell for cell in cells if cell.shown is best]
        drawn.update_layout(shapes=[_outline(cell) for cell in outlined])
        maps.append(HeatMap(size, drawn, others))
    return maps


def _plane(space: Space) -> tuple[Axis, Axis]:
    """The two axes of the maps: the GPU's clock and the memory's; one value where not varied."""
    axes = {axis.name: axis for axis in space.axes}
    gpu = axes.get("gpu_max_hz") or axes.get("gpu_min_hz") or Axis("gpu_max_hz", ())
    return gpu, axes.get("emc_hz") or Axis("emc_hz", ())


def _labels(axis: Axis) -> list[str]:
    return [clock_mhz(value) for value in axis.values] or [AS_FOUND]


def _position(axis: Axis, result: Result) -> int:
    return axis.values.index(result.point[axis.name]) if axis.values else 0


def _cells(results: Sequence[Result], x: Axis, y: Axis) -> list[_Cell]:
    """The best result of each cell: feasible before infeasible, then by energy."""
    found: dict[tuple[int, int], list[Result]] = {}
    for result in results:
        found.setdefault((_position(x, result), _position(y, result)), []).append(result)
    return [
        _Cell(column, row, min(of, key=lambda one: (not one.meets_slo, known_energy(one))), len(of))
        for (column, row), of in found.items()
    ]


def _heat_map(
    cells: Sequence[_Cell],
    x: Axis,
    y: Axis,
    *,
    unit: EnergyUnit,
    limits: tuple[float, float],
    question: Question,
) -> go.Figure:
    columns, rows = _labels(x), _labels(y)
    feasible = [cell for cell in cells if cell.shown.meets_slo]
    outside = [cell for cell in cells if not cell.shown.meets_slo]
    drawn = figure(
        height=max(230, 150 + 34 * len(rows)),
        showlegend=False,
        xaxis=_clock_axis(x, columns),
        yaxis=_clock_axis(y, rows),
        margin={"t": 12, "r": 8},
        meta={"plot": "--surface-sunken"},
    )
    drawn.add_heatmap(
        z=_table(
            feasible, columns, rows, [unit.value(known_energy(cell.shown)) for cell in feasible]
        ),
        **_tiles(feasible, columns, rows, question),
        colorscale="Viridis",
        reversescale=unit.more_is_better,
        zmin=limits[0],
        zmax=limits[1],
        showscale=bool(feasible),
        colorbar=_colour_bar(unit.label),
    )
    drawn.add_heatmap(
        z=_table(outside, columns, rows, [1] * len(outside)),
        **_tiles(outside, columns, rows, question),
        showscale=False,
        meta={"flat": "--line"},
    )
    return drawn.add_trace(_crosses(outside, columns, rows))


def _clock_axis(axis: Axis, labels: list[str]) -> dict[str, object]:
    return {
        "title": {"text": AXIS_TITLES[axis.name]},
        "type": "category",
        "showgrid": False,
        "categoryorder": "array",
        "categoryarray": labels,
        "range": [-0.5, len(labels) - 0.5],
        **({"tickangle": -45} if len(labels) > MOST_LEVEL_LABELS else {}),
    }


def _tiles(
    cells: Sequence[_Cell], columns: list[str], rows: list[str], question: Question
) -> dict[str, object]:
    """What the measured and the infeasible tiles of a map have in common."""
    texts = [_cell_hover(cell, question) for cell in cells]
    return {
        "x": columns,
        "y": rows,
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "hovertemplate": "%{text}<extra></extra>",
        "text": _table(cells, columns, rows, texts),
        "customdata": _table(cells, columns, rows, [cell.shown.url for cell in cells]),
    }


def _table(
    cells: Sequence[_Cell], columns: list[str], rows: list[str], values: Sequence[object]
) -> list[list[object]]:
    """A matrix (rows, columns) with each cell's value at its place, None elsewhere."""
    table: list[list[object]] = [[None] * len(columns) for _ in rows]
    for cell, value in zip(cells, values, strict=True):
        table[cell.row][cell.column] = value
    return table


def _crosses(cells: Sequence[_Cell], columns: list[str], rows: list[str]) -> go.Scatter:
    return go.Scatter(
        x=[columns[cell.column] for cell in cells],
        y=[rows[cell.row] for cell in cells],
        mode="markers",
        marker={"symbol": "x-thin-open", "size": 12, "line": {"width": 1}},
        hoverinfo="skip",
        meta={"token": "--text-quiet"},
    )


def _colour_bar(unit: str) -> dict[str, object]:
    title = {"text": unit, "side": "right"}
    return {"title": title, "thickness": 10, "outlinewidth": 0, "xpad": 4}


def _cell_hover(cell: _Cell, question: Question) -> str:
    text = hover(cell.shown, question=question)
    return text if cell.measured == 1 else f"{text}<br>best of {cell.measured} measured here"


def _outline(cell: _Cell) -> dict[str, object]:
    return {
        "type": "rect",
        "x0": cell.column - 0.5,
        "x1": cell.column + 0.5,
        "y0": cell.row - 0.5,
        "y1": cell.row + 0.5,
        "line": {"width": 3},
        "name": "--text",
    }


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low * 0.99, high * 1.01 or 1.0)
