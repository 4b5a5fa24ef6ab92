"""How quickly a sweep came to its best point, beside what random search would have taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from measurements.charts import Chart, Link, Table
from measurements.drawing import Figure, Trace, scatter
from measurements.figures import figure
from tuning.forecast import Forecast
from tuning.heat_cells import LIKELY
from tuning.questions import Goal
from tuning.random_search import expected_best, expected_trials
from tuning.results import Result
from tuning.space import Space
from tuning.wording import Question, hover, known_energy, three_digits
from tuning.zero_line import EnergyScale, scale_for

NEAR = 1.05
"""Within 5 % of the best: the paper's measure of having arrived."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What the whole space costs, J per request: measured where it was, else predicted.

    `feasible_j`: of the points within the limit, predicted ones if that is likelier than not.
    """

    points: int
    measured: int
    feasible_j: tuple[float, ...]


def chart(
    results: Sequence[Result],
    *,
    question: Question,
    grid: Grid | None,
    board_s: Sequence[float] | None = None,
) -> Chart:
    """Best so far over trials, or over board seconds where they are given.

    Args:
        results: Measured trials, by number.
        grid: What random search is compared on; None: not known yet.
        board_s: Board time spent when each of `results` had ended, shape (results,).
    """
    scale = scale_for(results, unit=question.unit)
    return Chart(
        "convergence",
        "How quickly was the best point found, and would chance have done as well?",
        _figure(results, question=question, grid=grid, board_s=board_s, scale=scale),
        _table(results, board_s, scale),
        _by_energy_alone(question) + _note(results, grid),
    )


def grid(space: Space, results: Sequence[Result], forecast: Forecast | None, slo_ms: float | None
         ) -> Grid | None:  # fmt: skip
    """None while points of the space are neither measured nor predicted."""
    seen = {tuple(r.point[name] for name in space.names): r for r in results}
    if forecast is None and len(seen) < len(space):
        return None
    meets = forecast.meets(slo_ms) if forecast is not None else np.zeros(len(space))
    energy = forecast.energy_j if forecast is not None else np.zeros(len(space))
    feasible = []
    for i, point in enumerate(space.points):
        result = seen.get(point)
        if result is None and meets[i] >= LIKELY:
            feasible.append(float(energy[i]))
        elif result is not None and result.meets_slo:
            feasible.append(known_energy(result))
    return Grid(len(space), len(seen), tuple(feasible))


def _figure(
    results: Sequence[Result],
    *,
    question: Question,
    grid: Grid | None,
    board_s: Sequence[float] | None,
    scale: EnergyScale,
) -> Figure:
    x = list(board_s) if board_s is not None else [float(r.number) for r in results]
    title = "Board time spent (s)" if board_s is not None else "Trial"
    drawn = figure(
        height=420,
        xaxis={"title": {"text": title}, "rangemode": "tozero"},
        yaxis={"title": {"text": scale.title(f"Best {question.energy.lower()}")}},
    )
    for met, name, symbol, token in (
        (False, "SLO not met", "x-thin-open", "--text-quiet"),
        (True, "measured", "circle-open", "--accent"),
    ):
        shown = [(at, r) for at, r in zip(x, results, strict=True) if r.meets_slo is met]
        drawn.add_trace(_points(shown, name, symbol, token, scale, question))
    best = _best_so_far(results)
    drawn.add_scatter(
        x=x,
        y=[None if one is None else scale.value(one, 1) for one in best],
        mode="lines",
        line={"width": 2.5, "shape": "hv"},
        name="best so far",
        hoverinfo="skip",
        meta={"token": "--accent"},
    )
    if grid is not None and results:
        drawn.add_trace(_random(grid, results, x, scale))
    drawn.layout["yaxis"] |= _range(drawn)
    return drawn


def _range(drawn: Figure) -> dict[str, object]:
    """From the lines alone: far-off trials would make them flat. A double click shows all."""
    lines = [trace["y"] for trace in drawn.data if trace["mode"] == "lines"]
    ys = [y for line in lines for y in line if y is not None]
    if not ys:
        return {}
    margin = 0.15 * (max(ys) - min(ys)) or 0.05 * max(ys)
    return {"range": [min(ys) - margin, max(ys) + margin]}


def _points(
    shown: Sequence[tuple[float, Result]],
    name: str,
    symbol: str,
    token: str,
    scale: EnergyScale,
    question: Question,
) -> Trace:
    return scatter(
        x=[at for at, _ in shown],
        y=[scale.value(known_energy(result), 1) for _, result in shown],
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 7, "line": {"width": 1}},
        text=[hover(result, question=question) for _, result in shown],
        customdata=[result.url for _, result in shown],
        hovertemplate="%{text}<extra></extra>",
        showlegend=bool(shown),
        meta={"token": token},
    )


def _best_so_far(results: Sequence[Result]) -> list[float | None]:
    """The least energy within the limit up to each result; None before there is any.

    A later look at a point takes the place of the earlier one, so the line may rise again.
    """
    standing: dict[tuple[int, ...], float] = {}
    best: float | None = None
    found = []
    for result in results:
        point = tuple(result.point.values())
        energy_j = known_energy(result) if result.meets_slo else math.inf
        rises = standing.get(point) == best and energy_j > (best or 0.0)
        standing[point] = energy_j
        least = min(standing.values()) if rises else min(energy_j, best or math.inf)
        best = None if math.isinf(least) else least
        found.append(best)
    return found


def _random(grid: Grid, results: Sequence[Result], x: Sequence[float], scale: EnergyScale) -> Trace:
    """Its expectation at each number of trials; in board time at the sweep's own mean pace."""
    draws = max(result.number for result in results)
    expected = expected_best(grid.feasible_j, points=grid.points, draws=draws)
    pace = max(x) / draws
    return scatter(
        x=[pace * k for k in range(1, draws + 1)],
        y=[None if np.isnan(joules) else scale.value(float(joules), 1) for joules in expected],
        mode="lines",
        line={"width": 2, "dash": "dash"},
        name="random search, expected",
        hovertemplate=f"after %{{x:.3~g}}: %{{y:.3~g}} {scale.unit.symbol} expected<extra></extra>",
        meta={"token": "--text-quiet"},
    )


def _by_energy_alone(question: Question) -> str:
    if question.goal is Goal.ENERGY:
        return ""
    return "By energy alone, although this sweep looks at latency, too. "


def _note(results: Sequence[Result], grid: Grid | None) -> str:
    if grid is None:
        return "What random search would have found is known once the model covers the space."
    rest = grid.points - grid.measured
    known = (
        f"the {grid.measured} measured points"
        + (f" and the model's predictions of the other {rest}" if rest else "")
        if grid.measured
        else "the model's predictions"
    )
    words = (
        "Trials far off the curves lie outside the picture; a double click shows them. "
        f"Random search: the mean best of as many draws without replacement from the "
        f"{grid.points} points of the space, computed from {known}; of draws that hold a point "
        f"within the limit."
    )
    return f"{words} {_arrival(results, grid)}"


def _arrival(results: Sequence[Result], grid: Grid) -> str:
    """After how many trials each comes within 5 % of the best that is known of the grid."""
    if not grid.feasible_j:
        return "No point is known to keep the limit."
    goal = NEAR * min(grid.feasible_j)
    good = sum(joules <= goal for joules in grid.feasible_j)
    chance = three_digits(expected_trials(grid.points, good))
    here = next((r.number for r in results if r.meets_slo and known_energy(r) <= goal), None)
    own = f"This sweep came there at trial {here}" if here else "This sweep has not come there yet"
    return f"{own}: within 5 % of the best known; random search takes {chance} on average."


def _table(results: Sequence[Result], board_s: Sequence[float] | None, scale: EnergyScale) -> Table:
    heads = ["Trial", f"Energy ({scale.label})", "SLO", f"Best so far ({scale.label})"]
    rows: list[list[str | Link]] = []
    for result, best in zip(results, _best_so_far(results), strict=True):
        rows.append(
            [
                Link(str(result.number), result.url),
                three_digits(scale.value(known_energy(result), 1) or 0.0),
                "met" if result.meets_slo else "not met",
                "none yet" if best is None else three_digits(scale.value(best, 1) or 0.0),
            ]
        )
    if board_s is not None:
        heads.append("Board time spent (s)")
        for row, spent in zip(rows, board_s, strict=True):
            row.append(three_digits(spent))
    return Table(heads, rows)
