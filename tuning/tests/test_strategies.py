from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuning import cbo
from tuning.space import Axis, Point, Space
from tuning.strategies import STRATEGIES, Observation, Question, ask

SPACE = Space((Axis("gpu_max_hz", tuple(range(1, 9))), Axis("batch_size", (1, 2, 4, 8))))
slow = settings(deadline=None, max_examples=3, suppress_health_check=[HealthCheck.too_slow])


def observed(point: Point) -> Observation:
    """A bowl with its bottom at (5, 4); slower with the batch, faster with the clock."""
    gpu, batch = point
    joules = 1.0 + (gpu - 5) ** 2 / 10 + math.log2(batch / 4) ** 2 / 5
    return Observation(point, joules, 0.01, 10.0 * batch / gpu)


def searched(strategy: str, trials: int, *, seed: int, slo_ms: float | None) -> list[Observation]:
    seen: list[Observation] = []
    for _ in range(trials):
        point = ask(strategy, Question(SPACE, seed, slo_ms, seen))
        assert point is not None
        seen.append(observed(point))
    return seen


@slow
@given(st.sampled_from(sorted(STRATEGIES)), st.integers(0, 2**31), st.sampled_from([None, 9.0]))
def test_a_search_that_is_cut_off_goes_on_as_if_it_had_not_been(
    strategy: str, seed: int, slo_ms: float | None
):
    seen = searched(strategy, 8, seed=seed, slo_ms=slo_ms)
    for k in range(5, 8):
        again = ask(strategy, Question(SPACE, seed, slo_ms, list(seen[:k])))
        assert again == seen[k].point


@pytest.mark.parametrize("strategy", ["cbo", "polyweb"])
def test_models_find_the_bottom_of_a_bowl(strategy: str):
    seen = searched(strategy, 16, seed=2, slo_ms=None)
    best = Question(SPACE, 2, None, seen).best
    assert best is not None and best.energy_j is not None and best.energy_j <= 1.05


@pytest.mark.parametrize("strategy", ["cbo", "polyweb"])
def test_a_limit_is_kept(strategy: str):
    # Within 9 ms the best is batch 4 at clock 5: 8 ms.
    question = Question(SPACE, 2, 9.0, searched(strategy, 16, seed=2, slo_ms=9.0))
    assert question.best is not None and question.best.point == (5, 4)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_ends_when_nothing_is_left(strategy: str):
    small = Space((Axis("gpu_max_hz", (1, 2, 4)), Axis("batch_size", (1, 2))))
    seen = [observed(point) for point in small.points]
    assert ask(strategy, Question(small, 1, None, seen)) is None


def test_the_papers_search_starts_with_five_random_points():
    seen = searched("cbo", 5, seed=4, slo_ms=None)
    assert [o.point for o in seen] == [o.point for o in searched("random", 5, seed=4, slo_ms=None)]


def test_the_papers_search_looks_for_a_feasible_point_while_there_is_none():
    seen = [observed(point) for point in [(1, 8), (2, 8), (1, 4), (3, 8), (2, 4)]]
    point = ask("cbo", Question(SPACE, 1, 1.6, seen))
    assert point is not None and observed(point).bound_ms < 20.0  # faster than all before


def test_the_papers_coordinates_are_indices_and_log2_of_the_batch():
    places = cbo.index_coordinates(SPACE)
    assert places[SPACE.index[(1, 1)]].tolist() == [0.0, 0.0]
    assert places[SPACE.index[(8, 4)]] == pytest.approx([1.0, 2 / 3])


def test_a_point_that_was_given_up_is_not_asked_again():
    seen = [*searched("cbo", 6, seed=1, slo_ms=None), Observation((8, 8))]
    assert ask("cbo", Question(SPACE, 1, None, seen)) != (8, 8)


def test_the_best_is_the_least_energy_whose_bound_meets_the_limit():
    low = Observation((1, 1), 1.0, None, 9.0, 11.0)
    high = Observation((2, 1), 2.0, None, 9.0, 9.5)
    assert Question(SPACE, 1, 10.0, [low, high]).best == high
