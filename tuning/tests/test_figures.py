from __future__ import annotations

import math
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning import figures, heat_maps
from tuning.baselines import Baseline
from tuning.forecast import Forecast
from tuning.results import Result
from tuning.space import Axis, Space
from tuning.wording import Question, hover, three_digits

MHZ = 1_000_000
SPACE = Space(
    (
        Axis("gpu_min_hz", (100 * MHZ, 200 * MHZ)),
        Axis("gpu_max_hz", (200 * MHZ, 300 * MHZ)),
        Axis("emc_hz", (204 * MHZ, 3199 * MHZ)),
        Axis("batch_size", (1, 4)),
    )
)
QUESTION = Question("Busy energy", "p95", 50.0)


def result(number: int = 1, **fields: Any) -> Result:
    point = {
        "gpu_min_hz": fields.pop("low", 100) * MHZ,
        "gpu_max_hz": fields.pop("high", 200) * MHZ,
        "emc_hz": fields.pop("emc", 204) * MHZ,
        "batch_size": fields.pop("batch", 1),
    }
    values: dict[str, Any] = {
        "state": "observed",
        "run_id": uuid.UUID(int=number),
        "run_state": "done",
        "energy_j": 0.4,
        "half_width_j": 0.004,
        "latency_ms": 41.0,
        "upper_ms": 43.0,
        "meets_slo": True,
        "power_w": 20.0,
        "board_s": 12.0,
    }
    return Result(number=number, point=point, **{**values, **fields})


def maps(*results: Result) -> list[figures.HeatMap]:
    return figures.heat_maps(SPACE, results, question=QUESTION)


def test_there_is_one_map_for_each_batch_size():
    assert [one.batch_size for one in maps()] == [1, 4]


def test_unmeasured_cells_are_empty_and_measured_ones_stand_in_their_place():
    first = maps(result(high=300, emc=204, energy_j=0.4))[0].figure.checked().data[0]
    assert first.z == ([None, 400.0], [None, None])
    assert first.x == ("200", "300")
    assert first.y == ("204", "3199")


def test_a_cell_shows_the_best_over_the_other_knobs_and_says_so():
    drawn = maps(result(1, low=100, energy_j=0.4), result(2, low=200, energy_j=0.3))[0]
    assert drawn.best_over == ("GPU min",)
    assert drawn.figure.checked().data[0].z[0][0] == 300.0
    assert "best of 2 measured here" in drawn.figure.checked().data[0].text[0][0]


def test_an_infeasible_point_never_hides_a_feasible_one():
    drawn = maps(result(1, energy_j=0.4), result(2, low=200, energy_j=0.1, meets_slo=False))[0]
    assert drawn.figure.checked().data[0].z[0][0] == 400.0


def test_infeasible_cells_are_hatched_and_have_no_colour_of_energy():
    drawn = maps(result(meets_slo=False))[0].figure.checked()
    measured, outside = drawn.data
    assert measured.z == ([None, None], [None, None])
    assert outside.z[0][0] == 1
    (hatching,) = drawn.layout.shapes
    assert hatching.type == "path" and hatching.name == "--line-strong"


def believed(**fields: Any) -> Forecast:
    """The same energy and latency everywhere, known to a few percent."""
    points = len(SPACE)
    log_j = np.full(points, math.log(fields.get("energy_j", 0.3)))
    log_ms = np.full(points, math.log(fields.get("latency_ms", 30.0)))
    sd = np.full(points, 0.02)
    return Forecast(log_j, sd, log_ms, sd, 0.0, 3, 3, ())


def test_predicted_cells_are_outlined_and_never_filled():
    drawn = figures.heat_maps(SPACE, [result()], question=QUESTION, forecast=believed())[0]
    measured, _, hovered = drawn.figure.checked().data
    assert measured.z == ([400.0, None], [None, None])
    assert {colour for _, colour in hovered.colorscale} == {"rgba(0,0,0,0)"}
    frames = [shape for shape in drawn.figure.checked().layout.shapes if shape.name is None]
    assert len(frames) == 3 and all(frame.fillcolor is None for frame in frames)
    assert "predicted, not measured" in hovered.text[1][1] and "300 mJ (288 to 312)" in str(
        hovered.text[1][1]
    )
    assert hovered.text[0][0] is None and hovered.customdata[1][1] is None


def test_a_cell_that_is_predicted_to_miss_the_limit_has_no_colour_of_energy():
    slow = believed(latency_ms=80.0)
    drawn = figures.heat_maps(SPACE, [result()], question=QUESTION, forecast=slow)[0]
    frames = [
        shape for shape in drawn.figure.checked().layout.shapes if shape.name == "--line-strong"
    ]
    assert len(frames) == 3
    assert "met with under 1 %" in drawn.figure.checked().data[2].text[1][1]


def test_a_facet_holds_a_knob_at_its_value():
    both = [result(1, low=100, energy_j=0.3), result(2, low=200, energy_j=0.4)]
    drawn = figures.heat_maps(SPACE, both, question=QUESTION, only={"gpu_min_hz": 200 * MHZ})[0]
    assert drawn.figure.checked().data[0].z[0][0] == 400.0 and drawn.best_over == ()


def test_against_the_default_its_energy_is_zero_and_other_batches_say_why_they_are_empty():
    zero = {1: Baseline(1, 0.5, 0.005, 40.0, "trial 9")}
    drawn = heat_maps.charts(
        SPACE, [result(1, energy_j=0.4), result(2, batch=4)], question=QUESTION, baselines=zero
    )
    assert drawn[0].figure.checked().data[0].z[0][0] == pytest.approx(-20.0)
    assert drawn[1].figure.checked().data[0].z[0][0] is None
    assert "trial 9" in drawn[0].note and "Nobody measured the default" in drawn[1].note


def test_the_table_of_a_map_has_what_was_measured_and_what_is_predicted():
    drawn = heat_maps.charts(SPACE, [result(7)], question=QUESTION, forecast=believed())[0]
    first, *others = drawn.table.rows
    assert first[0].url == f"/runs/{uuid.UUID(int=7)}/"
    assert {row[0] for row in others} == {"predicted"}
    assert all(len(row) == len(drawn.table.heads) for row in drawn.table.rows)


def test_the_default_is_a_point_of_the_scatter_and_a_line_at_zero_when_compared_with():
    zero = {1: Baseline(1, 0.5, 0.005, 40.0, "trial 9")}
    plain = figures.energy_against_latency([result()], question=QUESTION, baselines=zero).checked()
    by_name = {one.name: one for one in plain.data}
    assert by_name["default clocks"].y == (500.0,) and plain.layout.shapes == ()
    drawn = figures.energy_against_latency(
        [result(1), result(2, batch=4)], question=QUESTION, baselines=zero, is_relative=True
    ).checked()
    by_name = {one.name: one for one in drawn.data}
    assert by_name["batch 1"].y == pytest.approx((-20.0,)) and "batch 4" not in by_name
    assert drawn.layout.shapes[0].y0 == 0


def test_the_best_cell_is_outlined_in_its_map_alone():
    drawn = maps(result(1, energy_j=0.4), result(2, batch=4, high=300, emc=3199, energy_j=0.3))
    assert len(drawn[0].figure.checked().layout.shapes) == 0
    outline = drawn[1].figure.checked().layout.shapes[0]
    assert (outline.x0, outline.y0) == (0.5, 0.5)


def test_an_infeasible_point_is_never_outlined():
    shapes = maps(result(meets_slo=False))[0].figure.checked().layout.shapes
    assert [shape.type for shape in shapes] == ["path"]


def test_all_maps_share_one_colour_scale():
    drawn = maps(result(1, energy_j=0.4), result(2, batch=4, energy_j=0.2))
    limits = {
        (one.figure.checked().data[0].zmin, one.figure.checked().data[0].zmax) for one in drawn
    }
    assert limits == {(200.0, 400.0)}


def test_a_click_leads_to_the_run():
    drawn = maps(result(7))[0].figure.checked()
    assert drawn.data[0].customdata[0][0] == f"/runs/{uuid.UUID(int=7)}/"


def test_a_space_without_clocks_has_one_cell():
    space = Space((Axis("batch_size", (1,)),))
    drawn = figures.heat_maps(space, [result()], question=QUESTION)[0].figure.checked()
    assert drawn.data[0].x == ("as found",)
    assert drawn.data[0].z == ([400.0],)


def test_energy_against_latency_shows_the_limit_and_the_points_outside():
    drawn = figures.energy_against_latency(
        [result(1), result(2, latency_ms=80.0, meets_slo=False)], question=QUESTION
    ).checked()
    by_name = {one.name: one for one in drawn.data}
    assert by_name["SLO 50 ms"].x == (50.0, 50.0)
    assert by_name["SLO not met"].x == (80.0,)
    assert by_name["batch 1"].y == (400.0,)
    assert drawn.layout.xaxis.title.text == "p95 latency (ms)"
    assert drawn.layout.yaxis.title.text == "Busy energy per request (mJ)"


def test_without_points_there_is_still_a_figure():
    assert figures.energy_against_latency([], question=QUESTION).data


@given(st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(1e-3, 10)), min_size=1, max_size=30))
def test_no_result_beats_one_of_the_front(points):
    results = [
        result(n, latency_ms=latency, energy_j=energy) for n, (latency, energy) in enumerate(points)
    ]
    front = figures.pareto_front(results)
    for kept in front:
        assert not any(
            other.latency_ms <= kept.latency_ms
            and other.energy_j <= kept.energy_j
            and (other.latency_ms, other.energy_j) != (kept.latency_ms, kept.energy_j)
            for other in results
        )
    lowest = min(results, key=lambda one: one.energy_j)
    assert front[-1].energy_j == lowest.energy_j


def test_hover_tells_interval_latency_and_clocks():
    text = hover(result(), question=QUESTION)
    assert "400 ± 4 mJ" in text
    assert "p95 41 ms (at most 43 ms), SLO 50 ms met" in text
    assert "GPU max 200 MHz" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.41234, "0.412"), (41.26, "41.3"), (4126, "4130"), (0, "0"), (0.000512, "0.000512")],
)
def test_three_digits(value, text):
    assert three_digits(value) == text
