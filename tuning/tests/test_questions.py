from __future__ import annotations

import pytest

from tuning.questions import Goal, Observation, Question
from tuning.space import Axis, Space
from tuning.strategies import Ask, ask, next_run

SPACE = Space((Axis("gpu_max_hz", (100, 200, 400, 800)), Axis("batch_size", (1, 2, 4))))


def question(seen: list[Observation], **kwargs: object) -> Question:
    return Question(SPACE, 1, None, seen, **kwargs)  # type: ignore[arg-type]


def test_repeats_of_a_point_are_pooled_by_inverse_variance():
    # Weights 1 and 1/4 (half-widths 0.1 and 0.2): (2 + 3 / 4) / 1.25 = 2.2.
    seen = [Observation((100, 1), 2.0, 0.1, 10.0), Observation((100, 1), 3.0, 0.2, 20.0)]
    (pooled,) = question(seen).measured
    assert pooled.energy_j == pytest.approx(2.2)
    assert pooled.energy_half_width_j == pytest.approx(1.25**-0.5 * 0.1)
    assert pooled.latency_ms == pytest.approx(15.0)


def test_a_repeat_without_interval_counts_like_the_others():
    seen = [Observation((100, 1), 2.0, 0.1, 10.0), Observation((100, 1), 3.0, None, 10.0)]
    (pooled,) = question(seen).measured
    assert pooled.energy_j == pytest.approx(2.5) and pooled.energy_half_width_j is None


def test_a_lucky_first_run_does_not_stay_the_best():
    lucky = [Observation((100, 1), 1.0, 0.1, 9.0), Observation((100, 1), 2.0, 0.1, 9.0)]
    steady = Observation((200, 1), 1.2, 0.1, 9.0)
    best = question([*lucky, steady]).best
    assert best is not None and best.point == (200, 1)


def test_the_front_holds_what_nothing_beats_in_both():
    fast, middle = Observation((800, 1), 3.0, None, 1.0), Observation((400, 1), 2.0, None, 2.0)
    beaten, least = Observation((200, 1), 2.5, None, 3.0), Observation((100, 1), 1.0, None, 4.0)
    assert question([least, beaten, fast, middle]).front == [fast, middle, least]


def test_a_search_for_the_front_finds_more_of_it_than_one_for_the_least_energy():
    def observed(point: tuple[int, ...]) -> Observation:
        clock, batch = point
        return Observation(point, (clock / 100) ** 1.5 / batch**0.3, 0.01, 800.0 * batch / clock)

    fronts = {}
    for goal in (Goal.PARETO, Goal.ENERGY):
        seen: list[Observation] = []
        while len(seen) < 7:
            point = ask("polyweb", question(seen, goal=goal))
            assert point is not None
            seen.append(observed(point))
        fronts[goal] = len(question(seen).front)
    assert fronts[Goal.PARETO] > fronts[Goal.ENERGY]


def test_a_strategy_without_opinion_asks_for_the_precision_that_is_wanted():
    asked = next_run("grid", question([], half_width_percent=1.0))
    assert asked == Ask((100, 1), 1.0)


def test_runs_of_a_fixed_length_stay_so():
    asked = next_run("polyweb", question([]))
    assert asked is not None and asked.half_width_percent is None
