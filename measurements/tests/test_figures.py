from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from measurements import figures, trace_figure
from measurements.figures import EnergyShare, Mark
from measurements.power import Window
from measurements.trace_figure import Batch, PowerTrace, RailTrace, Span, Surroundings
from measurements.units import Assumptions, energy_unit


def trace(**columns: object) -> PowerTrace:
    values = {
        "t_s": [0.0, 0.1],
        "total_w": [9.0, None],
        "rails": [RailTrace("VDD_GPU_SOC", "gpu", [5.0, 6.0])],
        "gpu_mhz": [1300, 1300],
        "emc_mhz": [None, None],
        "cpu_mhz": [2201, 2201],
        "temp_c": [45.0, 45.5],
    }
    return PowerTrace(**{**values, **columns})


def drawn_trace(shown: PowerTrace | None = None, **around: object) -> go.Figure:
    """As plotly's own objects, which refuse what is no figure."""
    return trace_figure.power_trace(shown or trace(), around=Surroundings(**around)).checked()


def test_every_figure_has_the_one_template_and_no_default_one():
    template = json.loads(figures.figure().checked().to_json())["layout"]["template"]
    assert template["layout"]["autotypenumbers"] == "strict"
    assert "data" not in template


def test_power_is_drawn_in_the_fixed_colour_of_its_part():
    drawn = drawn_trace()
    assert {line.name: line.meta["token"] for line in drawn.data[:2]} == {
        "total": "--text",
        "VDD_GPU_SOC": "--rail-gpu",
    }


def test_two_rails_of_one_part_differ_in_their_dashes():
    rails = [RailTrace(name, "gpu", [1.0, 1.0]) for name in ("GPU", "VDD_GPU")]
    drawn = drawn_trace(trace(rails=rails))
    assert len({line.line.dash for line in drawn.data[1:3]}) == 2


def test_an_unknown_sample_stays_a_gap():
    assert drawn_trace().data[0].y == (9.0, None)


def test_a_clock_that_was_never_stated_is_not_drawn():
    names = [line.name for line in drawn_trace().data]
    assert "memory clock" not in names
    assert "GPU clock" in names


def test_phases_are_shaded_from_their_start_to_their_end():
    drawn = drawn_trace(phases=[Span("serve", 5.0, 9.5)])
    shade = drawn.layout.shapes[0]
    assert (shade.x0, shade.x1, shade.label.text) == (5.0, 9.5, "serve")


def test_axes_carry_units():
    layout = drawn_trace().layout
    titles = [
        axis.title.text for axis in (layout.xaxis, layout.yaxis, layout.yaxis2, layout.yaxis3)
    ]
    assert [title.split("(")[1] for title in titles] == ["s)", "W)", "MHz)", "°C)"]


def test_neighbouring_batches_stand_in_two_rows():
    batches = [Batch(1.0, 1.2, 4), Batch(1.2, 1.4, 4), Batch(1.4, 1.6, 1)]
    upper, lower = [one for one in drawn_trace(batches=batches).data if one.name == "inference"]
    assert upper.x[1:] == (1.0, 1.2, None, 1.4, 1.6, None) and lower.x[1:] == (1.2, 1.4, None)
    assert upper.text[1] == "4 requests, inference 200 ms, done at 1.200 s"


def test_too_many_batches_are_said_and_not_drawn():
    drawn = drawn_trace(batches=None)
    assert "zoom in" in drawn.layout.annotations[0].text
    assert all(set(line.x) == {None} for line in drawn.data if line.name == "inference")


def test_the_idle_baseline_and_the_window_are_marked():
    shapes = drawn_trace(idle_w=4.2, chosen=Window(1.0, 2.0)).layout.shapes
    assert (shapes[0].y0, shapes[0].label.text) == (4.2, "idle 4.2 W")
    assert (shapes[1].x0, shapes[1].x1) == (1.0, 2.0)


def test_a_limit_far_away_does_not_crush_the_histogram():
    drawn = figures.latency_histogram(
        [19.0, 19.5, 20.0], marks=[Mark("p95 20 ms", 20.0), Mark("SLO 120 ms", 120.0)]
    ).checked()
    assert drawn.layout.xaxis.range[1] < 30
    assert [shape.x0 for shape in drawn.layout.shapes] == [20.0]
    assert drawn.layout.annotations[1].text == "SLO 120 ms →"


def test_the_histogram_counts_every_request_once():
    latencies = np.random.default_rng(1).gamma(9, 4, size=1000)
    drawn = figures.latency_histogram(latencies, marks=[]).checked()
    assert sum(drawn.data[0].y) == 1000
    assert len(drawn.data[0].y) <= figures.MOST_BINS


@pytest.mark.parametrize("latencies", [[5.0], [5.0, 5.0, 5.0]])
def test_equal_latencies_have_a_histogram_too(latencies):
    assert sum(figures.latency_histogram(latencies, marks=[]).checked().data[0].y) == len(latencies)


def test_a_mark_is_a_line_with_its_label():
    drawn = figures.latency_histogram(
        [1.0, 40.0], marks=[Mark("SLO 50 ms", 50.0, "--bad")]
    ).checked()
    assert drawn.layout.shapes[0].x0 == 50.0
    assert drawn.layout.annotations[0].text == "SLO 50 ms"


def test_small_energies_are_written_in_millijoules():
    drawn = figures.rail_energy([EnergyShare("GPU", "gpu", 0.2)], what="Busy energy").checked()
    assert drawn.data[0].x == (200.0,)
    assert drawn.layout.xaxis.title.text == "Busy energy per request (mJ)"


def test_hours_of_rails_do_not_add_up_so_they_stay_in_joules():
    hours = energy_unit("battery", Assumptions(pack_wh=100, rate_hz=10))
    drawn = figures.rail_energy(
        [EnergyShare("GPU", "gpu", 0.2)], what="Busy energy", unit=hours
    ).checked()
    assert drawn.layout.xaxis.title.text == "Busy energy per request (mJ)"
