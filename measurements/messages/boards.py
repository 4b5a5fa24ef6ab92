"""What a board is, and where its clocks may stand."""

from __future__ import annotations

from typing import Literal

import msgspec

from measurements.messages.wire import VERSION

Provenance = Literal["real", "emulated", "replay", "host"]
RailPart = Literal["gpu", "cpu", "memory", "soc", "input", "other"]


class OperatingPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Clocks in Hz as sysfs lists them; None means "left as found"."""

    gpu_min_hz: int | None = None
    gpu_max_hz: int | None = None
    emc_hz: int | None = None
    cpu_hz: int | None = None


class Rail(msgspec.Struct, frozen=True, kw_only=True):
    """One power rail as its sensor reports it.

    `step_w` is the sensor's power step at the rail's usual voltage; None if unknown.
    `in_total` says whether the rail is added up to the board's total power.
    """

    name: str
    part: RailPart
    in_total: bool
    step_w: float | None = None


class BoardInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a board worker says about its board when it registers, and in each record."""

    name: str
    kind: str
    """Short name of the board's type, e.g. "agx-orin"."""
    model: str
    """The device tree's own words, e.g. "NVIDIA Jetson AGX Orin Developer Kit"."""
    l4t: str | None
    jetpack: str | None
    provenance: Provenance
    provenance_note: str
    """What is emulated, fitted or replayed, in one sentence; empty for a real board."""
    gpu_hz: list[int]
    emc_hz: list[int]
    cpu_hz: list[int]
    default: OperatingPoint
    rails: list[Rail]
    sensor_lag_s: float
    """Time constant of the power sensor's first-order low-pass, in seconds (0: none)."""
    software: dict[str, str]
    problems: list[str] = []
    needs_network_file: bool = False
    """Whether a plan must carry the hash of the ONNX file: a load here runs the graph itself."""
    version: int = VERSION
