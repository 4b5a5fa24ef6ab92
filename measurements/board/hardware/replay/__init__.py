"""Replay boards: tables of real measurements behind the Board protocol.

What is measured, fitted and extrapolated: docs/replay.md.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from .board import ReplayBoard
from .rows import TableRefused, bytes_of
from .table import ReplayTable, decoded, encoded, import_table, load
from .wording import note

__all__ = [
    "ORIN_NANO",
    "OTHER_LOADS",
    "ReplayBoard",
    "ReplayTable",
    "TableRefused",
    "bytes_of",
    "decoded",
    "encoded",
    "import_table",
    "load",
    "note",
    "orin_nano",
    "table_of",
]

DATA = Path(__file__).parent / "data"
ORIN_NANO = "orin-nano"
OTHER_LOADS = ("_adv2", "_adv4", "p3_cache", "p3_combined", "p3_cpu", "p3_io", "p3_irq",
               "p3_memory", "p3hi_")  # fmt: skip
"""Names of power runs beside which a memory or CPU stress test ran: not for the fit."""


@lru_cache(maxsize=1)
def orin_nano() -> ReplayTable:
    """The Orin Nano Super's table that comes with PolyWeb (data/SOURCES.md)."""
    return import_table(
        (DATA / "orin_nano_latency.csv").read_bytes(),
        (DATA / "orin_nano_power_runs.csv").read_bytes(),
        name=ORIN_NANO,
        board="Jetson Orin Nano Super 8GB, L4T R36.5, MAXN_SUPER",
        source="github dankang21/jetson-latency-lab @0970a90e",
        licence="Apache-2.0",
        cpu_mhz=1728,
        leave_out=OTHER_LOADS,
    )


def table_of(what: str) -> ReplayTable:
    """The table that `orin-nano` or a file's path stands for.

    Raises:
        TableRefused: The file holds no table that can be replayed.
        OSError: It cannot be read.
    """
    return orin_nano() if what == ORIN_NANO else load(Path(what))
