"""What a random search without replacement would have found: exactly, over a known grid.

Source: order statistics of draws without replacement (hypergeometric); the paper's bars are
those of draws with replacement, which flatters whatever is compared with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]


def expected_best(feasible: Sequence[float], *, points: int, draws: int) -> Floats:
    """The mean of the least of `feasible` among the first k draws, for k = 1 … draws.

    Of those draws that contain a feasible point at all: before, there is no best.

    Args:
        feasible: What each point within the limit costs, any order.
        points: How many points the grid has, feasible or not.

    Returns:
        Shape (draws,); NaN if nothing is feasible.
    """
    ordered = np.sort(np.asarray(feasible, dtype=float))
    best = np.full(draws, np.nan)
    if not len(ordered):
        return best
    behind = points - 1 - np.arange(len(ordered))
    for k in range(1, min(draws, points) + 1):
        log_first = _log_choose(behind, k - 1) - _log_choose(np.array([points]), k)
        chance = np.exp(log_first)
        best[k - 1] = float(chance @ ordered / chance.sum())
    best[points:] = ordered[0]
    return best


def expected_trials(points: int, good: int) -> float:
    """Draws until one of `good` among `points` comes, on average: (N + 1) / (k + 1)."""
    return (points + 1) / (good + 1)


def _log_choose(n: NDArray[np.intp], k: int) -> Floats:
    """log of n over k, −∞ where k > n."""
    fits = n >= k
    safe = np.where(fits, n, k)
    logs = gammaln(safe + 1) - gammaln(k + 1) - gammaln(safe - k + 1)
    return np.where(fits, logs, -np.inf)
