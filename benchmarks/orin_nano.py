"""The emulator's model with an Orin Nano Super's tables: for what was measured on that board."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measurements.board.hardware.emulator.boards import (  # noqa: E402
    AGX_ORIN,
    Bus,
    RailData,
    Ripple,
)

BUS_BYTES = 32
"""Bytes that the 128-bit memory moves in a cycle."""
_FIVE_VOLTS = Bus(volts=5.06, ohms=0.01, step_a=0.008)
CPU_HZ = 1_728_000_000
IDLE_SHARE = 0.018
"""Ripple's standard deviation over each part's idle power; see the calibration's section 5."""

NANO = dataclasses.replace(
    AGX_ORIN,
    gpu_hz=tuple(round(mhz * 1e6) for mhz in (306, 408, 510, 612, 714, 816, 918, 1020)),
    rails=(
        RailData("VDD_IN", "1-0040", 1, _FIVE_VOLTS, ("gpu", "cpu", "soc", "input"), in_total=True),
        RailData("VDD_CPU_GPU_CV", "1-0040", 2, _FIVE_VOLTS, ("gpu", "cpu"), in_total=False),
        RailData("VDD_SOC", "1-0040", 3, _FIVE_VOLTS, ("soc",), in_total=False),
    ),
    gpu=dataclasses.replace(AGX_ORIN.gpu, leak_w=0.15, idle_w_per_hz=0.65e-9, busy_w_per_hz=2.9e-9),
    cpu=dataclasses.replace(AGX_ORIN.cpu, floor_w=0.2),
    memory=dataclasses.replace(
        AGX_ORIN.memory, soc_w=(1.10, 1.13, 1.44, 2.31), input_w=(2.44, 2.51, 2.66, 2.82)
    ),
    engine=dataclasses.replace(AGX_ORIN.engine, bus_bytes_per_emc_cycle=BUS_BYTES),
    ripple=Ripple(
        gpu_w=IDLE_SHARE * 1.2,
        cpu_w=IDLE_SHARE * 0.3,
        soc_w=IDLE_SHARE * 1.44,
        input_w=IDLE_SHARE * 2.66,
        memory_w=IDLE_SHARE * 0.3,
        tau_s=AGX_ORIN.ripple.tau_s,
    ),
)
