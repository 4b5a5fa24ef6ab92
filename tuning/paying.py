"""Whether the next measurement pays: what it is expected to save against what it costs.

A measurement costs the energy that the board draws for it. What it may find saves energy on
every later request. Pure functions: the same observations give the same decision, so a
search that is resumed ends where it would have ended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from measurements.units import JOULE

FEWEST = 5
"""Below so many measured points the model has no say in when to stop."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """The next measurement's worth.

    Args:
        gain_j: Expected saving in J per request (expected improvement); infinite while no
            measured point meets the limit.
        requests: How many requests the result is going to serve.
        cost_j: What a measurement draws, in J.
    """

    gain_j: float
    requests: int
    cost_j: float

    @property
    def saves_j(self) -> float:
        return self.gain_j * self.requests

    @property
    def pays(self) -> bool:
        return self.saves_j >= self.cost_j

    @property
    def words(self) -> str:
        if math.isinf(self.gain_j):
            return "no measured point meets the limit yet, so the next measurement pays"
        return (
            f"next measurement: expected to save {JOULE.text(self.gain_j)}/request × "
            f"{self.requests:,} requests = {joules(self.saves_j)}, costs about "
            f"{joules(self.cost_j)}"
        )


def stop_because(prospect: Prospect | None, *, measured: int) -> str:
    """Why the search ends before its budget, in words; empty while it goes on.

    Args:
        prospect: None if what a measurement costs is unknown.
        measured: How many points have been measured.
    """
    if prospect is None or measured < FEWEST or prospect.pays:
        return ""
    return f"{prospect.words[0].upper()}{prospect.words[1:]}: stopped."


@dataclass(frozen=True, slots=True)
class PayBack:
    """After how many requests a search has saved what it cost, with the saving's interval.

    `most` is None where the interval of the saving reaches down to nothing.
    """

    requests: float
    fewest: float
    most: float | None


def pay_back(
    *, cost_j: float, default_j: float, share: float, low: float, high: float
) -> PayBack | None:
    """Of a search that cost `cost_j`; None if nothing is saved.

    Args:
        default_j: Energy per request at the default clocks.
        share, low, high: The share of it that is saved, and the 95 % interval.
    """
    if share <= 0:
        return None
    most = cost_j / (low * default_j) if low > 0 else None
    return PayBack(cost_j / (share * default_j), cost_j / (high * default_j), most)


def joules(energy_j: float) -> str:
    """Whole joules with thousands apart, three digits below ten: "2,300 J", "0.812 J"."""
    return f"{energy_j:,.0f} J" if abs(energy_j) >= 10 else f"{energy_j:.3g} J"
