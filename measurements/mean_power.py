"""The mean power of a window: its value, its scatter, and what the sensor's steps leave open.

Conventions: powers in W; "fine" rails sway over so many of their sensor's steps that the
steps do not matter, "coarse" ones do not (see `quantisation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from measurements import quantisation, statistics
from measurements.messages import Rail, Record
from measurements.power import (
    Floats,
    PowerMissing,
    Trace,
    Window,
    rail_traces,
    total_trace,
    trace_of,
)
from measurements.quantisation import Belief

BusySeconds = Callable[[Floats], Floats]
"""For ascending times: the seconds of inference up to each, shape (n,)."""
MOST_PARTS = 60
"""A window is cut into at most this many equal parts before batch means are taken."""
LEAST_BUSY_SPAN = 0.02
"""Where the share of inference varies less than this, it explains nothing of the power."""
STEADY_VALUES_PER_LAG = 0.5
"""A first-order low-pass leaves one independent value in two of its time constants."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """The mean of a power as it was read, and how it would scatter if the run were repeated.

    `busy_share` is the share of the power that goes with inference: if inference took
    1 % longer under the same arrivals, the power would be so many percent more.
    """

    mean: statistics.Mean
    busy_share: float


@dataclass(frozen=True, slots=True)
class MeanPower:
    """Mean true power over a window.

    `rails_w` has shape (rails,), None where a value is missing; `scatter` is of all
    rails of the total as they were read, `fine` of the fine ones (None: there are none);
    `coarse` is what each of the others leaves open, None if a step is not known.
    """

    total_w: float
    rails_w: tuple[float | None, ...]
    scatter: Scatter
    fine: Scatter | None
    coarse: tuple[Belief, ...] | None

    def half_width_w(self, time_w: float | None) -> float | None:
        """Half of the 95 % interval of the total, in W; None if it is not known.

        Args:
            time_w: The half-width that comes from inference time.
        """
        fine_w = 0.0 if self.fine is None else self.fine.mean.half_width
        scatter_w = statistics.combined(fine_w, time_w)
        if scatter_w is None or self.coarse is None:
            return None
        return quantisation.half_width_w(
            self.coarse, scatter_w / 1.96, confidence=statistics.CONFIDENCE
        )


def mean_power(
    record: Record, window: Window, busy_s: BusySeconds, *, jumps_in: bool = False
) -> MeanPower:
    """The mean power of `record` over `window`.

    A coarse rail's value is the mean of what its readings leave open, not of the readings.

    Args:
        jumps_in: See `scatter_of`.

    Raises:
        EnergyUnknown: See its subclasses.
    """
    traces = rail_traces(record)
    read_w = [_read_w(trace, window, busy_s, jumps_in) for trace in traces]
    scatter = scatter_of(total_trace(record), window, busy_s, jumps_in=jumps_in)
    rails, lag_s = record.board.rails, record.board.sensor_lag_s
    left_open = [_belief(*pair, window, lag_s) for pair in zip(rails, traces, strict=True)]
    rails_w = [
        power if power is None or belief is None else power + belief.mean_w
        for power, belief in zip(read_w, left_open, strict=True)
    ]
    counted = [power for rail, power in zip(rails, rails_w, strict=True) if rail.in_total]
    steps_known = all(rail.step_w for rail in rails if rail.in_total)
    coarse = [b for rail, b in zip(rails, left_open, strict=True) if rail.in_total and b]
    return MeanPower(
        total_w=sum(power for power in counted if power is not None),
        rails_w=tuple(rails_w),
        scatter=scatter,
        fine=_fine(record, traces, left_open, window, busy_s, jumps_in),
        coarse=tuple(coarse) if steps_known else None,
    )


def scatter_of(
    trace: Trace,
    window: Window,
    busy_s: BusySeconds = np.zeros_like,
    *,
    jumps_in: bool = False,
) -> Scatter:
    """The mean power over `window`, by batch means over parts between its readings.

    A load begins or ends between two readings, and power jumps with it: a line from one
    reading to the next begins that too early or too late. So energy is taken from the first
    to the last reading inside the window, where it is exact, and brought to the whole window
    by the time that inference took in both, times the power that goes with it.

    What power has in common with the time that inference takes in each part is explained
    by the arrivals, which belong to the plan: only the rest scatters.

    Args:
        jumps_in: Whether an inference starts with the window. Otherwise what ran just then
            is not known (it belongs to the warm-up), and the line is the best guess.

    Source: Law, Simulation Modeling and Analysis (5th ed.), 9.5.2 and 9.5.3 (batch means of
    ratios), 11.4 (control variates).
    """
    edges = _edges(trace, window, jumps_in)
    seconds, busy = np.diff(edges), np.diff(busy_s(edges))
    joules = trace.joules_between(edges)
    share = float(busy.sum() / seconds.sum())
    slope_w = _slope(busy / seconds, joules / seconds)
    mean = statistics.batch_means(joules - slope_w * (busy - share * seconds), seconds)
    in_window = float(np.diff(busy_s(np.array(window)))[0]) / window.length_s
    value_w = mean.value + slope_w * (in_window - share)
    busy_share = slope_w * in_window / value_w if value_w > 0 else 0.0
    return Scatter(replace(mean, value=value_w), min(1.0, max(0.0, busy_share)))


def _edges(trace: Trace, window: Window, jumps_in: bool) -> Floats:
    """At most `MOST_PARTS` + 1 times inside `window`, all but perhaps the first of readings.

    The window's own ends where fewer than two readings lie inside.

    Raises:
        EnergyUnknown: See its subclasses.
    """
    t_s, _ = trace.around(*window)
    inside = t_s[(t_s >= window.start_s) & (t_s <= window.end_s)]
    if len(inside) < 2:
        return np.array(window)
    parts = min(MOST_PARTS, len(inside) - 1)
    edges = inside[np.arange(parts + 1) * (len(inside) - 1) // parts]
    if not jumps_in:
        edges[0] = window.start_s
    return np.asarray(edges)


def _slope(busy: Floats, powers: Floats) -> float:
    """Watts that inference adds, by least squares; 0 where it takes all parts alike."""
    deviation = busy - busy.mean()
    if len(busy) < statistics.FEWEST_BATCHES or np.ptp(busy) < LEAST_BUSY_SPAN:
        return 0.0
    return float(deviation @ powers / (deviation @ deviation))


def _belief(rail: Rail, trace: Trace, window: Window, lag_s: float) -> Belief | None:
    """What a rail's steps leave open; None where they leave nothing, or are not known."""
    if not rail.step_w:
        return None
    try:
        t_s, readings_w = trace.around(*window)
    except PowerMissing:
        return None
    # Those just outside show another load's power, or its fall.
    inside_w = readings_w[(t_s >= window.start_s) & (t_s <= window.end_s)]
    if len(inside_w):
        readings_w = inside_w
    worth = STEADY_VALUES_PER_LAG * window.length_s / lag_s if lag_s > 0 else len(readings_w)
    return quantisation.belief(readings_w, rail.step_w, independent=max(1.0, worth))


def _fine(
    record: Record,
    traces: Sequence[Trace],
    left_open: Sequence[Belief | None],
    window: Window,
    busy_s: BusySeconds,
    jumps_in: bool,
) -> Scatter | None:
    """The scatter of the rails of the total whose steps do not matter."""
    rails = zip(record.board.rails, traces, left_open, strict=True)
    fine_w = [trace.power_w for rail, trace, open_ in rails if rail.in_total and open_ is None]
    if not fine_w:
        return None
    total = trace_of(record, np.sum(fine_w, axis=0))
    return scatter_of(total, window, busy_s, jumps_in=jumps_in)


def _read_w(trace: Trace, window: Window, busy_s: BusySeconds, jumps_in: bool) -> float | None:
    """Mean power of one rail over `window` as read; None where a value is missing."""
    try:
        return scatter_of(trace, window, busy_s, jumps_in=jumps_in).mean.value
    except PowerMissing:
        return None
