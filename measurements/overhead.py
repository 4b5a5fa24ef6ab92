"""What sampling costs: power under the same load with a fast sampler and a slow one, or none.

The two arms stand in blocks of four (fast, slow, slow, fast, or the other way round), so
that a drift that is straight over a block cancels. Each block gives one difference; their
mean has an interval by Student's t over the blocks. The CPU time of sampling bounds its
cost from below: how many watts a busy core takes is not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from measurements.messages import SamplerCpu
from measurements.statistics import student_t

BLOCK = 4
FEWEST_BLOCKS = 3


class NotComparable(ValueError):
    """The runs do not stand in blocks of two arms; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Mean power under the load with the sampler at `interval_ms`; None: it was off."""

    interval_ms: int | None
    power_w: float


@dataclass(frozen=True, slots=True)
class Overhead:
    """Power at `fast_ms` less that at `slow_ms`, in W; half of its 95 % interval.

    `slow_ms` is None where the other arm sampled nothing: then this is all that sampling costs.
    """

    fast_ms: int
    slow_ms: int | None
    extra_w: float
    half_width_w: float
    slow_w: float
    blocks: int


@dataclass(frozen=True, slots=True)
class CpuCost:
    """CPU time that sampling took at least, as shares of one core, over `runs` runs."""

    interval_ms: int
    runs: int
    reader: float
    program: float | None
    """Of tegrastats itself; None where it did not run as the worker's child."""

    @property
    def share(self) -> float:
        """CPU seconds a second."""
        return self.reader + (self.program or 0.0)

    @property
    def percent(self) -> float:
        return 100 * self.share


def cpu_cost(counted: Sequence[tuple[int, SamplerCpu | None]]) -> CpuCost | None:
    """What sampling took of the CPU at the latest run's interval; None if nobody counted it.

    Args:
        counted: (sampling interval in ms, what was counted) of runs, the latest first.
    """
    known = [(interval_ms, cpu) for interval_ms, cpu in counted if cpu and cpu.over_s > 0]
    if not known:
        return None
    interval_ms, latest = known[0]
    alike = [
        cpu
        for ms, cpu in known
        if ms == interval_ms and (cpu.program_s is None) == (latest.program_s is None)
    ]
    over_s = sum(cpu.over_s for cpu in alike)
    program_s = sum(cpu.program_s or 0.0 for cpu in alike)
    return CpuCost(
        interval_ms=interval_ms,
        runs=len(alike),
        reader=sum(cpu.reader_s for cpu in alike) / over_s,
        program=None if latest.program_s is None else program_s / over_s,
    )


def overhead(arms: Sequence[Arm]) -> Overhead:
    """What the faster sampler costs beyond the slower one, or beyond none.

    Args:
        arms: In order of time; a last block that is not whole is left out.

    Raises:
        NotComparable: There are not two intervals, or too few blocks with two of each.
    """
    fast_ms, slow_ms = _compared({arm.interval_ms for arm in arms})
    blocks = [arms[start : start + BLOCK] for start in range(0, len(arms) - BLOCK + 1, BLOCK)]
    differences = [_difference(block, fast_ms) for block in blocks]
    if len(differences) < FEWEST_BLOCKS:
        raise NotComparable(
            f"{len(differences)} whole blocks of four runs; at least {FEWEST_BLOCKS} are needed."
        )
    spread = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    slow_w = [arm.power_w for block in blocks for arm in block if arm.interval_ms == slow_ms]
    return Overhead(
        fast_ms=fast_ms,
        slow_ms=slow_ms,
        extra_w=float(np.mean(differences)),
        half_width_w=student_t(0.975, len(differences) - 1) * spread,
        slow_w=float(np.mean(slow_w)),
        blocks=len(differences),
    )


def _compared(intervals_ms: set[int | None]) -> tuple[int, int | None]:
    """The fast and the slow interval; off is the slowest of all."""
    sampled = sorted(ms for ms in intervals_ms if ms is not None)
    if len(intervals_ms) != 2 or not sampled:
        raise NotComparable(
            f"The runs sample at {len(intervals_ms)} different intervals; a check compares two."
        )
    return sampled[0], None if None in intervals_ms else sampled[1]


def _difference(block: Sequence[Arm], fast_ms: int) -> float:
    fast_w = [arm.power_w for arm in block if arm.interval_ms == fast_ms]
    slow_w = [arm.power_w for arm in block if arm.interval_ms != fast_ms]
    pattern = [arm.interval_ms == fast_ms for arm in block]
    if len(fast_w) != 2 or pattern != pattern[::-1]:
        raise NotComparable(
            "The runs do not stand as fast, slow, slow, fast or mirrored: one is missing or "
            "invalid. Queue the check again."
        )
    return float(np.mean(fast_w) - np.mean(slow_w))
