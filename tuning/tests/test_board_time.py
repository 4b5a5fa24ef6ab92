from __future__ import annotations

import uuid
from typing import Any

from tuning import board_time
from tuning.board_time import Stay, pieces


def stay(trial: int = 1, **fields: Any) -> Stay:
    values: dict[str, Any] = {
        "run_id": uuid.UUID(int=trial),
        "board": "orin",
        "trial": trial,
        "state": "done",
        "zero_s": None,
        "board_s": 10.0,
        "phases": (("settle", 0.0, 1.0), ("serve", 1.0, 9.0)),
        "url": f"/runs/{trial}/",
    }
    return Stay(**{**values, **fields})


def timeline(*stays: Stay) -> list[tuple[str, float, float]]:
    return [(piece.phase, piece.start_s, piece.length_s) for piece in pieces(stays)]


def test_phases_follow_each_other_and_the_rest_of_a_run_is_other():
    assert timeline(stay()) == [("settle", 0, 1), ("serve", 1, 8), ("other", 9, 1)]


def test_the_boards_clock_tells_how_long_it_waited():
    assert ("waiting", 10, 5) in timeline(stay(zero_s=100.0), stay(2, zero_s=115.0))


def test_a_clock_that_began_anew_tells_nothing_of_the_gap():
    for zero_s in (3.0, 1e6, None):
        found = timeline(stay(zero_s=100.0), stay(2, zero_s=zero_s))
        assert "waiting" not in [phase for phase, *_ in found]
        assert found[3] == ("settle", 10, 1)


def test_each_board_has_its_own_row_and_time():
    found = pieces([stay(), stay(2, board="twin")])
    assert {(p.board, p.start_s) for p in found if p.phase == "settle"} == {
        ("orin", 0),
        ("twin", 0),
    }


def test_bars_lead_to_their_runs_and_the_note_adds_the_shares_up():
    drawn = board_time.chart([stay(), stay(2)])
    serve = next(one for one in drawn.figure.checked().data if one.name == "serve")
    assert serve.customdata == ("/runs/1/", "/runs/2/") and serve.base == (1, 11)
    assert drawn.note.startswith("20 s in all: settle 10 %, serve 80 %, other 10 %")
    assert drawn.table.rows[0][-1] == "10.00"
