"""Which samples show a long trace from afar: the extremes of each stretch, so that spikes survive.

A sample has the level of the longest stretch in which it is extreme. Level k means
stretches of `STRETCH * RATIO ** (k - 1)` samples; level 0 is an extreme of none. The
samples of level k and above are then the whole trace seen through such stretches, and
every one of them was really measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

STRETCH, RATIO, LEVELS = 8, 4, 7
SHORT = 2400
"""A run with no more samples is always drawn whole: its samples all have level 0."""

Floats = NDArray[np.float64]


def stretch(level: int) -> int:
    """How many neighbouring samples stand behind those of `level`; 1 for level 0."""
    return STRETCH * RATIO ** (level - 1) if level else 1


def levels(power_w: ArrayLike, clock_mhz: ArrayLike) -> NDArray[np.int16]:
    """The level of each sample, shape (n,), by lowest and highest power and lowest clock.

    The first of equal values counts, so that the samples of a level are among those of
    the level below.

    Args:
        power_w: In order of time, shape (n,); NaN where not stated.
        clock_mhz: Of the GPU, shape (n,); NaN where not stated.
    """
    power, clock = np.asarray(power_w, dtype=float), np.asarray(clock_mhz, dtype=float)
    found = np.zeros(len(power), dtype=np.int16)
    if len(power) <= SHORT:
        return found
    for level in range(1, LEVELS + 1):
        size = stretch(level)
        if size > len(power):
            break
        for values in (power, -power, clock):
            found[_lowest(values, size)] = level
    return found


def _lowest(values: Floats, size: int) -> NDArray[np.intp]:
    """Index of the first lowest value of each `size` neighbours; of the first if none is stated."""
    parts = -(-len(values) // size)
    padded = np.full(parts * size, np.inf)
    padded[: len(values)] = np.where(np.isnan(values), np.inf, values)
    return np.asarray(padded.reshape(parts, size).argmin(axis=1) + np.arange(parts) * size)
