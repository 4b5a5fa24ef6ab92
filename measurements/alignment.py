"""Where a board's own power stands in the series of an external meter with a clock of its own.

Nothing is assumed of the two clocks but that each runs steadily: the lag is searched over
every overlap of the two series by cross-correlation, then refined to a fraction of a
reading together with the drift of one clock against the other.

Conventions: `board` times are seconds on the board's Clock, `meter` times on the meter's.
A reading stands for the mean power since the reading before; the board's power is freed
of its sensors' low-pass (`power.Trace`), so both show the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurements.meter_csv import Readings
from measurements.power import EnergyUnknown, Trace

Floats = NDArray[np.float64]
LONGEST_PERIOD_S = 10.0
LEAST_OVERLAP = 0.6
"""A lag counts only if it keeps this share of the largest overlap that any lag gives."""
FEWEST_PAIRS = 30
LEAST_CORRELATION = 0.8
CLEAR = 1.5
"""The next best lag must leave at least so many times the variance unexplained."""
GUARD_S = 5.0
DRIFT_PPM = 100.0
"""What two quartz clocks usually differ by: the standard deviation that drift is held to."""
MOST_BINS = 2**20


class NotAligned(ValueError):
    """Where the two series belong together is not clear; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Board time = meter time + lag + drift * (meter time - middle).

    `correlation` is that of the pairs at this lag, `runner_up` the best one elsewhere.
    """

    lag_s: float
    drift_ppm: float
    middle_s: float
    correlation: float
    runner_up: float

    def board_s(self, meter_s: Floats) -> Floats:
        return np.asarray(meter_s + self.lag_s + 1e-6 * self.drift_ppm * (meter_s - self.middle_s))


def align(readings: Readings, traces: Sequence[Trace]) -> Alignment:
    """The lag and drift at which the meter and the board's own power agree best.

    Args:
        traces: The board's total of each run, on the board's Clock, ascending, no overlap.

    Raises:
        NotAligned: There is no clear peak, or the two do not overlap.
    """
    if readings.period_s > LONGEST_PERIOD_S:
        raise NotAligned(
            f"The meter reads each {readings.period_s:.0f} s: set it to one reading a second "
            f"(at most {LONGEST_PERIOD_S:.0f} s)."
        )
    found = _coarse(readings, traces)
    return _refined(readings, traces, found)


def board_means_w(traces: Sequence[Trace], edges_s: Floats) -> Floats:
    """Mean board power between each two neighbours of `edges_s`, NaN where no run covers it.

    Args:
        edges_s: Ascending board times, shape (k,).

    Returns:
        Watts, shape (k - 1,).
    """
    means = np.full(len(edges_s) - 1, np.nan)
    for trace in traces:
        first = int(np.searchsorted(edges_s, trace.t_s[0], side="left"))
        last = int(np.searchsorted(edges_s, trace.t_s[-1], side="right"))
        if last - first >= 2:
            inside = edges_s[first:last]
            means[first : last - 1] = trace.joules_between(inside) / np.diff(inside)
    return means


def usable(traces: Sequence[Trace]) -> list[Trace]:
    """The traces whose total power is known throughout."""
    return [trace for trace in traces if _is_known(trace)]


def _is_known(trace: Trace) -> bool:
    try:
        trace.joules_between(trace.t_s[[0, -1]])
    except (EnergyUnknown, IndexError):
        return False
    return True


def _coarse(readings: Readings, traces: Sequence[Trace]) -> Alignment:
    step_s = max(readings.period_s, 0.2)
    start_s, end_s = traces[0].t_s[0], traces[-1].t_s[-1]
    bins = int((end_s - start_s) / step_s), int(readings.t_s[-1] / step_s)
    if max(bins) > MOST_BINS or min(bins) < FEWEST_PAIRS:
        raise NotAligned(
            f"The runs span {end_s - start_s:.0f} s and the meter {readings.t_s[-1]:.0f} s: each "
            f"must hold {FEWEST_PAIRS} to {MOST_BINS} readings."
        )
    board_w = board_means_w(traces, start_s + step_s * np.arange(bins[0] + 1))
    meter_w = _gridded(readings, np.linspace(0.0, step_s * bins[1], bins[1] + 1))
    correlation, _ = _correlations(board_w, meter_w)
    best = int(np.argmax(correlation))
    runner_up = _runner_up(correlation, best, guard=max(1, round(GUARD_S / step_s)))
    _check_clear(float(correlation[best]), runner_up)
    # Meter bin k + shift belongs to board bin k.
    shift = best - (len(board_w) - 1)
    return Alignment(
        lag_s=start_s - shift * step_s,
        drift_ppm=0.0,
        middle_s=float(readings.t_s[-1] / 2),
        correlation=float(correlation[best]),
        runner_up=runner_up,
    )


def _gridded(readings: Readings, edges_s: Floats) -> Floats:
    """The readings on a regular grid; NaN where the meter paused. Shape (len(edges_s) - 1,)."""
    after = np.searchsorted(readings.t_s, edges_s[1:], side="left")
    after = np.minimum(after, len(readings.t_s) - 1)
    gap_s = readings.t_s[after] - readings.t_s[np.maximum(after - 1, 0)]
    grid = np.interp(edges_s[1:], readings.t_s, readings.power_w)
    grid[gap_s > 2.5 * readings.period_s] = np.nan
    return np.asarray(grid)


def _correlations(board_w: Floats, meter_w: Floats) -> tuple[Floats, Floats]:
    """Pearson's r and the number of pairs at each shift, both of shape (boards + meters - 1,).

    Only pairs of which both are known count; r is -1 where too few are.
    """
    has_board, has_meter = ~np.isnan(board_w), ~np.isnan(meter_w)
    x = np.where(has_board, board_w - np.nanmean(board_w), 0.0)
    y = np.where(has_meter, meter_w - np.nanmean(meter_w), 0.0)
    size = 1 << (len(x) + len(y) - 1).bit_length()
    fx = [np.fft.rfft(v[::-1], size) for v in (has_board.astype(float), x, x * x)]
    fy = [np.fft.rfft(v, size) for v in (has_meter.astype(float), y, y * y)]

    def over(a: int, b: int) -> Floats:
        return np.asarray(np.fft.irfft(fx[a] * fy[b], size)[: len(x) + len(y) - 1])

    pairs = np.round(over(0, 0))
    counts = np.maximum(pairs, 1.0)
    sx, sy = over(1, 0), over(0, 1)
    vx, vy = over(2, 0) - sx**2 / counts, over(0, 2) - sy**2 / counts
    floor = 1e-9 * max(float(x @ x) * float(y @ y), 1e-300)
    r = (over(1, 1) - sx * sy / counts) / np.sqrt(np.maximum(vx * vy, floor))
    enough = pairs >= max(FEWEST_PAIRS, LEAST_OVERLAP * pairs.max())
    return np.where(enough, np.clip(r, -1.0, 1.0), -1.0), pairs


def _runner_up(correlation: Floats, best: int, *, guard: int) -> float:
    """The best correlation outside the peak: beyond the guard and where r first fell by half."""
    low, high = best - guard, best + guard
    half = correlation[best] / 2
    while low > 0 and correlation[low] > half:
        low -= 1
    while high < len(correlation) - 1 and correlation[high] > half:
        high += 1
    rest = np.concatenate((correlation[: max(low, 0)], correlation[high + 1 :]))
    return float(rest.max(initial=-1.0))


def _check_clear(best: float, runner_up: float) -> None:
    remedy = (
        " Make the load change: queue a calibration session, and let the meter record from a "
        "minute before it to a minute after."
    )
    if best < LEAST_CORRELATION:
        raise NotAligned(
            "Nowhere do the meter and the board's own power go together (best correlation "
            f"{best:.2f})." + remedy
        )
    if 1 - max(runner_up, 0.0) ** 2 < CLEAR * (1 - best**2):
        raise NotAligned(
            f"Two lags fit about equally well (correlations {best:.3f} and {runner_up:.3f})."
            + remedy
        )


def _refined(readings: Readings, traces: Sequence[Trace], found: Alignment) -> Alignment:
    """Least squares in gain, offset, lag and drift from the coarse lag on (Gauss-Newton)."""
    steps_s = np.arange(-1.5, 1.55, 0.1) * max(1.0, readings.period_s)
    best = min(
        (_moved(found, lag_s=float(step)) for step in steps_s),
        key=lambda moved: _misfit(readings, traces, moved),
    )
    misfit = _misfit(readings, traces, best)
    for _ in range(12):
        step = _newton_step(readings, traces, best)
        for share in (1.0, 0.5, 0.25, 0.125):
            moved = _moved(best, lag_s=share * step[0], drift_ppm=share * step[1])
            now = _misfit(readings, traces, moved)
            if now < misfit:
                break
        else:
            break
        best, gained, misfit = moved, misfit - now, now
        if gained < 1e-9 * misfit:
            break
    board_w, meter_w = pairs(readings, traces, best)
    r = float(np.corrcoef(board_w, meter_w)[0, 1])
    return Alignment(best.lag_s, best.drift_ppm, best.middle_s, r, found.runner_up)


def _moved(at: Alignment, *, lag_s: float, drift_ppm: float = 0.0) -> Alignment:
    return Alignment(
        at.lag_s + lag_s, at.drift_ppm + drift_ppm, at.middle_s, at.correlation, at.runner_up
    )


def all_pairs(readings: Readings, traces: Sequence[Trace], at: Alignment) -> tuple[Floats, Floats]:
    """Mean board power over each reading, NaN where unknown, and the reading; shape (n - 1,)."""
    board_w = board_means_w(traces, at.board_s(readings.t_s))
    board_w[np.diff(readings.t_s) > 1.5 * readings.period_s] = np.nan
    return board_w, readings.power_w[1:]


def pairs(readings: Readings, traces: Sequence[Trace], at: Alignment) -> tuple[Floats, Floats]:
    """The known ones of `all_pairs`."""
    board_w, meter_w = all_pairs(readings, traces, at)
    known = ~np.isnan(board_w)
    return board_w[known], meter_w[known]


def _misfit(readings: Readings, traces: Sequence[Trace], at: Alignment) -> float:
    """Variance that a straight line leaves, and what the drift's prior adds to it."""
    board_w, meter_w = pairs(readings, traces, at)
    residuals = _residuals(board_w, meter_w)
    return (
        float(residuals @ residuals)
        / len(residuals)
        * (1 + (at.drift_ppm / DRIFT_PPM) ** 2 / len(residuals))
    )


def _residuals(board_w: Floats, meter_w: Floats) -> Floats:
    design = np.column_stack((board_w, np.ones_like(board_w)))
    line = np.linalg.lstsq(design, meter_w, rcond=None)[0]
    return np.asarray(meter_w - design @ line)


def _newton_step(readings: Readings, traces: Sequence[Trace], at: Alignment) -> Floats:
    """(lag in s, drift in ppm) that a linear model of the misfit asks for."""
    d_s = 0.1
    board_w, meter_w = all_pairs(readings, traces, at)
    later, _ = all_pairs(readings, traces, _moved(at, lag_s=d_s))
    sooner, _ = all_pairs(readings, traces, _moved(at, lag_s=-d_s))
    known = ~(np.isnan(board_w) | np.isnan(later) | np.isnan(sooner))
    slope = ((later - sooner) / (2 * d_s))[known]
    x, y = board_w[known], meter_w[known]
    design = np.column_stack((x, np.ones_like(x)))
    gain = float(np.linalg.lstsq(design, y, rcond=None)[0][0])
    residuals = _residuals(x, y)
    since_s = (readings.t_s[1:] - at.middle_s)[known]
    moves = gain * slope[:, None] * np.column_stack((np.ones_like(slope), 1e-6 * since_s))
    prior = float(np.std(residuals)) / DRIFT_PPM
    full = np.vstack((np.hstack((moves, design)), [[0.0, prior, 0.0, 0.0]]))
    target = np.append(residuals, -prior * at.drift_ppm)
    step = np.linalg.lstsq(full, target, rcond=None)[0][:2]
    most = np.array([1.5 * max(1.0, readings.period_s), 3 * DRIFT_PPM])
    return np.asarray(np.clip(step, -most, most))
