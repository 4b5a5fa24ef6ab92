"""What is believed of a space's energy and latency after some of its points were measured.

Latency has one model. Energy has two that compete by evidence: energy by itself, and
power × latency, for both of which physics says what to expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tuning.coordinates import Coordinates, coordinates
from tuning.questions import Goal, Observation, Question
from tuning.space import Space
from tuning.surrogate import NEGLIGIBLE, Family, Mixture, Surrogate, family

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

UNKNOWN_NOISE = 0.01
"""Relative standard error of a measurement that states no interval."""
LEAST_NOISE = 0.002
Z95 = float(ndtri(0.975))


class NothingMeasured(ValueError):
    """There is no observation yet that a model could start from."""


@dataclass(frozen=True, slots=True)
class Belief:
    """Log joules, log ms and log cost (what the goal counts) of some points."""

    energy: Mixture
    latency: Mixture
    cost: Mixture
    log_limit: float
    """The limit on log latency, less the usual margin of its upper bound; inf without one."""


class Models:
    """The models fitted to what a question's observations say."""

    def __init__(self, question: Question) -> None:
        """Raises: NothingMeasured: No point has been measured yet."""
        seen = question.measured
        if not seen:
            raise NothingMeasured("no point has been measured yet")
        self.question, self.where = question, everywhere(question.space)
        rng = np.random.default_rng([question.seed, len(question.observations)])
        x = _at(self.where, np.array([question.space.index[o.point] for o in seen]))
        log_j, log_ms = _log_j(seen), _log_ms(seen)
        noise, noise_ms = np.array([_noise(o) for o in seen]), np.full(len(seen), UNKNOWN_NOISE**2)
        nowhere = np.zeros(len(self.where.speeds))
        self.latency = Surrogate(_latency_families(self.where), x, log_ms, noise=noise_ms, rng=rng)
        self.energy = Surrogate([family(nowhere)], x, log_j, noise=noise, rng=rng)
        self.power = Surrogate(
            _power_families(self.where), x, log_j - log_ms, noise=noise + noise_ms, rng=rng
        )
        self.log_limit = math.inf
        if question.slo_ms is not None:
            self.log_limit = math.log(question.slo_ms) - _margin(seen)

    def at(self, points: Places, *, members: int | None = None) -> Belief:
        """What is believed of `points`; by the heaviest `members` of each model alone."""
        x = _at(self.where, points)
        latency = self.latency.predict(x, members)
        energy = self._energy(x, latency, members)
        cost = energy if self.question.goal is Goal.ENERGY else _sum(energy, latency)
        return Belief(energy, latency, cost, self.log_limit)

    def _energy(self, x: Coordinates, latency: Mixture, members: int | None) -> Mixture:
        """Energy by itself, and as power × latency: each counts by the evidence for it."""
        odds = 1.0 / (1.0 + math.exp(min(self.power.evidence - self.energy.evidence, 700.0)))
        if odds > 1 - NEGLIGIBLE:
            return self.energy.predict(x, members)
        product = _sum(self.power.predict(x, members), latency)
        if odds < NEGLIGIBLE:
            return product
        return _mixed(self.energy.predict(x, members), product, odds)


@lru_cache(maxsize=8)
def everywhere(space: Space) -> Coordinates:
    """The coordinates of all points of `space`."""
    return coordinates(space)


def _latency_families(where: Coordinates) -> list[Family]:
    """Plain; a share of the time for each knob; and all shares growing with the batch."""
    clocks = where.speeds.astype(float)
    exponents = np.where(where.speeds, -1.0, 1.0)
    families = [family(-0.4 * clocks), family(0 * clocks, exponents=exponents)]
    if not where.speeds.all():
        families.append(family(0 * clocks, exponents=exponents, loads=1.0 - clocks))
    return families


def _power_families(where: Coordinates) -> list[Family]:
    """Power for each knob beside a rest; in joules per batch or, shared by its requests, each."""
    clocks = where.speeds.astype(float)
    exponents = np.where(where.speeds, 1.6, 0.3)
    families = [family(0.3 * clocks), family(0 * clocks, exponents=exponents)]
    if not where.speeds.all():
        families.append(family(clocks - 1.0, exponents=exponents))
    return families


def _log_ms(seen: list[Observation]) -> Floats:
    return np.log([o.latency_ms or math.nan for o in seen])


def _log_j(seen: list[Observation]) -> Floats:
    return np.log([o.energy_j or math.nan for o in seen])


def _noise(observation: Observation) -> float:
    """Variance of log energy, by the measured interval."""
    if observation.energy_half_width_j is None or not observation.energy_j:
        return UNKNOWN_NOISE**2
    relative = observation.energy_half_width_j / Z95 / observation.energy_j
    return max(relative, LEAST_NOISE) ** 2


def _margin(seen: list[Observation]) -> float:
    """How far the bound that the limit is held against usually lies above the latency, in logs."""
    return float(np.median([math.log(o.bound_ms / (o.latency_ms or math.nan)) for o in seen]))


def _sum(a: Mixture, b: Mixture) -> Mixture:
    """Members of `a`, each with the whole of `b` added, as if independent."""
    mean, sd = b.moments()
    return Mixture(a.mean + mean, np.hypot(a.sd, sd), a.weight)


def _mixed(a: Mixture, b: Mixture, odds: float) -> Mixture:
    """`a` with probability `odds`, else `b`."""
    return Mixture(
        np.concatenate([a.mean, b.mean]),
        np.concatenate([a.sd, b.sd]),
        np.concatenate([odds * a.weight, (1 - odds) * b.weight]),
    )


def _at(where: Coordinates, points: NDArray[np.intp]) -> Coordinates:
    return replace(where, natural=where.natural[points], unit=where.unit[points])
