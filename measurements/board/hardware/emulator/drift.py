"""What drifts by itself on an emulated board: its heat, and the ripple of its power."""

from __future__ import annotations

import random
from math import exp, sqrt

from . import boards


class Heat:
    """The hottest spot's rise over ambient in two stages: the die at once, the sink later."""

    def __init__(self, thermal: boards.Thermal) -> None:
        self._stages = (
            (thermal.fast_k_per_w, thermal.fast_tau_s),
            (thermal.slow_k_per_w, thermal.slow_tau_s),
        )
        self._rises_k = [0.0, 0.0]

    @property
    def rise_k(self) -> float:
        return sum(self._rises_k)

    def settle(self, power_w: float) -> None:
        """As after a long time at `power_w`."""
        self._rises_k = [k_per_w * power_w for k_per_w, _ in self._stages]

    def flow(self, power_w: float, dt_s: float) -> None:
        """Each stage goes on towards its share of `power_w`, the mean over `dt_s`."""
        self._rises_k = [
            rise_k + (k_per_w * power_w - rise_k) * (1.0 - exp(-dt_s / tau_s))
            for rise_k, (k_per_w, tau_s) in zip(self._rises_k, self._stages, strict=True)
        ]


class Ripple:
    """A factor around 1 for each part's power: a first-order autoregression, seeded."""

    def __init__(self, ripple: boards.Ripple, parts: int, *, seed: str) -> None:
        self._ripple = ripple
        self._random = random.Random(seed)
        self.factors = [1.0] * parts

    def sway(self, dt_s: float) -> None:
        keep = exp(-dt_s / self._ripple.tau_s)
        kick = self._ripple.amplitude * sqrt(1.0 - keep**2)
        self.factors = [
            1.0 + (part - 1.0) * keep + kick * self._random.gauss(0.0, 1.0) for part in self.factors
        ]
