"""How sure we are: percentiles with bounds, and intervals from autocorrelated series.

Conventions: `confidence` is a probability; a half-width is half of a two-sided 95 %
interval; None means that there are too few data to say. numpy only (boards import it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
MOST_BATCHES = 30
FEWEST_BATCHES = 10
"""Batches are merged in pairs, while they still resemble their neighbours, down to this many."""

Floats = NDArray[np.float64]


def fewest_for_upper_bound(q: float, confidence: float = CONFIDENCE) -> int:
    """The smallest n whose largest value bounds the q-quantile from above: 1 - q^n >= confidence.

    59 requests for p95, 299 for p99.
    """
    return math.ceil(math.log(1 - confidence) / math.log(q))


def percentile(values: ArrayLike, q: float) -> float | None:
    """The ceil(q n)-th smallest of n values; None if n is too small to bound it."""
    ordered = np.sort(np.asarray(values, dtype=float))
    if len(ordered) < fewest_for_upper_bound(q):
        return None
    return float(ordered[_rank(len(ordered), q) - 1])


def percentile_upper(
    values: ArrayLike, q: float, *, batches: ArrayLike | None = None
) -> float | None:
    """One-sided 95 % upper bound of the q-quantile by order statistics; None if there is none.

    The k-th smallest of n independent values lies above the q-quantile with
    probability P(Binomial(n, q) <= k - 1); this takes the smallest k with >= 95 %.
    Values of one batch are not independent: n values are then worth as many as
    `independent_values` says, and the k-th of those stands at the same share of n.

    Args:
        values: shape (n,).
        batches: To which batch each value belongs, any labels, shape (n,). None: all are
            independent.

    Source: David & Nagaraja, Order Statistics (3rd ed.), section 7.1; Korn & Graubard,
    Survey Methodology 24 (1998), 193-201 (proportions from clusters).
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n < fewest_for_upper_bound(q):
        return None
    worth = n if batches is None else independent_values(values, q, batches)
    if worth < fewest_for_upper_bound(q):
        return None
    share = _upper_rank(worth, q) / worth
    return float(ordered[math.ceil(share * n - 1e-9) - 1])


def independent_values(values: ArrayLike, q: float, batches: ArrayLike) -> int:
    """How many independent values tell as much of the q-quantile as these of whole batches.

    n / design effect: how much more the count of values above the quantile scatters from
    batch to batch than it would by independent values, widened by Student's t since it is
    known from so many batches. Never more than n; never fewer than if all values of a batch were
    one, and as few as that where fewer than 10 batches cannot tell.

    Args:
        values: shape (n,), n >= 1.
        batches: To which batch each value belongs, shape (n,).

    Source: Korn & Graubard (1998); Kish, Survey Sampling (1965), 5.4 (the worst case).
    """
    latencies = np.asarray(values, dtype=float)
    _, batch = np.unique(np.asarray(batches), return_inverse=True)
    sizes = np.bincount(batch)
    n, count = len(latencies), len(sizes)
    worst = float(np.sum(sizes**2)) / n
    is_above = latencies > np.sort(latencies)[_rank(n, q) - 1]
    share = float(is_above.mean())
    if worst == 1 or count < FEWEST_BATCHES or share == 0:
        return math.floor(n / worst)
    above = np.bincount(batch, weights=is_above)
    variance = count / (count - 1) * float(np.sum((above - share * sizes) ** 2)) / n**2
    effect = variance / (share * (1 - share) / n)
    caution = (student_t(CONFIDENCE, count - 1) / student_t(CONFIDENCE, 10_000)) ** 2
    return math.floor(n / min(worst, max(1.0, effect) * caution) + 1e-9)


def _rank(n: int, q: float) -> int:
    # 0.95 * 100 is 95.00000000000001 in other roundings: a hair must not cost a rank.
    return max(1, math.ceil(q * n - 1e-9))


@lru_cache(maxsize=256)
def _upper_rank(n: int, q: float) -> int:
    """The smallest k (from 1) with P(Binomial(n, q) <= k - 1) >= 95 %."""
    successes = np.arange(n + 1)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    log_choose = log_factorial[n] - log_factorial - log_factorial[::-1]
    log_mass = log_choose + successes * math.log(q) + (n - successes) * math.log1p(-q)
    return int(np.argmax(np.cumsum(np.exp(log_mass)) >= CONFIDENCE - 1e-12)) + 1


@dataclass(frozen=True, slots=True)
class Mean:
    """An estimated mean; its standard error has `degrees` degrees of freedom.

    `standard_error` is None when there are too few data for one.
    """

    value: float
    standard_error: float | None
    degrees: int

    @property
    def half_width(self) -> float | None:
        """Half of the two-sided 95 % interval by Student's t."""
        if self.standard_error is None:
            return None
        return student_t(0.5 + CONFIDENCE / 2, self.degrees) * self.standard_error

    @property
    def relative_half_width(self) -> float | None:
        """Half-width / value; None if there is no half-width or the value is 0."""
        width = self.half_width
        return None if width is None or self.value == 0 else width / abs(self.value)


def batch_means(values: ArrayLike, weights: ArrayLike | None = None) -> Mean:
    """The (weighted) mean of an autocorrelated series, with its standard error by batch means.

    The series is cut into at most 30 batches of neighbours. Batches are merged in
    pairs as long as neighbours are still alike, or contrary, as a rhythm or a lag that was
    undone makes them (the lag-1 autocorrelation of batch means is beyond a one-sided 95 %
    limit under independence); likeness that is left at 10 batches widens the error as for a
    first-order autoregressive series.

    Args:
        values: Sums or single values in order of time, shape (n,); n >= 1.
        weights: What each value is shared by (seconds, requests), shape (n,), positive
            sum; the mean is sum(values) / sum(weights). None: 1 each.

    Raises:
        ValueError: There is nothing to average.

    Source: Law, Simulation Modeling and Analysis (5th ed.), section 9.5.3 (batch means)
    and 9.5.2 (ratio of means).
    """
    numerator = np.asarray(values, dtype=float)
    denominator = np.ones_like(numerator) if weights is None else np.asarray(weights, dtype=float)
    if not len(numerator) or denominator.sum() <= 0:
        raise ValueError("no values to average")
    ratio = float(numerator.sum() / denominator.sum())
    sums, shares = _batched(numerator, MOST_BATCHES), _batched(denominator, MOST_BATCHES)
    while True:
        residuals = (sums - ratio * shares) / shares.mean()
        count, alike = len(residuals), _lag_one(residuals)
        if count // 2 < FEWEST_BATCHES or abs(alike) <= 1.645 / math.sqrt(count):
            break
        sums, shares = _batched(sums, count // 2), _batched(shares, count // 2)
    return Mean(ratio, _standard_error(residuals, alike), count - 1)


def _batched(values: Floats, most: int) -> Floats:
    """Sums over at most `most` runs of neighbours of (nearly) equal length."""
    batches = min(most, len(values))
    starts = np.arange(batches) * len(values) // batches
    return np.add.reduceat(values, starts)


def _lag_one(residuals: Floats) -> float:
    """Lag-1 autocorrelation, freed of its bias of about -1/n; 0 for a constant series."""
    power = float(residuals @ residuals)
    if power == 0 or len(residuals) < 3:
        return 0.0
    return float(residuals[1:] @ residuals[:-1]) / power + 1 / len(residuals)


def _standard_error(residuals: Floats, alike: float) -> float | None:
    count = len(residuals)
    if count < 2:
        return None
    variance = float(residuals @ residuals) / (count * (count - 1))
    kept = min(max(alike, 0.0), 0.9)
    return math.sqrt(variance * (1 + kept) / (1 - kept))


def quantisation_error_w(steps_w: ArrayLike) -> float:
    """Standard error of a total power from rails that are read in steps, in W.

    One step/sqrt(12) per rail, independent between rails and constant within a run:
    it does not shrink with more samples. A signal that wanders over several steps is
    read better than this; the interval then is too wide, never too narrow.

    Args:
        steps_w: Step of each rail that makes the total, shape (rails,).

    Source: JCGM 100:2008 (GUM), F.2.2.1.
    """
    steps = np.asarray(steps_w, dtype=float)
    return float(np.sqrt(np.sum(steps**2) / 12))


def combined(*half_widths: float | None) -> float | None:
    """Independent half-widths in quadrature; None as soon as one is unknown."""
    known = [width for width in half_widths if width is not None]
    return math.hypot(*known) if len(known) == len(half_widths) else None


@lru_cache(maxsize=1024)
def student_t(probability: float, degrees: int) -> float:
    """Quantile of Student's t: P(T <= value) = `probability`, 0.5 < probability < 1.

    The distribution function is a finite sum for whole degrees of freedom; its
    inverse is found by bisection.

    Source: Abramowitz & Stegun, 26.7.3 and 26.7.4.
    """
    if not 0.5 < probability < 1 or degrees < 1:
        raise ValueError(f"no quantile of t for {probability} and {degrees} degrees of freedom")
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if 0.5 + _central_mass(middle, degrees) / 2 < probability:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _central_mass(angle: float, degrees: int) -> float:
    """P(|T| <= sqrt(degrees) tan(angle)): A&S 26.7.3 (odd) and 26.7.4 (even)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if degrees > 1 else 0.0))
