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
import signal
import sys
from dataclasses import dataclass
from typing import Any

from measurements.board.hardware.rails import UNUSED, total_of

_GATED_C = "-256"
"""What a zone reads while its power domain is switched off."""

_TOKEN = re.compile(
    r"""\s*(?:(?:
      (?:NV(?:ENC|DEC|JPG|DLA)|MSENC|V(?:IC|DE)|OFA|PVA|A(?:PE|VP)|GR3D[2-9])\d*(?:_FREQ)?\s+
        (?:off|\d+(?:%(?:@\d+)?)?|@\d+)
    | (GR3D|EMC)(?:_FREQ)?\s+(?=[\d@])(?:(\d{1,3})%)?
        (?:@(\d{1,6}|\[(?:\d{1,6}|off)(?:,(?:\d{1,6}|off))*\]))?
    | I?RAM\s+\d+/\d+[kM]B\s*\(lfb\s+(?:\d+x)?\d+[kM]B\)
    | SWAP\s+\d+/\d+MB\s*\(cached\s+\d+MB\)
    | \d\d-\d\d-\d{4}\s+\d\d:\d\d:\d\d
    | MTS\s+fg\s+\d+%\s+bg\s+\d+%
    | EDP\s+limit\s+\d+
    | (?:CPU|cpu)\s+\[((?:\d{1,3}%(?:@\d{1,6})?|off)(?:,(?:\d{1,3}%(?:@\d{1,6})?|off))*)\]
        (?:@(\d{1,6}))?
    | ([A-Za-z][\w-]*)@(-?\d{1,4}(?:\.\d{1,6})?)C(?:/-?\d+(?:\.\d+)?C)?
    | (?!(?:I?RAM|SWAP)\s)([A-Z][A-Z0-9_]*)\s+(\d{1,9})(?:mW|(?=/))(?:/\d+(?:mW)?){0,2}
    )(?!\S)|(\S+))""",
    re.ASCII | re.VERBOSE,
)
"""Tokens that touch: engines, clocks, memory, time, odds and ends, cores, zones, rails; a word."""

_CORE = re.compile(r"off|%@?(\d*)", re.ASCII)
_NO_CLOCK = re.compile("%(?!@)")
_LINE_START = re.compile(r"(?:\d\d-\d\d-\d{4}\s+\d\d:\d\d:\d\d\s+)?(?<!I)RAM\s+\d+/\d+MB", re.ASCII)
_OPEN_END = re.compile(r"@\d+\Z", re.ASCII)
_LATEST_RAM_AT = len("01-31-2026 00:00:00 IRAM")


@dataclass(slots=True)
class Line:
    """What one line of tegrastats states."""

    rails_w: dict[str, float]
    """Momentary power; if a name comes again, that rail is `NAME#k`, the k-th of the line.

    Unused channels are left out.
    """
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
    text, cut = (text.rstrip(), "") if complete else _without_open_end(text)
    tokens = _TOKEN.findall(text)
    for unit, busy, mhz, cores, shared_mhz, zone, temp, rail, mw, unknown in tokens:
        if zone:
            line.temps_c[zone] = None if temp == _GATED_C else float(temp)
        elif rail:
            name = rail if rail not in line.rails_w else _next_name(rail, line.rails_w)
            line.rails_w[name] = int(mw) / 1000
        elif unknown:
            line.unknown.append(unknown)
        elif cores:
            line.cpus = _cores_mhz(cores, shared_mhz)
        elif unit:
            _add_clock(line, unit, busy, mhz)
    line.rails_w.pop(UNUSED, None)
    if cut:
        line.unknown.append(cut)
    return line


def _from_last_start(text: str, unknown: list[str]) -> str:
    """Drop the unfinished line that a killed program left before this one, without a newline."""
    if text.rfind("RAM") <= _LATEST_RAM_AT:
        return text
    start = max((found.start() for found in _LINE_START.finditer(text)), default=0)
    unknown += text[:start].split()[-1:]
    return text[start:]


def _without_open_end(text: str) -> tuple[str, str]:
    """`text` and its last word apart, if that word may be a clock without its last digits."""
    *_, word = text.split() or [""]
    if text.endswith(word) and _OPEN_END.search(word):
        return text[: len(text) - len(word)].rstrip(), word
    return text.rstrip(), ""


def _next_name(rail: str, rails_w: dict[str, float]) -> str:
    """`rail` with its place in the line; unused channels all share one name."""
    return rail if rail == UNUSED else f"{rail}#{len(rails_w) + 1}"


def _add_clock(line: Line, unit: str, busy: str, mhz: str) -> None:
    busy_percent = int(busy) if busy else None
    if unit == "GR3D":
        line.gpu_busy_percent, line.gpu_mhz = busy_percent, _fastest_mhz(mhz)
    else:
        line.emc_busy_percent, line.emc_mhz = busy_percent, _fastest_mhz(mhz)


def _cores_mhz(cores: str, shared_mhz: str) -> list[int | None]:
    """The clocks in "3%@345,off"; the old form "3%,off" has one clock for all that are on."""
    if shared_mhz:
        cores = _NO_CLOCK.sub(f"%@{shared_mhz}", cores)
    return [int(mhz) if mhz else None for mhz in _CORE.findall(cores)]


def _fastest_mhz(mhz: str) -> int | None:
    """The largest of "1300", "[305,off]" or "": one value per cluster of the GPU."""
    values = [int(word) for word in mhz.strip("[]").split(",") if word.isdecimal()]
    return max(values, default=None)


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
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for raw in sys.stdin.buffer:
        text = raw.decode("utf-8", errors="replace")
        print(json.dumps(_as_json(parse(text, complete=text.endswith("\n")))))


if __name__ == "__main__":
    main()
