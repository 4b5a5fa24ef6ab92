"""What if the limit were another: the best points under it, from the model and what was measured.

Nothing is run for it. A choice under a limit is the point with the least expected energy
among those that the model believes to meet the limit with at least the asked probability.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tuning.beliefs import Floats
from tuning.optimizer import Prediction, predict
from tuning.questions import Goal, Question

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
class Answer:
    """What is best under the limit `slo_ms`, and the limits worth asking about."""

    slo_ms: float
    limits: Range
    choices: list[Choice]


def answer(question: Question, *, slo_ms: float | None, least_probability: float) -> Answer:
    """Under `slo_ms`; None: under the question's own limit, or the slowest point expected.

    The model is fitted once where a limit is known, so that a slider can ask at every step.

    Raises:
        NothingMeasured: No point has been measured yet.
    """
    asked_ms = slo_ms or question.slo_ms or limits(question).high_ms
    asked = replace(question, slo_ms=asked_ms)
    predicted = predict(asked)
    return Answer(asked_ms, _range(predicted), _best(asked, predicted, least_probability))


def choices(question: Question, *, slo_ms: float, least_probability: float) -> list[Choice]:
    """The best points under `slo_ms`, the best by the question's goal first, at most MOST.

    Args:
        least_probability: How sure the model has to be that a point meets the limit, 0 to 1.

    Raises:
        NothingMeasured: No point has been measured yet.
    """
    asked = replace(question, slo_ms=slo_ms)
    return _best(asked, predict(asked), least_probability)


def _best(asked: Question, predicted: Prediction, least_probability: float) -> list[Choice]:
    fit = np.flatnonzero(predicted.meets_slo >= least_probability)
    order = fit[np.argsort(_cost(asked, predicted)[fit], kind="stable")][:MOST]
    measured = {observation.point for observation in asked.measured}
    return [_choice(asked, predicted, int(i), measured) for i in order]


def _cost(question: Question, predicted: Prediction) -> Floats:
    """What the goal counts at every point; of a front the least of it is the knee."""
    if question.goal is Goal.ENERGY:
        return predicted.energy_j
    return predicted.energy_j * predicted.latency_ms


def limits(question: Question) -> Range:
    """Between which limits the answer can change.

    Raises:
        NothingMeasured: No point has been measured yet.
    """
    return _range(predict(question))


def _range(predicted: Prediction) -> Range:
    return Range(float(predicted.latency_ms.min()), float(predicted.latency_ms.max()))


def _choice(
    question: Question, predicted: Prediction, i: int, measured: set[tuple[int, ...]]
) -> Choice:
    point = question.space.points[i]
    return Choice(
        point=question.space.named(point),
        energy_j=float(predicted.energy_j[i]),
        energy_half_width_j=float(predicted.energy_high_j[i] - predicted.energy_low_j[i]) / 2,
        latency_ms=float(predicted.latency_ms[i]),
        latency_half_width_ms=float(predicted.latency_high_ms[i] - predicted.latency_low_ms[i]) / 2,
        meets_slo=float(predicted.meets_slo[i]),
        is_measured=point in measured,
    )
