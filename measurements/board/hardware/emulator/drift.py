"""What drifts by itself on an emulated board: its heat, and the ripple of its power."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import exp, sqrt

from . import physics
from .boards.data import Thermal


class Heat:
    """The hottest spot's rise over ambient in two stages: the die at once, the sink later."""

    def __init__(self, thermal: Thermal) -> None:
        self._stages = (
            (thermal.fast_k_per_w, thermal.fast_tau_s),
            (thermal.slow_k_per_w, thermal.slow_tau_s),
        )
        self.rises_k = [0.0, 0.0]

    @property
    def rise_k(self) -> float:
        return sum(self.rises_k)

    def settle(self, power_w: float) -> None:
        """As after a long time at `power_w`."""
        self.rises_k = [k_per_w * power_w for k_per_w, _ in self._stages]

    def flow(self, power_w: float, dt_s: float) -> None:
        """Each stage goes on towards its share of `power_w`, the mean over `dt_s`."""
        self.rises_k = [
            rise_k + (k_per_w * power_w - rise_k) * (1.0 - exp(-dt_s / tau_s))
            for rise_k, (k_per_w, tau_s) in zip(self.rises_k, self._stages, strict=True)
        ]


class Ripple:
    """What each part draws more or less by itself: first-order autoregressions, seeded.

    Args:
        sigmas_w: Standard deviation of each part, shape (parts,).
    """

    def __init__(self, sigmas_w: Sequence[float], tau_s: float, *, seed: str) -> None:
        self._sigmas_w = tuple(sigmas_w)
        self._tau_s = tau_s
        self.random = random.Random(seed)
        self.watts = [0.0] * len(self._sigmas_w)

    def sway(self, dt_s: float) -> None:
        keep = exp(-dt_s / self._tau_s)
        kick = sqrt(1.0 - keep**2)
        self.watts = [
            was * keep + kick * sigma * self.random.gauss(0.0, 1.0)
            for was, sigma in zip(self.watts, self._sigmas_w, strict=True)
        ]

    def on(self, parts: physics.Parts) -> physics.Parts:
        """The parts' power with the ripple; a part that is off has none."""
        return physics.Parts(
            *[
                max(power + extra, 0.0) if power else 0.0
                for power, extra in zip(parts, self.watts, strict=True)
            ]
        )
