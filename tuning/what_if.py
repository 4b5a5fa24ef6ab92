"""What if the limit were another: the best points under it, by the model's forecast.

Nothing is run or fitted for it. A choice under a limit is the point with the least expected
cost among those that the model believes to meet the limit with at least the asked probability.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tuning.forecast import Forecast
from tuning.questions import Goal
from tuning.space import Point, Space

MOST = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """A point under a limit: J per request and ms, each with its 95 % interval.

    `is_measured`: it was run, and the numbers still are the model's, which has seen that run.
    """

    point: dict[str, int]
    energy_j: float
    energy_half_width_j: float
    latency_ms: float
    latency_half_width_ms: float
    meets_slo: float
    is_measured: bool

    @property
    def percent(self) -> str:
        """The probability to meet the limit; never rounded up to certainty."""
        if self.meets_slo > 0.99:
            return "over 99 %"
        return f"{100 * self.meets_slo:.0f} %"


@dataclass(frozen=True, slots=True)
class Range:
    """The limits worth asking about, in ms: from the fastest to the slowest point expected."""

    low_ms: float
    high_ms: float


@dataclass(frozen=True, slots=True)
class Believed:
    """The model's forecast of a space, which of its points were measured, and what counts."""

    space: Space
    forecast: Forecast
    measured: Collection[Point]
    goal: Goal = Goal.ENERGY

    @property
    def limits(self) -> Range:
        latency_ms = self.forecast.latency_ms
        return Range(float(latency_ms.min()), float(latency_ms.max()))


def choices(believed: Believed, *, slo_ms: float, least_probability: float) -> list[Choice]:
    """The best points under `slo_ms`, the best by the goal first, at most MOST.

    Args:
        least_probability: How sure the model has to be that a point meets the limit, 0 to 1.
    """
    meets = believed.forecast.meets(slo_ms)
    fit = np.flatnonzero(meets >= least_probability)
    cost = believed.forecast.log_cost(believed.goal)
    order = fit[np.argsort(cost[fit], kind="stable")][:MOST]
    return [_choice(believed, int(i), float(meets[i])) for i in order]


def _choice(believed: Believed, i: int, meets_slo: float) -> Choice:
    space, found = believed.space, believed.forecast
    return Choice(
        point=space.named(space.points[i]),
        energy_j=float(found.energy_j[i]),
        energy_half_width_j=_half(found.energy_ends_j(i)),
        latency_ms=float(found.latency_ms[i]),
        latency_half_width_ms=_half(found.latency_ends_ms(i)),
        meets_slo=meets_slo,
        is_measured=space.points[i] in believed.measured,
    )


def _half(ends: tuple[float, float]) -> float:
    return (ends[1] - ends[0]) / 2
