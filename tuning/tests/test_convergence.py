from __future__ import annotations

from dataclasses import replace

from tuning import convergence
from tuning.convergence import Grid, grid
from tuning.questions import Goal
from tuning.tests.test_figures import QUESTION, SPACE, believed, result

THREE = [
    result(1, energy_j=0.5),
    result(2, high=300, energy_j=0.2, meets_slo=False),
    result(3, emc=3199, energy_j=0.4),
]


def traces(**fields):
    drawn = convergence.chart(THREE, question=QUESTION, **{"grid": None, **fields})
    return {one.name: one for one in drawn.figure.checked().data}


def test_what_breaks_the_limit_is_never_best_so_far():
    assert traces()["best so far"].y == (500.0, 500.0, 400.0)
    assert traces()["SLO not met"].y == (200.0,)


def test_over_board_time_each_trial_stands_where_it_ended():
    assert traces(board_s=[10, 25, 30])["measured"].x == (10, 30)


def test_random_search_is_drawn_once_the_whole_grid_is_known():
    assert "random search, expected" not in traces()
    line = traces(grid=Grid(4, 3, (0.4, 0.5)))["random search, expected"]
    assert line.x == (1, 2, 3)
    assert 400 < line.y[0] <= 450 and list(line.y) == sorted(line.y, reverse=True)


def test_the_grid_is_measured_where_it_was_and_predicted_elsewhere():
    found = grid(SPACE, THREE, believed(energy_j=0.3), 50.0)
    assert (found.points, found.measured) == (len(SPACE), 3)
    assert sorted(found.feasible_j)[-2:] == [0.4, 0.5]
    assert len(found.feasible_j) == len(SPACE) - 1  # The measured one that breaks the limit.


def test_points_that_are_predicted_to_miss_the_limit_are_not_feasible():
    assert len(grid(SPACE, THREE, believed(latency_ms=80.0), 50.0).feasible_j) == 2


def test_without_a_model_a_grid_with_holes_is_not_known():
    assert grid(SPACE, THREE, None, 50.0) is None


def test_the_note_says_what_random_search_was_computed_from():
    note = convergence.chart(THREE, question=QUESTION, grid=Grid(12, 3, (0.4, 0.5, 0.3))).note
    assert "without replacement from the 12 points" in note
    assert "3 measured points and the model's predictions of the other 9" in note
    assert "has not come there yet" in note and "6.5 on average" in note


def test_the_table_has_the_best_so_far_of_every_trial():
    rows = convergence.chart(THREE, question=QUESTION, grid=None).table.rows
    assert [row[3] for row in rows] == ["500", "500", "400"]


def test_a_closer_look_takes_the_place_of_a_lucky_one():
    first, lucky = result(1, energy_j=0.5), result(2, emc=3199, energy_j=0.4)
    closer = result(3, emc=3199, energy_j=0.6, look=2)
    seen = [first, lucky, closer, result(4, high=300, energy_j=0.7)]
    drawn = convergence.chart(seen, question=QUESTION, grid=None)
    line = next(one for one in drawn.figure.data if one["name"] == "best so far")
    assert list(line["y"]) == [500.0, 400.0, 500.0, 500.0]


def test_a_goal_that_looks_at_latency_too_is_told_that_the_curve_does_not():
    both = replace(QUESTION, goal=Goal.ENERGY_DELAY)
    assert convergence.chart(THREE, question=both, grid=None).note.startswith("By energy alone")
    assert "alone" not in convergence.chart(THREE, question=QUESTION, grid=None).note
