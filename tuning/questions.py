"""What a strategy is asked, and what it may look at: observations in a space, and a limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tuning.space import Point, Space


class Goal(str, Enum):
    """What is to be small: joules per request, or joules per request × latency."""

    ENERGY = "energy"
    ENERGY_DELAY = "energy_delay"


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
class Question:
    """What a strategy may look at; `slo_ms` None means no limit."""

    space: Space
    seed: int
    slo_ms: float | None
    observations: Sequence[Observation]
    goal: Goal = Goal.ENERGY

    @property
    def measured(self) -> list[Observation]:
        return [observation for observation in self.observations if observation.is_measured]

    def meets_slo(self, observation: Observation) -> bool:
        return self.slo_ms is None or observation.bound_ms <= self.slo_ms

    def cost(self, observation: Observation) -> float:
        """What the goal counts: J, or J·ms; of a measured observation."""
        assert observation.energy_j is not None and observation.latency_ms is not None
        delay = observation.latency_ms if self.goal is Goal.ENERGY_DELAY else 1.0
        return observation.energy_j * delay

    @property
    def best(self) -> Observation | None:
        """The measured point of least cost that meets the limit, if there is one."""
        feasible = [o for o in self.measured if self.meets_slo(o)]
        return min(feasible, key=self.cost, default=None)
