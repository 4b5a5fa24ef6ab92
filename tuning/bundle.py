"""A verified point as files for its board: a ZIP that needs nothing of PolyWeb there.

Clocks are integers in Hz; None means "left as found". Every value is snapped to the
board's own table: the nearest legal clock, the faster of two equally near.

Source: NVIDIA Jetson Linux Developer Guide, "Power Management", on custom power modes (the
grammar of nvpmodel.conf: `< POWER_MODEL ID=n NAME=s >`, then PARAM ARG value).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

MODE_ID = 90
"""Beyond those that NVIDIA ships; ids need not be consecutive."""
MODE_NAME = "POLYWEB"
CPU_PARAMS = {
    "tx2": ("CPU_A57", "CPU_DENVER"),
    "agx-xavier": ("CPU_DENVER_0", "CPU_DENVER_1", "CPU_DENVER_2", "CPU_DENVER_3"),
    "xavier-nx": ("CPU_DENVER_0", "CPU_DENVER_1", "CPU_DENVER_2"),
    "agx-orin": ("CPU_A78_0", "CPU_A78_1", "CPU_A78_2"),
    "orin-nx": ("CPU_A78_0", "CPU_A78_1"),
    "orin-nano": ("CPU_A78_0", "CPU_A78_1"),
}
"""What nvpmodel.conf calls the CPU clusters of each kind of board."""


class NotLegal(ValueError):
    """The board has no table to snap this clock to."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be held, on which board, with that board's tables in Hz."""

    title: str
    device: str
    kind: str
    provenance: str
    gpu_hz: tuple[int, ...]
    emc_hz: tuple[int, ...]
    cpu_hz: tuple[int, ...]
    gpu_min_hz: int | None
    gpu_max_hz: int | None
    hold_emc_hz: int | None
    hold_cpu_hz: int | None


def snap(hz: int | None, legal_hz: Sequence[int]) -> int | None:
    """The legal clock nearest to `hz`; the faster of two; None stays None.

    Raises:
        NotLegal: There is no legal clock at all.
    """
    if hz is None:
        return None
    if not legal_hz:
        raise NotLegal(f"the board names no clocks, so {hz} Hz cannot be checked")
    return min(legal_hz, key=lambda legal: (abs(legal - hz), -legal))


def clocks(choice: Choice) -> dict[str, int]:
    """Knob -> Hz of what is held, every value legal."""
    snapped = {
        "gpu_min_hz": snap(choice.gpu_min_hz, choice.gpu_hz),
        "gpu_max_hz": snap(choice.gpu_max_hz, choice.gpu_hz),
        "emc_hz": snap(choice.hold_emc_hz, choice.emc_hz),
        "cpu_hz": snap(choice.hold_cpu_hz, choice.cpu_hz),
    }
    return {name: hz for name, hz in snapped.items() if hz is not None}


def stanza(choice: Choice) -> str:
    """A power mode to append to the board's nvpmodel.conf; CPU clocks in kHz, others in Hz."""
    held, lines = clocks(choice), [f"< POWER_MODEL ID={MODE_ID} NAME={MODE_NAME} >"]
    if (cpu_hz := held.get("cpu_hz")) is not None:
        for param in CPU_PARAMS.get(choice.kind, ("CPU_A78_0",)):
            lines += [f"{param} MIN_FREQ {cpu_hz // 1000}", f"{param} MAX_FREQ {cpu_hz // 1000}"]
    for knob, arg in (("gpu_min_hz", "MIN_FREQ"), ("gpu_max_hz", "MAX_FREQ")):
        if knob in held:
            lines.append(f"GPU {arg} {held[knob]}")
    if "emc_hz" in held:
        lines.append(f"EMC MAX_FREQ {held['emc_hz']}")
    return "\n".join(lines) + "\n"


def parse_stanza(text: str) -> dict[tuple[str, str], int]:
    """(PARAM, ARG) -> value of the one power mode in `text`.

    Raises:
        ValueError: It is no power mode.
    """
    head, *lines = [line for line in text.splitlines() if line.strip()]
    if not head.startswith("< POWER_MODEL ID="):
        raise ValueError(f"not a power mode: {head!r}")
    words = (line.split() for line in lines)
    return {(param, arg): int(value) for param, arg, value in words}


def pack(choice: Choice, *, manifest: dict[str, Any]) -> bytes:
    """The ZIP file's bytes: read-me, stanza, unit, script, its settings and the manifest."""
    held = clocks(choice)
    settings = "".join(f"{name.upper()}={hz}\n" for name, hz in held.items())
    told = manifest | {"device": choice.device, "kind": choice.kind, "clocks_hz": held,
                       "provenance": choice.provenance}  # fmt: skip
    contents = {
        "README.md": _read_me(choice, manifest),
        "nvpmodel-polyweb.conf": stanza(choice),
        "polyweb-point.conf": settings,
        "polyweb-point.service": _shipped("polyweb-point.service"),
        "polyweb-point": _shipped("polyweb-point"),
        "manifest.json": json.dumps(told, indent=2) + "\n",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            entry = zipfile.ZipInfo(f"polyweb-{choice.device}/{name}")
            entry.external_attr = (0o755 if name == "polyweb-point" else 0o644) << 16
            archive.writestr(entry, text)
    return packed.getvalue()


def _shipped(name: str) -> str:
    return files("tuning").joinpath("bundled", name).read_text()


def _read_me(choice: Choice, manifest: dict[str, Any]) -> str:
    held = clocks(choice)
    rows = "".join(f"| {name} | {hz / 1e6:g} MHz |\n" for name, hz in held.items())
    words = manifest.get("verification", {}).get("words", "")
    source = "" if choice.provenance == "real" else f" The board is *{choice.provenance}*."
    template = _shipped("README.md")
    return template.format(title=choice.title, device=choice.device, kind=choice.kind,
                           batch=manifest.get("batch_size", 1), rows=rows, words=words,
                           source=source, id=MODE_ID)  # fmt: skip
