"""The energy of any window of a run, by the rule that its own figures are made by.

Conventions as in `power`: seconds from the run's start, watts, NaN where not stated;
what cannot be known raises `EnergyUnknown`. Powers count as read: unlike a run's own
energies, a window's weighs nothing for the steps of the sensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from measurements.energy import not_attributed
from measurements.messages import Rail
from measurements.power import EnergyUnknown, PowerMissing, Trace, Window

LEAST_S = 0.01
"""A shorter window holds less than one reading of any sampler here."""


class NoWindow(EnergyUnknown):
    """What was asked for is not a stretch of time."""


@dataclass(frozen=True, slots=True)
class RailWindow:
    """One rail over the window; None where a sample in it does not state its power."""

    rail: Rail
    energy_j: float | None
    mean_w: float | None


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """What was drawn within `window`, and how many requests were completed in it.

    `energy_j` is the board's total; `rest_j` what no rail accounts for, None where that
    is not known; `requests` is None where nobody timed them.
    """

    window: Window
    energy_j: float
    rails: tuple[RailWindow, ...]
    rest_j: float | None
    requests: int | None
    samples: int

    @property
    def mean_w(self) -> float:
        return self.energy_j / self.window.length_s

    @property
    def per_request_j(self) -> float | None:
        """All energy of the window over the requests completed in it; None if there is none."""
        return self.energy_j / self.requests if self.requests else None


def window(start_s: float, end_s: float) -> Window:
    """Raises NoWindow unless it is a finite stretch of at least `LEAST_S`."""
    if not (math.isfinite(start_s) and math.isfinite(end_s)):
        raise NoWindow("start and end must be numbers of seconds")
    if end_s - start_s < LEAST_S:
        raise NoWindow(f"the window must end at least {LEAST_S:g} s after it starts")
    return Window(start_s, end_s)


def over(
    asked: Window,
    *,
    total: Trace,
    rails: Sequence[tuple[Rail, Trace]],
    requests: int | None,
) -> WindowEnergy:
    """Energy within `asked`, in total and by rail, freed of the sensor's low-pass.

    Raises:
        EnergyUnknown: See its subclasses; a rail apart from the total is only left out.
    """
    energy_j = float(total.joules_between(asked)[0])
    parts = tuple(_rail(rail, trace, asked) for rail, trace in rails)
    return WindowEnergy(
        window=asked,
        energy_j=energy_j,
        rails=parts,
        rest_j=not_attributed([part.rail for part in parts], [part.energy_j for part in parts]),
        requests=requests,
        samples=int(((total.t_s >= asked.start_s) & (total.t_s <= asked.end_s)).sum()),
    )


def _rail(rail: Rail, trace: Trace, asked: Window) -> RailWindow:
    try:
        energy_j = float(trace.joules_between(asked)[0])
    except PowerMissing:
        return RailWindow(rail, None, None)
    return RailWindow(rail, energy_j, energy_j / asked.length_s)
