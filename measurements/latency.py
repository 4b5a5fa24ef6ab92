"""Latency statistics of one run with their 95 % intervals, for comparing runs.

Conventions: latencies in ms, shape (requests,), in order of completion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from measurements import statistics
from measurements.comparison import NORMAL_95, Estimate

MOST_STEPS = 200


def mean(latency_ms: ArrayLike) -> Estimate:
    """By batch means: neighbours may be alike."""
    latencies = np.asarray(latency_ms, dtype=float)
    if not len(latencies):
        return Estimate(None)
    found = statistics.batch_means(latencies)
    return Estimate(found.value, found.half_width)


def percentile(latency_ms: ArrayLike, q: float) -> Estimate:
    """The percentile, with the wider arm of its two-sided order-statistic interval.

    Ranks by the normal approximation of the binomial distribution, for independent requests.

    Source: David & Nagaraja, Order Statistics (3rd ed.), section 7.1.
    """
    value = statistics.percentile(latency_ms, q)
    if value is None:
        return Estimate(None)
    ordered = np.sort(np.asarray(latency_ms, dtype=float))
    n, spread = len(ordered), NORMAL_95 * np.sqrt(len(ordered) * q * (1 - q))
    low, high = int(np.floor(n * q - spread)), int(np.ceil(n * q + spread)) + 1
    if low < 1 or high > n:
        return Estimate(value)
    return Estimate(value, float(max(value - ordered[low - 1], ordered[high - 1] - value)))


def distribution(latency_ms: ArrayLike) -> tuple[list[float], list[float]]:
    """(latencies, share of requests that took no longer), at most `MOST_STEPS` steps."""
    ordered = np.sort(np.asarray(latency_ms, dtype=float))
    n = len(ordered)
    if not n:
        return [], []
    ranks = np.unique(np.linspace(1, n, min(n, MOST_STEPS)).round().astype(int))
    return ordered[ranks - 1].tolist(), (ranks / n).tolist()
