"""The cells of a heat map: what was measured in each, or what the model predicts for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tuning.forecast import Forecast
from tuning.results import Result
from tuning.space import Axis, Space
from tuning.wording import SHORT, Question, clock_mhz, hover, three_digits

Number = TypeVar("Number", int, NDArray[np.int64])
AS_FOUND = "as found"
LIKELY = 0.5
"""A predicted point counts as within the limit from this probability on."""


@dataclass(frozen=True, slots=True)
class Plane:
    """The two axes of a map; one without values has a single place, as found."""

    x: Axis
    y: Axis

    @classmethod
    def of(cls, space: Space) -> Plane:
        """The GPU's clock and the memory's."""
        axes = {axis.name: axis for axis in space.axes}
        gpu = axes.get("gpu_max_hz") or axes.get("gpu_min_hz") or Axis("gpu_max_hz", ())
        return cls(gpu, axes.get("emc_hz") or Axis("emc_hz", ()))

    @property
    def columns(self) -> list[str]:
        return _labels(self.x)

    @property
    def rows(self) -> list[str]:
        return _labels(self.y)

    def place(self, point: Mapping[str, int]) -> tuple[int, int]:
        """(column, row) of a point."""
        return _position(self.x, point), _position(self.y, point)

    def places(self, space: Space) -> NDArray[np.int64]:
        """The number of each point's place, shape (points,); see `number`."""
        column, row = (
            np.searchsorted(axis.values, space.column(axis.name)) if axis.values else 0
            for axis in (self.x, self.y)
        )
        return self.number(column, row) + np.zeros(len(space), dtype=np.int64)

    def number(self, column: Number, row: Number) -> Number:
        """Places counted column by column."""
        return column * max(1, len(self.y.values)) + row


@dataclass(frozen=True, slots=True)
class Cell:
    """The best of the `count` results measured at one place of the plane."""

    column: int
    row: int
    shown: Result
    count: int

    def hover(self, question: Question) -> str:
        text = hover(self.shown, question=question)
        return text if self.count == 1 else f"{text}<br>best of {self.count} measured here"


@dataclass(frozen=True, slots=True)
class Predicted:
    """The best point that the model knows of at a place where nothing was measured."""

    column: int
    row: int
    point: dict[str, int]
    energy_j: float
    energy_ends_j: tuple[float, float]
    latency_ms: float
    latency_ends_ms: tuple[float, float]
    probability: float

    @property
    def is_likely(self) -> bool:
        return self.probability >= LIKELY

    @property
    def chance(self) -> str:
        """The probability to meet the limit; certainty is never claimed."""
        if self.probability > 0.99:
            return "over 99 %"
        return "under 1 %" if self.probability < 0.01 else f"{100 * self.probability:.0f} %"

    def hover(self, question: Question) -> str:
        unit = question.unit.fitting([self.energy_j])
        low, high = sorted(unit.value(end) for end in self.energy_ends_j)
        lines = [
            "<b>predicted, not measured</b>",
            f"{three_digits(unit.value(self.energy_j))} {unit.symbol} "
            f"({three_digits(low)} to {three_digits(high)}) {unit.per}",
            f"{question.statistic} {three_digits(self.latency_ms)} ms "
            f"({three_digits(self.latency_ends_ms[0])} to "
            f"{three_digits(self.latency_ends_ms[1])})",
        ]
        if question.slo_ms is not None:
            lines.append(f"SLO {three_digits(question.slo_ms)} ms met with {self.chance}")
        return "<br>".join([*lines, *_knobs(self.point)])


def measured(results: Sequence[Result], plane: Plane, question: Question) -> list[Cell]:
    """The best result of each place: feasible before infeasible, then by what the goal counts."""
    found: dict[tuple[int, int], list[Result]] = {}
    for result in results:
        found.setdefault(plane.place(result.point), []).append(result)
    return [
        Cell(*place, min(of, key=lambda one: (not one.meets_slo, question.cost(one))), len(of))
        for place, of in found.items()
    ]


def predicted(
    space: Space,
    forecast: Forecast,
    plane: Plane,
    *,
    question: Question,
    batch_size: int,
    only: Mapping[str, int],
    besides: Iterable[tuple[int, int]],
) -> list[Predicted]:
    """What the model believes is best at each place that is not among `besides`.

    Likely within the limit before unlikely, then by what the goal counts.

    Args:
        only: Values that other knobs are held at; over those that are not, the best is taken.
    """
    meets, cost = forecast.meets(question.slo_ms), forecast.log_cost(question.goal)
    places = plane.places(space)
    asked = ~np.isin(places, [plane.number(*place) for place in besides])
    for name, value in {"batch_size": batch_size, **only}.items():
        if name in space.names:
            asked &= space.column(name) == value
    left = np.flatnonzero(asked)
    ranked = left[np.lexsort((cost[left], meets[left] < LIKELY, places[left]))]
    _, firsts = np.unique(places[ranked], return_index=True)
    return [_predicted(space, forecast, plane, int(i), meets) for i in ranked[firsts]]


def _predicted(
    space: Space, forecast: Forecast, plane: Plane, i: int, meets: NDArray[np.float64]
) -> Predicted:
    point = space.named(space.points[i])
    return Predicted(
        *plane.place(point),
        point=point,
        energy_j=float(forecast.energy_j[i]),
        energy_ends_j=forecast.energy_ends_j(i),
        latency_ms=float(forecast.latency_ms[i]),
        latency_ends_ms=forecast.latency_ends_ms(i),
        probability=float(meets[i]),
    )


def _knobs(point: Mapping[str, int]) -> list[str]:
    return [
        f"{SHORT.get(name, name)} {clock_mhz(value)} MHz"
        if name.endswith("_hz")
        else f"{SHORT.get(name, name)} {value}"
        for name, value in point.items()
    ]


def _labels(axis: Axis) -> list[str]:
    return [clock_mhz(value) for value in axis.values] or [AS_FOUND]


def _position(axis: Axis, point: Mapping[str, int]) -> int:
    return axis.values.index(point[axis.name]) if axis.values else 0
