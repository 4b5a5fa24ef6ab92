"""Warm start: what another network's or board's search measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tuning import optimizer
from tuning.earlier import guesses
from tuning.questions import Earlier, Observation, Question
from tuning.space import Axis, Point, Space
from tuning.strategies import ask

SPACE = Space((
    Axis("gpu_max_hz", tuple(range(100, 1300, 100))),
    Axis("emc_hz", (200, 700, 2100, 3200)),
    Axis("batch_size", (1, 2, 4, 8)),
))  # fmt: skip
BUDGET = 20


def bowl(point: Point, *, joules: float = 1.0, bottom: tuple[float, float] = (0.35, 0.6)) -> float:
    """Energy with its bottom where the clocks are such shares of their tops, at batch 4."""
    gpu, emc, batch = point
    away = math.log(gpu / 1200 / bottom[0]) ** 2 / 2 + math.log(emc / 3200 / bottom[1]) ** 2 / 3
    return joules * math.exp(away + math.log2(batch / 4) ** 2 / 4)


def observed(point: Point, joules: float) -> Observation:
    gpu, emc, batch = point
    return Observation(point, joules, 0.01 * joules, 9e3 * batch / gpu + 2e3 * batch / emc)


def searched_before(bottom: tuple[float, float]) -> Earlier:
    """Another network, seven times as hungry, measured at every seventh point."""
    seen = [observed(p, bowl(p, joules=7.0, bottom=bottom)) for p in SPACE.points[::7]]
    return Earlier(SPACE, tuple(seen))


def evaluations(*earlier: Earlier, seed: int) -> int:
    """Until a point within 5 % of the best has been measured."""
    enough = 1.05 * min(map(bowl, SPACE.points))
    seen: list[Observation] = []
    while len(seen) < BUDGET:
        point = ask("polyweb", Question(SPACE, seed, None, seen, earlier=earlier))
        assert point is not None
        seen.append(observed(point, bowl(point)))
        if bowl(point) <= enough:
            return len(seen)
    return BUDGET + 1


def test_a_helpful_earlier_search_saves_evaluations_and_a_misleading_one_costs_two_at_most():
    helpful, misleading = searched_before((0.35, 0.6)), searched_before((0.9, 0.1))
    seeds = range(3)
    alone = np.mean([evaluations(seed=s) for s in seeds])
    assert np.mean([evaluations(helpful, seed=s) for s in seeds]) <= alone - 2
    assert np.mean([evaluations(misleading, seed=s) for s in seeds]) <= alone + 2


def test_clocks_of_another_board_count_as_shares_of_its_top():
    slower = Space(tuple(
        Axis(axis.name, tuple(v if "batch" in axis.name else v * 10 for v in axis.values))
        for axis in SPACE.axes
    ))  # fmt: skip
    moved = [
        Observation((p[0] * 10, p[1] * 10, p[2]), 5 * bowl(p), None, 10.0)
        for p in SPACE.points[::5]
    ]
    question = Question(SPACE, 1, None, [], earlier=(Earlier(slower, moved),))
    (guess,) = guesses(question)
    truth = np.log([bowl(p) for p in SPACE.points])
    assert np.corrcoef(guess.log_j, truth)[0, 1] > 0.95


def test_an_earlier_search_that_measured_next_to_nothing_is_not_heard():
    few = Earlier(SPACE, [observed(p, bowl(p)) for p in SPACE.points[:2]])
    assert guesses(Question(SPACE, 1, None, [], earlier=(few,))) == []


def test_an_earlier_search_of_other_knobs_is_not_heard():
    other = Space((Axis("power_limit_w", (100, 200, 300, 400)),))
    seen = [Observation(p, 1.0, None, 1.0) for p in other.points]
    question = Question(SPACE, 1, None, [], earlier=(Earlier(other, seen),))
    assert guesses(question) == []
    assert optimizer.ask(question) == (1200, 3200, 1)


def test_the_level_of_an_earlier_search_does_not_matter():
    seen = [observed(p, bowl(p)) for p in SPACE.points[::40]]
    before = searched_before((0.35, 0.6))
    louder = Earlier(SPACE, [
        Observation(o.point, 100 * (o.energy_j or 0.0), None, o.latency_ms)
        for o in before.observations
    ])  # fmt: skip
    first, second = (
        optimizer.predict(Question(SPACE, 1, None, seen, earlier=(each,)))
        for each in (before, louder)
    )
    assert first.energy_j == pytest.approx(second.energy_j, rel=1e-2)
