"""What is believed about a quantity over a space, from few noisy measurements of it.

Targets are logarithms (of joules, watts or ms), so that knobs act by ratios and errors
are relative. The belief is a mixture of Gaussian processes whose hyperparameters were
drawn from a prior, improved by a short random search, and weighed by their evidence:
with five points the likelihood is far too flat to bet on its maximum.

One process: constant + slopes + bends + a Matern-5/2 deviation + a part that each point
has for itself. A *physical* one has beside that a mean in which each knob shares in the
time or power by its own law: log sum_j share_j * x_j^exponent_j, with a rounded corner.
Both kinds compete by evidence, so physics counts where measurements bear it out.

Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), 2.2, 2.7, 5.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuning.coordinates import Coordinates

Floats = NDArray[np.float64]

DRAWS = 48
ROUNDS = (0.7, 0.4, 0.25)
"""Spread of each round of local search, in standard deviations of the prior."""
PARENTS = 8
KEPT = 6
LEVEL_SD = 1.0
"""How far the mean of all points may be from the mean of those measured, in log units."""


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


@dataclass(frozen=True, slots=True)
class Family:
    """A prior over hyperparameters: independent normals of their (mostly log) values.

    `mean`, `sd`: shape (parameters,), laid out as `Parameters.of` reads them.
    """

    mean: Floats
    sd: Floats
    axes: int
    physical: bool
    slopes: Floats
    """Expected elasticities, shape (axes,); those of a physical mean come from its law."""


class Parameters(NamedTuple):
    """Hyperparameters of `m` processes over `d` axes; amplitudes are standard deviations."""

    length: Floats  # (m, d), in unit coordinates
    slope: Floats  # (m, d), per natural log unit
    bend: Floats  # (m, d), per squared unit coordinate
    rough: Floats  # (m,)
    own: Floats  # (m,)
    share: Floats  # (m, d + 1), of each knob and of what no knob changes; sums to 1
    exponent: Floats  # (m, d)
    corner: Floats  # (m,)

    @classmethod
    def of(cls, theta: Floats, family: Family) -> Parameters:
        """Args: theta: shape (m, parameters)."""
        d = family.axes
        parts = np.split(theta, np.cumsum([d, d, d, 1, 1, d + 1, d]), axis=1)
        length, slope, bend, rough, own, share, exponent, corner = parts
        weight = np.exp(share - share.max(axis=1, keepdims=True))
        return cls(
            np.exp(length), np.exp(slope), np.exp(bend), np.exp(rough[:, 0]), np.exp(own[:, 0]),
            weight / weight.sum(axis=1, keepdims=True), exponent, np.exp(corner[:, 0]),
        )  # fmt: skip


def family(
    axes: int, *, physical: bool, slopes: Sequence[float], exponents: Sequence[float] = ()
) -> Family:
    """The prior for a space of `axes` knobs; what is typical of clocks, watts and seconds.

    Args:
        slopes: Expected elasticity of each knob in a process without a physical mean.
        exponents: Law of each knob's share in a physical mean.
    """
    d = axes
    slope = 0.1 if physical else 0.4
    rough = 0.07 if physical else 0.2
    blocks = [
        (d, np.log(0.9), 0.7),  # length
        (d, np.log(slope), 0.7),
        (d, np.log(rough), 0.9),  # bend
        (1, np.log(rough), 0.8),
        (1, np.log(0.02), 0.9),  # own
        (d + 1, 0.0, 1.3),  # share
        (d, 0.0, 0.25 if physical else 0.0),  # exponent
        (1, np.log(2.0), 0.5),  # corner
    ]
    mean = np.concatenate([np.full(n, m) for n, m, _ in blocks])
    sd = np.concatenate([np.full(n, s) for n, _, s in blocks])
    if physical:
        mean[-1 - d : -1] = exponents
    return Family(mean, sd, d, physical, np.zeros(d) if physical else np.asarray(slopes))


class _Kernel:
    """Covariances and means of `m` processes between points of one space."""

    def __init__(self, theta: Floats, family: Family) -> None:
        self.family = family
        self.p = Parameters.of(theta, family)

    def between(self, a: Coordinates, b: Coordinates) -> Floats:
        """Shape (m, len(a), len(b)); without the part that each point has for itself."""
        p = self.p
        apart = (a.unit[:, None, :] - b.unit[None, :, :]) ** 2
        r = np.sqrt(5.0 * _combine(p.length**-2, apart))
        deviation = (p.rough**2)[:, None, None] * (1 + r + r * r / 3) * np.exp(-r)
        slopes = _combine(p.slope**2, a.natural[:, None, :] * b.natural[None, :, :])
        bends = _combine(p.bend**2, _bow(a)[:, None, :] * _bow(b)[None, :, :])
        return LEVEL_SD**2 + deviation + slopes + bends

    def variance(self, a: Coordinates) -> Floats:
        """Prior variance of each point, with its own part; shape (m, len(a))."""
        p = self.p
        smooth = p.slope**2 @ (a.natural**2).T + p.bend**2 @ (_bow(a) ** 2).T
        return smooth + (LEVEL_SD**2 + p.rough**2 + p.own**2)[:, None]

    def mean(self, a: Coordinates) -> Floats:
        """Prior mean up to a constant, shape (m, len(a))."""
        if not self.family.physical:
            line = a.natural @ self.family.slopes
            return np.broadcast_to(line, (len(self.p.own), len(line)))
        p = self.p
        terms = np.log(p.share[:, None, :-1]) + p.exponent[:, None, :] * a.natural[None]
        rest = np.broadcast_to(np.log(p.share[:, None, -1:]), (*terms.shape[:2], 1))
        corner = p.corner[:, None, None]
        scaled = corner * np.concatenate([terms, rest], axis=2)
        top = scaled.max(axis=2, keepdims=True)
        total = top[..., 0] + np.log(np.exp(scaled - top).sum(axis=2))
        return np.asarray(total / corner[..., 0])


class _Fit:
    """Processes of one family conditioned on the measured values."""

    def __init__(
        self, theta: Floats, family: Family, x: Coordinates, y: Floats, noise: Floats
    ) -> None:
        self.theta, self.family, self.x, self.y, self.noise = theta, family, x, y, noise
        self.kernel = _Kernel(theta, family)
        self._condition()

    def _condition(self) -> None:
        n = len(self.y)
        diagonal = self.noise[None] + self.kernel.p.own[:, None] ** 2 + 1e-8
        covariance = self.kernel.between(self.x, self.x) + diagonal[:, :, None] * np.eye(n)
        mean = self.kernel.mean(self.x)
        # Each process starts from the measured values' own level.
        self.level = (self.y - mean).mean(axis=1, keepdims=True)
        self.root = np.linalg.cholesky(covariance)
        residual = self.y - mean - self.level
        self.white = np.linalg.solve(self.root, residual[..., None])[..., 0]
        logdet = np.log(np.diagonal(self.root, axis1=1, axis2=2)).sum(axis=1)
        evidence = -0.5 * (self.white**2).sum(axis=1) - logdet
        scaled = (self.theta - self.family.mean) / np.where(self.family.sd, self.family.sd, 1.0)
        self.evidence = evidence
        self.posterior = evidence - 0.5 * (scaled**2).sum(axis=1)

    def only(self, members: NDArray[np.intp]) -> _Fit:
        return _Fit(self.theta[members], self.family, self.x, self.y, self.noise)

    def predict(self, x: Coordinates) -> tuple[Floats, Floats]:
        """Mean and sd of what a point has in truth, noise left out; (m, len(x)) each."""
        across = self.kernel.between(self.x, x)
        solved = np.linalg.solve(self.root, across)
        mean = self.kernel.mean(x) + self.level + np.einsum("mn,mnz->mz", self.white, solved)
        variance = self.kernel.variance(x) - (solved**2).sum(axis=1)
        return mean, np.sqrt(np.maximum(variance, 1e-10))


class Surrogate:
    """The mixture of families fitted to measurements; `evidence` compares it with others."""

    def __init__(
        self,
        families: Sequence[Family],
        x: Coordinates,
        y: Floats,
        *,
        noise: Floats,
        rng: np.random.Generator,
    ) -> None:
        """Args: y: log values, shape (n,). noise: their variances, shape (n,)."""
        searched = [_searched(each, x, y, noise, rng) for each in families]
        bar = np.sort(np.concatenate([fit.posterior for fit in searched]))[-KEPT:].min()
        chosen = [fit.only(np.flatnonzero(fit.posterior >= bar)) for fit in searched]
        self.fits = [fit for fit in chosen if len(fit.theta)]
        posterior = np.concatenate([fit.posterior for fit in self.fits])
        self.evidence = float(posterior.max())
        weight = np.exp(posterior - self.evidence)
        self.weight = weight / weight.sum()

    def predict(self, x: Coordinates) -> Mixture:
        means, sds = zip(*(fit.predict(x) for fit in self.fits), strict=True)
        return Mixture(np.concatenate(means), np.concatenate(sds), self.weight)


def _searched(
    family: Family, x: Coordinates, y: Floats, noise: Floats, rng: np.random.Generator
) -> _Fit:
    """Draws from the prior, then rounds of small steps from the best so far."""
    theta = family.mean + family.sd * rng.standard_normal((DRAWS, len(family.mean)))
    theta[0] = family.mean
    posterior = _Fit(theta, family, x, y, noise).posterior
    for spread in ROUNDS:
        parents = rng.choice(np.argsort(posterior)[-PARENTS:], DRAWS)
        steps = spread * family.sd * rng.standard_normal((DRAWS, len(family.mean)))
        steps *= rng.random(steps.shape) < 0.5
        children = theta[parents] + steps
        found = _Fit(children, family, x, y, noise).posterior
        theta, posterior = np.concatenate([theta, children]), np.concatenate([posterior, found])
    best = np.argsort(posterior)[-KEPT:]
    return _Fit(theta[best], family, x, y, noise)


def _combine(weights: Floats, values: Floats) -> Floats:
    """Sum over axes: (m, d) with (a, b, d) to (m, a, b)."""
    a, b, d = values.shape
    return np.asarray((weights @ values.reshape(a * b, d).T).reshape(len(weights), a, b))


def _bow(x: Coordinates) -> Floats:
    return x.unit**2 - 1 / 3
