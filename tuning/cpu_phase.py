"""Which CPU clock a sweep holds: a pure function of what preprocessing alone took at each.

A request is prepared on a CPU core while the accelerator infers the one before. At a pace of
one request each `pace_s` the board spends, per request, the energy of preparing it and, for the
rest of the beat, that of standing idle at the same clock:

    E(f) = P(f) * T(f) + P_idle(f) * max(0, pace_s - T(f)) + slowing / f

A clock so low that preparing takes longer than a beat slows everything down and pays for it
here; a clock so high that the core waits pays for its volts. The last term is what a slow CPU
does to inference itself, whose kernels it launches: it is known once whole requests were
measured at two clocks. Powers are smoothed by what
physics says of them, since a sensor's steps are as large as the difference between two
clocks. Units: Hz, s, W, J per request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]
Work = Literal["request", "preprocessing"]

COARSE = 7
"""So many clocks a thinned phase measures before it looks where the curve is lowest."""
WHOLE = 2
"""Runs of whole requests in a phase: as found, and at the clock that is to be held."""
REFUTED = 1.5
"""Where whole requests took no less energy at a clock, the next try is so many times as fast."""
FEWEST = 3
"""Fewer readings make no curve."""


@dataclass(frozen=True, slots=True)
class Item:
    """What one run of the phase serves, at which clock; None: as found."""

    work: Work
    cpu_hz: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Preprocessing alone at one clock: time and board power while it runs, and idle power."""

    time_s: float
    power_w: float
    idle_w: float

    @property
    def energy_j(self) -> float:
        """Of the whole board, per prepared request."""
        return self.power_w * self.time_s


@dataclass(frozen=True, slots=True)
class Terms:
    """What the clock has to keep up with.

    `pace_s`: seconds between two requests as inference takes them, or as they arrive; 0 if
    it is not known. `limit_s`: how long preparing one request may take; None: no limit.
    `floor_hz`: the lowest clock to consider, since whole requests refuted those below.
    `slowing_j_hz`: J per request that inference takes more for each 1/Hz of the clock.
    """

    pace_s: float
    limit_s: float | None
    floor_hz: float = 0.0
    slowing_j_hz: float = 0.0

    def keeps(self, time_s: float) -> bool:
        return self.limit_s is None or time_s <= self.limit_s

    def energy_j(self, reading: Reading, cpu_hz: float) -> float:
        """E(f) of the module's text."""
        rest_s = max(0.0, self.pace_s - reading.time_s)
        slowing_j = self.slowing_j_hz / cpu_hz
        return reading.power_w * reading.time_s + reading.idle_w * rest_s + slowing_j


@dataclass(frozen=True, slots=True)
class Curves:
    """Time, power and idle power over the clock, through the readings.

    Each is a sum of non-negative parts: T = t0 + t1 / f; P = p0 + p1 f + p2 f^3, for power
    rises with f while the voltage stands and with f V^2 once it rises with the clock.
    """

    top_hz: float
    time: Floats
    power: Floats
    idle: Floats

    def at(self, cpu_hz: float) -> Reading:
        share = np.array([cpu_hz / self.top_hz])
        return Reading(
            time_s=float((_times(share) @ self.time)[0]),
            power_w=float((_powers(share) @ self.power)[0]),
            idle_w=float((_powers(share) @ self.idle)[0]),
        )


def curves(readings: Mapping[int, Reading]) -> Curves | None:
    """The curves through readings at held clocks; None if they are too few.

    Args:
        readings: By clock in Hz.
    """
    if len(readings) < FEWEST:
        return None
    clocks, found = np.array(list(readings), dtype=float), list(readings.values())
    top_hz = float(clocks.max())
    times, powers = _times(clocks / top_hz), _powers(clocks / top_hz)
    # Relative errors of times count alike at all clocks; watts have one error at all.
    taken_s = np.array([one.time_s for one in found])
    return Curves(
        top_hz=top_hz,
        time=nnls(times / taken_s[:, None], np.ones(len(found)))[0],
        power=nnls(powers, np.array([one.power_w for one in found]))[0],
        idle=nnls(powers, np.array([one.idle_w for one in found]))[0],
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """The clock of least energy among those that keep the limit; None: there is none.

    `energy_j` is E(f) there; None if there is none.
    """

    cpu_hz: int | None
    energy_j: float | None
    keeps_limit: bool


def choose(
    clocks_hz: Sequence[int], readings: Mapping[int | None, Reading], terms: Terms
) -> Choice:
    """The clock of the list to hold, by the curves. Whether it beats the clock as found, only
    whole requests tell: a governor may idle cores that a fixed clock keeps running.

    If no clock keeps the limit, the one that prepares fastest.
    """
    fitted = curves({hz: one for hz, one in readings.items() if hz is not None})
    if fitted is None:
        return Choice(None, None, keeps_limit=False)
    offers = {hz: fitted.at(hz) for hz in clocks_hz if hz >= terms.floor_hz}
    if not offers:
        return Choice(None, None, keeps_limit=True)
    energies_j = {hz: terms.energy_j(one, hz) for hz, one in offers.items()}
    kept = [hz for hz, one in offers.items() if terms.keeps(one.time_s)]
    if kept:
        best = min(kept, key=energies_j.__getitem__)
    else:
        best = min(offers, key=lambda hz: offers[hz].time_s)
    return Choice(best, energies_j[best], keeps_limit=bool(kept))


def slowing_s_hz(inference_s: Mapping[float, float]) -> float:
    """How many seconds longer an inference takes for each 1/Hz of the CPU clock, at least 0.

    Args:
        inference_s: Seconds of inference per request by CPU clock in Hz; least squares
            over 1/f. Fewer than two clocks tell nothing: 0.
    """
    if len(inference_s) < 2:
        return 0.0
    periods, taken = 1 / np.array(list(inference_s)), np.array(list(inference_s.values()))
    apart = periods - periods.mean()
    return max(0.0, float(apart @ taken / (apart @ apart)))


def coarse(clocks_hz: Sequence[int], count: int = COARSE) -> list[int]:
    """About `count` of the clocks, evenly spread, both ends included, from the top down."""
    if len(clocks_hz) <= count:
        return sorted(clocks_hz, reverse=True)
    step = (len(clocks_hz) - 1) / (count - 1)
    return [sorted(clocks_hz)[round(i * step)] for i in reversed(range(count))]


def next_item(
    clocks_hz: Sequence[int],
    asked: Mapping[Item, Reading | None],
    terms: Terms,
    *,
    is_thinned: bool,
    is_busy: bool,
) -> Item | None:
    """What to measure next; None if nothing is left, or not before what runs has ended.

    First a whole request as found, which tells the pace, then preprocessing as found and
    at the clocks, from the top down; a thinned phase goes on where the curve is lowest until
    it has measured there; last a whole request at the chosen clock.

    Args:
        asked: Everything asked so far; None: a whole request, under way, or given up.
        is_busy: Whether some of it is under way.
    """
    first = [Item("request", None), Item("preprocessing", None)]
    first += [Item("preprocessing", hz) for hz in _planned(clocks_hz, is_thinned)]
    for item in first:
        if item not in asked:
            return item
    if is_busy:
        return None
    chosen = choose(clocks_hz, readings_of(asked), terms).cpu_hz
    if chosen is None:
        return None
    last = (Item("preprocessing", chosen), Item("request", chosen))
    return next((item for item in last if item not in asked), None)


def readings_of(asked: Mapping[Item, Reading | None]) -> dict[int | None, Reading]:
    """What is known of preprocessing, by clock."""
    return {item.cpu_hz: one for item, one in asked.items()
            if item.work == "preprocessing" and one is not None}  # fmt: skip


def most_items(clocks_hz: Sequence[int], *, is_thinned: bool) -> int:
    """How many runs a phase takes, about: a thinned one mostly looks twice more."""
    more = 2 if is_thinned and len(clocks_hz) > COARSE else 0
    return WHOLE + 1 + len(_planned(clocks_hz, is_thinned)) + more


def preparing_limit_s(slo_ms: float | None, batch_size: int) -> float | None:
    """Half of the latency limit, shared by the requests of a batch; None: no limit.

    The stages work in step: while a batch is inferred, the next one is prepared and waits
    for its turn. A request lives for two beats, and the longer stage is the beat, so a
    beat may last half of the limit.
    """
    return None if slo_ms is None else slo_ms / 2e3 / batch_size


def _planned(clocks_hz: Sequence[int], is_thinned: bool) -> list[int]:
    return coarse(clocks_hz) if is_thinned else sorted(clocks_hz, reverse=True)


def _times(shares: Floats) -> Floats:
    return np.column_stack((np.ones_like(shares), 1 / shares))


def _powers(shares: Floats) -> Floats:
    return np.column_stack((np.ones_like(shares), shares, shares**3))
