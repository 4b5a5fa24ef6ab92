"""What is believed about a quantity over a space, from few noisy measurements of it.

Targets are logarithms (of joules, watts or ms), so that knobs act by ratios and errors are
relative. A `Process` is a Gaussian process: level + a Matern-5/2 deviation over the ranks of the
knobs' values, with a length for each + a step for each value of a knob (voltages and schedulers
jump) + a part that each point has for itself; its hyperparameters maximise their posterior
density. With a physical `Shape` as its mean, the shape's parameters are linearised where they
fit best and integrated out, so that their uncertainty widens predictions, and the evidence of a
shape can be compared with that of none.

Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), 2.7, 3.4, 5.4.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri, dtrtrs
from scipy.optimize import minimize

from tuning.coordinates import Coordinates
from tuning.physics import Shape

Floats = NDArray[np.float64]

LEVEL_SD = 1.0
"""How far the mean of all points may be from the mean of those measured, in log units."""
LENGTH, LENGTH_SD = 0.6, 0.8
"""Typical length as a share of an axis; spreads are in natural logs."""
AMPLITUDE_SD = 0.8
STEP, STEP_SD = 0.03, 0.9
OWN, OWN_SD = 0.04, 1.0
JITTER = 1e-8
CLIMBS = (6, 12)
"""Steps of each climb of the hyperparameters; before each, the shape is fitted."""
ENOUGH = 1e-3
"""A climb ends when a step gains less than this share of the log density."""
FARTHEST = 5.0
"""Hyperparameters stay within so many standard deviations of their prior."""
NEWTON_STEPS = 4
NEGLIGIBLE = 0.01
"""Models whose weight is less than this share are left out."""


class Mixture(NamedTuple):
    """Normal beliefs about log values: `mean` and `sd` (members, points), `weight` (members,)."""

    mean: Floats
    sd: Floats
    weight: Floats

    def at(self, points: NDArray[np.intp]) -> Mixture:
        return Mixture(self.mean[:, points], self.sd[:, points], self.weight)

    def moments(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the whole mixture, shape (points,) each."""
        mean = self.weight @ self.mean
        spread = self.weight @ (self.sd**2 + (self.mean - mean) ** 2)
        return mean, np.sqrt(spread)


class _Hyper(NamedTuple):
    """Variances, and inverse squared lengths; `shrink` and `step` have shape (axes,)."""

    amplitude: float
    shrink: Floats
    step: Floats
    own: float

    @classmethod
    def of(cls, theta: Floats) -> _Hyper:
        """Args: theta: logs of amplitude, lengths, steps and own part, as standard deviations."""
        value = np.exp(2.0 * theta)
        axes = (len(theta) - 2) // 2
        return cls(
            float(value[0]), 1.0 / value[1 : axes + 1], value[axes + 1 : -1], float(value[-1])
        )


class Process:
    """A process conditioned on measurements; `evidence` compares it with other models of them."""

    def __init__(
        self,
        x: Coordinates,
        y: Floats,
        *,
        noise: Floats,
        amplitude: float,
        shape: Shape | None = None,
    ) -> None:
        """Args: y: log values, shape (n,). noise: their variances.

        amplitude: how far values are expected to lie from the level, or the shape, in log units.
        """
        axes = x.rank.shape[1]
        self._prior = np.log([amplitude, *[LENGTH] * axes, *[STEP] * axes, OWN])
        self._spread = np.array([AMPLITUDE_SD, *[LENGTH_SD] * axes, *[STEP_SD] * axes, OWN_SD])
        self._x, self._shape, self._noise = x, shape, noise
        self._y, self._level = y - y.mean(), float(y.mean())
        self._apart, self._same = _pairs(x.rank)
        self._theta = self._prior
        self._flat = LEVEL_SD**2 + np.diag(noise + JITTER)
        self._fit()

    def predict(self, x: Coordinates) -> Mixture:
        """Belief at `x` about what a point has in truth, noise left out."""
        hyper = _Hyper.of(self._theta)
        across = LEVEL_SD**2 + _smooth(hyper, self._x.rank, x.rank)
        for j, step in enumerate(hyper.step):
            across += step * (self._x.rank[:, j, None] == x.rank[None, :, j])
        mean = np.full(x.rank.shape[0], self._level)
        variance = LEVEL_SD**2 + hyper.amplitude + hyper.own + hyper.step.sum()
        if self._shape is not None:
            value, slope = self._shape.at(self._parameters, x)
            prior, sd = self._shape.prior
            mean = mean + value + slope @ (prior - self._parameters)
            across += (self._slope * sd**2) @ slope.T
            variance = variance + ((slope * sd) ** 2).sum(axis=1)
        solved = dtrtrs(self._root, across, lower=1)[0]
        mean = mean + solved.T @ self._white
        rest = np.maximum(variance - (solved**2).sum(axis=0), 1e-10)
        return Mixture(mean[None], np.sqrt(rest)[None], np.ones(1))

    def _fit(self) -> None:
        """The shape's best parameters and the hyperparameters' in turn."""
        self._base, self._residual = self._flat, self._y
        if self._shape is not None:
            self._parameters = self._shape.prior[0]
        reach = FARTHEST * self._spread
        bounds = list(zip(self._prior - reach, self._prior + reach, strict=True))
        for steps in CLIMBS if self._shape is not None else [sum(CLIMBS)]:
            self._fit_shape()
            found = minimize(
                self._loss, self._theta, jac=True, method="L-BFGS-B",
                bounds=bounds, options={"maxiter": steps, "ftol": ENOUGH},
            )  # fmt: skip
            self._theta, self.evidence = np.asarray(found.x), -float(found.fun)
        covariance, _, _ = self._covariance(_Hyper.of(self._theta))
        self._root = dpotrf(covariance, lower=1, clean=1)[0]
        self._white = dtrtrs(self._root, self._residual, lower=1)[0]

    def _fit_shape(self) -> None:
        """Damped Gauss-Newton steps; then the shape is linear about where they end."""
        if self._shape is None:
            return
        prior, sd = self._shape.prior
        inner, _, _ = self._covariance(_Hyper.of(self._theta), self._flat)
        inverse = np.linalg.inv(inner)

        def loss(parameters: Floats) -> float:
            off = self._y - self._at(parameters)[0]
            return float(off @ inverse @ off + (((parameters - prior) / sd) ** 2).sum())

        here = loss(self._parameters)
        for _ in range(NEWTON_STEPS):
            value, slope = self._at(self._parameters)
            target = self._y - value + slope @ (self._parameters - prior)
            spread = inner + (slope * sd**2) @ slope.T
            aim = prior + sd**2 * (slope.T @ np.linalg.solve(spread, target))
            for part in (1.0, 0.5, 0.2):
                there = self._parameters + part * (aim - self._parameters)
                if (new := loss(there)) < here:
                    self._parameters, here = there, new
                    break
            else:
                break
        value, self._slope = self._at(self._parameters)
        self._residual = self._y - value + self._slope @ (self._parameters - prior)
        self._base = self._flat + (self._slope * sd**2) @ self._slope.T

    def _at(self, parameters: Floats) -> tuple[Floats, Floats]:
        assert self._shape is not None
        return self._shape.at(parameters, self._x)

    def _covariance(
        self, hyper: _Hyper, base: Floats | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Of the measurements, and its smooth part, and that part's slope along distance."""
        n = len(self._y)
        r = np.sqrt(5.0 * (self._apart @ hyper.shrink) + 1e-12)
        fall = hyper.amplitude * np.exp(-r)
        smooth = (fall * ((r / 3 + 1) * r + 1)).reshape(n, n)
        steps = (self._same @ hyper.step).reshape(n, n)
        covariance = (self._base if base is None else base) + smooth + steps
        covariance[np.diag_indices(n)] += hyper.own
        return covariance, smooth, fall * (1 + r) * (5.0 / 3.0)

    def _loss(self, theta: Floats) -> tuple[float, Floats]:
        """Minus the log posterior density of hyperparameters, without constants, and its slope."""
        hyper = _Hyper.of(theta)
        covariance, smooth, along = self._covariance(hyper)
        root, failed = dpotrf(covariance, lower=1)
        if failed:
            return 1e10, np.zeros_like(theta)
        half = dpotri(root, lower=1)[0]
        inverse = np.tril(half) + np.tril(half, -1).T
        solved = inverse @ self._residual
        scaled = (theta - self._prior) / self._spread
        loss = 0.5 * (self._residual @ solved + scaled @ scaled) + np.log(np.diag(root)).sum()
        pull = 0.5 * (inverse - np.outer(solved, solved))
        flat = pull.reshape(-1)
        slope = np.concatenate([
            [2.0 * (pull * smooth).sum()],
            ((flat * along) @ self._apart) * hyper.shrink,
            2.0 * (flat @ self._same) * hyper.step,
            [2.0 * hyper.own * np.trace(pull)],
        ])  # fmt: skip
        return float(loss), slope + scaled / self._spread


def _pairs(rank: Floats) -> tuple[Floats, Floats]:
    """Of all pairs of points: squared distances along each axis, and where they agree; (n², d)."""
    apart = ((rank[:, None] - rank[None]) ** 2).reshape(-1, rank.shape[1])
    return apart, (apart == 0.0).astype(float)


def _smooth(hyper: _Hyper, a: Floats, b: Floats) -> Floats:
    """Matern-5/2 between points; shape (len(a), len(b))."""
    a, b = a * np.sqrt(hyper.shrink), b * np.sqrt(hyper.shrink)
    apart = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    r = np.sqrt(5.0 * np.maximum(apart, 0.0))
    return np.asarray(hyper.amplitude * ((r / 3 + 1) * r + 1) * np.exp(-r))
