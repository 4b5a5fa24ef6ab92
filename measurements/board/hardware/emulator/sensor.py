"""The INA3221 power sensors: a low-pass inside the chip, then coarse registers.

Source: TI SBOS576 8.4.1 (running average), Documentation/hwmon/ina3221 (millivolts and
milliamperes); steps and time constant: docs/emulator.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt
from typing import NamedTuple

from .boards.data import Bus, RailData

VOLT_STEP_MV = 8


class Registers(NamedTuple):
    """What the kernel's hwmon files say of one rail."""

    millivolts: int
    milliamperes: int

    @property
    def milliwatts(self) -> int:
        return self.millivolts * self.milliamperes // 1000


class LowPass:
    """First-order low-pass of each rail's current, exact for piecewise constant input."""

    def __init__(self, rails: Sequence[RailData], tau_s: float) -> None:
        self.rails = rails
        self.tau_s = tau_s
        self.amperes = [0.0] * len(rails)
        self._target = [0.0] * len(rails)

    def hold(self, rails_w: Sequence[float]) -> None:
        """From now on the rails draw `rails_w`."""
        self._target = [
            amperes(rail.bus, power) if rail.bus else 0.0
            for rail, power in zip(self.rails, rails_w, strict=True)
        ]

    def settle(self) -> None:
        """As after a long time at the present power."""
        self.amperes = list(self._target)

    def elapse(self, dt_s: float) -> None:
        keep = exp(-dt_s / self.tau_s)
        self.amperes = [
            to + (was - to) * keep for was, to in zip(self.amperes, self._target, strict=True)
        ]

    def registers(self, rail: int) -> Registers:
        bus = self.rails[rail].bus
        return Registers(0, 0) if bus is None else quantise(bus, self.amperes[rail])


def amperes(bus: Bus, power_w: float) -> float:
    """The current at which a supply of `bus.volts` behind `bus.ohms` delivers `power_w`."""
    return (bus.volts - sqrt(bus.volts**2 - 4.0 * bus.ohms * power_w)) / (2.0 * bus.ohms)


def quantise(bus: Bus, current_a: float) -> Registers:
    """The registers, to the nearest step, for a (low-passed) current."""
    step_ma = bus.step_a * 1000.0
    millivolts = (bus.volts - bus.ohms * current_a) * 1000.0
    return Registers(
        millivolts=round(millivolts / VOLT_STEP_MV) * VOLT_STEP_MV,
        milliamperes=round(round(current_a * 1000.0 / step_ma) * step_ma),
    )
