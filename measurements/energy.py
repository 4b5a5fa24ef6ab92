"""Samples -> joules: the definitions of busy and at-rate energy, by rail and in total.

Conventions: times in seconds from the run's start, powers in W, NaN for a value that
a line did not state. What cannot be known raises `EnergyUnknown`; it is never 0.
`docs/definitions.md` tells the same to the user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurements import statistics
from measurements.mean_power import Scatter, mean_power, scatter_of
from measurements.messages import Rail, Record, Requests
from measurements.power import (
    EnergyUnknown,
    Floats,
    PowerMissing,
    Trace,
    Window,
    WindowNotCovered,
    integrate,
)

IDLE_S = 1.5
"""The end of settling whose power is the idle baseline."""

__all__ = [
    "EnergyUnknown",
    "Executed",
    "Idle",
    "PerRequest",
    "PowerMissing",
    "Trace",
    "Window",
    "WindowNotCovered",
    "at_rate",
    "at_rate_window",
    "batch_of",
    "busy",
    "busy_seconds",
    "busy_window",
    "idle",
    "inference_time_per_request",
    "integrate",
    "not_attributed",
    "relative_spread",
    "union",
    "union_length_s",
]


def union(starts_s: ArrayLike, ends_s: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    """The new time that each interval adds to those that started before it, and their order.

    Returns:
        Seconds added by each interval, shape (n,), in order of start; their sum is the
        length of the union. And that order, as indices into the arguments.
    """
    starts, ends = np.asarray(starts_s, dtype=float), np.asarray(ends_s, dtype=float)
    order = np.lexsort((ends, starts))
    starts, ends = starts[order], ends[order]
    covered_until = np.concatenate(([-np.inf], np.maximum.accumulate(ends)[:-1]))
    added = np.maximum(0.0, ends - np.maximum(starts, covered_until))
    return added, order


def union_length_s(starts_s: ArrayLike, ends_s: ArrayLike) -> float:
    """Total length of the union of intervals, in seconds; overlaps count once."""
    return float(union(starts_s, ends_s)[0].sum())


def busy_window(requests: Requests) -> Window:
    """W: from the first to the last measured inference.

    Raises:
        EnergyUnknown: No request was served.
    """
    return _spanning(requests.inference_start_s, requests.end_s)


def at_rate_window(requests: Requests) -> Window:
    """From the first arrival to the last completion.

    Raises:
        EnergyUnknown: No request was served.
    """
    return _spanning(requests.arrival_s, requests.end_s)


def _spanning(starts_s: Sequence[float], ends_s: Sequence[float]) -> Window:
    if not ends_s:
        raise EnergyUnknown("no request was served")
    window = Window(min(starts_s), max(ends_s))
    if window.length_s <= 0:
        raise EnergyUnknown("the requests took no time")
    return window


def not_attributed(rails: Sequence[Rail], rails_j: Sequence[float | None]) -> float | None:
    """What the board's input drew beyond the other shown rails; None unless that is known.

    Only where every rail of the total measures an input, of which the others are parts;
    a further input (the carrier board's, say) is no part of it.

    Args:
        rails_j: Energy of each rail, shape (rails,).
    """
    signs = [_sign(rail) for rail in rails]
    are_inputs = all(rail.part == "input" for rail in rails if rail.in_total)
    if {1, -1} - set(signs) or not are_inputs:
        return None
    signed = [(sign, joules) for sign, joules in zip(signs, rails_j, strict=True) if sign]
    known = [sign * joules for sign, joules in signed if joules is not None]
    return sum(known) if len(known) == len(signed) else None


def _sign(rail: Rail) -> int:
    if rail.in_total:
        return 1
    return 0 if rail.part == "input" else -1


@dataclass(frozen=True, slots=True)
class PerRequest:
    """Energy per request by one definition.

    `half_width_j` is half of the 95 % interval, None if it is not known; `spread` is its
    statistical part alone, relative, None if there are too few data; `rails_j` has shape
    (rails,), None where a rail's energy is not known.
    """

    energy_j: float
    half_width_j: float | None
    spread: float | None
    rails_j: tuple[float | None, ...]
    mean_power_w: float
    window: Window


def busy(record: Record) -> PerRequest:
    """Mean power over W * length of the union of inference intervals / requests, in joules.

    Raises:
        EnergyUnknown: See its subclasses.

    Source: PolyThrottle (arXiv 2310.19991), appendix A; DESIGN's definitions.
    """
    window = busy_window(record.requests)
    time = inference_time_per_request(record.requests)
    return _per_request(record, window, seconds_each=time.value, own_share=1.0)


def at_rate(record: Record) -> PerRequest:
    """Energy from the first arrival to the last completion / requests, idle included, in joules.

    The arrivals belong to the plan: the interval is for the same arrivals repeated.

    Raises:
        EnergyUnknown: The requests came back to back, or see its subclasses.
    """
    if record.plan.arrivals.kind == "back_to_back":
        raise EnergyUnknown("back-to-back requests have no rate")
    window = at_rate_window(record.requests)
    seconds_each = window.length_s / len(record.requests.end_s)
    return _per_request(record, window, seconds_each=seconds_each, own_share=0.0)


def relative_spread(
    total: Trace, requests: Requests, window: Window, *, idles: bool
) -> float | None:
    """The statistical part of busy energy's relative half-width: what more requests shrink.

    Args:
        idles: Whether the board waits for requests.

    Raises:
        EnergyUnknown: See its subclasses.
    """
    scatter = scatter_of(total, window, busy_seconds(requests), jumps_in=True)
    relative = inference_time_per_request(requests).relative_half_width
    time = _time_part(relative, scatter, own_share=1.0, idles=idles)
    return statistics.combined(scatter.mean.relative_half_width, time)


def _time_part(
    relative: float | None, scatter: Scatter, *, own_share: float, idles: bool
) -> float | None:
    """What `relative` scatter of inference time does to the energy, as a relative half-width.

    Where the board waits for arrivals, a longer inference also takes from idle time.
    """
    return _scaled(relative, own_share + (scatter.busy_share if idles else 0.0))


def _per_request(
    record: Record, window: Window, *, seconds_each: float, own_share: float
) -> PerRequest:
    """Mean power * `seconds_each`.

    Args:
        own_share: 1 if `seconds_each` itself scatters as inference time does (busy energy,
            whose window begins with an inference), else 0.
    """
    power = mean_power(record, window, busy_seconds(record.requests), jumps_in=own_share == 1.0)
    if power.scatter.mean.value <= 0:
        raise PowerMissing(f"the mean power reads {power.scatter.mean.value:.3f} W")
    idles = record.plan.arrivals.kind != "back_to_back"
    relative = inference_time_per_request(record.requests, given_batches=True).relative_half_width
    time = _time_part(relative, power.scatter, own_share=own_share, idles=idles)
    half_width_w = power.half_width_w(_scaled(time, power.total_w))
    return PerRequest(
        energy_j=power.total_w * seconds_each,
        half_width_j=_scaled(half_width_w, seconds_each),
        spread=statistics.combined(power.scatter.mean.relative_half_width, time),
        rails_j=tuple(_scaled(rail_w, seconds_each) for rail_w in power.rails_w),
        mean_power_w=power.total_w,
        window=window,
    )


@dataclass(frozen=True, slots=True)
class Idle:
    """Mean power of the held board before it served anything; half of its 95 % interval."""

    power_w: float
    half_width_w: float | None


def idle(record: Record) -> Idle:
    """The idle baseline: over the last seconds of settling, just before the warm-up.

    Raises:
        EnergyUnknown: The board never settled, or see its subclasses.
    """
    ends = [phase.end_s for phase in record.phases if phase.name == "settle"]
    if not ends:
        raise EnergyUnknown("the board did not settle")
    # The newest sample may be a period older than the end of the phase.
    end_s = min(ends[-1], max(record.samples.t_us, default=0) / 1e6)
    power = mean_power(record, Window(ends[-1] - IDLE_S, end_s), np.zeros_like)
    return Idle(power.total_w, power.half_width_w(0.0))


def busy_seconds(requests: Requests) -> Callable[[Floats], Floats]:
    """A function of ascending times: how many seconds of inference (their union) lie before."""
    added, order = union(requests.inference_start_s, requests.end_s)
    ends = np.asarray(requests.end_s, dtype=float)[order]
    counts = added > 0
    ends, added = ends[counts], added[counts]
    until = np.cumsum(added)
    times = np.column_stack((ends - added, ends)).ravel()
    seconds = np.column_stack((until - added, until)).ravel()
    return lambda t_s: np.asarray(np.interp(t_s, times, seconds))


class Executed(Protocol):
    """When each request was inferred: a Record's columns or a stored log's."""

    @property
    def inference_start_s(self) -> list[float]: ...

    @property
    def end_s(self) -> list[float]: ...


def batch_of(requests: Executed) -> NDArray[np.intp]:
    """To which batch each request belongs, shape (requests,): those executed together share one."""
    executed = np.column_stack((requests.inference_start_s, requests.end_s))
    return np.asarray(np.unique(executed, axis=0, return_inverse=True)[1]).ravel()


def inference_time_per_request(
    requests: Requests, *, given_batches: bool = False
) -> statistics.Mean:
    """Length of the union of inference intervals / requests, in seconds, by batch means.

    Requests that were executed together share one interval and count as one entry.

    Args:
        given_batches: How batches filled belongs to the plan's arrivals: what goes with the
            size of a batch, by least squares, is no scatter.
    """
    together, counts = np.unique(
        np.column_stack((requests.inference_start_s, requests.end_s)), axis=0, return_counts=True
    )
    added, order = union(together[:, 0], together[:, 1])
    sizes = counts[order]
    if given_batches and len(sizes) >= statistics.FEWEST_BATCHES and np.ptp(sizes):
        slope_s, fixed_s = np.polyfit(sizes, added, 1)
        added = added - (fixed_s + slope_s * sizes) + sizes * added.sum() / sizes.sum()
    return statistics.batch_means(added, sizes)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
