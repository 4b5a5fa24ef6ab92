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

DRAWS = 32
ROUNDS = (0.7, 0.4, 0.25)
"""Spread of each round of local search, in standard deviations of the prior."""
PARENTS = 8
KEPT = 6
STEP = 0.03
OWN = 0.02
NEGLIGIBLE = 0.01
"""Members whose weight is less than this share of the heaviest one's are left out."""
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
    """Expected elasticities beside those of a physical mean, shape (axes,)."""
    loads: Floats
    """Elasticity by which a knob scales all shares of a physical mean but its rest, (axes,)."""


class Parameters(NamedTuple):
    """Hyperparameters of `m` processes over `d` axes; amplitudes are standard deviations."""

    length: Floats  # (m, d), in unit coordinates
    slope: Floats  # (m, d), per natural log unit
    bend: Floats  # (m, d), per squared unit coordinate
    step: Floats  # (m, d), of each value of a knob by itself: voltages and schedulers jump
    rough: Floats  # (m,)
    own: Floats  # (m,)
    share: Floats  # (m, d + 1), of each knob and of what no knob changes; sums to 1
    exponent: Floats  # (m, d)
    corner: Floats  # (m,)

    @classmethod
    def of(cls, theta: Floats, family: Family) -> Parameters:
        """Args: theta: shape (m, parameters)."""
        d = family.axes
        parts = np.split(theta, np.cumsum([d, d, d, d, 1, 1, d + 1, d]), axis=1)
        length, slope, bend, step, rough, own, share, exponent, corner = parts
        weight = np.exp(share - share.max(axis=1, keepdims=True))
        return cls(
            np.exp(length), np.exp(slope), np.exp(bend), np.exp(step),
            np.exp(rough[:, 0]), np.exp(own[:, 0]),
            weight / weight.sum(axis=1, keepdims=True), exponent, np.exp(corner[:, 0]),
        )  # fmt: skip


def family(
    slopes: Floats, *, exponents: Floats | None = None, loads: Floats | None = None
) -> Family:
    """The prior for a space of knobs; what is typical of clocks, watts and seconds.

    Args:
        slopes: Expected elasticity of each knob, shape (axes,).
        exponents: Law of each knob's share in a physical mean, shape (axes,); None: no such mean.
        loads: See `Family`.
    """
    d, physical = len(slopes), exponents is not None
    slope = 0.1 if physical else 0.4
    rough = 0.07 if physical else 0.2
    blocks = [
        (d, np.log(0.9), 0.7),  # length
        (d, np.log(slope), 0.7),
        (d, np.log(rough), 0.9),  # bend
        (d, np.log(STEP), 0.9),
        (1, np.log(rough), 0.8),
        (1, np.log(OWN), 0.9),  # own
        (d + 1, 0.0, 1.3),  # share
        (d, 0.0, 0.25 if physical else 0.0),  # exponent
        (1, np.log(2.0), 0.5),  # corner
    ]
    mean = np.concatenate([np.full(n, m) for n, m, _ in blocks])
    sd = np.concatenate([np.full(n, s) for n, _, s in blocks])
    if exponents is not None:
        mean[-1 - d : -1] = exponents
    return Family(mean, sd, d, physical, slopes, np.zeros(d) if loads is None else loads)


class _Kernel:
    """Covariances and means of `m` processes between points of one space."""

    def __init__(self, theta: Floats, family: Family) -> None:
        self.family = family
        self.p = Parameters.of(theta, family)

    def between(self, a: Coordinates, b: Coordinates) -> Floats:
        """Shape (m, len(a), len(b)); without the part that each point has for itself."""
        p = self.p
        apart = (a.unit.T[:, :, None] - b.unit.T[:, None, :]) ** 2
        r = np.sqrt(5.0 * _combine(p.length**-2, apart))
        deviation = (p.rough**2)[:, None, None] * ((r / 3 + 1) * r + 1) * np.exp(-r)
        slopes = (a.natural * (p.slope**2)[:, None, :]) @ b.natural.T
        bends = (_bow(a) * (p.bend**2)[:, None, :]) @ _bow(b).T
        steps = _combine(p.step**2, (apart == 0.0).astype(float))
        return LEVEL_SD**2 + deviation + slopes + bends + steps

    def variance(self, a: Coordinates) -> Floats:
        """Prior variance of each point, with its own part; shape (m, len(a))."""
        p = self.p
        smooth = p.slope**2 @ (a.natural**2).T + p.bend**2 @ (_bow(a) ** 2).T
        level = LEVEL_SD**2 + p.rough**2 + p.own**2 + (p.step**2).sum(axis=1)
        return np.asarray(smooth + level[:, None])

    def mean(self, a: Coordinates) -> Floats:
        """Prior mean up to a constant, shape (m, len(a))."""
        line = a.natural @ self.family.slopes
        if not self.family.physical:
            return np.asarray(np.tile(line, (len(self.p.own), 1)))
        p = self.p
        loaded = a.natural * (1.0 - self.family.loads) * p.exponent[:, None, :]
        terms = np.log(p.share[:, None, :-1]) + loaded + (a.natural @ self.family.loads)[:, None]
        rest = np.broadcast_to(np.log(p.share[:, None, -1:]), (*terms.shape[:2], 1))
        corner = p.corner[:, None, None]
        scaled = corner * np.concatenate([terms, rest], axis=2)
        top = scaled.max(axis=2, keepdims=True)
        total = top[..., 0] + np.log(np.exp(scaled - top).sum(axis=2))
        return np.asarray(line + total / corner[..., 0])


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
        solved = np.linalg.inv(self.root) @ across
        mean = self.kernel.mean(x) + self.level + (self.white[:, None, :] @ solved)[:, 0]
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
        found = np.sort(np.concatenate([fit.posterior for fit in searched]))
        bar = max(found[-KEPT], found[-1] + np.log(NEGLIGIBLE))
        chosen = [fit.only(np.flatnonzero(fit.posterior >= bar)) for fit in searched]
        self.fits = [fit for fit in chosen if len(fit.theta)]
        posterior = np.concatenate([fit.posterior for fit in self.fits])
        self.evidence = float(posterior.max())
        weight = np.exp(posterior - self.evidence)
        self.weight = weight / weight.sum()

    def predict(self, x: Coordinates, members: int | None = None) -> Mixture:
        """What is believed at `x`; by the heaviest `members` alone, if that is said."""
        bar = 0.0 if members is None else float(np.sort(self.weight)[-members:][0])
        return self._by(self.weight >= bar, x)

    def _by(self, chosen: NDArray[np.bool_], x: Coordinates) -> Mixture:
        parts = np.split(chosen, np.cumsum([len(fit.theta) for fit in self.fits])[:-1])
        fits = [
            fit if part.all() else fit.only(np.flatnonzero(part))
            for fit, part in zip(self.fits, parts, strict=True)
            if part.any()
        ]
        means, sds = zip(*(fit.predict(x) for fit in fits), strict=True)
        weight = self.weight[chosen]
        return Mixture(np.concatenate(means), np.concatenate(sds), weight / weight.sum())


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
    """Sum over axes: (m, d) with (d, a, b) to (m, a, b)."""
    d, a, b = values.shape
    return np.asarray((weights @ values.reshape(d, a * b)).reshape(len(weights), a, b))


def _bow(x: Coordinates) -> Floats:
    return x.unit**2 - 1 / 3
