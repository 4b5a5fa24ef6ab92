"""From a meter's series and the board's own: gain and offset, each with its 95 % interval.

`outside = gain * inside + offset`. The interval is that of the fit and stands apart from
the statistical interval of a run (docs/definitions.md). It assumes that the board's error
is a straight line in power and stays so until the calibration expires; that readings
further apart than a batch are independent; that each sensor's rounding is constant within
a run and independent between runs; and that the meter is right, unless its accuracy is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from measurements.alignment import (
    FEWEST_PAIRS,
    Alignment,
    NotAligned,
    align,
    all_pairs,
    usable,
)
from measurements.meter_csv import Readings
from measurements.power import Trace
from measurements.statistics import student_t

Floats = NDArray[np.float64]
BATCHES = 24
FEWEST_BATCHES = 8
TRANSIENT = 0.1
"""A reading beside a change of more than this share of the whole range is left out."""
WORST_GAIN = 0.2
"""A fit that leaves the gain unknown by more than this share is refused."""


class NotCalibrated(ValueError):
    """No line can be fitted that is worth applying; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """Power outside = gain * power inside + offset. Half-widths are of 95 % intervals.

    `correlation` is that of the errors of gain and offset (usually near -1).
    `meter_accuracy` is the meter's own, as a share of its reading; None if nobody gave it.
    """

    gain: float
    gain_half_width: float
    offset_w: float
    offset_half_width_w: float
    correlation: float
    meter_accuracy: float | None = None

    def power_w(self, inside_w: float) -> float:
        return self.gain * inside_w + self.offset_w

    def half_width_w(self, inside_w: float) -> float:
        """Half of the 95 % interval of the outside power at a known inside power, in W."""
        gain, offset = self.gain_half_width * inside_w, self.offset_half_width_w
        fit = math.sqrt(max(0.0, gain**2 + offset**2 + 2 * self.correlation * gain * offset))
        return math.hypot(fit, (self.meter_accuracy or 0.0) * self.power_w(inside_w))


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Energy per request outside the board; its two intervals are independent and kept apart."""

    energy_j: float
    statistical_j: float | None
    calibration_j: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A line, and the pairs it was fitted to.

    `meter_s`, `board_s`, `meter_w`, `board_w` and `is_used` have shape (n,), one for each
    reading that a run covers; `run` tells which run.
    """

    line: Line
    alignment: Alignment
    meter_s: Floats
    board_s: Floats
    meter_w: Floats
    board_w: Floats
    run: NDArray[np.intp]
    is_used: NDArray[np.bool_]
    residual_w: float
    """Root mean square of the used readings about the line."""
    batches: int

    @property
    def lowest_w(self) -> float:
        return float(self.board_w[self.is_used].min())

    @property
    def highest_w(self) -> float:
        return float(self.board_w[self.is_used].max())


def calibrate(
    readings: Readings,
    traces: Sequence[Trace],
    *,
    steps_w: Sequence[float],
    meter_accuracy: float | None = None,
) -> Fit:
    """Align the meter's readings with the runs and fit the line.

    Args:
        traces: The board's total in each run, on the board's Clock, ascending, no overlap.
        steps_w: Step of each rail of the total, shape (rails,).
        meter_accuracy: As a share of the reading, from the meter's data sheet.

    Raises:
        NotAligned: Where the two belong together is not clear.
        NotCalibrated: They do, but no useful line follows.
    """
    known = usable(traces)
    if not known:
        raise NotAligned("None of the runs knows its total power throughout.")
    alignment = align(readings, known)
    pairs = _paired(readings, known, alignment)
    used = pairs.is_used
    line, residuals_w, batches = _fit_line(
        pairs.board_w[used], pairs.meter_w[used], pairs.run[used],
        board_error_w=math.sqrt(sum(step**2 for step in steps_w) / 12),
        meter_error_w=readings.step_w / math.sqrt(12),
        meter_accuracy=meter_accuracy,
    )  # fmt: skip
    residual_w = float(np.sqrt(np.mean(residuals_w**2)))
    return Fit(line, alignment, *pairs, residual_w=residual_w, batches=batches)


class _Pairs(NamedTuple):
    """The columns of a Fit; see there."""

    meter_s: Floats
    board_s: Floats
    meter_w: Floats
    board_w: Floats
    run: NDArray[np.intp]
    is_used: NDArray[np.bool_]


def _paired(readings: Readings, known: Sequence[Trace], alignment: Alignment) -> _Pairs:
    """Each reading that a run covers, beside the board's own power."""
    board_w, meter_w = all_pairs(readings, known, alignment)
    covered = ~np.isnan(board_w)
    if covered.sum() < FEWEST_PAIRS:
        raise NotAligned(f"Only {covered.sum()} readings fall into the runs.")
    board_s = alignment.board_s(readings.t_s)[1:][covered]
    starts_s = np.array([trace.t_s[0] for trace in known])
    return _Pairs(
        meter_s=readings.t_s[1:][covered],
        board_s=board_s,
        meter_w=meter_w[covered],
        board_w=board_w[covered],
        run=np.searchsorted(starts_s, board_s, side="right") - 1,
        is_used=_steady(board_w)[covered],
    )


def calibrated(
    energy_j: float, half_width_j: float | None, *, mean_power_w: float, line: Line
) -> Calibrated:
    """An energy per request as it would be outside, with both intervals.

    Args:
        energy_j: As the board's own sensors have it, at a mean of `mean_power_w` (> 0).
    """
    seconds = energy_j / mean_power_w
    factor = max(line.gain, line.power_w(mean_power_w) / mean_power_w)
    return Calibrated(
        energy_j=line.power_w(mean_power_w) * seconds,
        # Its share from power grows by the gain, its share from time by the whole factor.
        statistical_j=None if half_width_j is None else factor * half_width_j,
        calibration_j=line.half_width_w(mean_power_w) * seconds,
    )


def _steady(board_w: Floats) -> NDArray[np.bool_]:
    """Which readings have no step of power beside them; all, if too few have none."""
    known = board_w[~np.isnan(board_w)]
    most = TRANSIENT * float(np.ptp(known))
    before, after = np.append(np.nan, board_w[:-1]), np.append(board_w[1:], np.nan)
    beside = np.fmax(np.abs(board_w - before), np.abs(board_w - after))
    steady = ~(np.nan_to_num(beside, nan=np.inf) > most)
    enough = steady.sum() >= max(FEWEST_PAIRS, 0.3 * len(known))
    return steady if enough else np.ones(len(board_w), dtype=bool)


def _fit_line(
    x: Floats,
    y: Floats,
    run: NDArray[np.intp],
    *,
    board_error_w: float,
    meter_error_w: float,
    meter_accuracy: float | None,
) -> tuple[Line, Floats, int]:
    """Weighted least squares on batch means, with residuals of the readings and the batches.

    Batch means keep the noise of single readings from flattening the line. The errors
    come from leaving out one batch after the other (jackknife), from the sensors' steps
    as one error a run, and from what flattening is left.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 11.5 (delete-d
    jackknife); Fuller, Measurement Error Models, 1.1 (flattening).
    """
    batch = _batches(run)
    count = np.bincount(batch).astype(float)
    bx, by = np.bincount(batch, weights=x) / count, np.bincount(batch, weights=y) / count
    if len(count) < FEWEST_BATCHES or float(np.ptp(bx)) <= 0:
        raise NotCalibrated(
            "The runs that the meter covers are too short for a fit: record a longer session."
        )
    gain, offset_w = _line_of(_sums(count, bx, by).sum(axis=0))
    without = _sums(count, bx, by).sum(axis=0) - _sums(count, bx, by)
    covariance = _jackknife(np.array([_line_of(sums) for sums in without]))
    covariance *= (student_t(0.975, len(count) - 2)) ** 2
    covariance += 1.96**2 * _rounding(x, run, gain * board_error_w, meter_error_w)
    residuals_w = y - gain * x - offset_w
    covariance += _flattening(bx, count, residuals_w, gain)
    width = np.sqrt(np.diag(covariance))
    if gain <= 0 or width[0] > WORST_GAIN * gain:
        raise NotCalibrated(
            f"The gain comes out as {gain:.2f} ± {width[0]:.2f}: the load changed too little. "
            "Queue a calibration session, whose runs go from idle to full power."
        )
    correlation = float(covariance[0, 1] / max(width[0] * width[1], 1e-300))
    line = Line(gain, float(width[0]), offset_w, float(width[1]), correlation, meter_accuracy)
    return line, residuals_w, len(count)


def _batches(run: NDArray[np.intp]) -> NDArray[np.intp]:
    """Neighbours of one run in batches of nearly equal length, about `BATCHES` in all."""
    length = max(1, len(run) // BATCHES)
    batch, following = np.empty(len(run), dtype=np.intp), 0
    for number in np.unique(run):
        inside = np.flatnonzero(run == number)
        parts = max(1, round(len(inside) / length))
        batch[inside] = following + np.arange(len(inside)) * parts // len(inside)
        following += parts
    return batch


def _sums(count: Floats, x: Floats, y: Floats) -> Floats:
    return np.column_stack((count, count * x, count * y, count * x * x, count * x * y))


def _line_of(sums: Floats) -> tuple[float, float]:
    """(gain, offset) of least squares from the sums of 1, x, y, xx, xy."""
    n, sx, sy, sxx, sxy = (float(value) for value in sums)
    spread = sxx - sx * sx / n
    if spread <= 1e-12 * max(sxx, 1e-300):
        raise NotCalibrated("Without one stretch the load does not change: record more steps.")
    gain = (sxy - sx * sy / n) / spread
    return gain, (sy - gain * sx) / n


def _jackknife(lines: Floats) -> Floats:
    """Covariance of (gain, offset) from the lines without each batch, shape (batches, 2)."""
    away = lines - lines.mean(axis=0)
    return np.asarray((len(lines) - 1) / len(lines) * away.T @ away)


def _rounding(x: Floats, run: NDArray[np.intp], *errors_w: float) -> Floats:
    """Covariance of (gain, offset) from errors that are constant in a run, independent between."""
    centred = x - x.mean()
    slope = centred / float(centred @ centred)
    weights = np.column_stack((slope, 1 / len(x) - x.mean() * slope))
    by_run = np.column_stack([np.bincount(run, weights=column) for column in weights.T])
    return np.asarray(sum(error**2 for error in errors_w) * by_run.T @ by_run)


def _flattening(bx: Floats, count: Floats, residuals_w: Floats, gain: float) -> Floats:
    """The most that noise in the board's power can have flattened the line, as a covariance.

    If all of the residuals were noise of x, the gain of the batch means is too small by
    their share of the spread of x.
    """
    mean = float(np.average(bx, weights=count))
    spread = float(np.average((bx - mean) ** 2, weights=count))
    noise = float(np.mean(residuals_w**2)) / max(gain**2, 1e-12) / float(count.mean())
    direction = np.array([1.0, -mean]) * gain * noise / spread
    return np.outer(direction, direction)
