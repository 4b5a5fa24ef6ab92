"""The strategy `polyweb`, and what its model predicts for points that nobody measured.

Everything here is a pure function of the question: the same space, seed, limit and
observations give the same answer. `docs/tuner.md` explains the method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuning.acquisition import (
    log_expected_area,
    log_expected_improvement,
    log_probability_below,
)
from tuning.beliefs import Z95, Belief, Floats, Models, NothingMeasured, Places, everywhere
from tuning.coordinates import Coordinates
from tuning.questions import Goal, Observation, Question
from tuning.repeats import closer_look, precision
from tuning.space import Point

__all__ = ["NothingMeasured", "Prediction", "ask", "expected_gain_j", "precision", "predict"]

MOST_STARTS = 4
MOST_RIVALS = 4
"""So many of the cheapest measured points may be the one that a new point has to beat."""
FRONT_MARGIN = 0.1
"""How far beyond its ends a front may still grow, in log units."""
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
    """The next point to measure, or None when every point has been asked.

    If the question allows repeats it may be one that was measured, until none is worth it.
    """
    left = _unasked(question)
    if not len(left):
        return closer_look(question, -math.inf)
    if len(question.observations) < _starts(question) or not question.measured:
        return question.space.points[_first(question, everywhere(question.space), left)]
    point, log_gain = _most_worth(with_pending_imagined(question), left)
    return closer_look(question, log_gain) or question.space.points[point]


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
    rivals = _rivals(question, models)
    if len(left) > CANDIDATES:
        rough = _log_worth(question, models.at(left, rough=True), rivals)
        left = np.sort(left[np.argsort(rough)[-CANDIDATES:]])
    worth = _log_worth(question, models.at(left), rivals)
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


def _log_worth(question: Question, belief: Belief, rivals: Sequence[tuple[float, float]]) -> Floats:
    """log of expected constrained improvement of log cost, or of the front; shape (points,)."""
    if question.goal is Goal.PARETO and question.front:
        return _log_front_gain(question, belief)
    feasible = log_probability_below(belief.latency, belief.log_limit)
    if question.best is None:
        return feasible
    gains = [
        math.log(chance) + log_expected_improvement(belief.cost, log_cost)
        for log_cost, chance in rivals
    ]
    return np.asarray(feasible + np.logaddexp.reduce(gains))


def _rivals(question: Question, models: Models) -> list[tuple[float, float]]:
    """Log costs that a new point may have to beat, each with the probability that it is the one.

    A measurement that met the limit by luck must not end the search of those that do meet it:
    each of the cheapest counts as far as the model believes that it meets the limit.
    """
    seen = sorted((o for o in question.measured if question.meets_slo(o)), key=question.cost)
    places = np.array([question.space.index[o.point] for o in seen], dtype=np.intp)
    if not len(places):
        return []
    belief = models.at(places[:MOST_RIVALS])
    sure = np.exp(log_probability_below(belief.latency, belief.log_limit))
    rivals, none_yet = [], 1.0
    for o, chance in zip(seen, sure, strict=False):
        rivals.append((math.log(question.cost(o)), max(none_yet * float(chance), 1e-9)))
        none_yet *= 1.0 - float(chance)
    last, chance = rivals[-1]
    return [*rivals[:-1], (last, chance + none_yet)]


def _log_front_gain(question: Question, belief: Belief) -> Floats:
    """log of the expected growth of the area that the front dominates, in logs of J and ms."""
    front = question.front
    energy = np.log([o.energy_j or math.nan for o in front])
    latency = np.log([o.latency_ms or math.nan for o in front])
    slowest = np.log(max(o.latency_ms or 0.0 for o in question.measured)) + FRONT_MARGIN
    ends = (energy.max() + FRONT_MARGIN, min(slowest, belief.log_limit))
    return log_expected_area(belief.energy, belief.latency, energy, latency, ends)


def _starts(question: Question) -> int:
    """Points before the model is asked: a knob more needs one more to be told from the others."""
    return 1 if question.earlier else min(len(question.space.axes) + 1, MOST_STARTS)


def _first(question: Question, where: Coordinates, left: Places) -> int:
    """The fastest corner, since it meets any limit that can be met; then the one opposite.

    Then one at random of those far from all asked, since corners alone would blame the knobs
    together.
    """
    asked = [question.space.index[o.point] for o in question.observations]
    if not asked:
        speed = where.unit @ np.where(where.speeds, 1.0, -1.0)
        return int(left[np.argmax(speed[left])])
    place = where.unit if len(asked) == 1 else where.rank
    apart = ((place[left, None] - place[None, asked]) ** 2).sum(axis=-1).min(axis=1)
    rng = np.random.default_rng([question.seed, len(asked)])
    if len(asked) == 1:
        return int(left[np.argmax(apart + rng.uniform(0, 1e-3, len(left)))])
    far = np.argsort(apart, kind="stable")[-max(3, len(left) // 5) :]
    return int(left[rng.choice(far)])


def _unasked(question: Question) -> Places:
    asked = {question.space.index[o.point] for o in question.observations}
    return np.array([i for i in range(len(question.space)) if i not in asked], dtype=np.intp)
