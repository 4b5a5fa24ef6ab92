"""What is expected of time, power and energy before anything is measured: shapes.

`Shares` is physics. Each knob has a share of the time, or of the power, that follows its own
law; beside them is a rest that no knob changes. A rounded maximum joins them: a board computes
while it waits for memory. `Curve` is a bent line in logarithms, for what follows no such law.
Which parameters a board has is uncertain: each has a normal prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuning.coordinates import Coordinates

Floats = NDArray[np.float64]

SHARE_SD = 1.3
EXPONENT_SD = 0.25
CORNER, CORNER_SD = 2.0, 0.5
SLOPE_SD = 0.1
FREE_SLOPE_SD, BEND_SD = 0.4, 0.25


class Shape(Protocol):
    """What is expected of log values, but for a constant, with parameters to be fitted."""

    @property
    def prior(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each parameter."""

    def at(self, parameters: Floats, x: Coordinates) -> tuple[Floats, Floats]:
        """Values (points,), and their slopes by parameter (points, size)."""


@dataclass(frozen=True)
class Curve:
    """A straight line in logarithms of the knobs and a bend along each.

    `slopes`: expected elasticities, (axes,). Parameters: slopes (axes,), bends (axes,).
    """

    slopes: Floats

    @cached_property
    def prior(self) -> tuple[Floats, Floats]:
        d = len(self.slopes)
        sd = np.concatenate([np.full(d, FREE_SLOPE_SD), np.full(d, BEND_SD)])
        return np.concatenate([self.slopes, np.zeros(d)]), sd

    def at(self, parameters: Floats, x: Coordinates) -> tuple[Floats, Floats]:
        slope = np.concatenate([x.natural, x.unit**2 - 1 / 3], axis=1)
        return slope @ parameters, slope


@dataclass(frozen=True)
class Shares:
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
        d = len(self.exponents)
        mean = np.concatenate([np.zeros(d + 1), self.exponents, self.slopes, [np.log(CORNER)]])
        sds = [(SHARE_SD, d + 1), (EXPONENT_SD, d), (SLOPE_SD, d), (CORNER_SD, 1)]
        return mean, np.concatenate([np.full(n, sd) for sd, n in sds])

    def at(self, parameters: Floats, x: Coordinates) -> tuple[Floats, Floats]:
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
    """Of the latency: shares that fall with each clock and grow with the batch; or a curve."""
    clocks = speeds.astype(float)
    exponents = np.where(speeds, -1.0, 1.0)
    return [Shares(exponents, 1.0 - clocks, 0.0 * clocks), Curve(-0.4 * clocks)]


def powers(speeds: NDArray[np.bool_]) -> list[Shape]:
    """Of energy over latency: shares that rise with each clock, between f and f·V².

    Per batch, or divided among its requests.
    """
    nowhere, exponents = np.zeros(len(speeds)), np.where(speeds, 1.6, 0.3)
    shapes: list[Shape] = [Shares(exponents, nowhere, nowhere)]
    if not speeds.all():
        shapes.append(Shares(exponents, nowhere, speeds.astype(float) - 1.0))
    return shapes


def energies(speeds: NDArray[np.bool_]) -> list[Shape]:
    """Of the energy by itself: any curve."""
    return [Curve(np.zeros(len(speeds)))]
