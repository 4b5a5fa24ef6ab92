"""Power over time as a sensor showed it, and the true energy under it.

Conventions: times in seconds from the run's start, powers in W, NaN for a value that
a line did not state. What cannot be known raises `EnergyUnknown`; it is never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurements.messages import Rail, Record, Samples

Floats = NDArray[np.float64]


class EnergyUnknown(ValueError):
    """The energy is not known; the text says why."""


class WindowNotCovered(EnergyUnknown):
    """The samples do not span the window."""


class TimeBackwards(EnergyUnknown):
    """The sample times do not increase strictly."""


class PowerMissing(EnergyUnknown):
    """A value that the energy needs was not stated."""


class Window(NamedTuple):
    """A stretch of the run's time, in seconds."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Trace:
    """Power over time as a sensor showed it.

    `t_s` and `power_w` have shape (n,), `t_s` strictly increasing; `lag_s` is the time
    constant of the sensor's first-order low-pass (0: none).
    """

    t_s: Floats
    power_w: Floats
    lag_s: float = 0.0

    def joules_between(self, edges_s: ArrayLike) -> Floats:
        """True energy between each two neighbours of `edges_s`, shape (len(edges_s) - 1,).

        Trapezoidal rule, with the power read linearly between samples. For a sensor
        that shows y with lag * dy/dt = x - y, the integral of the true power x over
        [a, b] is the integral of y plus lag * (y(b) - y(a)): exact, not a filter.

        Args:
            edges_s: Ascending times within the samples, shape (k,).

        Raises:
            WindowNotCovered: The first sample is after the first edge, or the last
                one before the last edge.
            TimeBackwards: Two samples in between are not in order of time.
            PowerMissing: A sample that is needed did not state this power.

        Source: the low-pass is that of the INA3221 data sheet (TI SBOS576), 8.4.1.
        """
        edges = np.asarray(edges_s, dtype=float)
        t, power = self.around(float(edges[0]), float(edges[-1]))
        before = np.concatenate(([0.0], np.cumsum(np.diff(t) * (power[1:] + power[:-1]) / 2)))
        left = np.clip(np.searchsorted(t, edges, side="right") - 1, 0, len(t) - 1)
        shown = np.interp(edges, t, power)
        until = before[left] + (edges - t[left]) * (shown + power[left]) / 2
        return np.asarray(np.diff(until + self.lag_s * shown))

    def around(self, start_s: float, end_s: float) -> tuple[Floats, Floats]:
        """The samples from the last one at or before `start_s` to the first at or after `end_s`."""
        t = self.t_s
        if (np.diff(t) <= 0).any():
            raise TimeBackwards("the times of the samples do not increase")
        if len(t) < 2 or t[0] > start_s or t[-1] < end_s:
            raise WindowNotCovered(
                f"the {len(t)} samples do not cover {start_s:.3f} to {end_s:.3f} s"
            )
        first = int(np.searchsorted(t, start_s, side="right")) - 1
        last = int(np.searchsorted(t, end_s, side="left"))
        power = self.power_w[first : last + 1]
        if np.isnan(power).any():
            raise PowerMissing(
                f"{int(np.isnan(power).sum())} of {len(power)} samples do not state this power"
            )
        return t[first : last + 1], power


def integrate(
    t_s: ArrayLike,
    power_w: ArrayLike,
    *,
    start_s: float,
    end_s: float,
    sensor_lag_s: float = 0.0,
) -> float:
    """Energy drawn between `start_s` and `end_s`, in joules, freed of the sensor's low-pass.

    Args:
        t_s: Sample times, shape (n,), strictly increasing.
        power_w: Power at those times, shape (n,); NaN where it was not stated.

    Raises:
        WindowNotCovered: The samples do not span the window.
        PowerMissing: A sample in it does not state the power.
    """
    trace = Trace(np.asarray(t_s, dtype=float), np.asarray(power_w, dtype=float), sensor_lag_s)
    return float(trace.joules_between((start_s, end_s))[0])


def total_w(samples: Samples, rails: Sequence[Rail]) -> Floats:
    """Board power of each sample, shape (n,); NaN where a rail that makes it is missing.

    Raises:
        PowerMissing: No rail is known to make the total.
    """
    parts = [rail_w(samples, index) for index, rail in enumerate(rails) if rail.in_total]
    if not parts:
        raise PowerMissing("no rail of this board is known to make its total power")
    return np.asarray(np.sum(parts, axis=0))


def rail_w(samples: Samples, index: int) -> Floats:
    """Power of one rail, shape (n,), NaN where it was not stated."""
    return np.array(samples.rails_w[index], dtype=float)


def rail_traces(record: Record) -> list[Trace]:
    """Each rail of the record over time, in the order of `BoardInfo.rails`."""
    rails = range(len(record.board.rails))
    return [trace_of(record, rail_w(record.samples, index)) for index in rails]


def total_trace(record: Record) -> Trace:
    """The record's total power over time."""
    return trace_of(record, total_w(record.samples, record.board.rails))


def trace_of(record: Record, power_w: Floats) -> Trace:
    """A power of the record, shape (n,), over its samples' times."""
    t_s = np.asarray(record.samples.t_us, dtype=float) / 1e6
    return Trace(t_s, power_w, record.board.sensor_lag_s)
