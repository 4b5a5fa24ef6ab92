"""The exact energy of the emulated board: cumulative joules at every change of power."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence

KEPT = 2_000_000
"""Changes that are kept; the older half goes when it gets longer (hours of board time)."""


class BeforeTrace(ValueError):
    """The window begins before what the trace still holds."""


class EnergyTrace:
    """Power per rail, constant between changes; its integral is exact."""

    def __init__(self, start_s: float, rails: int) -> None:
        self._t_s = array("d", [start_s])
        self._joules = [array("d", [0.0]) for _ in range(rails)]

    def add(self, end_s: float, rails_w: Sequence[float]) -> None:
        """Power was `rails_w` (shape (rails,)) from the last end to `end_s`."""
        dt_s = end_s - self._t_s[-1]
        self._t_s.append(end_s)
        for joules, power in zip(self._joules, rails_w, strict=True):
            joules.append(joules[-1] + power * dt_s)
        if len(self._t_s) > KEPT:
            self._forget(KEPT // 2)

    def energy_j(self, start_s: float, end_s: float) -> tuple[float, ...]:
        """Joules of each rail between two times, shape (rails,).

        Raises:
            BeforeTrace: The window does not lie within the trace.
        """
        if not self._t_s[0] <= start_s <= end_s <= self._t_s[-1]:
            raise BeforeTrace(f"[{start_s}, {end_s}] s is not in {self._t_s[0]}…{self._t_s[-1]} s")
        return tuple(self._at(j, end_s) - self._at(j, start_s) for j in self._joules)

    def _at(self, joules: array[float], t_s: float) -> float:
        i = min(max(bisect_right(self._t_s, t_s) - 1, 0), len(self._t_s) - 2)
        if i < 0:
            return joules[0]
        width = self._t_s[i + 1] - self._t_s[i]
        share = (t_s - self._t_s[i]) / width if width else 1.0
        return joules[i] + share * (joules[i + 1] - joules[i])

    def _forget(self, count: int) -> None:
        for column in (self._t_s, *self._joules):
            del column[:count]
