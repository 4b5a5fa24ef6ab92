"""What a strategy is asked, and what it may look at: observations in a space, and a limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from tuning.space import Point, Space


class Goal(str, Enum):
    """What is to be small: joules per request; joules × latency; or both, one against the other.

    Which joules (busy or at a rate) is for whoever makes the observations to say.
    """

    ENERGY = "energy"
    ENERGY_DELAY = "energy_delay"
    PARETO = "pareto"


class Ask(NamedTuple):
    """A point to be measured, and how well its energy has to be known.

    `half_width_percent`: of the 95 % interval; None: runs have a fixed length.
    """

    point: Point
    half_width_percent: float | None = None


@dataclass(frozen=True)
class Observation:
    """One asked point and what came of it.

    Energy in joules per request and latency in ms with the half-width of their 95 %
    intervals; None while pending or when the point was given up. `latency_upper_ms` is the
    bound that the limit is held against; None: the latency itself is.
    """

    point: Point
    energy_j: float | None = None
    energy_half_width_j: float | None = None
    latency_ms: float | None = None
    latency_upper_ms: float | None = None

    @property
    def is_measured(self) -> bool:
        return bool(self.energy_j and self.latency_ms)

    @property
    def bound_ms(self) -> float:
        """What is held against the limit; infinite while unknown."""
        bound = self.latency_ms if self.latency_upper_ms is None else self.latency_upper_ms
        return math.inf if bound is None else bound


@dataclass(frozen=True)
class Earlier:
    """What another search measured, of another network or board: a guess of what this one will.

    `space`: its own axes. Those with a name that this search's space has too are compared: clocks
    as shares of each board's top, batch sizes as they are; the others are left out.
    """

    space: Space
    observations: Sequence[Observation]


@dataclass(frozen=True)
class Question:
    """What a strategy may look at; `slo_ms` None means no limit.

    `earlier`: what other searches measured; each counts as far as it predicts this one's
    observations. `half_width_percent`: how well the winner's energy has to be known; None: runs
    have a fixed length. `may_repeat`: whether a measured point may be asked again.
    """

    space: Space
    seed: int
    slo_ms: float | None
    observations: Sequence[Observation]
    goal: Goal = Goal.ENERGY
    earlier: tuple[Earlier, ...] = ()
    half_width_percent: float | None = None
    may_repeat: bool = False

    @cached_property
    def measured(self) -> list[Observation]:
        """What was measured, one for each point, in the order of first asking."""
        return pooled(o for o in self.observations if o.is_measured)

    def meets_slo(self, observation: Observation) -> bool:
        return self.slo_ms is None or observation.bound_ms <= self.slo_ms

    def cost(self, observation: Observation) -> float:
        """What the goal counts: J, or J·ms; of a measured observation.

        Of a front, whose points cannot be compared, the joules.
        """
        assert observation.energy_j is not None and observation.latency_ms is not None
        delay = observation.latency_ms if self.goal is Goal.ENERGY_DELAY else 1.0
        return observation.energy_j * delay

    @property
    def best(self) -> Observation | None:
        """The measured point of least cost that meets the limit, if there is one."""
        feasible = [o for o in self.measured if self.meets_slo(o)]
        return min(feasible, key=self.cost, default=None)

    @property
    def front(self) -> list[Observation]:
        """Measured points that meet the limit and that no other beats in both energy and latency.

        From the fastest to the one with the least energy.
        """
        feasible = [o for o in self.measured if self.meets_slo(o)]
        feasible.sort(key=lambda o: (o.latency_ms, o.energy_j))
        front: list[Observation] = []
        for o in feasible:
            if not front or (o.energy_j or 0.0) < (front[-1].energy_j or 0.0):
                front.append(o)
        return front


def pooled(observations: Iterable[Observation]) -> list[Observation]:
    """One observation for each measured point: repeats are averaged, energies by 1 / variance.

    Where one of them has no interval all count alike, and the pooled one has none either.
    """
    by_point: dict[Point, list[Observation]] = {}
    for observation in observations:
        by_point.setdefault(observation.point, []).append(observation)
    return [each[0] if len(each) == 1 else _pooled(each) for each in by_point.values()]


def _pooled(repeats: Sequence[Observation]) -> Observation:
    widths = [o.energy_half_width_j for o in repeats if o.energy_half_width_j]
    known = len(widths) == len(repeats)
    weights = [1 / width**2 for width in widths] if known else [1.0] * len(repeats)
    return replace(
        repeats[0],
        energy_j=_mean([o.energy_j or math.nan for o in repeats], weights),
        energy_half_width_j=sum(weights) ** -0.5 if known else None,
        latency_ms=_mean([o.latency_ms or math.nan for o in repeats]),
        latency_upper_ms=None
        if repeats[0].latency_upper_ms is None
        else _mean([o.bound_ms for o in repeats]),
    )


def _mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    by = weights or [1.0] * len(values)
    return sum(v * w for v, w in zip(values, by, strict=True)) / sum(by)
