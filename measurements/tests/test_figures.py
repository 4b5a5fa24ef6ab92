from __future__ import annotations

import json

import numpy as np
import pytest

from measurements import figures
from measurements.figures import EnergyShare, Mark, PowerTrace, RailTrace, Span
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


def test_every_figure_has_the_one_template_and_no_default_one():
    template = json.loads(figures.figure().to_json())["layout"]["template"]
    assert template["layout"]["autotypenumbers"] == "strict"
    assert "data" not in template


def test_power_is_drawn_in_the_fixed_colour_of_its_part():
    drawn = figures.power_trace(trace(), phases=[])
    assert {line.name: line.meta["token"] for line in drawn.data[:2]} == {
        "total": "--text",
        "VDD_GPU_SOC": "--rail-gpu",
    }


def test_two_rails_of_one_part_differ_in_their_dashes():
    rails = [RailTrace(name, "gpu", [1.0, 1.0]) for name in ("GPU", "VDD_GPU")]
    drawn = figures.power_trace(trace(rails=rails), phases=[])
    assert len({line.line.dash for line in drawn.data[1:3]}) == 2


def test_an_unknown_sample_stays_a_gap():
    assert figures.power_trace(trace(), phases=[]).data[0].y == (9.0, None)


def test_a_clock_that_was_never_stated_is_not_drawn():
    names = [line.name for line in figures.power_trace(trace(), phases=[]).data]
    assert "memory clock" not in names
    assert "GPU clock" in names


def test_phases_are_shaded_from_their_start_to_their_end():
    drawn = figures.power_trace(trace(), phases=[Span("serve", 5.0, 9.5)])
    shade = drawn.layout.shapes[0]
    assert (shade.x0, shade.x1, shade.label.text) == (5.0, 9.5, "serve")


def test_axes_carry_units():
    layout = figures.power_trace(trace(), phases=[]).layout
    titles = [
        axis.title.text for axis in (layout.xaxis, layout.yaxis, layout.yaxis2, layout.yaxis3)
    ]
    assert [title.split("(")[1] for title in titles] == ["s)", "W)", "MHz)", "°C)"]


def test_the_histogram_counts_every_request_once():
    latencies = np.random.default_rng(1).gamma(9, 4, size=1000)
    drawn = figures.latency_histogram(latencies, marks=[])
    assert sum(drawn.data[0].y) == 1000
    assert len(drawn.data[0].y) <= figures.MOST_BINS


@pytest.mark.parametrize("latencies", [[5.0], [5.0, 5.0, 5.0]])
def test_equal_latencies_have_a_histogram_too(latencies):
    assert sum(figures.latency_histogram(latencies, marks=[]).data[0].y) == len(latencies)


def test_a_mark_is_a_line_with_its_label():
    drawn = figures.latency_histogram([1.0, 2.0], marks=[Mark("SLO 50 ms", 50.0, "--bad")])
    assert drawn.layout.shapes[0].x0 == 50.0
    assert drawn.layout.annotations[0].text == "SLO 50 ms"


def test_small_energies_are_written_in_millijoules():
    drawn = figures.rail_energy([EnergyShare("GPU", "gpu", 0.2)], what="Busy energy")
    assert drawn.data[0].x == (200.0,)
    assert drawn.layout.xaxis.title.text == "Busy energy per request (mJ)"


def test_hours_of_rails_do_not_add_up_so_they_stay_in_joules():
    hours = energy_unit("battery", Assumptions(pack_wh=100, rate_hz=10))
    drawn = figures.rail_energy([EnergyShare("GPU", "gpu", 0.2)], what="Busy energy", unit=hours)
    assert drawn.layout.xaxis.title.text == "Busy energy per request (mJ)"
