"""The emulated Orin Nano Super, under the names that the benchmarks use."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measurements.board.hardware.emulator.boards import ORIN_NANO  # noqa: E402

NANO = ORIN_NANO
BUS_BYTES = 32
"""Bytes that the 128-bit memory moves in a cycle."""
CPU_HZ = 1_728_000_000
