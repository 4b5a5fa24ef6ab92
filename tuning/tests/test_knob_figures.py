from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuning import knob_figures, parallel
from tuning.forecast import Forecast, Share
from tuning.questions import Goal
from tuning.space import Axis, Space
from tuning.tests.test_figures import MHZ, QUESTION, SPACE, believed, result
from tuning.views.panels import found

BEST = result(1, energy_j=0.3)


def test_importance_shows_the_largest_share_first_and_its_whiskers():
    shares = (
        Share("gpu_max_hz", 0.5, 0.4, 0.7, 0.6, 0.5, 0.8),
        Share("emc_hz", 0.1, 0.0, 0.2, 0.2, 0.1, 0.3),
    )
    none = np.zeros(1)
    drawn = knob_figures.importance(Forecast(none, none, none, none, 0.0, 9, 9, shares))
    total, alone = drawn.figure.checked().data
    assert total.y == ("Memory", "GPU max")  # Bars grow upwards.
    assert alone.x == pytest.approx((10, 50))
    assert alone.error_x.array == pytest.approx((10, 20))
    assert drawn.table.rows[0][:4] == ["GPU max", "50", "40", "70"]
    assert "Sobol" in drawn.note and "9 measured points" in drawn.note


def test_a_slice_holds_the_other_knobs_where_the_winner_has_them():
    seen = [BEST, result(2, high=300), result(3, high=300, emc=3199)]
    by_name = {
        one.name: one
        for one in knob_figures.slices(SPACE, seen, believed(), BEST, question=QUESTION)
    }
    clock = by_name["slice-gpu_max_hz"]
    band, line, points = clock.figure.checked().data
    assert line.x == (200.0, 300.0)
    assert points.x == (200.0, 300.0)  # The third differs in two knobs.
    assert max(band.y) > max(line.y) > min(band.y)
    assert set(by_name) == {f"slice-{name}" for name in SPACE.names}


def test_a_contour_leaves_out_what_is_not_allowed():
    drawn = knob_figures.contour(
        SPACE, [BEST], believed(), BEST, knobs=("gpu_min_hz", "gpu_max_hz"), question=QUESTION
    )
    lines, marks = drawn.figure.checked().data
    assert lines.contours.coloring == "lines"
    assert lines.z == ([pytest.approx(300), pytest.approx(300)], [pytest.approx(300)] * 2)
    assert (marks.x, marks.y) == (("100",), ("200",))
    holes = Space((Axis("gpu_min_hz", (1 * MHZ, 3 * MHZ)), Axis("gpu_max_hz", (2 * MHZ, 3 * MHZ))))
    four = np.zeros(3)
    found = knob_figures.contour(
        holes, [], Forecast(four, four, four, four, 0.0, 3, 3, ()),
        result(low=1, high=2), knobs=("gpu_min_hz", "gpu_max_hz"), question=QUESTION,
    )  # fmt: skip
    assert found.figure.checked().data[0].z[0][1] is None
    assert "not allowed" in found.table.rows[0]


def test_parallel_lines_run_through_all_knobs_and_results():
    seen = [result(1, energy_j=0.2), result(2, high=300, energy_j=0.4, latency_ms=80.0)]
    figure = parallel.chart(SPACE, seen, question=QUESTION).figure.checked()
    worst, best = figure.data
    assert len(best.x) == len(SPACE.names) + 2
    assert best.y[-1] == 0 and worst.y[-1] == 1
    assert figure.layout.meta["brush"] is True


def test_a_line_that_breaks_the_limit_has_no_colour_of_energy():
    seen = [result(1, energy_j=0.4), result(2, energy_j=0.2, high=300, meets_slo=False)]
    outside = parallel.chart(SPACE, seen, question=QUESTION).figure.checked().data[1]
    assert outside.line.color is None and outside.meta["token"] == "--line-strong"


def test_of_very_many_trials_those_with_the_least_energy_are_drawn_and_the_note_says_so():
    many = [result(n, energy_j=0.1 + n / 1000) for n in range(1, parallel.MOST_LINES + 11)]
    drawn = parallel.chart(SPACE, many, question=QUESTION)
    assert len(drawn.figure.checked().data) == parallel.MOST_LINES and "160 trials" in drawn.note
    assert len(drawn.table.rows) == 160


def test_the_point_that_slices_go_through_is_the_best_by_what_the_goal_counts():
    least, quick = (
        result(1, energy_j=0.3, latency_ms=40.0),
        result(2, energy_j=0.4, latency_ms=20.0),
    )
    assert found.winner([least, quick], QUESTION) is least
    assert found.winner([least, quick], replace(QUESTION, goal=Goal.ENERGY_DELAY)) is quick
