"""Whether a measured point deserves another look, since noise could have crowned the wrong one.

The worth of a second look is what it is expected to save by changing which point is chosen:
for a point i that is believed at m_i with standard deviation s_i (of log cost), a run with
standard deviation s moves m_i by about t = s_i^2 / sqrt(s_i^2 + s^2), and is worth
t h(-|m_i - m_best other| / t). It is compared with the expected improvement of a new point.

Source: Frazier, Powell & Dayanik, The Knowledge-Gradient Policy for Correlated Normal
Beliefs (2009), 2.3, without correlations.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from tuning.acquisition import log_h
from tuning.beliefs import Z95
from tuning.questions import Goal, Observation, Question
from tuning.space import Point

MOST_RUNS = 4
"""A point is measured at most so often."""
LEAST_WORTH = 1e-3
"""Once every point has been measured, looks worth less than this share of the cost end it."""
COARSE_PERCENT = 3.0
"""Half-width of a run's energy that is enough to explore with."""


def closer_look(question: Question, log_gain: float) -> Point | None:
    """The measured point whose repetition is worth more than `log_gain` of a new one, if any."""
    if not question.may_repeat or question.goal is Goal.PARETO:
        return None
    runs = Counter(o.point for o in question.observations)
    pending = {o.point for o in question.observations if not o.is_measured}
    known = [o for o in question.measured if question.meets_slo(o) and o.energy_half_width_j]
    worth = {
        o.point: value
        for o, value in zip(known, _log_worths(question, known), strict=True)
        if runs[o.point] < MOST_RUNS and o.point not in pending
    }
    best = max(worth, key=lambda point: worth[point], default=None)
    if best is None or worth[best] < max(log_gain, math.log(LEAST_WORTH)):
        return None
    return best


def last_look(question: Question) -> Point | None:
    """The best point, if its energy is known from its coarse first look alone; before the end."""
    best, wanted = question.best, question.half_width_percent
    if best is None or wanted is None or precision(question, None) == wanted:
        return None
    looks = [o for o in question.observations if o.point == best.point]
    return best.point if len(looks) == 1 else None


def precision(question: Question, point: Point | None) -> float | None:
    """How well the energy at `point` has to be known: half of its 95 % interval, in percent.

    A coarse run is enough for a first look where a second one may follow. None: at any new point.
    """
    wanted = question.half_width_percent
    first = all(o.point != point for o in question.observations)
    repeats = question.may_repeat and question.goal is not Goal.PARETO
    if wanted is None or not (repeats and first):
        return wanted
    return max(wanted, COARSE_PERCENT)


def _log_worths(question: Question, known: list[Observation]) -> list[float]:
    """log of the share of cost that another look at each point is expected to save."""
    if len(known) < 2:
        return [-math.inf] * len(known)
    cost = np.log([question.cost(o) for o in known])
    sd = np.array([(o.energy_half_width_j or 0.0) / (o.energy_j or 1.0) / Z95 for o in known])
    again = sd if question.half_width_percent is None else question.half_width_percent / 100 / Z95
    moved = sd**2 / np.hypot(sd, again)
    first, second = np.sort(cost)[:2]
    rival = np.where(cost == first, second, first)
    return [float(w) for w in np.log(moved) + log_h(-np.abs(cost - rival) / moved)]
