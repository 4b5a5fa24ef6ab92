"""What physics says of time and power before anything is measured: shapes with few parameters.

Each knob has a share of the time, or of the power, that follows its own law; beside them is a
rest that no knob changes. A rounded maximum joins them: a board computes while it waits for
memory. Which shares, laws and corner a board has is uncertain: a normal prior of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tuning.coordinates import Coordinates

Floats = NDArray[np.float64]

SHARE_SD = 1.3
EXPONENT_SD = 0.25
CORNER, CORNER_SD = 2.0, 0.5
SLOPE_SD = 0.1


@dataclass(frozen=True)
class Shape:
    """log sum_j share_j x_j^exponent_j, with a rounded corner, plus a line: over `axes` knobs.

    `exponents`: expected law of each knob's share, (axes,); `loads`: elasticity by which a knob
    scales all shares but the rest, (axes,); `slopes`: expected elasticity beside them, (axes,).

    Parameters, in this order: logits of the shares (axes + 1, the last of the rest), exponents
    (axes,), slopes (axes,), log of the corner.
    """

    exponents: Floats
    loads: Floats
    slopes: Floats

    @cached_property
    def prior(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each parameter."""
        d = len(self.exponents)
        mean = np.concatenate([np.zeros(d + 1), self.exponents, self.slopes, [np.log(CORNER)]])
        sds = [(SHARE_SD, d + 1), (EXPONENT_SD, d), (SLOPE_SD, d), (CORNER_SD, 1)]
        return mean, np.concatenate([np.full(n, sd) for sd, n in sds])

    def at(self, parameters: Floats, x: Coordinates) -> tuple[Floats, Floats]:
        """Log values (points,) up to a constant, and their slopes by parameter (points, size)."""
        d = len(self.exponents)
        logits, exponents, slopes, corner = np.split(parameters, [d + 1, 2 * d + 1, 3 * d + 1])
        share = np.exp(logits - logits.max())
        share /= share.sum()
        own = x.natural * (1.0 - self.loads)
        terms = np.zeros((len(own), d + 1)) + np.log(share)
        terms[:, :d] += own * exponents + (x.natural @ self.loads)[:, None]
        sharp = float(np.exp(corner[0]))
        top = terms.max(axis=1, keepdims=True)
        weight = np.exp(sharp * (terms - top))
        total = weight.sum(axis=1, keepdims=True)
        joined = (top + np.log(total) / sharp)[:, 0]
        weight /= total
        by_corner = (weight * terms).sum(axis=1) - joined
        slope = [weight - share, weight[:, :d] * own, x.natural, by_corner[:, None]]
        return joined + x.natural @ slopes, np.concatenate(slope, axis=1)


def times(speeds: NDArray[np.bool_]) -> list[Shape]:
    """Of the latency: shares that fall with each clock; once more all growing with the batch."""
    d, clocks = len(speeds), speeds.astype(float)
    exponents = np.where(speeds, -1.0, 1.0)
    shapes = [Shape(exponents, np.zeros(d), np.zeros(d))]
    if not speeds.all():
        shapes.append(Shape(exponents, 1.0 - clocks, np.zeros(d)))
    return shapes


def powers(speeds: NDArray[np.bool_]) -> list[Shape]:
    """Of energy over latency: shares that rise with each clock, between f and f·V².

    Per batch, or divided among its requests.
    """
    d, clocks = len(speeds), speeds.astype(float)
    exponents = np.where(speeds, 1.6, 0.3)
    shapes = [Shape(exponents, np.zeros(d), np.zeros(d))]
    if not speeds.all():
        shapes.append(Shape(exponents, np.zeros(d), clocks - 1.0))
    return shapes
