"""A made-up session for tests: runs at stepped loads, and the meter that looked on.

Everything about it is known: lag, drift, gain and offset. Times are in steps of 20 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from measurements.meter_csv import Readings
from measurements.power import Trace

GAIN, OFFSET_W = 1.10, 1.5
LOW_PASS_S = 0.42
DT_S = 0.02


@dataclass(frozen=True)
class Session:
    readings: Readings
    traces: list[Trace]
    lag_s: float
    """Board's clock less the meter's, in the middle of the meter's series."""
    drift_ppm: float


def session(
    seed: int,
    *,
    levels_w: Sequence[float] | None = None,
    runs: int = 8,
    run_s: float = 30.0,
    before_s: float = 60.0,
    lag_s: float = 0.0,
    drift_ppm: float = 0.0,
    board_step_w: float = 0.04,
    meter_step_w: float = 0.1,
    meter_noise_w: float = 0.05,
    ripple_w: float = 0.15,
    averages: bool = True,
) -> Session:
    """Runs of about `run_s` between idle pauses; each settles at idle, works and idles again.

    Args:
        levels_w: Power at work in each run; None: `runs` drawn between 8 and 30 W.
        before_s: How long the meter records before the first run.
        averages: Whether a reading is a mean since the last one, or of one instant.
    """
    rng = np.random.default_rng(seed)
    levels = rng.uniform(8, 30, runs) if levels_w is None else levels_w
    true_w, spans = _powers(rng, levels, run_s=run_s, before_s=before_s)
    true_w = true_w + ripple_w * _smooth(rng, len(true_w))
    board_t = lag_s + DT_S * np.arange(len(true_w))
    readings = _meter(
        rng, true_w, drift_ppm=drift_ppm, step_w=meter_step_w, noise_w=meter_noise_w,
        averages=averages,
    )  # fmt: skip
    traces = [_shown(rng, board_t, true_w, span, board_step_w) for span in spans]
    middle_s = readings.t_s[-1] / 2
    return Session(readings, traces, lag_s + 1.0 + 1e-6 * drift_ppm * middle_s, drift_ppm)


def _powers(
    rng: np.random.Generator, levels_w: Sequence[float], *, run_s: float, before_s: float
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    idle_w, spans, lengths, powers = 6.0, [], [before_s], [6.0]
    for level_w in levels_w:
        begin = sum(lengths)
        lengths += [2.5, run_s * rng.uniform(0.7, 1.3), 2.1]
        powers += [idle_w + 0.5, level_w, idle_w + 0.5]
        spans.append((round(begin / DT_S), round(sum(lengths) / DT_S)))
        lengths.append(rng.uniform(1, 12))
        powers.append(idle_w)
    lengths[-1] += 60.0
    counts = np.diff(np.round(np.concatenate(([0.0], np.cumsum(lengths))) / DT_S)).astype(int)
    return np.repeat(powers, counts), spans


def _smooth(rng: np.random.Generator, n: int, tau_s: float = 0.5) -> np.ndarray:
    """Noise of variance 1 whose neighbours over `tau_s` are alike."""
    width = round(tau_s / DT_S)
    noise = rng.normal(size=n + width)
    sums = np.cumsum(noise)
    return (sums[width:] - sums[:-width]) / np.sqrt(width)


def _meter(
    rng: np.random.Generator,
    true_w: np.ndarray,
    *,
    drift_ppm: float,
    step_w: float,
    noise_w: float,
    averages: bool,
) -> Readings:
    """One reading a second of the meter's own, slightly wrong seconds, from second 1 on."""
    joules = np.concatenate(([0.0], np.cumsum(true_w * DT_S)))
    t_s = np.arange(1.0, len(true_w) * DT_S - 1)
    at_s = 1.0 + (t_s - 1.0) * (1 + 1e-6 * drift_ppm)
    since_s = 1.0 if averages else DT_S
    grid = DT_S * np.arange(len(joules))
    mean_w = (np.interp(at_s, grid, joules) - np.interp(at_s - since_s, grid, joules)) / since_s
    shown_w = GAIN * mean_w + OFFSET_W + noise_w * rng.normal(size=len(t_s))
    rounded_w = np.round(shown_w / step_w) * step_w if step_w else shown_w
    return Readings(t_s - t_s[0], rounded_w, step_w, 0)


def _shown(
    rng: np.random.Generator,
    board_t: np.ndarray,
    true_w: np.ndarray,
    span: tuple[int, int],
    step_w: float,
) -> Trace:
    """What the board's sensor showed of a run each 60 ms, low-passed and in steps."""
    first, last = span
    inside = true_w[first - 200 : last]
    shown = np.empty_like(inside)
    level = inside[0]
    for index, power in enumerate(inside):
        level += (power - level) * DT_S / LOW_PASS_S
        shown[index] = level
    kept = slice(200, None, 3)
    noisy = shown[kept] + 0.3 * step_w * rng.normal(size=len(shown[kept]))
    rounded = np.round(noisy / step_w) * step_w
    return Trace(board_t[first:last:3], rounded, LOW_PASS_S)
