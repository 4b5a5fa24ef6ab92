"""Figures of a calibration: the meter over the board's own power, and what the line leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measurements.calibration import Line
from measurements.drawing import Figure
from measurements.figures import figure

MOST_POINTS = 3000
"""Above this, only every second, third … reading is drawn."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns of n readings: `meter_s` ascending on the meter's clock; which run each fell in."""

    meter_s: Sequence[float]
    meter_w: Sequence[float]
    board_w: Sequence[float]
    run_number: Sequence[int]
    is_used: Sequence[bool]

    def thinned(self) -> Pairs:
        every = -(-len(self.meter_s) // MOST_POINTS) or 1
        return Pairs(
            self.meter_s[::every], self.meter_w[::every], self.board_w[::every],
            self.run_number[::every], self.is_used[::every],
        )  # fmt: skip


def overlay(pairs: Pairs, line: Line) -> Figure:
    """What the meter read, the board's own power, and the same calibrated, over time."""
    shown = pairs.thinned()
    calibrated_w = [line.power_w(power) for power in shown.board_w]
    drawn = figure(
        height=380,
        hovermode="x unified",
        xaxis={"title": {"text": "Time on the meter's clock (min)"}},
        yaxis={"title": {"text": "Power (W)"}, "rangemode": "tozero"},
    )
    minutes = [t / 60 for t in shown.meter_s]
    for name, power_w, token, dash in (
        ("meter", shown.meter_w, "--text", "solid"),
        ("board, calibrated", calibrated_w, "--accent", "dash"),
        ("board, raw", shown.board_w, "--text-quiet", "dot"),
    ):
        x, y = _apart(minutes, power_w, shown.run_number)
        drawn.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines",
            line={"width": 1.5, "dash": dash},
            meta={"token": token},
            hovertemplate="%{y:.2f} W",
        )
    return drawn


def residuals(pairs: Pairs, line: Line) -> Figure:
    """Meter less calibrated board over the board's own power, one point a reading."""
    shown = pairs.thinned()
    drawn = figure(
        height=300,
        xaxis={"title": {"text": "Board's own power (W)"}},
        yaxis={"title": {"text": "Meter less calibrated (W)"}, "zeroline": True},
    )
    rows = list(zip(shown.board_w, shown.meter_w, shown.is_used, strict=True))
    for name, wanted, token, symbol in (
        ("used in the fit", True, "--accent", "circle"),
        ("beside a step of power, left out", False, "--text-quiet", "circle-open"),
    ):
        chosen = [(board, meter) for board, meter, is_used in rows if is_used == wanted]
        drawn.add_scatter(
            x=[board for board, _ in chosen],
            y=[meter - line.power_w(board) for board, meter in chosen],
            name=name,
            mode="markers",
            marker={"size": 5, "symbol": symbol, "opacity": 0.6},
            meta={"token": token},
            hovertemplate="%{x:.2f} W: %{y:+.3f} W<extra></extra>",
        )
    return drawn


def _apart(
    x: Sequence[float], y: Sequence[float], run_number: Sequence[int]
) -> tuple[list[float | None], list[float | None]]:
    """The line broken between runs, where nothing is known of the board."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for index, (at, value) in enumerate(zip(x, y, strict=True)):
        if index and run_number[index] != run_number[index - 1]:
            xs.append(at)
            ys.append(None)
        xs.append(at)
        ys.append(value)
    return xs, ys
