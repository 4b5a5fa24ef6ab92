"""What readings in coarse steps say of the mean under them.

Conventions: readings in W, steps in W; a `Belief` is a probability over the amount by
which the true mean lies above the mean of the readings. numpy only (boards import it).

A power that stands still between two steps may lie anywhere between them: the error is
uniform, however long one looks. A power that sways over many steps is read without
error in the mean. In between, how often it was read at each step tells where it lies:
the readings are grouped data of a normal distribution whose mean and spread are unknown.
Each factor between two spreads is as likely as another, from a hundredth of a step (the
published sway of idle boards, 25 mW as their sensors show it, is a sixteenth of the
coarsest step) to two steps: a power that sways more is seldom read at four levels only.

Source: Heitjan, Inference from Grouped Continuous Data, Statistical Science 4 (1989),
164-179; JCGM 101:2008 (GUM, Supplement 1), 5.9 (propagation of distributions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MOST_LEVELS = 4
"""Readings over more levels than this are dithered: their mean has no error of the steps."""
SPREADS = np.geomspace(0.01, 2.0, 21)
"""Standard deviations that a power may have, in steps."""
PLACES_PER_STEP = 50
_ERF = np.frompyfunc(erf, 1, 1)


@dataclass(frozen=True, slots=True)
class Belief:
    """How far the true mean lies above the readings' mean: `weight` at each of `offset_w`.

    Both have shape (n,); offsets are equally spaced, weights sum to 1.
    """

    offset_w: Floats
    weight: Floats

    @property
    def mean_w(self) -> float:
        return float(self.offset_w @ self.weight)


def belief(readings_w: ArrayLike, step_w: float, *, independent: float) -> Belief | None:
    """What the readings of one rail say of its mean; None where they are dithered enough.

    Args:
        readings_w: shape (n,), n >= 1.
        step_w: The sensor's step, positive.
        independent: How many independent readings they are worth, at least 1.
    """
    readings = np.asarray(readings_w, dtype=float)
    steps = np.rint((readings - readings.min()) / step_w)
    levels, counts = np.unique(steps, return_counts=True)
    if levels[-1] - levels[0] >= MOST_LEVELS:
        return None
    shares = counts / counts.sum()
    places = _places(levels)
    log_weight = independent * _log_likelihood(places, levels, shares)
    weight = np.exp(log_weight - log_weight.max()).sum(axis=1)
    return Belief((places - float(levels @ shares)) * step_w, weight / weight.sum())


def _places(levels: Floats) -> Floats:
    """Possible means in steps: the middles of fine cells from the lowest to the highest edge."""
    count = round((levels[-1] - levels[0] + 1) * PLACES_PER_STEP)
    return np.asarray(levels[0] - 0.5 + (np.arange(count) + 0.5) / PLACES_PER_STEP)


def _log_likelihood(places: Floats, levels: Floats, shares: Floats) -> Floats:
    """Mean log-probability of a reading, shape (places, spreads)."""
    centred = levels[None, None, :] - places[:, None, None]
    spread = SPREADS[None, :, None] * np.sqrt(2)
    upper, lower = (_ERF((centred + edge) / spread).astype(float) for edge in (0.5, -0.5))
    return np.asarray(np.log(np.maximum((upper - lower) / 2, 1e-300)) @ shares)


def half_width_w(beliefs: Sequence[Belief], normal_sd_w: float, *, confidence: float) -> float:
    """Half of the interval about the mean of a sum of independent parts, in W.

    Each belief and a normal distribution of `normal_sd_w` are brought to one grid and
    convolved; nothing is assumed normal that is not.
    """
    widest = [np.ptp(part.offset_w) for part in beliefs] + [8 * normal_sd_w]
    grid_w = max(widest) / 800
    if grid_w == 0:
        return 0.0
    weight = _normal(normal_sd_w, grid_w)
    for part in beliefs:
        weight = np.convolve(weight, _centred(part, grid_w))
    distance_w = np.abs(np.arange(len(weight)) - len(weight) // 2) * grid_w
    order = np.argsort(distance_w)
    inside = np.cumsum(weight[order]) / weight.sum()
    return float(np.interp(confidence, inside, distance_w[order] + grid_w / 2))


def _normal(sd_w: float, grid_w: float) -> Floats:
    reach = int(4 * sd_w / grid_w) + 1
    places = np.arange(-reach, reach + 1) * grid_w
    return np.asarray(np.exp(-0.5 * (places / max(sd_w, grid_w / 4)) ** 2))


def _centred(part: Belief, grid_w: float) -> Floats:
    """Its weights about its own mean, on a grid of odd length whose middle is the mean."""
    places = np.rint((part.offset_w - part.mean_w) / grid_w).astype(int)
    reach = int(np.abs(places).max())
    finer = np.arange(-reach, reach + 1)
    off_w = part.offset_w - part.mean_w
    return np.asarray(np.interp(finer * grid_w, off_w, part.weight, left=0, right=0))
