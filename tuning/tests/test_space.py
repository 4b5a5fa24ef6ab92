from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.space import Axis, Space
from tuning.strategies import Observation, Question, ask

THIRTEEN = tuple(range(13))


def space(**axes: tuple[int, ...]) -> Space:
    return Space(tuple(Axis(name, values) for name, values in axes.items()))


def test_the_papers_orin_space_has_1820_points():
    orin = space(
        gpu_min_hz=THIRTEEN, gpu_max_hz=THIRTEEN, emc_hz=(1, 2, 3, 4), batch_size=(1, 2, 4, 8, 16)
    )
    assert len(orin) == 1820


def test_a_minimum_clock_never_exceeds_its_maximum():
    pairs = space(gpu_min_hz=THIRTEEN, gpu_max_hz=THIRTEEN).points
    assert len(pairs) == 91 and all(low <= high for low, high in pairs)


@pytest.mark.parametrize("strategy", ["grid", "random"])
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6))
def test_every_point_is_asked_once_whatever_the_seed(strategy: str, seed: int, n: int, m: int):
    grid = space(a=tuple(range(n)), b=tuple(range(m)))
    seen: list[Observation] = []
    while (point := ask(strategy, Question(grid, seed, None, seen))) is not None:
        seen.append(Observation(point))
    assert sorted(o.point for o in seen) == list(grid.points)


def test_the_same_observations_give_the_same_question():
    grid = space(a=THIRTEEN, b=THIRTEEN)
    seen = [Observation((1, 1)), Observation((2, 2))]
    assert ask("random", Question(grid, 5, None, seen)) == ask(
        "random", Question(grid, 5, None, list(seen))
    )


def test_another_seed_asks_in_another_order():
    grid = space(a=THIRTEEN, b=THIRTEEN)
    firsts = {ask("random", Question(grid, seed, None, [])) for seed in range(20)}
    assert len(firsts) > 10


def test_the_papers_tx2_space_has_5005_points():
    tx2 = space(
        gpu_min_hz=THIRTEEN,
        gpu_max_hz=THIRTEEN,
        emc_hz=tuple(range(11)),
        batch_size=(1, 2, 4, 8, 16),
    )
    assert len(tx2) == 5005


@pytest.mark.parametrize(
    ("names", "values"),
    [(("batch_size", "power_limit_w"), (4, 9)), (("cores", "cpu", "gpu", "mem"), (4, 12, 4, 4))],
)
def test_other_knobs_are_just_other_axes(names: tuple[str, ...], values: tuple[int, ...]):
    axes = dict(zip(names, (tuple(range(1, n + 1)) for n in values), strict=True))
    size = 1
    for n in values:
        size *= n
    assert len(space(**axes)) == size


def test_a_space_of_points_has_holes_where_there_are_none():
    holed = Space.of_points(("a", "b"), [(2, 1), (1, 1), (1, 2)])
    assert holed.points == ((1, 1), (1, 2), (2, 1))
    assert [axis.values for axis in holed.axes] == [(1, 2), (1, 2)]


def test_a_points_index_is_its_place():
    grid = space(a=THIRTEEN, b=(3, 5))
    assert all(grid.points[i] == point for point, i in grid.index.items())
