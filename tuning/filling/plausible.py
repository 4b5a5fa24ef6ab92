"""What a board would show at an operating point, by the emulator's own physics, at rest.

No governor, no thermal history, no sensor: enough for rows that look like measurements.
Units: Hz, W, s, J.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from measurements.board.hardware.emulator import physics
from measurements.board.hardware.emulator.boards.data import BoardData, RailData
from measurements.messages import NetworkFeatures

TEMP_C = 52.0
RIPPLE_MEMORY = 0.6
"""How much of a sample's ripple is still there in the next one."""


@dataclass(frozen=True, slots=True)
class Steady:
    """Back-to-back serving: seconds of the stages of a batch, watts of each rail."""

    prepare_s: float
    inference_s: float
    rails_w: np.ndarray
    idle_rails_w: np.ndarray
    in_total: np.ndarray
    batch_size: int

    @property
    def period_s(self) -> float:
        """From one batch to the next: preprocessing and inference overlap."""
        return max(self.prepare_s, self.inference_s)

    @property
    def latency_s(self) -> float:
        """Of the first request of a batch: it waits for the whole batch."""
        return self.prepare_s + self.inference_s

    @property
    def power_w(self) -> float:
        return float(self.rails_w[self.in_total].sum())

    @property
    def idle_w(self) -> float:
        return float(self.idle_rails_w[self.in_total].sum())

    @property
    def energy_j(self) -> float:
        """Busy energy per request: mean power over the time that inference takes."""
        return self.power_w * self.inference_s / self.batch_size

    @property
    def rails_j(self) -> np.ndarray:
        return self.rails_w * self.inference_s / self.batch_size


def steady(
    board: BoardData,
    network: NetworkFeatures,
    *,
    gpu_hz: int,
    emc_hz: int,
    batch_size: int,
) -> Steady:
    """The board serving `network` back to back with the CPU at its top clock."""
    cpu_hz = board.cpu_hz[-1]
    work = physics.work_of(network, batch_size, board.engine)
    inference_s = physics.batch_seconds(
        work, board.engine, gpu_hz=gpu_hz, emc_hz=emc_hz, cpu_hz=cpu_hz
    )
    prepare_s = batch_size * physics.preprocess_cycles(network, board.engine) / cpu_hz
    share = inference_s / max(inference_s, prepare_s)
    busy = physics.Activity(
        gpu_awake=True,
        gpu_activity=share * work.gpu_cycles / gpu_hz / inference_s,
        dram_bytes_per_s=share * work.dram_bytes / inference_s,
        busy_cores=prepare_s / max(inference_s, prepare_s),
    )
    idle = physics.Activity(True, None, 0.0, 0.0)
    clocks = (float(gpu_hz), board.emc_hz.index(emc_hz))
    return Steady(
        prepare_s=prepare_s,
        inference_s=inference_s,
        rails_w=_rails_w(board, busy, *clocks),
        idle_rails_w=_rails_w(board, idle, *clocks),
        in_total=np.array([rail.in_total for rail in rails(board)]),
        batch_size=batch_size,
    )


def rails(board: BoardData) -> list[RailData]:
    """The rails that carry power; the sensors' empty channels are left out."""
    return [rail for rail in board.rails if rail.bus is not None]


def part(rail: RailData) -> str:
    return rail.parts[0] if rail.parts else "other"


def trace_w(
    found: Steady, idle: np.ndarray, *, ripple_w: float, random: np.random.Generator
) -> np.ndarray:
    """Watts of each rail, shape (n, rails), in whole milliwatts.

    Args:
        idle: Whether the board idles at each sample, shape (n,).
        ripple_w: Standard deviation of what varies by itself.
    """
    level = np.where(idle[:, None], found.idle_rails_w, found.rails_w)
    kicks = random.normal(0.0, ripple_w, level.shape)
    kicks[1:] += RIPPLE_MEMORY * kicks[:-1]
    return np.round(np.maximum(level + kicks, 0.0), 3)


def _rails_w(board: BoardData, activity: physics.Activity, gpu_hz: float, emc: int) -> np.ndarray:
    cpu_hz = [float(board.cpu_hz[-1])] * len(board.policies)
    parts = physics.parts_w(board, activity, gpu_hz=gpu_hz, emc=emc, cpu_hz=cpu_hz, temp_c=TEMP_C)
    return np.array(
        [rail.gain * sum(getattr(parts, part) for part in rail.parts) for rail in rails(board)]
    )
