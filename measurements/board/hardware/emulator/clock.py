"""Virtual time: sleeping moves the model, and whatever falls due on the way rings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

SLICE_WALL_S = 0.05
"""Longest stretch of wall time that a paced sleep spends in one go."""
SHORTEST_NAP_S = 0.005


@dataclass(slots=True, eq=False)
class Alarm:
    """Calls `ring()` at `due_s`; what it returns is the next time."""

    due_s: float
    ring: Callable[[], float]


class Timed(Protocol):
    """Whatever lives in virtual time: an emulated board's model, a replay."""

    @property
    def now_s(self) -> float: ...

    def advance(self, t_s: float) -> None:
        """Live until `t_s`."""


class VirtualClock:
    """The board's time is the model's. To be used from one thread only.

    Args:
        pace: How many virtual seconds a wall second may hold; None: as fast as possible.
            Asked again and again, since watchers come and go.
    """

    def __init__(self, model: Timed, pace: Callable[[], float | None]) -> None:
        self._model = model
        self._pace = pace
        self._alarms: list[Alarm] = []
        self._ahead_s = 0.0

    def now(self) -> float:
        return self._model.now_s

    def sleep_until(self, t_s: float) -> None:
        while self._model.now_s < t_s:
            rate = self._pace()
            if rate is None:
                self._ahead_s = 0.0
                self._live_until(t_s)
            else:
                self._live_paced(t_s, rate)

    def add(self, alarm: Alarm) -> None:
        self._alarms.append(alarm)

    def remove(self, alarm: Alarm) -> None:
        self._alarms.remove(alarm)

    @contextmanager
    def every(self, interval_ms: int, ring: Callable[[], None]) -> Iterator[None]:
        """Call `ring()` each `interval_ms` of virtual time; see `protocol.Ticks`."""

        def rung() -> float:
            ring()
            return self._model.now_s + interval_ms / 1000

        alarm = Alarm(self._model.now_s, rung)
        self.add(alarm)
        try:
            yield
        finally:
            self.remove(alarm)

    def _live_until(self, t_s: float) -> None:
        """Advance to `t_s`, ringing each alarm at its time."""
        while self._alarms:
            first = min(self._alarms, key=lambda alarm: alarm.due_s)
            if first.due_s > t_s:
                break
            self._model.advance(first.due_s)
            first.due_s = first.ring()
        self._model.advance(t_s)

    def _live_paced(self, t_s: float, rate: float) -> None:
        was_s = self._model.now_s
        self._live_until(min(t_s, was_s + rate * SLICE_WALL_S))
        self._ahead_s += (self._model.now_s - was_s) / rate
        if self._ahead_s > SHORTEST_NAP_S:
            began = time.monotonic()
            time.sleep(self._ahead_s)
            self._ahead_s -= time.monotonic() - began
