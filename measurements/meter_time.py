"""The times in a meter's file -> seconds: plain numbers, ISO 8601, or hours:minutes:seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
LARGEST = 1e15
"""No time and no power is larger, in any unit."""
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
_CLOCK = re.compile(
    r"(?P<date>.*?[T\s])?\s*(?P<h>\d{1,3}):(?P<m>[0-5]\d)(:(?P<s>[0-5]\d([.,]\d{1,9})?))?"
    r"\s*(?P<half>[AaPp][Mm])?",
    re.ASCII,
)


class MeterFileRefused(ValueError):
    """The file cannot be read as a meter's; the text says why and at which line."""


def times_s(rows: Sequence[tuple[int, str]], *, unit_s: float | None) -> NDArray[np.float64]:
    """Seconds on the meter's clock, shape (rows,), never falling.

    Args:
        rows: Line number and text of each time, at least one.
        unit_s: What the header says one unit of a plain number is; None if it does not.

    Raises:
        MeterFileRefused: A text is no time, or time goes backwards.
    """
    numbers = [number(text) for _, text in rows]
    if numbers[0] is None:
        t_s = _clock_times(rows)
    elif None in numbers:
        line, text = rows[numbers.index(None)]
        raise MeterFileRefused(f"Line {line}: the time {text[:40]!r} is not a number of seconds.")
    else:
        t = np.array(numbers, dtype=float)
        t_s = t * _unit_s(t, unit_s)
    backwards = np.flatnonzero(np.diff(t_s) < 0)
    if len(backwards):
        line, text = rows[int(backwards[0]) + 1]
        raise MeterFileRefused(f"Line {line}: the time {text[:40]!r} is before the line above.")
    return t_s


def _unit_s(t: NDArray[np.float64], stated: float | None) -> float:
    """Seconds in one unit of a numeric time column."""
    if stated is not None:
        return stated
    if t[0] > 1e11:  # Since 1970, in ms: in seconds it would be the year 5138.
        return 1e-3
    if len(t) > 1 and float(np.median(np.diff(t))) > 30:
        raise MeterFileRefused(
            "The header does not say the unit of time, and the steps are too long for seconds: "
            "name the column time (ms)."
        )
    return 1.0


def _clock_times(rows: Sequence[tuple[int, str]]) -> NDArray[np.float64]:
    """Dates with times as seconds since 1970; times of day go on after midnight."""
    t_s, days = np.empty(len(rows)), 0
    for index, (line, text) in enumerate(rows):
        seconds, is_dated = _clock_time(line, text)
        t_s[index] = seconds + (0 if is_dated else days * DAY_S)
        if index and not is_dated and t_s[index] < t_s[index - 1] - DAY_S / 2:
            days += 1
            t_s[index] += DAY_S
    return t_s


def _clock_time(line: int, text: str) -> tuple[float, bool]:
    """(seconds, whether they count from 1970 rather than from midnight)."""
    try:
        stamp = datetime.fromisoformat(text.strip().replace("/", "-").replace(",", "."))
    except ValueError:
        pass
    else:
        aware = stamp if stamp.tzinfo else stamp.replace(tzinfo=timezone.utc)
        return aware.timestamp(), True
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        raise MeterFileRefused(
            f"Line {line}: the time {text[:40]!r} is neither seconds, nor ISO 8601, nor hh:mm:ss."
        )
    hours = int(found["h"])
    if found["half"]:
        hours = hours % 12 + (12 if found["half"].lower() == "pm" else 0)
    seconds = float((found["s"] or "0").replace(",", "."))
    return hours * 3600.0 + int(found["m"]) * 60.0 + seconds, False


def number(text: str) -> float | None:
    """A plain number, with a point or a comma before its decimals; None if it is none."""
    value = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None
    return value if value is not None and abs(value) < LARGEST else None
