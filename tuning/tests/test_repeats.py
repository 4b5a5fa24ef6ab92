from __future__ import annotations

import math

import numpy as np
import pytest

from tuning.questions import Goal, Observation, Question
from tuning.repeats import closer_look, last_look, precision
from tuning.space import Axis, Space
from tuning.strategies import Ask, ask, next_run

SPACE = Space((Axis("gpu_max_hz", (100, 200, 400, 800)), Axis("batch_size", (1, 2))))
SMALL = math.log(1e-4)


def question(*seen: Observation, **kwargs: object) -> Question:
    return Question(SPACE, 1, None, seen, **{"may_repeat": True, **kwargs})  # type: ignore[arg-type]


def close_race(half_width_j: float = 0.06) -> list[Observation]:
    energies = {(100, 1): 2.0, (200, 1): 2.01, (400, 1): 3.0}
    return [Observation(point, j, half_width_j, 10.0) for point, j in energies.items()]


def test_a_close_race_is_run_again():
    assert closer_look(question(*close_race()), SMALL) in {(100, 1), (200, 1)}


def test_a_clear_winner_is_not_measured_again():
    clear = [Observation((100, 1), 1.0, 0.01, 10.0), Observation((200, 1), 2.0, 0.02, 10.0)]
    assert closer_look(question(*clear), SMALL) is None


def test_a_new_point_that_promises_more_goes_first():
    assert closer_look(question(*close_race()), math.log(0.05)) is None


def test_nothing_is_repeated_unless_it_may_be():
    assert closer_look(question(*close_race(), may_repeat=False), SMALL) is None


def test_a_front_is_not_repeated():
    assert closer_look(question(*close_race(), goal=Goal.PARETO), SMALL) is None


def test_a_point_over_the_limit_is_no_contender():
    seen = [*close_race()[:1], Observation((200, 1), 2.01, 0.06, 50.0)]
    assert closer_look(Question(SPACE, 1, 20.0, seen, may_repeat=True), SMALL) is None


def test_a_point_that_is_being_measured_is_not_asked_once_more():
    seen = [*close_race(), Observation((100, 1)), Observation((200, 1))]
    assert closer_look(question(*seen), SMALL) is None


def test_a_point_is_measured_four_times_at_most():
    assert closer_look(question(*close_race()[:2] * 4), SMALL) is None


def test_the_worth_of_a_look_agrees_with_monte_carlo():
    """What is saved by choosing after the look instead of before, with known noise."""
    from tuning.repeats import _log_worths

    seen = close_race()
    worth = math.exp(_log_worths(question(*seen), seen[:2])[0])
    rng, sd, rival = np.random.default_rng(1), 0.03 / 1.95996, math.log(2.01)
    truth = math.log(2.0) + sd * rng.standard_normal(400_000)
    look = truth + sd * rng.standard_normal(400_000)
    updated = (math.log(2.0) + look) / 2
    chosen = np.where(updated < rival, truth, rival)
    assert worth == pytest.approx(math.log(2.0) - chosen.mean(), rel=0.03)


def test_polyweb_explores_with_coarse_runs_and_looks_closer_at_contenders():
    assert next_run("polyweb", question(half_width_percent=1.0)) == Ask((800, 1), 3.0)
    assert precision(question(*close_race(), half_width_percent=1.0), (100, 1)) == 1.0


def test_a_winner_that_was_seen_once_is_looked_at_before_the_end():
    seen = close_race()
    assert last_look(question(*seen, half_width_percent=1.0)) == (100, 1)
    assert last_look(question(*seen, seen[0], half_width_percent=1.0)) is None
    assert last_look(question(*seen, half_width_percent=1.0, may_repeat=False)) is None


def test_a_first_look_that_was_not_coarse_needs_no_last_one():
    assert last_look(question(*close_race(), half_width_percent=5.0)) is None


def test_without_a_second_look_the_first_one_is_exact():
    assert precision(question(may_repeat=False, half_width_percent=1.0), (100, 1)) == 1.0


def test_a_search_with_repeats_chooses_better_where_noise_is_large():
    """Eight points within 8 % of each other, measured to 4 %: repeats find the true best."""
    truth = dict(zip(SPACE.points, 1.0 + 0.01 * np.arange(8), strict=True))
    lost = {True: 0.0, False: 0.0}
    for may_repeat in lost:
        for seed in range(6):
            rng = np.random.default_rng(seed)
            seen: list[Observation] = []
            while len(seen) < 20:
                asked = Question(SPACE, seed, None, seen, may_repeat=may_repeat)
                point = ask("polyweb", asked)
                if point is None:
                    break
                j = truth[point] * math.exp(0.02 * rng.standard_normal())
                seen.append(Observation(point, j, 0.04 * j, 10.0))
            best = Question(SPACE, seed, None, seen).best
            assert best is not None
            lost[may_repeat] += truth[best.point] - 1.0
    assert lost[True] <= lost[False]
