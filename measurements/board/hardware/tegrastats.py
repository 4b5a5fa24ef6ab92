"""Read what `tegrastats` prints, in every grammar from JetPack 3 to 7.2.

A line is a row of tokens whose kind shows in their shape, not in their place: the name
`CPU` may head a list of cores, a temperature or a rail. Words of no known shape are
collected, never fatal. Every value stands in the text: what it does not state is None
or absent. Powers are in W, clocks in MHz, temperatures in °C.

Source: NVIDIA Jetson Linux Developer Guide, "tegrastats Utility"; lines captured on
real boards (`measurements/tests/data/`).

    python -m measurements.board.hardware.tegrastats < LOG

prints one JSON object a line.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any

from measurements.board.hardware.rails import UNUSED, total_of

_GATED_C = -256.0
"""What a zone reads while its power domain is switched off."""

_TOKEN = re.compile(
    r"""(?<!\S)(?:
      ([A-Za-z][\w-]*)@(-?\d{1,4}(?:\.\d{1,6})?)C(?:/-?\d+(?:\.\d+)?C)?
    | ([A-Z][A-Z0-9_]*)\s+(?:(\d{1,9})(?:mW)?/\d+(?:mW)?(?:/\d+(?:mW)?)?|(\d{1,9})mW)
    | (?:NVENC|NVDEC|NVJPG|MSENC|VIC|OFA|NVDLA|PVA|APE|AVP|VDE|GR3D[2-9])\d*(?:_FREQ)?\s+
        (?:off|\d+%@\d+|@\d+|\d+%|\d+)
    | (?:CPU|cpu)\s+\[((?:\d{1,3}%(?:@\d{1,6})?|off)(?:,(?:\d{1,3}%(?:@\d{1,6})?|off))*)\]
        (?:@(\d{1,6}))?
    | (GR3D|EMC)(?:_FREQ)?\s+(?:(\d{1,3})%)?
        (?:@(?:(\d{1,6})|\[((?:\d{1,6}|off)(?:,(?:\d{1,6}|off))*)\]))?(?<=[\d%\]])
    | I?RAM\s+\d+/\d+[kM]B\s*\(lfb\s+(?:\d+x)?\d+[kM]B\)
    | SWAP\s+\d+/\d+MB\s*\(cached\s+\d+MB\)
    | \d\d-\d\d-\d{4}\s+\d\d:\d\d:\d\d
    | MTS\s+fg\s+\d+%\s+bg\s+\d+%
    | EDP\s+limit\s+\d+
    )(?!\S) | (\S+)""",
    re.ASCII | re.VERBOSE,
)

_LINE_START = re.compile(r"(?:\d\d-\d\d-\d{4}\s+\d\d:\d\d:\d\d\s+)?(?<!I)RAM\s+\d+/\d+MB", re.ASCII)
_OPEN_END = re.compile(r"\S*@\d+\Z", re.ASCII)
_LATEST_RAM_AT = len("01-31-2026 00:00:00 IRAM")
_LONGEST_LINE_BYTES = 64 * 1024


@dataclass(slots=True)
class Line:
    """What one line of tegrastats states."""

    rails_w: dict[str, float]
    """Momentary power; a second rail of one name is `NAME#2`. Unused channels are left out."""
    temps_c: dict[str, float | None]
    """None: the zone's power domain is switched off."""
    gpu_mhz: int | None
    """The fastest GPC; 0 while the GPU's power is gated."""
    gpu_busy_percent: int | None
    emc_mhz: int | None
    emc_busy_percent: int | None
    cpus: list[int | None]
    """MHz of each core in order; None: off, or not stated."""
    unknown: list[str]
    """Words that fit no token, in order."""

    @property
    def total_of(self) -> tuple[str, ...]:
        return total_of(self.rails_w)

    @property
    def total_w(self) -> float | None:
        """The board's power; None where its rails are not all stated."""
        rails = self.total_of
        return round(sum(self.rails_w[name] for name in rails), 3) if rails else None


def parse(text: str, *, complete: bool = True) -> Line:
    """What `text`, one line of tegrastats, states.

    Args:
        complete: False if the line's end was never seen: then a clock that ends the
            text may lack digits, and counts as unknown.
    """
    line = Line({}, {}, None, None, None, None, [], [])
    text = _from_last_start(text, line.unknown)
    cut = None if complete else _OPEN_END.search(text)
    for zone, temp, rail, mw, lone_mw, *clocks, unknown in _TOKEN.findall(
        text[: cut.start()] if cut else text
    ):
        if zone:
            line.temps_c[zone] = None if float(temp) == _GATED_C else float(temp)
        elif rail:
            _add_rail(line.rails_w, rail, int(mw or lone_mw) / 1000)
        elif unknown:
            line.unknown.append(unknown)
        else:
            _add_clocks(line, *clocks)
    if cut:
        line.unknown.append(cut.group())
    return line


def _from_last_start(text: str, unknown: list[str]) -> str:
    """Drop the unfinished line that a killed program left before this one, without a newline."""
    if text.rfind("RAM") <= _LATEST_RAM_AT:
        return text
    start = max((found.start() for found in _LINE_START.finditer(text)), default=0)
    unknown += text[:start].split()[-1:]
    return text[start:]


def _add_rail(rails_w: dict[str, float], name: str, power_w: float) -> None:
    if name == UNUSED:
        return
    if name in rails_w:
        name = f"{name}#{sum(known.split('#')[0] == name for known in rails_w) + 1}"
    rails_w[name] = power_w


def _add_clocks(
    line: Line, cores: str, shared_mhz: str, unit: str, busy: str, mhz: str, list_mhz: str
) -> None:
    if cores:
        line.cpus = _cores_mhz(cores, shared_mhz)
    elif unit == "GR3D":
        line.gpu_busy_percent = int(busy) if busy else None
        line.gpu_mhz = _fastest_mhz(mhz or list_mhz)
    elif unit:
        line.emc_busy_percent = int(busy) if busy else None
        line.emc_mhz = _fastest_mhz(mhz or list_mhz)


def _cores_mhz(cores: str, shared_mhz: str) -> list[int | None]:
    clocks = [
        core.partition("@")[2] or ("" if core == "off" else shared_mhz) for core in cores.split(",")
    ]
    return [int(mhz) if mhz else None for mhz in clocks]


def _fastest_mhz(values: str) -> int | None:
    """The largest of "1300", "305,off" or ""; one value per GPC."""
    return max((int(mhz) for mhz in values.split(",") if mhz.isdigit()), default=None)


def _as_json(line: Line) -> dict[str, Any]:
    return {
        "rails_w": line.rails_w,
        "total_w": line.total_w,
        "total_of": list(line.total_of),
        "gpu_mhz": line.gpu_mhz,
        "emc_mhz": line.emc_mhz,
        "cpus": line.cpus,
        "temps_c": line.temps_c,
        "unknown": line.unknown,
    }


def main() -> None:
    """One JSON object for each line of standard input."""
    for raw in iter(lambda: sys.stdin.buffer.readline(_LONGEST_LINE_BYTES), b""):
        text = raw.decode("utf-8", errors="replace")
        print(json.dumps(_as_json(parse(text, complete=text.endswith("\n")))))


if __name__ == "__main__":
    main()
