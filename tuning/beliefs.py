"""What is believed of a space's energy and latency after some of its points were measured.

Each quantity has several models that compete by evidence: physics, a plain process, and what
earlier searches let expect. Energy has one more, power × latency.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tuning.coordinates import Coordinates, coordinates
from tuning.earlier import guesses
from tuning.physics import Shape, energies, powers, times
from tuning.questions import Goal, Observation, Question
from tuning.space import Space
from tuning.surrogate import NEGLIGIBLE, Mixture, Process

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

UNKNOWN_NOISE = 0.01
"""Relative standard error of a measurement that states no interval."""
LEAST_NOISE = 0.002
SPREAD = 0.4
"""How far a point's energy or latency may be expected from their level, in log units."""
REST = 0.07
"""The same from what physics or an earlier search lets expect."""
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


class _Opinion(NamedTuple):
    """One model of a quantity: how well it bears measurements out, and what it predicts."""

    evidence: float
    at: Callable[[Places], Mixture]


class Models:
    """The models fitted to what a question's observations say."""

    def __init__(self, question: Question) -> None:
        """Raises: NothingMeasured: No point has been measured yet."""
        seen = question.measured
        if not seen:
            raise NothingMeasured("no point has been measured yet")
        self.question, self.where = question, everywhere(question.space)
        self._places = np.array([question.space.index[o.point] for o in seen])
        self._x = self.where.at(self._places)
        log_j, log_ms = _log_j(seen), _log_ms(seen)
        noise, noise_ms = np.array([_noise(o) for o in seen]), np.full(len(seen), UNKNOWN_NOISE**2)
        speeds = self.where.speeds
        self._latency = [self._fitted(log_ms, noise_ms, shape) for shape in times(speeds)]
        self._latency.append(self._fitted(log_ms, noise_ms))
        self._energy = [self._fitted(log_j, noise, shape) for shape in energies(speeds)]
        self._energy.append(self._fitted(log_j, noise))
        self._power = [
            self._fitted(log_j - log_ms, noise + noise_ms, shape) for shape in powers(speeds)
        ]
        for guess in guesses(question):
            self._latency.append(self._as_earlier(guess.log_ms, log_ms, noise_ms))
            self._energy.append(self._as_earlier(guess.log_j, log_j, noise))
        self.log_limit = math.inf
        if question.slo_ms is not None:
            self.log_limit = math.log(question.slo_ms) - _margin(seen)

    def at(self, points: Places, *, rough: bool = False) -> Belief:
        """What is believed of `points`; `rough`: by the weightiest model of each alone."""
        latency = _weighed(self._latency, points, rough)
        products = [_Opinion(e, _added(at, latency)) for e, at in self._power]
        energy = _weighed([*self._energy, *products], points, rough)
        delay = self.question.goal is Goal.ENERGY_DELAY
        cost = _sum(energy, latency) if delay else energy
        return Belief(energy, latency, cost, self.log_limit)

    def _fitted(self, y: Floats, noise: Floats, shape: Shape | None = None) -> _Opinion:
        amplitude = SPREAD if shape is None else REST
        return self._opinion(Process(self._x, y, noise=noise, amplitude=amplitude, shape=shape))

    def _opinion(self, model: Process) -> _Opinion:
        return _Opinion(model.evidence, lambda points: model.predict(self.where.at(points)))

    def _as_earlier(self, guess: Floats, y: Floats, noise: Floats) -> _Opinion:
        """What an earlier search lets expect, and a small plain process of what differs."""
        rest = y - guess[self._places]
        evidence, rest_at = self._opinion(Process(self._x, rest, noise=noise, amplitude=REST))
        return _Opinion(evidence, lambda points: _shifted(rest_at(points), guess[points]))


def _added(at: Callable[[Places], Mixture], latency: Mixture) -> Callable[[Places], Mixture]:
    """Energy as power × latency: it predicts the same measured joules, by physics."""
    return lambda points: _sum(at(points), latency)


def _weighed(opinions: Sequence[_Opinion], points: Places, rough: bool) -> Mixture:
    """All opinions, each with the weight of its evidence; if `rough` the weightiest alone."""
    evidence = np.array([opinion.evidence for opinion in opinions])
    weight = np.exp(evidence - evidence.max())
    bar = 1.0 if rough else NEGLIGIBLE * weight.sum()
    heard = [(w, o.at(points)) for w, o in zip(weight, opinions, strict=True) if w >= bar]
    share = np.concatenate([w * mixture.weight for w, mixture in heard])
    means, sds = [m.mean for _, m in heard], [m.sd for _, m in heard]
    return Mixture(np.concatenate(means), np.concatenate(sds), share / share.sum())


@lru_cache(maxsize=8)
def everywhere(space: Space) -> Coordinates:
    """The coordinates of all points of `space`."""
    return coordinates(space)


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


def _shifted(a: Mixture, by: Floats) -> Mixture:
    return a._replace(mean=a.mean + by)
