"""A clock's legal values as a strip: where the default and the present limits lie on it.

Positions run from 0 (the lowest legal value) to 100 (the highest), linear in Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Limits = tuple[int | None, int | None]
"""Lower and upper limit in Hz; None where the board's governor decides."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of a strip, in per cent of its length."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Ladder:
    """One knob: its legal values in Hz, ascending, with the limits by default and now.

    A band is None if its limits are not known; limits that are open on one side reach
    to that end.
    """

    name: str
    part: str
    legal_hz: tuple[int, ...]
    default_hz: Limits
    now_hz: Limits

    @property
    def ticks(self) -> list[float]:
        return [self.position(hz) for hz in self.legal_hz]

    @property
    def default_band(self) -> Band | None:
        return self._band(self.default_hz)

    @property
    def now_band(self) -> Band | None:
        return self._band(self.now_hz)

    @property
    def is_default(self) -> bool:
        return self.now_hz == self.default_hz

    def position(self, hz: int) -> float:
        """Where `hz` lies, 0 to 100; beyond the table it stays at the end."""
        low, high = self.legal_hz[0], self.legal_hz[-1]
        if high == low:
            return 50.0
        return round(100 * min(1.0, max(0.0, (hz - low) / (high - low))), 2)

    def _band(self, limits: Limits) -> Band | None:
        low, high = limits
        if not self.legal_hz or low is high is None:
            return None
        return Band(
            0.0 if low is None else self.position(low),
            100.0 if high is None else self.position(high),
        )


def ladder(
    name: str, part: str, *, legal_hz: Sequence[int], default_hz: Limits, now_hz: Limits
) -> Ladder:
    return Ladder(name, part, tuple(sorted(legal_hz)), default_hz, now_hz)
