"""Latency statistics of one run with their 95 % intervals, for comparing runs.

Requests of one batch end together and are not independent: every interval here is by batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurements import statistics
from measurements.comparison import NORMAL_95, Estimate
from measurements.energy import Executed, batch_of

MOST_STEPS = 200


class Log(Executed, Protocol):
    """Columns of the measured requests, as a Record or a stored log has them."""

    @property
    def arrival_s(self) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latencies of one run in ms, and to which batch each request belongs; shape (requests,)."""

    ms: NDArray[np.float64]
    batch: NDArray[np.intp]
    """Numbered from 0 by the start of their inference."""


NONE = Latencies(np.zeros(0), np.zeros(0, dtype=np.intp))


def of(log: Log | None) -> Latencies:
    """Completion - arrival of each request, in the log's order; none of them without a log."""
    if log is None:
        return NONE
    ms = 1e3 * (np.array(log.end_s, dtype=float) - np.array(log.arrival_s, dtype=float))
    return Latencies(ms, batch_of(log)) if len(ms) else NONE


def mean(latencies: Latencies) -> Estimate:
    """By batch means over whole batches: neighbours may be alike, requests of a batch are."""
    if not len(latencies.ms):
        return Estimate(None)
    sums = np.bincount(latencies.batch, weights=latencies.ms)
    found = statistics.batch_means(sums, np.bincount(latencies.batch))
    return Estimate(found.value, found.half_width)


def percentile(latencies: Latencies, q: float) -> Estimate:
    """The percentile, with the wider arm of its two-sided order-statistic interval.

    Ranks by the normal approximation of the binomial distribution, for as many independent
    requests as these of whole batches are worth; a rank stands at the same share of them all.

    Source: David & Nagaraja, Order Statistics (3rd ed.), section 7.1; see
    `statistics.independent_values` for batches.
    """
    value = statistics.percentile(latencies.ms, q)
    if value is None:
        return Estimate(None)
    ordered, n = np.sort(latencies.ms), len(latencies.ms)
    worth = statistics.independent_values(latencies.ms, q, latencies.batch)
    spread = NORMAL_95 * math.sqrt(worth * q * (1 - q))
    low, high = math.floor(worth * q - spread), math.ceil(worth * q + spread) + 1
    if low < 1 or high > worth:
        return Estimate(value)
    lower = ordered[math.floor(low * n / worth) - 1]
    upper = ordered[math.ceil(high * n / worth - 1e-9) - 1]
    return Estimate(value, float(max(value - lower, upper - value)))


def distribution(latency_ms: ArrayLike) -> tuple[list[float], list[float]]:
    """(latencies, share of requests that took no longer), at most `MOST_STEPS` steps."""
    ordered = np.sort(np.asarray(latency_ms, dtype=float))
    n = len(ordered)
    if not n:
        return [], []
    ranks = np.unique(np.linspace(1, n, min(n, MOST_STEPS)).round().astype(int))
    return ordered[ranks - 1].tolist(), (ranks / n).tolist()
