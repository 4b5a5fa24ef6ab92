from __future__ import annotations

import pytest

from measurements.drawing import Figure, shade


def test_a_figure_is_drawn_without_what_is_none():
    drawn = Figure({"title": None}).add_scatter(x=[1, None], y=[2, 3], error_y=None)
    assert drawn.to_plotly_json() == {
        "data": [{"type": "scatter", "x": [1, None], "y": [2, 3]}],
        "layout": {},
    }


def test_an_attribute_that_plotly_does_not_know_is_found():
    with pytest.raises(ValueError, match="colour"):
        Figure({}).add_scatter(x=[1], y=[1], colour="red").checked()


def test_shades_run_from_dark_to_bright_and_end_there():
    assert shade(-1) == shade(0) == "rgb(68, 1, 84)"
    assert shade(1) == shade(2) == "rgb(253, 231, 37)"
