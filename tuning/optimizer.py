"""The strategy `polyweb`, and what its model predicts for points that nobody measured.

Everything here is a pure function of the question: the same space, seed, limit and
observations give the same answer. `docs/tuner.md` explains the method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tuning.acquisition import log_expected_improvement, log_probability_below
from tuning.coordinates import Coordinates, coordinates
from tuning.questions import Goal, Observation, Question
from tuning.space import Point, Space
from tuning.surrogate import Family, Mixture, Surrogate, family

Floats = NDArray[np.float64]

FIRST = 2
"""Points before the model is asked: the fastest, then such as fill the space."""
UNKNOWN_NOISE = 0.01
"""Relative standard error of a measurement that states no interval."""
LEAST_NOISE = 0.002
Z95 = float(ndtri(0.975))


class NothingMeasured(ValueError):
    """There is no observation yet that a model could start from."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is believed of every point, in the order of `Space.points`; shape (points,) each.

    Energy in J per request, latency in ms, each with its 95 % interval; `meets_slo` is the
    probability that the point would be shown to meet the limit (1 without one).
    """

    energy_j: Floats
    energy_low_j: Floats
    energy_high_j: Floats
    latency_ms: Floats
    latency_low_ms: Floats
    latency_high_ms: Floats
    meets_slo: Floats


@dataclass(frozen=True, slots=True)
class Belief:
    """Log joules, log ms and log cost (what the goal counts) of every point."""

    energy: Mixture
    latency: Mixture
    cost: Mixture
    log_limit: float
    """The limit on log latency, less the usual margin of its upper bound; inf without one."""


def ask(question: Question) -> Point | None:
    """The next point to measure, or None when every point has been asked."""
    space, where = question.space, _coordinates(question.space)
    left = _unasked(question)
    if not len(left):
        return None
    if len(question.observations) < FIRST or len(question.measured) < 1:
        return space.points[_first(question, where, left)]
    question = with_pending_imagined(question)
    worth = _log_worth(question, believe(question))
    return space.points[int(left[np.argmax(worth[left])])]


def predict(question: Question) -> Prediction:
    """Energy, latency and probability of meeting the limit, for every point of the space.

    Raises:
        NothingMeasured: No point has been measured yet.
    """
    belief = believe(question)
    energy, energy_sd = belief.energy.moments()
    latency, latency_sd = belief.latency.moments()
    return Prediction(
        np.exp(energy), np.exp(energy - Z95 * energy_sd), np.exp(energy + Z95 * energy_sd),
        np.exp(latency), np.exp(latency - Z95 * latency_sd), np.exp(latency + Z95 * latency_sd),
        np.exp(log_probability_below(belief.latency, belief.log_limit)),
    )  # fmt: skip


def expected_gain_j(question: Question) -> float:
    """How many joules per request the next measurement is expected to save; inf before any."""
    best, left = question.best, _unasked(question)
    if best is None or best.energy_j is None:
        return math.inf
    if not len(left):
        return 0.0
    gain = math.exp(float(_log_worth(question, believe(question))[left].max()))
    return best.energy_j * -math.expm1(-gain)


def with_pending_imagined(question: Question) -> Question:
    """The question with what is expected in place of what is still being measured.

    So several boards can be asked at once: the next point is chosen as if the pending ones
    had come out as predicted. Source: Ginsbourger et al., Kriging Is Well-Suited to
    Parallelize Optimization (2010), "kriging believer".
    """
    if all(observation.is_measured for observation in question.observations):
        return question
    predicted = predict(question)
    index = question.space.index

    def imagined(observation: Observation) -> Observation:
        i = index[observation.point]
        return replace(
            observation,
            energy_j=float(predicted.energy_j[i]),
            latency_ms=float(predicted.latency_ms[i]),
        )

    seen = [o if o.is_measured else imagined(o) for o in question.observations]
    return replace(question, observations=seen)


def believe(question: Question) -> Belief:
    """The models of energy and latency after all that was measured.

    Raises:
        NothingMeasured: No point has been measured yet.
    """
    seen = question.measured
    if not seen:
        raise NothingMeasured("no point has been measured yet")
    where = _coordinates(question.space)
    rng = np.random.default_rng([question.seed, len(question.observations)])
    at = np.array([question.space.index[o.point] for o in seen])
    latency = _latency(where, at, seen, rng)
    energy = _energy(where, at, seen, rng, latency)
    cost = energy if question.goal is Goal.ENERGY else _sum(energy, latency)
    limit = math.inf if question.slo_ms is None else math.log(question.slo_ms) - _margin(seen)
    return Belief(energy, latency, cost, limit)


def _latency(
    where: Coordinates, at: NDArray[np.intp], seen: list[Observation], rng: np.random.Generator
) -> Mixture:
    families = _families(where, slope=-0.4, exponent=-1.0, batch=1.0)
    noise = np.full(len(seen), UNKNOWN_NOISE**2)
    model = Surrogate(families, _at(where, at), _log_ms(seen), noise=noise, rng=rng)
    return model.predict(where)


def _energy(
    where: Coordinates,
    at: NDArray[np.intp],
    seen: list[Observation],
    rng: np.random.Generator,
    latency: Mixture,
) -> Mixture:
    """Energy by itself, and as power × latency: each counts by the evidence for it."""
    y, x = _log_j(seen), _at(where, at)
    noise = np.array([_noise(o) for o in seen])
    direct = Surrogate([_plain(where, 0.0)], x, y, noise=noise, rng=rng)
    watts = Surrogate(
        _families(where, slope=0.3, exponent=1.6, batch=0.3), x, y - _log_ms(seen),
        noise=noise + UNKNOWN_NOISE**2, rng=rng,
    )  # fmt: skip
    product = _sum(watts.predict(where), latency)
    odds = 1.0 / (1.0 + math.exp(min(watts.evidence - direct.evidence, 700.0)))
    return _mixed(direct.predict(where), product, odds)


def _families(where: Coordinates, *, slope: float, exponent: float, batch: float) -> list[Family]:
    """A plain prior and a physical one; `batch` is the exponent of knobs that are no clocks."""
    exponents = np.where(where.speeds, exponent, batch)
    physical = family(
        len(exponents), physical=True, slopes=[], exponents=[float(e) for e in exponents]
    )
    return [_plain(where, slope), physical]


def _plain(where: Coordinates, slope: float) -> Family:
    slopes = np.where(where.speeds, slope, 0.0)
    return family(len(slopes), physical=False, slopes=[float(s) for s in slopes])


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


def _log_worth(question: Question, belief: Belief) -> Floats:
    """log of expected constrained improvement of log cost, shape (points,)."""
    feasible = log_probability_below(belief.latency, belief.log_limit)
    if (best := question.best) is None:
        return feasible
    return feasible + log_expected_improvement(belief.cost, math.log(question.cost(best)))


def _first(question: Question, where: Coordinates, left: NDArray[np.intp]) -> int:
    """The fastest corner, since it meets any limit that can be met; then far from all asked."""
    asked = [question.space.index[o.point] for o in question.observations]
    if not asked:
        speed = where.unit @ np.where(where.speeds, 1.0, -1.0)
        return int(left[np.argmax(speed[left])])
    apart = ((where.unit[left, None] - where.unit[None, asked]) ** 2).sum(axis=-1).min(axis=1)
    inward = 0.25 * (where.unit[left] ** 2).sum(axis=1)
    rng = np.random.default_rng([question.seed, len(asked)])
    return int(left[np.argmax(apart - inward + rng.uniform(0, 1e-3, len(left)))])


def _unasked(question: Question) -> NDArray[np.intp]:
    asked = {question.space.index[o.point] for o in question.observations}
    return np.array([i for i in range(len(question.space)) if i not in asked], dtype=np.intp)


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


@lru_cache(maxsize=8)
def _coordinates(space: Space) -> Coordinates:
    return coordinates(space)
