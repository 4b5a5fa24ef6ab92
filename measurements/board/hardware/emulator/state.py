"""The parts of an emulated board's state: clocks, work in progress, running sums."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from .physics import Work


@dataclass(slots=True, eq=False)
class Job:
    """A batch in progress. `left` is a share of it on the GPU, cycles on the CPU."""

    left: float
    work: Work | None = None
    rate: float = 0.0
    due_s: float = inf
    end_s: float | None = None
    """When it was complete; None while it runs."""


@dataclass(slots=True)
class Domain:
    """One clock that takes its time to change."""

    hz: int
    settle_s: float
    wanted_hz: int = 0
    due_s: float = inf

    def aim(self, hz: int, now_s: float) -> None:
        if hz == (self.hz if self.due_s == inf else self.wanted_hz):
            return
        self.wanted_hz, self.due_s = hz, now_s + self.settle_s

    def take(self) -> None:
        self.hz, self.due_s = self.wanted_hz, inf


@dataclass(slots=True)
class Totals:
    """Running sums since the start, from which a reader takes differences."""

    gpu_busy_s: float = 0.0
    core_busy_s: float = 0.0
    dram_bytes: float = 0.0
    emc_cycles: float = 0.0
    total_j: float = 0.0


@dataclass(frozen=True, slots=True)
class TrueEnergy:
    """What really was drawn: the total, and each rail in the board's order."""

    total_j: float
    rails_j: tuple[float, ...]
