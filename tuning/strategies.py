"""What to measure next: pure functions of the space, the seed and what was observed so far.

The same space, seed and observations give the same next point, so a sweep continues
after any crash with the same question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tuning import cbo, optimizer
from tuning.questions import Ask, Earlier, Goal, Observation, Question
from tuning.space import Point

__all__ = [
    "STRATEGIES",
    "Ask",
    "Earlier",
    "Goal",
    "Observation",
    "Question",
    "Strategy",
    "ask",
    "next_run",
]

Strategy = Callable[[Question], Point | None]
"""The next point to measure, or None when every point has been asked."""


def grid(question: Question) -> Point | None:
    """Every point in order."""
    return next(iter(_unasked(question, question.space.points)), None)


def random_search(question: Question) -> Point | None:
    """Uniformly at random, without replacement: one shuffle per seed."""
    order = list(question.space.points)
    random.Random(question.seed).shuffle(order)
    return next(iter(_unasked(question, order)), None)


STRATEGIES: dict[str, Strategy] = {
    "polyweb": optimizer.ask,
    "cbo": cbo.ask,
    "random": random_search,
    "grid": grid,
}


def ask(name: str, question: Question) -> Point | None:
    """The next point by the strategy called `name`."""
    return STRATEGIES[name](question)


def next_run(name: str, question: Question) -> Ask | None:
    """The next point by the strategy called `name`, and how well it has to be measured."""
    point = ask(name, question)
    if point is None:
        return None
    if name == "polyweb":
        return Ask(point, optimizer.precision(question, point))
    return Ask(point, question.half_width_percent)


def _unasked(question: Question, points: Sequence[Point]) -> list[Point]:
    asked = {observation.point for observation in question.observations}
    return [point for point in points if point not in asked]
