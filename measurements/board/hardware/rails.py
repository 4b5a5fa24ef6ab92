"""Which power rails make a board's total, and what each one feeds.

Facts: NVIDIA Jetson developer guides, "Software-Defined Power Management", the INA3221
channel tables of each module. Two rails of which one feeds the other are never both added.
"""

from __future__ import annotations

from collections.abc import Iterable

from measurements.messages import RailPart

UNUSED = "NC"
"""What NVIDIA calls a sensor channel that is wired to nothing."""

_TOTALS: tuple[tuple[str, ...], ...] = (
    ("VDD_IN",),
    ("POM_5V_IN",),
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("VIN",),
    ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"),
)
"""First match wins: TX1/TX2/NX/Orin Nano, Nano, AGX Xavier, AGX Orin, Thor with and without VIN."""

_PARTS: tuple[tuple[RailPart, tuple[str, ...]], ...] = (
    ("input", ("VDD_IN", "POM_5V_IN", "VIN", "VDD_MUX")),
    ("memory", ("DDR", "VDDQ")),
    ("gpu", ("GPU",)),
    ("cpu", ("CPU",)),
    ("soc", ("SOC", "CV")),
)


def total_of(names: Iterable[str]) -> tuple[str, ...]:
    """The rails among `names` whose sum is the board's power; empty if it cannot be known.

    All rails of a board's sum must be there: a part of it is no total.
    """
    present = set(names)
    for rails in _TOTALS:
        if present.issuperset(rails):
            return rails
    return ()


def rail_part(name: str) -> RailPart:
    """The part of the board that rail `name` mainly feeds.

    A rail that feeds several goes by the first in its name (`VDD_CPU_GPU_CV` is shown
    as the GPU's, which dominates it under an inference load).
    """
    exact, *rest = _PARTS
    if name in exact[1]:
        return exact[0]
    for part, words in rest:
        if any(word in name for word in words):
            return part
    return "other"


_MODULE_INPUTS = ("VDD_IN", "POM_5V_IN")
_BOARD_INPUTS = ("VIN", "VDD_MUX")
_OF_THE_CARRIER = (
    "VDD_5V0_IO_SYS", "VDD_3V3_SYS", "VDD_3V3_IO_SLP", "VDD_1V8_IO", "VDD_3V3_SYS_M2",
)  # fmt: skip
_INSIDE = {"VIN_SYS_5V0": ("VDDQ_VDD2_1V8AO",)}
"""Further rails that feed others."""


def counted_twice(names: Iterable[str]) -> tuple[str, str] | None:
    """Two rails among `names` of which the first feeds the second; None: no power twice."""
    present = list(names)
    pairs = ((parent, child) for parent in present for child in present)
    return next((pair for pair in pairs if _feeds(*pair)), None)


def _feeds(parent: str, child: str) -> bool:
    if parent == child or child in _BOARD_INPUTS:
        return False
    if parent in _BOARD_INPUTS:
        return True
    if parent in _MODULE_INPUTS:
        return child not in _OF_THE_CARRIER
    return child in _INSIDE.get(parent, ())


def unseen(total: Iterable[str]) -> str:
    """What no sensor of the rails in `total` sees, in a sentence without its beginning."""
    names = set(total)
    if not names:
        return "which power these rails add up to is not known."
    if names & set(_BOARD_INPUTS):
        return "the power supply's own loss is in no number here."
    seen = "module's input" if names & set(_MODULE_INPUTS) else "module's supply rails"
    return (
        f"the sensors sit at the {seen}, so the carrier board with its ports, drives and mostly "
        "the fan, and the power supply's loss, are in no number here."
    )
