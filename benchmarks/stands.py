"""What an emulated board draws while it serves one network, without noise, at chosen clocks."""

from __future__ import annotations

import dataclasses
import functools

import emulated_grid as emulated

from measurements.board.hardware.emulator.boards.data import BoardData
from measurements.board.hardware.emulator.governor import Knobs
from measurements.messages import NetworkFeatures
from tuning.cpu_phase import Reading


@dataclasses.dataclass(frozen=True)
class Stand:
    """A board serving back to back: J per request (busy; whole stream), seconds a request."""

    busy_j: float
    stream_j: float
    inference_s: float
    latency_s: float


@functools.cache
def features(network: str) -> NetworkFeatures:
    return emulated.features_of(network)


def stand(board: BoardData, network: str, batch_size: int = 1, **limits: int) -> Stand:
    model, served = emulated.served_at(
        emulated.quiet(board), features(network), batch_size, held(board, **limits)
    )
    start_s, end_s = served[0].inference_start_s, served[-1].inference_end_s
    requests = sum(len(batch.start_s) for batch in served)
    spent_j = model.true_energy_j(start_s, end_s).total_j
    inference_s = sum(batch.inference_end_s - batch.inference_start_s for batch in served)
    return Stand(
        emulated.busy_j(model, served), spent_j / requests, inference_s / requests,
        emulated.mean_latency_s(served),
    )  # fmt: skip


def held(board: BoardData, gpu_min: int = 0, gpu_max: int = 0, emc: int = 0, cpu: int = 0) -> Knobs:
    """As booted, but for these clocks in Hz; 0: as found."""
    knobs, clusters = Knobs.as_booted(board), len(board.policies)
    if gpu_min:
        knobs = dataclasses.replace(knobs, gpu_min_hz=gpu_min)
    if gpu_max:
        knobs = dataclasses.replace(knobs, gpu_max_hz=gpu_max)
    if emc:
        knobs = dataclasses.replace(knobs, emc_rate_hz=emc, emc_locked=True, emc_cap_hz=0)
    if cpu:
        pinned = [cpu] * clusters
        knobs = dataclasses.replace(knobs, cpu_min_hz=pinned, cpu_max_hz=list(pinned))
    return knobs


@dataclasses.dataclass(frozen=True)
class Alone:
    """Preprocessing alone at one CPU clock: what a reading tells, and J on the CPU's own rail."""

    reading: Reading
    cpu_j: float

    @property
    def added_j(self) -> float:
        return (self.reading.power_w - self.reading.idle_w) * self.reading.time_s


def alone(board: BoardData, network: str, cpu: int = 0) -> Alone:
    quiet, knobs = emulated.quiet(board), held(board, cpu=cpu)
    model, served = emulated.served_at(quiet, features(network), 1, knobs, is_preprocessing=True)
    start_s, end_s = served[0].start_s[0], served[-1].inference_end_s
    spent = model.true_energy_j(start_s, end_s)
    time_s = (end_s - start_s) / len(served)
    idle = emulated.Model(quiet, seed=1, knobs=knobs)
    idle.advance(1.0)
    idle_w = idle.true_energy_j(0.5, 1.0).total_j / 0.5
    rail = next(i for i, one in enumerate(board.rails) if one.parts == ("cpu",))
    reading = Reading(time_s, spent.total_j / (end_s - start_s), idle_w)
    return Alone(reading, spent.rails_j[rail] / len(served))
