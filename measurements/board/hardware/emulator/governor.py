"""The clock governors of an emulated board, evaluated once a tick.

GPU: like nvhost_podgov, the clock at which the load of the last ticks would have been
the target load. Memory: a floor while the GPU is awake, up and down by utilisation.
CPU: like schedutil, 1.25 × the frequency-invariant utilisation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from .boards.data import BoardData, Governor

SCHEDUTIL_MARGIN = 1.25


@dataclass(slots=True)
class Knobs:
    """What is written in the clock files."""

    gpu_min_hz: int
    gpu_max_hz: int
    railgate: bool
    emc_rate_hz: int
    emc_locked: bool
    cpu_min_hz: list[int]
    cpu_max_hz: list[int]
    emc_cap_hz: int = 0
    """The power mode's cap of the memory clock; 0: none."""
    offline: list[int] = field(default_factory=list)
    """Numbers of the cores that are switched off."""

    @classmethod
    def as_booted(cls, board: BoardData) -> Knobs:
        policies, mode = len(board.policies), board.modes[0]
        return cls(
            gpu_min_hz=board.gpu_hz[0],
            gpu_max_hz=at_most(board.gpu_hz, mode.gpu_max_hz or board.gpu_hz[-1]),
            railgate=True,
            emc_rate_hz=board.governor.emc_idle_hz,
            emc_locked=False,
            cpu_min_hz=[board.cpu_idle_hz] * policies,
            cpu_max_hz=[
                at_most(board.cpu_hz, cap_hz or board.cpu_hz[-1]) for cap_hz in mode.cpu_max_hz
            ],
            emc_cap_hz=mode.emc_cap_hz or 0,
            offline=sorted({cpu for policy in board.policies for cpu in policy} - {*mode.cpus}),
        )

    @property
    def governed(self) -> bool:
        """Whether any clock may change by itself."""
        cpu_pinned = self.cpu_min_hz[0] == self.cpu_max_hz[0]
        return not (self.gpu_min_hz == self.gpu_max_hz and self.emc_locked and cpu_pinned)


def at_least(table: Sequence[int], hz: float) -> int:
    """The slowest clock of the ascending `table` that is `hz` or more; its top if none is."""
    return table[min(bisect_left(table, round(hz)), len(table) - 1)]


def at_most(table: Sequence[int], hz: float) -> int:
    """The fastest clock of the ascending `table` that is `hz` or less; its bottom if none is."""
    return next((clock for clock in reversed(table) if clock <= hz), table[0])


def gpu_hz(board: BoardData, knobs: Knobs, *, now_hz: int, load: float) -> int:
    wanted = at_least(board.gpu_hz, now_hz * load / board.governor.gpu_target_load)
    return min(max(wanted, knobs.gpu_min_hz), knobs.gpu_max_hz)


def emc_hz(board: BoardData, knobs: Knobs, *, now_hz: int, load: float, awake: bool) -> int:
    """The memory clock: locked, or by load (share of the bandwidth in use)."""
    rules, table = board.governor, board.emc_hz
    if knobs.emc_locked:
        return capped(board, knobs, knobs.emc_rate_hz)
    if not awake:
        return rules.emc_idle_hz
    wanted = max(_stepped(rules, table, now_hz, load), rules.emc_active_hz)
    return capped(board, knobs, wanted)


def capped(board: BoardData, knobs: Knobs, emc_hz: int) -> int:
    """The memory clock that the power mode allows instead of `emc_hz`."""
    return min(emc_hz, at_most(board.emc_hz, knobs.emc_cap_hz)) if knobs.emc_cap_hz else emc_hz


def _stepped(rules: Governor, table: Sequence[int], now_hz: int, load: float) -> int:
    i = table.index(now_hz)
    if load > rules.emc_up_load:
        return table[min(i + 1, len(table) - 1)]
    if load < rules.emc_down_load:
        return table[max(i - 1, 0)]
    return now_hz


def cpu_hz(board: BoardData, knobs: Knobs, policy: int, *, utilisation: float) -> int:
    """Args: utilisation: busy share × clock ÷ top clock, averaged over the last ticks."""
    wanted = at_least(board.cpu_hz, SCHEDUTIL_MARGIN * utilisation * board.cpu_hz[-1])
    return min(max(wanted, knobs.cpu_min_hz[policy]), knobs.cpu_max_hz[policy])
