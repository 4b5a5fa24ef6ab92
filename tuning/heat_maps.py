"""Heat maps of a sweep: energy per request over the clocks, one map per batch size.

What was measured is filled; what the model predicts is outlined in the colour of its
energy; what was measured and breaks the limit is grey and hatched. Nothing is queried
here. See `measurements.figures` for the template and for how colours get in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from measurements.charts import Chart, Table
from measurements.drawing import Figure, shade
from measurements.figures import figure
from tuning import heat_cells
from tuning.baselines import Baseline
from tuning.figure_tables import of_predictions, of_results
from tuning.forecast import Forecast
from tuning.heat_cells import Cell, Plane, Predicted
from tuning.results import Result
from tuning.space import Axis, Space
from tuning.wording import SHORT, Question, known_energy
from tuning.zero_line import EnergyScale, scale_for

AXIS_TITLES = {
    "gpu_max_hz": "GPU max clock (MHz)",
    "gpu_min_hz": "GPU min clock (MHz)",
    "emc_hz": "Memory clock (MHz)",
}
MOST_LEVEL_LABELS = 8
SHADES = "Viridis"
CLEAR = [[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]]
HATCH = (-0.6, -0.2, 0.2, 0.6)
"""Where the hatching lines of a cell cross its middle, in cells."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One heat map, and the knobs over which each cell shows the best point."""

    batch_size: int
    figure: Figure
    best_over: tuple[str, ...]
    predicted: tuple[Predicted, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """What all maps of one page share."""

    plane: Plane
    question: Question
    scale: EnergyScale
    limits: tuple[float, float]
    best: Result | None


def charts(
    space: Space,
    results: Sequence[Result],
    *,
    question: Question,
    forecast: Forecast | None = None,
    baselines: Mapping[int, Baseline] | None = None,
    only: Mapping[str, int] | None = None,
) -> list[Chart]:
    """The maps as a page shows them, each with its points as a table."""
    drawn = heat_maps(
        space, results, question=question, forecast=forecast, baselines=baselines, only=only
    )
    return [
        Chart(
            f"heat-{one.batch_size}",
            f"Which clocks are best at batch {one.batch_size}?",
            one.figure,
            _table(one, [r for r in results if r.batch_size == one.batch_size], question),
            _note(one, baselines),
        )
        for one in drawn
    ]


def heat_maps(
    space: Space,
    results: Sequence[Result],
    *,
    question: Question,
    forecast: Forecast | None = None,
    baselines: Mapping[int, Baseline] | None = None,
    only: Mapping[str, int] | None = None,
) -> list[HeatMap]:
    """Energy per request over GPU clock x memory clock, one map per batch size.

    All maps share one colour scale, so that they can be compared. Where a cell holds
    several points (other knobs vary), it shows the best of them.

    Args:
        results: Measured trials only.
        forecast: What is predicted for cells where nothing was measured; None: they are empty.
        baselines: Energies are shown against these, by batch size; None: in the reader's unit.
        only: Values that other knobs are held at.
    """
    plane, only = Plane.of(space), dict(only or {})
    others = tuple(
        SHORT.get(axis.name, axis.name) for axis in facets(space) if axis.name not in only
    )
    shown = [r for r in results if all(r.point.get(n) == v for n, v in only.items())]
    cells = {size: _of_size(shown, size, plane, question) for size in _sizes(space)}
    guesses: dict[int, list[Predicted]] = {size: [] for size in cells}
    if forecast is not None:
        for size, of_size in cells.items():
            guesses[size] = heat_cells.predicted(
                space, forecast, plane, question=question, batch_size=size, only=only,
                besides=[(cell.column, cell.row) for cell in of_size],
            )  # fmt: skip
    look = _look(plane, question, shown, [g for of in guesses.values() for g in of], baselines)
    return [
        HeatMap(size, _heat_map(cells[size], guesses[size], size, look), others,
                tuple(guesses[size]))
        for size in cells
    ]  # fmt: skip


def facets(space: Space) -> list[Axis]:
    """The knobs that a map does not show and that vary: held at a value, or the best over them."""
    plane = Plane.of(space)
    shown = (plane.x.name, plane.y.name, "batch_size")
    return [axis for axis in space.axes if axis.name not in shown and len(axis.values) > 1]


def _sizes(space: Space) -> tuple[int, ...]:
    return next((axis.values for axis in space.axes if axis.name == "batch_size"), (1,))


def _of_size(results: Sequence[Result], size: int, plane: Plane, question: Question) -> list[Cell]:
    of_size = [result for result in results if result.batch_size == size]
    return heat_cells.measured(of_size, plane, question)


def _look(
    plane: Plane,
    question: Question,
    results: Sequence[Result],
    guesses: Sequence[Predicted],
    baselines: Mapping[int, Baseline] | None,
) -> _Look:
    feasible = [result for result in results if result.meets_slo]
    scale = scale_for(results, unit=question.unit, baselines=baselines)
    values = [scale.value(known_energy(r), r.batch_size) for r in feasible]
    values += [
        scale.value(g.energy_j, g.point.get("batch_size", 1)) for g in guesses if g.is_likely
    ]
    limits = _limits([value for value in values if value is not None])
    return _Look(plane, question, scale, limits, min(feasible, key=question.cost, default=None))


def _heat_map(
    cells: Sequence[Cell], guesses: Sequence[Predicted], size: int, look: _Look
) -> Figure:
    columns, rows = look.plane.columns, look.plane.rows
    feasible = [cell for cell in cells if cell.shown.meets_slo]
    outside = [cell for cell in cells if not cell.shown.meets_slo]
    drawn = figure(
        height=max(230, 150 + 34 * len(rows)),
        showlegend=False,
        xaxis=_clock_axis(look.plane.x, columns),
        yaxis=_clock_axis(look.plane.y, rows),
        margin={"t": 12, "r": 8},
        meta={"plot": "--surface-sunken"},
        shapes=_shapes(outside, guesses, cells, size, look),
    )
    values = [look.scale.value(known_energy(cell.shown), size) for cell in feasible]
    drawn.add_heatmap(
        z=_matrix(feasible, look.plane, values),
        **_tiles(feasible, look, [cell.shown.url for cell in feasible]),
        colorscale=SHADES,
        reversescale=look.scale.more_is_better,
        zmin=look.limits[0],
        zmax=look.limits[1],
        showscale=bool(feasible) or any(guess.is_likely for guess in guesses),
        colorbar=_colour_bar(look.scale.label),
    )
    drawn.add_heatmap(
        z=_matrix(outside, look.plane, [1] * len(outside)),
        **_tiles(outside, look, [cell.shown.url for cell in outside]),
        showscale=False,
        meta={"flat": "--line"},
    )
    if guesses:
        drawn.add_heatmap(
            z=_matrix(guesses, look.plane, [1] * len(guesses)),
            **_tiles(guesses, look, [None] * len(guesses)),
            colorscale=CLEAR,
            showscale=False,
        )
    return drawn


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
    cells: Sequence[Cell | Predicted], look: _Look, urls: Sequence[str | None]
) -> dict[str, object]:
    """What the measured, the infeasible and the predicted tiles of a map have in common."""
    texts = [cell.hover(look.question) for cell in cells]
    return {
        "x": look.plane.columns,
        "y": look.plane.rows,
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "hovertemplate": "%{text}<extra></extra>",
        "text": _matrix(cells, look.plane, texts),
        "customdata": _matrix(cells, look.plane, urls),
    }


def _matrix(
    cells: Sequence[Cell | Predicted], plane: Plane, values: Sequence[object]
) -> list[list[object]]:
    """A matrix (rows, columns) with each cell's value at its place, None elsewhere."""
    table: list[list[object]] = [[None] * len(plane.columns) for _ in plane.rows]
    for cell, value in zip(cells, values, strict=True):
        table[cell.row][cell.column] = value
    return table


def _shapes(
    outside: Sequence[Cell],
    guesses: Sequence[Predicted],
    cells: Sequence[Cell],
    size: int,
    look: _Look,
) -> list[dict[str, object]]:
    best = [_frame(cell, 0.5, {"width": 3}, "--text") for cell in cells if cell.shown is look.best]
    hatching = [_hatching(outside)] if outside else []
    return [_outline(guess, size, look) for guess in guesses] + hatching + best


def _outline(guess: Predicted, size: int, look: _Look) -> dict[str, object]:
    """Of a predicted cell: in the colour of its energy, or dashed grey if unlikely in the limit."""
    value = look.scale.value(guess.energy_j, size)
    if not guess.is_likely or value is None:
        return _frame(guess, 0.36, {"width": 1.5, "dash": "dot"}, "--line-strong")
    low, high = look.limits
    share = (value - low) / (high - low)
    colour = shade(1 - share if look.scale.more_is_better else share)
    return _frame(guess, 0.36, {"width": 2.5, "color": colour})


def _frame(
    cell: Cell | Predicted, half: float, line: dict[str, object], token: str | None = None
) -> dict[str, object]:
    return {
        "type": "rect",
        "x0": cell.column - half,
        "x1": cell.column + half,
        "y0": cell.row - half,
        "y1": cell.row + half,
        "line": line,
        **({"name": token} if token else {}),
    }


def _hatching(cells: Sequence[Cell]) -> dict[str, object]:
    """All lines across infeasible cells as one path."""
    parts = []
    for cell in cells:
        for shift in HATCH:
            x0, x1 = max(-0.5, -0.5 - shift), min(0.5, 0.5 - shift)
            parts.append(
                f"M{cell.column + x0:g},{cell.row + x0 + shift:g}"
                f"L{cell.column + x1:g},{cell.row + x1 + shift:g}"
            )
    return {"type": "path", "path": "".join(parts), "line": {"width": 1}, "name": "--line-strong"}


def _colour_bar(unit: str) -> dict[str, object]:
    title = {"text": unit, "side": "right"}
    return {"title": title, "thickness": 10, "outlinewidth": 0, "xpad": 4}


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.01 * abs(low), high + 0.01 * abs(high) or 1.0)


def _note(one: HeatMap, baselines: Mapping[int, Baseline] | None) -> str:
    notes = []
    if one.best_over:
        notes.append(f"Each cell shows the best over {' and '.join(one.best_over)}.")
    if baselines is not None:
        zero = baselines.get(one.batch_size)
        notes.append(
            f"0 % is the default clocks at batch {one.batch_size}: "
            f"{1e3 * zero.energy_j:.3g} mJ per request ({zero.source})."
            if zero
            else f"Nobody measured the default clocks at batch {one.batch_size}, "
            "so there is nothing to compare with."
        )
    return " ".join(notes)


def _table(one: HeatMap, results: Sequence[Result], question: Question) -> Table:
    """Measured points first, then what the model predicts for the empty cells."""
    measured = of_results(results, question=question)
    return of_predictions(one.predicted, beside=measured, question=question)
