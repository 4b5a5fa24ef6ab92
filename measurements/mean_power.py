"""The mean power of a window: its value, its scatter, and what the sensor's steps leave open.

Conventions: powers in W; "fine" rails sway over so many of their sensor's steps that the
steps do not matter, "coarse" ones do not (see `quantisation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def mean_power(record: Record, window: Window, busy_s: BusySeconds) -> MeanPower:
    """The mean power of `record` over `window`.

    A coarse rail's value is the mean of what its readings leave open, not of the readings.

    Raises:
        EnergyUnknown: See its subclasses.
    """
    total, traces = total_trace(record), rail_traces(record)
    read_w = [_read_w(trace, window) for trace in traces]
    scatter = scatter_of(total, window, busy_s)
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
        fine=_fine(record, traces, left_open, window, busy_s),
        coarse=tuple(coarse) if steps_known else None,
    )


def scatter_of(trace: Trace, window: Window, busy_s: BusySeconds = np.zeros_like) -> Scatter:
    """By batch means over equal parts of `window`, none shorter than the samples' spacing.

    What power has in common with the time that inference takes in each part is explained
    by the arrivals, which belong to the plan: only the rest scatters.

    Source: Law, Simulation Modeling and Analysis (5th ed.), 9.5.3 (batch means), 11.4
    (control variates).
    """
    inside = int(np.sum((trace.t_s > window.start_s) & (trace.t_s < window.end_s)))
    parts = max(1, min(MOST_PARTS, inside))
    edges = np.linspace(window.start_s, window.end_s, parts + 1)
    seconds = window.length_s / parts
    powers = trace.joules_between(edges) / seconds
    busy = np.diff(busy_s(edges)) / seconds
    slope_w = _slope(busy, powers)
    rest, value_w = powers - slope_w * (busy - busy.mean()), float(powers.mean())
    share = slope_w * float(busy.mean()) / value_w if value_w > 0 else 0.0
    return Scatter(statistics.batch_means(rest), min(1.0, max(0.0, share)))


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
        _, readings_w = trace.around(*window)
    except PowerMissing:
        return None
    worth = STEADY_VALUES_PER_LAG * window.length_s / lag_s if lag_s > 0 else len(readings_w)
    return quantisation.belief(readings_w, rail.step_w, independent=max(1.0, worth))


def _fine(
    record: Record,
    traces: Sequence[Trace],
    left_open: Sequence[Belief | None],
    window: Window,
    busy_s: BusySeconds,
) -> Scatter | None:
    """The scatter of the rails of the total whose steps do not matter."""
    rails = zip(record.board.rails, traces, left_open, strict=True)
    fine_w = [trace.power_w for rail, trace, open_ in rails if rail.in_total and open_ is None]
    if not fine_w:
        return None
    return scatter_of(trace_of(record, np.sum(fine_w, axis=0)), window, busy_s)


def _read_w(trace: Trace, window: Window) -> float | None:
    """Mean power of one rail over `window` as read; None where a value is missing."""
    try:
        return float(trace.joules_between(window)[0]) / window.length_s
    except PowerMissing:
        return None
