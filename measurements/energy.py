"""Samples -> joules: the definitions of busy and at-rate energy, by rail and in total.

Conventions: times in seconds from the run's start, powers in W, NaN for a value that
a line did not state. What cannot be known raises `EnergyUnknown`; it is never 0.
`docs/definitions.md` tells the same to the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurements import statistics
from measurements.messages import Rail, Record, Requests
from measurements.power import (
    EnergyUnknown,
    Floats,
    PowerMissing,
    Trace,
    Window,
    WindowNotCovered,
    integrate,
    mean_power,
    quantisation_half_width_w,
    rail_traces,
    total_trace,
)

__all__ = [
    "EnergyUnknown",
    "PerRequest",
    "PowerMissing",
    "WindowNotCovered",
    "at_rate",
    "at_rate_window",
    "busy",
    "busy_window",
    "inference_time_per_request",
    "integrate",
    "not_attributed",
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

    `half_width_j` is half of the 95 % interval, None if it is not known; `rails_j` has
    shape (rails,), None where a rail's energy is not known.
    """

    energy_j: float
    half_width_j: float | None
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
    power = mean_power(total_trace(record), window)
    time = inference_time_per_request(record.requests)
    spread = statistics.combined(power.relative_half_width, time.relative_half_width)
    return _per_request(record, window, seconds_each=time.value, spread=spread)


def at_rate(record: Record) -> PerRequest:
    """Energy from the first arrival to the last completion / requests, idle included, in joules.

    Its interval compares the energies from arrival to arrival, so that it holds for
    the arrivals' own randomness too.

    Raises:
        EnergyUnknown: The requests came back to back, or see its subclasses.
    """
    if record.plan.arrivals.kind == "back_to_back":
        raise EnergyUnknown("back-to-back requests have no rate")
    window = at_rate_window(record.requests)
    arrivals, counts = np.unique(record.requests.arrival_s, return_counts=True)
    energies = total_trace(record).joules_between(np.append(arrivals, window.end_s))
    spread = statistics.batch_means(energies, counts).relative_half_width
    seconds_each = window.length_s / len(record.requests.end_s)
    return _per_request(record, window, seconds_each=seconds_each, spread=spread)


def _per_request(
    record: Record, window: Window, *, seconds_each: float, spread: float | None
) -> PerRequest:
    """Mean power * `seconds_each`; `spread` is the relative statistical half-width."""
    power_w = mean_power(total_trace(record), window).value
    if power_w <= 0:
        raise PowerMissing(f"the mean power reads {power_w:.3f} W")
    steps = quantisation_half_width_w(record.board.rails)
    relative = statistics.combined(spread, _scaled(steps, 1 / power_w))
    energy_j = power_w * seconds_each
    rails_w = [_mean_power_or_none(rail, window) for rail in rail_traces(record)]
    return PerRequest(
        energy_j=energy_j,
        half_width_j=_scaled(relative, energy_j),
        rails_j=tuple(_scaled(rail, seconds_each) for rail in rails_w),
        mean_power_w=power_w,
        window=window,
    )


def inference_time_per_request(requests: Requests) -> statistics.Mean:
    """Length of the union of inference intervals / requests, in seconds, by batch means.

    Requests that were executed together share one interval and count as one entry.
    """
    together, counts = np.unique(
        np.column_stack((requests.inference_start_s, requests.end_s)), axis=0, return_counts=True
    )
    added, order = union(together[:, 0], together[:, 1])
    return statistics.batch_means(added, counts[order])


def _mean_power_or_none(rail: Trace, window: Window) -> float | None:
    """Mean power of one rail over `window` in W; None where a value is missing."""
    try:
        return float(rail.joules_between(window)[0]) / window.length_s
    except PowerMissing:
        return None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
