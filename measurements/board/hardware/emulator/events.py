"""What happens to an emulated board from outside: the one stream both ways of time consume.

In virtual time the load and the files apply events straight to the model. In real time
each one is also appended to a file in the tree, and the separate `tegrastats` program
replays that file into a model of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .physics import Work

Knob = Literal[
    "gpu_min", "gpu_max", "railgate", "emc_rate", "emc_locked", "emc_cap",
    "cpu_min", "cpu_max", "cpu_online",
]  # fmt: skip


class SetKnob(msgspec.Struct, frozen=True, tag="knob"):
    """A clock file was written; `value` in Hz, or 0 and 1 for a switch."""

    knob: Knob
    value: int
    policy: int = 0
    """Which cpufreq policy, as an index, for the CPU's limits; which core for `cpu_online`."""


class StartGpu(msgspec.Struct, frozen=True, tag="gpu"):
    """A batch begins on the GPU."""

    work: Work


class StartCpu(msgspec.Struct, frozen=True, tag="cpu"):
    """A core of the first cluster begins to preprocess a batch."""

    cycles: float


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Whatever is running is dropped: its process ended."""


Event = SetKnob | StartGpu | StartCpu | Stop


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """The last line of an events file that got long: what follows is in the file of its name now.

    That file's `Start` holds the state here, so that only who comes new reads it.
    """


class Stamped(msgspec.Struct, frozen=True):
    """One line of the events file: what happened, and when on CLOCK_MONOTONIC."""

    t_s: float
    event: Event | Moved
