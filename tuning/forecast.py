"""What the model believes of a whole space, small enough to be kept: moments and shares.

Logs are natural; J per request and ms. `docs/tuner.md` explains the model itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tuning.beliefs import Z95, Models, NothingMeasured
from tuning.questions import Goal, Observation, Question
from tuning.space import Space
from tuning.surrogate import Mixture

Floats = NDArray[np.float64]

__all__ = ["Forecast", "NothingMeasured", "Share", "forecast"]

MOST_OBSERVATIONS = 60
"""The fit takes time by the cube of their number; of more, the best and evenly spread others."""
BEST_KEPT = 20


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the variation of log energy over the space a knob brings about, 0 to 1.

    `alone`: by itself; `total`: with what it does together with others. Low and high are the
    5 % and 95 % quantiles over the model's members: what its hyperparameters leave open.
    """

    name: str
    alone: float
    alone_low: float
    alone_high: float
    total: float
    total_low: float
    total_high: float


@dataclass(frozen=True)
class Forecast:
    """Belief about every point, in the order of `Space.points`; arrays of shape (points,).

    `log_margin`: how far the bound that a limit is held against usually lies above the
    latency. `used` of `measured` points were looked at.
    """

    log_j: Floats
    log_j_sd: Floats
    log_ms: Floats
    log_ms_sd: Floats
    log_margin: float
    used: int
    measured: int
    shares: tuple[Share, ...]

    @cached_property
    def energy_j(self) -> Floats:
        return np.exp(self.log_j)

    @cached_property
    def latency_ms(self) -> Floats:
        return np.exp(self.log_ms)

    def log_cost(self, goal: Goal) -> Floats:
        """Of what the goal counts, J or J·ms; of a front, the point of least J·ms is its knee."""
        return self.log_j if goal is Goal.ENERGY else self.log_j + self.log_ms

    def energy_ends_j(self, i: int) -> tuple[float, float]:
        """The 95 % interval of point `i`."""
        half = Z95 * self.log_j_sd[i]
        return float(np.exp(self.log_j[i] - half)), float(np.exp(self.log_j[i] + half))

    def latency_ends_ms(self, i: int) -> tuple[float, float]:
        half = Z95 * self.log_ms_sd[i]
        return float(np.exp(self.log_ms[i] - half)), float(np.exp(self.log_ms[i] + half))

    def meets(self, slo_ms: float | None) -> Floats:
        """Probability that each point would be shown to meet the limit; 1 without one.

        The mixture is taken as one normal distribution with its mean and variance.
        """
        if slo_ms is None:
            return np.ones_like(self.log_ms)
        limit = math.log(slo_ms) - self.log_margin
        return np.asarray(ndtr((limit - self.log_ms) / self.log_ms_sd))


def forecast(question: Question) -> Forecast:
    """Fit the model once and ask it about every point.

    Raises:
        NothingMeasured: No point has been measured yet.
    """
    measured = question.measured
    asked = replace(question, observations=_enough(question))
    models = Models(asked)
    belief = models.at(np.arange(len(question.space)))
    energy, energy_sd = belief.energy.moments()
    latency, latency_sd = belief.latency.moments()
    margin = 0.0
    if asked.slo_ms is not None:
        margin = math.log(asked.slo_ms) - belief.log_limit
    return Forecast(
        energy, energy_sd, latency, latency_sd, margin, len(asked.measured), len(measured),
        shares(question.space, belief.energy),
    )  # fmt: skip


def shares(space: Space, energy: Mixture) -> tuple[Share, ...]:
    """Each knob's share in the variance of log energy over the space, every point counting alike.

    Alone: the variance of the means at each of its values. Total: one less that of the means
    over it, everything else held.

    Source: Sobol' (2001), first-order and total indices, here by exact enumeration; where not
    every combination is allowed, knobs are not independent and shares may overlap.
    """
    points = space.table
    found = []
    for j, axis in enumerate(space.axes):
        if len(axis.values) < 2:
            continue
        by_value = _groups(points[:, [j]])
        by_others = _groups(np.delete(points, j, axis=1))
        alone = np.array([_explained(mean, by_value) for mean in energy.mean])
        total = np.array([1 - _explained(mean, by_others) for mean in energy.mean])
        found.append(
            Share(axis.name, *_with_ends(alone, energy.weight), *_with_ends(total, energy.weight))
        )
    return tuple(found)


def _enough(question: Question) -> Sequence[Observation]:
    measured = question.measured
    if len(measured) <= MOST_OBSERVATIONS:
        return question.observations
    feasible = [o for o in measured if question.meets_slo(o)]
    best = sorted(feasible or measured, key=question.cost)[:BEST_KEPT]
    others = [o for o in measured if o not in best]
    spread = np.linspace(0, len(others) - 1, MOST_OBSERVATIONS - len(best)).round().astype(int)
    return [*best, *(others[i] for i in spread)]


def _groups(columns: NDArray[np.int64]) -> NDArray[np.intp]:
    """Which group each row belongs to: rows alike are one, shape (rows,)."""
    _, groups = np.unique(columns, axis=0, return_inverse=True)
    return np.asarray(groups, dtype=np.intp).ravel()


def _explained(values: Floats, groups: NDArray[np.intp]) -> float:
    """The share of the variance of `values` that lies between the groups."""
    whole = float(values.var())
    if whole == 0.0:
        return 0.0
    sizes = np.bincount(groups)
    means = np.bincount(groups, weights=values) / sizes
    return float(((means - values.mean()) ** 2 * sizes).sum() / len(values)) / whole


def _with_ends(values: Floats, weight: Floats) -> tuple[float, float, float]:
    """The weighted mean, and the weighted 5 % and 95 % quantiles."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    low, high = (
        values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)]
        for share in (0.05, 0.95)
    )
    return float(weight @ values), float(low), float(high)
