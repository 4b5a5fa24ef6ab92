"""The CSV file of an external power meter -> seconds on the meter's own clock, and watts.

Columns are found by their headers, in any order, between `,` `;` or tabs, with a point or
a comma before decimals. What cannot be read raises `MeterFileRefused`, which names the
line; a value is never guessed.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurements.meter_time import MeterFileRefused, number, times_s

MOST_BYTES = 32 * 1024 * 1024
MOST_READINGS = 500_000
FEWEST_READINGS = 30
MOST_MISSING = 0.2
LONGEST_LINE = 4096
HEADER_WITHIN = 60
"""The header stands within so many lines; what a meter writes above it is skipped."""

_UNITS = {
    "time": {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0},
    "power": {"w": 1.0, "watt": 1.0, "watts": 1.0, "mw": 1e-3, "kw": 1e3},
    "voltage": {"v": 1.0, "volt": 1.0, "volts": 1.0, "mv": 1e-3},
    "current": {"a": 1.0, "amp": 1.0, "amps": 1.0, "ampere": 1.0, "ma": 1e-3},
}
_NAMES = {
    "time": "time t timestamp datetime elapsed zeit uptime clock",
    "date": "date datum",
    "power": "power p pwr watt watts leistung active_power real_power input_power dc_power",
    "voltage": "voltage volt volts u spannung bus_voltage",
    "current": "current amps ampere i strom",
}
_QUANTITY_OF = {name: what for what, names in _NAMES.items() for name in names.split()}
_UNIT_OF = {unit: what for what, units in _UNITS.items() for unit in units}
_HEAD = re.compile(r"^(?P<name>.*?)[\s_]*[(\[/]\s*(?P<unit>[^)\]]*?)\s*[)\]]?$")


@dataclass(frozen=True, slots=True)
class Readings:
    """What a meter showed: `t_s` from its first reading on its own clock, ascending, shape (n,).

    `step_w` is the smallest difference between two readings: how coarse the meter shows.
    """

    t_s: NDArray[np.float64]
    power_w: NDArray[np.float64]
    step_w: float
    missing: int
    """Lines that held a time but no power."""

    @property
    def period_s(self) -> float:
        return float(np.median(np.diff(self.t_s)))


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    unit: float | None
    """What one of its unit is in s, W, V or A; None where the header does not say."""


@dataclass(frozen=True, slots=True)
class _Header:
    line: int
    delimiter: str
    columns: dict[str, _Column]


def read_meter(data: bytes) -> Readings:
    """The readings in a meter's file.

    Raises:
        MeterFileRefused: It is too large, has no such columns, or a line makes no sense.
    """
    lines = _lines(data)
    header = _header(lines)
    rows = list(_rows(lines, header))
    if len(rows) > MOST_READINGS:
        raise MeterFileRefused(
            f"The file holds more than {MOST_READINGS:,} readings: cut it to the session."
        )
    if not rows:
        raise MeterFileRefused("No reading stands below the header.")
    t_s = times_s([(line, text) for line, text, _ in rows], unit_s=header.columns["time"].unit)
    power_w = np.array([power for _, _, power in rows], dtype=float)
    known = ~np.isnan(power_w)
    _check_missing(rows, int((~known).sum()))
    t_s, power_w = _merged(t_s[known], power_w[known])
    if len(t_s) < FEWEST_READINGS:
        raise MeterFileRefused(
            f"Only {len(t_s)} readings at different times: at least {FEWEST_READINGS} are needed."
        )
    return Readings(t_s - t_s[0], power_w, _step(power_w), int((~known).sum()))


def _lines(data: bytes) -> list[str]:
    if len(data) > MOST_BYTES:
        raise MeterFileRefused(
            f"The file is larger than {MOST_BYTES // 2**20} MiB: cut it to the session."
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    elif b"\0" in data:
        raise MeterFileRefused("This is not a text file: export the meter's readings as CSV.")
    else:
        text = data.decode("utf-8-sig", errors="replace")
    # What follows the last line's end was cut off while it was written, if it is anything.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]


def _header(lines: Sequence[str]) -> _Header:
    for line_no, line in enumerate(lines[:HEADER_WITHIN], start=1):
        for delimiter in ("\t", ";", ","):
            columns = _columns(_cells(line, delimiter))
            if "time" in columns and ("power" in columns or {"voltage", "current"} <= set(columns)):
                return _Header(line_no, delimiter, columns)
    raise MeterFileRefused(
        f"No header in the first {HEADER_WITHIN} lines: one line must name a time column "
        "(time, timestamp, time (ms) …) and a power column (power (W), mW …), or voltage and "
        "current."
    )


def _columns(cells: Sequence[str]) -> dict[str, _Column]:
    """The columns that a header names; the first of each quantity counts."""
    found: dict[str, _Column] = {}
    for index, cell in enumerate(cells):
        what, unit = _meaning(cell)
        if what and what not in found:
            found[what] = _Column(index, unit)
    if "date" in found and "time" not in found:
        found["time"] = found.pop("date")
    return found


def _meaning(cell: str) -> tuple[str, float | None]:
    """(quantity, its unit) that a header cell means; ("", None) if none of ours."""
    text = cell.strip().strip('"').lower()
    head = _HEAD.match(text)
    name, unit = (head["name"], head["unit"]) if head else (text, "")
    name = re.sub(r"[\s_-]+", "_", name).strip("_")
    if not unit and "_" in name and name.rsplit("_", 1)[1] in _UNIT_OF:
        name, unit = name.rsplit("_", 1)
    if not unit and name in _UNIT_OF:
        return _UNIT_OF[name], _UNITS[_UNIT_OF[name]][name]
    what = _QUANTITY_OF.get(name, "")
    if not what or not unit or what == "date":
        return what, None
    factor = _UNITS[what].get(unit)
    # Another unit is another quantity (VA, kWh), unless it is a time's format or zone.
    return (what, factor) if factor is not None or what == "time" else ("", None)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line[:LONGEST_LINE]], delimiter=delimiter), [])
    except csv.Error:
        return []


def _rows(lines: Sequence[str], header: _Header) -> Iterator[tuple[int, str, float]]:
    """(line number, text of the time, watts or NaN) of each reading, at most one too many."""
    count = 0
    for line_no, line in enumerate(lines[header.line :], start=header.line + 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        yield _row(line_no, _cells(line, header.delimiter), header)
        count += 1
        if count > MOST_READINGS:
            return


def _row(line: int, cells: Sequence[str], header: _Header) -> tuple[int, str, float]:
    def cell(what: str) -> str:
        index = header.columns[what].index
        return cells[index].strip() if index < len(cells) else ""

    time = f"{cell('date')} {cell('time')}" if "date" in header.columns else cell("time")
    if not time.strip():
        raise MeterFileRefused(f"Line {line} has no time.")
    if "power" in header.columns:
        return line, time, _value(line, cell("power"), header.columns["power"])
    voltage_v = _value(line, cell("voltage"), header.columns["voltage"])
    return line, time, voltage_v * _value(line, cell("current"), header.columns["current"])


def _value(line: int, text: str, column: _Column) -> float:
    """The cell in W, V or A; NaN where the meter showed nothing or an overload."""
    if text.lower() in ("", "-", "--", "---", "nan", "n/a", "na", "null", "none", "ol", "inf"):
        return math.nan
    value = number(text)
    if value is None:
        raise MeterFileRefused(f"Line {line}: {text[:40]!r} is not a number.")
    return value * (1.0 if column.unit is None else column.unit)


def _check_missing(rows: Sequence[object], missing: int) -> None:
    if missing > MOST_MISSING * len(rows):
        raise MeterFileRefused(
            f"{missing} of {len(rows)} lines hold no power: the meter was not measuring."
        )


def _merged(
    t_s: NDArray[np.float64], power_w: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Readings of one stamp (clocks that show whole seconds) become their mean."""
    times, index, counts = np.unique(t_s, return_inverse=True, return_counts=True)
    return times, np.bincount(index, weights=power_w, minlength=len(times)) / counts


def _step(power_w: NDArray[np.float64]) -> float:
    """The smallest difference between two readings that is not rounding of a float; W."""
    differences = np.diff(np.unique(np.round(power_w, 9)))
    return float(differences.min()) if len(differences) else 0.0
