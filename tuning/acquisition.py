"""How much a measurement is worth: constrained expected improvement, in logarithms.

EI × PF underflows far from the optimum; its logarithm does not, so the largest is found
there too. Source: Ament et al., Unexpected Improvements to Expected Improvement (2023), 4.1;
Gardner et al., Bayesian Optimization with Inequality Constraints (2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from tuning.surrogate import Mixture

Floats = NDArray[np.float64]

_LOG_ROOT_TAU = 0.5 * np.log(2 * np.pi)


def log_h(z: Floats) -> Floats:
    """log(phi(z) + z * Phi(z)): expected improvement of a standard normal by more than -z.

    Below -1 by erfcx, since the two terms cancel there.
    """
    direct, tail = np.maximum(z, -1.0), np.minimum(z, -1.0)
    near = np.log(np.exp(-(direct**2) / 2 - _LOG_ROOT_TAU) + direct * ndtr(direct))
    mills = np.sqrt(np.pi / 2) * -tail * erfcx(-tail / np.sqrt(2))
    # Far out 1 - mills loses its digits; there it is 1 / z**2.
    rest = np.where(tail < -1e4, tail**-2.0, np.maximum(1.0 - mills, 1e-300))
    far = -(tail**2) / 2 - _LOG_ROOT_TAU + np.log(rest)
    return np.asarray(np.where(z > -1.0, near, far))


def log_expected_improvement(belief: Mixture, best: float) -> Floats:
    """log E[max(0, best - y)] of log costs `y`; shape (points,)."""
    each = log_h((best - belief.mean) / belief.sd) + np.log(belief.sd)
    return _log_average(each, belief.weight)


def log_probability_below(belief: Mixture, limit: float) -> Floats:
    """log P(y <= limit), shape (points,)."""
    return _log_average(log_ndtr((limit - belief.mean) / belief.sd), belief.weight)


def log_expected_area(
    energy: Mixture, latency: Mixture, front_j: Floats, front_ms: Floats, ends: tuple[float, float]
) -> Floats:
    """log of the area that a point is expected to add to what a front dominates; (points,).

    Under a front of logs, from the fastest (`front_ms` ascending, `front_j` descending) to the
    `ends` (energy, latency) beyond which nothing counts. Between two of its latencies the
    gain is what energy improves there times the length that the point's latency leaves: for
    independent beliefs the expectations multiply.
    Source: Emmerich et al., Hypervolume-based Expected Improvement (2011), 4.
    """
    levels = np.concatenate([ends[:1], front_j])
    edges = np.append(front_ms, ends[1])
    below = [_expected_below(latency, float(edge)) for edge in edges]
    lengths = np.diff(np.array([np.zeros_like(below[0]), *below]), axis=0)
    gains = [_expected_below(energy, float(level)) for level in levels]
    area = sum(gain * np.maximum(length, 0.0) for gain, length in zip(gains, lengths, strict=True))
    return np.asarray(np.log(np.maximum(area, 1e-300)))


def _expected_below(belief: Mixture, edge: float) -> Floats:
    """E[max(0, edge - y)], shape (points,)."""
    return np.exp(log_expected_improvement(belief, edge))


def _log_average(logs: Floats, weight: Floats) -> Floats:
    """log of the weighted mean of exp(logs) over members; (members, points) to (points,)."""
    with np.errstate(divide="ignore"):
        weighed = logs + np.log(weight)[:, None]
    top = weighed.max(axis=0)
    return np.asarray(top + np.log(np.exp(weighed - top).sum(axis=0)))
