"""What a sweep's boards did all the time: its runs, one after another, phase by phase."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from measurements.charts import Chart, Link, Table
from measurements.drawing import Trace, bar
from measurements.figures import figure

PHASES = (
    ("settle", "--rail-memory"),
    ("gate", "--rail-soc"),
    ("warm_up", "--warn"),
    ("serve", "--accent"),
    ("tail", "--rail-other"),
    ("other", "--text-quiet"),
    ("waiting", "--line"),
)
MOST_GAP_S = 600.0
"""A longer gap between two runs' clocks says nothing: the worker was started anew meanwhile."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One run on a board. `zero_s`: the board's own clock at its start, None: not told.

    `phases`: (name, start, end) in seconds from its start; `board_s`: all of it.
    """

    run_id: uuid.UUID
    board: str
    trial: int
    state: str
    zero_s: float | None
    board_s: float
    phases: tuple[tuple[str, float, float], ...]
    url: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a board's time, in seconds from its first run."""

    board: str
    phase: str
    start_s: float
    length_s: float
    stay: Stay | None


def pieces(stays: Iterable[Stay]) -> list[Piece]:
    """Every board's time in order, gaps between runs as waiting where its clock tells them.

    Args:
        stays: In the order of measuring on each board.
    """
    found: list[Piece] = []
    for board, runs in groupby(sorted(stays, key=lambda stay: stay.board), lambda s: s.board):
        now, before = 0.0, None
        for stay in runs:
            if (gap := _gap_s(before, stay)) > 0:
                found.append(Piece(board, "waiting", now, gap, None))
                now += gap
            found += _of_run(stay, now)
            now, before = now + stay.board_s, stay
    return found


def chart(stays: Sequence[Stay]) -> Chart:
    spent = pieces(stays)
    drawn = figure(
        height=150 + 60 * len({piece.board for piece in spent}),
        barmode="overlay",
        xaxis={"title": {"text": "Board time from its first run (s)"}, "rangemode": "tozero"},
        yaxis={"showgrid": False, "autorange": "reversed"},
    )
    for phase, token in PHASES:
        shown = [piece for piece in spent if piece.phase == phase]
        if shown:
            drawn.add_trace(_bars(shown, _label(phase), token))
    return Chart("board-time", "What did the board spend its time on?", drawn, _table(stays),
                 _note(spent))  # fmt: skip


def _gap_s(before: Stay | None, stay: Stay) -> float:
    if before is None or before.zero_s is None or stay.zero_s is None:
        return 0.0
    gap = stay.zero_s - before.zero_s - before.board_s
    return gap if 0 < gap <= MOST_GAP_S else 0.0


def _of_run(stay: Stay, at_s: float) -> list[Piece]:
    """Its phases; what no phase covers at its end is other."""
    found = [
        Piece(stay.board, name, at_s + start, end - start, stay)
        for name, start, end in stay.phases
        if end > start
    ]
    covered = max((end for _, _, end in stay.phases), default=0.0)
    if stay.board_s > covered:
        found.append(Piece(stay.board, "other", at_s + covered, stay.board_s - covered, stay))
    return found


def _bars(shown: Sequence[Piece], name: str, token: str) -> Trace:
    return bar(
        y=[piece.board for piece in shown],
        base=[piece.start_s for piece in shown],
        x=[piece.length_s for piece in shown],
        width=0.5,
        orientation="h",
        name=name,
        text=[_words(piece) for piece in shown],
        textposition="none",
        customdata=[piece.stay.url if piece.stay else None for piece in shown],
        hovertemplate="%{text}<extra></extra>",
        meta={"token": token},
    )


def _words(piece: Piece) -> str:
    name = f"<b>{_label(piece.phase)}</b> {piece.length_s:.1f} s"
    if piece.stay is None:
        return f"{name}<br>between two runs"
    state = "" if piece.stay.state == "done" else f", {piece.stay.state}"
    return f"{name}<br>trial {piece.stay.trial}{state}, click to open its run"


def _label(phase: str) -> str:
    return phase.replace("_", " ")


def _note(spent: Sequence[Piece]) -> str:
    total = sum(piece.length_s for piece in spent)
    if not total:
        return ""
    shares = []
    for phase, _ in PHASES:
        seconds = sum(piece.length_s for piece in spent if piece.phase == phase)
        if seconds >= 0.005 * total:
            shares.append(f"{_label(phase)} {100 * seconds / total:.0f} %")
    return f"{total:.0f} s in all: {', '.join(shares)}. By the boards' own clocks."


def _table(stays: Sequence[Stay]) -> Table:
    names = [phase for phase, _ in PHASES if phase not in ("other", "waiting")]
    heads = ["Trial", "Board", "State", *(f"{_label(n)} (s)" for n in names), "All (s)"]
    rows: list[list[str | Link]] = []
    for stay in stays:
        by_name = {name: end - start for name, start, end in stay.phases}
        rows.append(
            [
                Link(str(stay.trial), stay.url),
                stay.board,
                stay.state,
                *(f"{by_name[name]:.2f}" if name in by_name else "none" for name in names),
                f"{stay.board_s:.2f}",
            ]
        )
    return Table(heads, rows)
