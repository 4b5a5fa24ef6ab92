"""The strategy `polyweb`, and what its model predicts for points that nobody measured.

Everything here is a pure function of the question: the same space, seed, limit and
observations give the same answer. `docs/tuner.md` explains the method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tuning.acquisition import log_expected_improvement, log_probability_below
from tuning.beliefs import Z95, Belief, Floats, Models, NothingMeasured, Places, everywhere
from tuning.coordinates import Coordinates
from tuning.questions import Observation, Question
from tuning.space import Point

__all__ = ["NothingMeasured", "Prediction", "ask", "expected_gain_j", "predict"]

FIRST = 2
"""Points before the model is asked: the fastest, then the one farthest from it."""
CANDIDATES = 500
"""Of a larger space so many points are looked at closely: the best by each model's first guess."""


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


def ask(question: Question) -> Point | None:
    """The next point to measure, or None when every point has been asked."""
    left = _unasked(question)
    if not len(left):
        return None
    if len(question.observations) < FIRST or not question.measured:
        return question.space.points[_first(question, everywhere(question.space), left)]
    point, _ = _most_worth(with_pending_imagined(question), left)
    return question.space.points[point]


def predict(question: Question) -> Prediction:
    """Energy, latency and probability of meeting the limit, for every point of the space.

    Raises:
        NothingMeasured: No point has been measured yet.
    """
    belief = Models(question).at(np.arange(len(question.space)))
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
    _, log_gain = _most_worth(with_pending_imagined(question), left)
    return best.energy_j * -math.expm1(-math.exp(log_gain))


def _most_worth(question: Question, left: Places) -> tuple[int, float]:
    """Which of the points `left` is worth most, and the log of how much."""
    models = Models(question)
    if len(left) > CANDIDATES:
        rough = _log_worth(question, models.at(left, members=1))
        left = np.sort(left[np.argsort(rough)[-CANDIDATES:]])
    worth = _log_worth(question, models.at(left))
    return int(left[np.argmax(worth)]), float(worth.max())


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


def _log_worth(question: Question, belief: Belief) -> Floats:
    """log of expected constrained improvement of log cost, shape (points,)."""
    feasible = log_probability_below(belief.latency, belief.log_limit)
    if (best := question.best) is None:
        return feasible
    return feasible + log_expected_improvement(belief.cost, math.log(question.cost(best)))


def _first(question: Question, where: Coordinates, left: Places) -> int:
    """The fastest corner, since it meets any limit that can be met; then far from all asked."""
    asked = [question.space.index[o.point] for o in question.observations]
    if not asked:
        speed = where.unit @ np.where(where.speeds, 1.0, -1.0)
        return int(left[np.argmax(speed[left])])
    apart = ((where.unit[left, None] - where.unit[None, asked]) ** 2).sum(axis=-1).min(axis=1)
    inward = 0.25 * (where.unit[left] ** 2).sum(axis=1)
    rng = np.random.default_rng([question.seed, len(asked)])
    return int(left[np.argmax(apart - inward + rng.uniform(0, 1e-3, len(left)))])


def _unasked(question: Question) -> Places:
    asked = {question.space.index[o.point] for o in question.observations}
    return np.array([i for i in range(len(question.space)) if i not in asked], dtype=np.intp)
