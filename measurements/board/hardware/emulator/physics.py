"""Steady physics of an emulated board: volts, watts and seconds from clocks and work.

Pure functions of the state; the constants are the board's data. Units: Hz, W, s, °C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, pow, prod
from typing import NamedTuple

import msgspec

from measurements.messages import NetworkFeatures

from .boards.data import BoardData, CpuPower, Engine


class Work(msgspec.Struct, frozen=True):
    """One batch on the GPU, as cycles of the three clocks that can hold it up."""

    gpu_cycles: float
    emc_cycles: float
    launch_cycles: float
    """CPU cycles of launching the kernels."""
    dram_bytes: float
    stretch: float = 1.0
    """This batch's own jitter, a factor on its duration."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What the board is doing now, as far as power depends on it."""

    gpu_awake: bool
    gpu_activity: float | None
    """Share of time in which the GPU computes, 0 to 1; None: no batch is running."""
    dram_bytes_per_s: float
    busy_cores: float
    gpu_busy: float = 0.0
    """Share of time that counts as GPU load: the gaps of kernel launches do not."""


class Parts(NamedTuple):
    """Power of each part, in watts; `memory` is contained in `input`."""

    gpu: float
    cpu: float
    soc: float
    input: float
    memory: float


def work_of(network: NetworkFeatures, batch_size: int, engine: Engine) -> Work:
    """The cycles that a batch of `batch_size` takes, by the board's effective widths."""
    moved = network.bytes_moved(batch_size)
    return Work(
        gpu_cycles=network.flops(batch_size) / engine.flops_per_gpu_cycle
        + moved / engine.bytes_per_gpu_cycle,
        emc_cycles=moved / engine.bytes_per_emc_cycle,
        launch_cycles=engine.launch_cpu_cycles,
        dram_bytes=moved * engine.dram_share,
    )


def preprocess_cycles(network: NetworkFeatures, engine: Engine) -> float:
    """CPU cycles that get one input ready: decode and resize an image, or encode tokens."""
    size = float(prod(side or 1 for side in network.input_shape[1:]))
    if len(network.input_shape) < 4:
        return engine.token_cpu_cycles * size
    return engine.image_cpu_cycles + engine.value_cpu_cycles * size


def batch_seconds(
    work: Work, engine: Engine, *, gpu_hz: float, emc_hz: float, cpu_hz: float
) -> float:
    """How long a batch takes at these clocks: a smooth roofline plus launch overhead."""
    limit = smooth_max(work.gpu_cycles / gpu_hz, work.emc_cycles / emc_hz, engine.corner)
    return (limit + work.launch_cycles / cpu_hz) * work.stretch


def smooth_max(a: float, b: float, corner: float) -> float:
    """The p-norm of two durations: their maximum, with a rounded corner."""
    top = max(a, b)
    return top * pow(pow(a / top, corner) + pow(b / top, corner), 1.0 / corner)


def volts(share: float, knee: float, rise: float) -> float:
    """Voltage relative to its floor at `share` of the top clock: flat, then rising."""
    return 1.0 + rise * max(0.0, (share - knee) / (1.0 - knee))


def gpu_w(board: BoardData, activity: Activity, *, gpu_hz: float, temp_c: float) -> float:
    """Power of the GPU alone; what leaks past the gate while it is power-gated."""
    if not activity.gpu_awake:
        return board.gpu.gated_w
    gpu, heat = board.gpu, board.thermal
    v2 = volts(gpu_hz / board.gpu_hz[-1], gpu.volt_knee, gpu.volt_rise) ** 2
    leak = gpu.leak_w * v2 * exp(heat.leak_per_k * (temp_c - heat.leak_at_c))
    per_hz = gpu.idle_w_per_hz
    if activity.gpu_activity is not None:
        busy = gpu.stall_share + (1.0 - gpu.stall_share) * activity.gpu_activity
        per_hz += gpu.busy_w_per_hz * busy
    return leak + per_hz * gpu_hz * v2


def cpu_w(board: BoardData, cpu_hz: Sequence[float], busy_cores: float) -> float:
    """Power of all CPU clusters, with `busy_cores` cores at work in the first one.

    Args:
        cpu_hz: The clock of each cluster, shape (policies,).
    """
    cpu, top_hz = board.cpu, board.cpu_hz[-1]
    idle = _cpu_idle_w(cpu, top_hz, tuple(cpu_hz))
    return cpu.floor_w + idle + busy_cores * _core_w(cpu, top_hz, cpu_hz[0])


@lru_cache(maxsize=4096)
def _cpu_idle_w(cpu: CpuPower, top_hz: int, cpu_hz: tuple[float, ...]) -> float:
    idle = sum(hz * _cpu_v2(cpu, top_hz, hz) for hz in cpu_hz)
    return idle * cpu.idle_w_per_hz / len(cpu_hz)


@lru_cache(maxsize=4096)
def _core_w(cpu: CpuPower, top_hz: int, hz: float) -> float:
    """One busy core at `hz`."""
    per_hz = cpu.core_w / (_cpu_v2(cpu, top_hz, top_hz) * top_hz)
    return per_hz * hz * _cpu_v2(cpu, top_hz, hz)


def _cpu_v2(cpu: CpuPower, top_hz: int, hz: float) -> float:
    return volts(hz / top_hz, cpu.volt_knee, cpu.volt_rise) ** 2


def parts_w(
    board: BoardData,
    activity: Activity,
    *,
    gpu_hz: float,
    emc: int,
    cpu_hz: Sequence[float],
    temp_c: float,
) -> Parts:
    """Power of each part of the board.

    Args:
        emc: Index of the memory clock in the board's table.
        cpu_hz: The clock of each cluster, shape (policies,).
    """
    memory = board.memory
    dram = memory.input_j_per_byte[emc] * activity.dram_bytes_per_s
    return Parts(
        gpu=gpu_w(board, activity, gpu_hz=gpu_hz, temp_c=temp_c),
        cpu=cpu_w(board, cpu_hz, activity.busy_cores),
        soc=memory.soc_w[emc] + memory.soc_j_per_byte[emc] * activity.dram_bytes_per_s,
        input=memory.input_w[emc] + dram,
        memory=memory.idle_w[emc] + dram,
    )
