"""A recorded trace of arrivals: one time in seconds a line, replayed as it was.

Times count from the first arrival. A run that needs more requests than the trace holds
replays it again, one mean gap after its last arrival, so that its mean rate goes on.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import count

MOST_ARRIVALS = 20_000
"""In one trace: it travels in every plan and record."""
MOST_BYTES = 1_000_000
LONGEST_S = 24 * 3600.0


class NoTrace(ValueError):
    """The text is no trace of arrivals; it says where."""


def parse(text: str) -> list[float]:
    """The arrivals that `text` lists, in seconds from the first one, ascending.

    Blank lines and what follows a `#` are skipped; a first line of words is a heading.
    Only what stands before the first comma counts, so that a CSV's first column will do.

    Raises:
        NoTrace: A line is no number, time goes backwards, or there are too few or too many.
    """
    times_s: list[float] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.split("#")[0].split(",")[0].strip()
        if not word or (not times_s and number == 1 and not _is_number(word)):
            continue
        times_s.append(_time(word, number, times_s))
        if len(times_s) > MOST_ARRIVALS:
            raise NoTrace(f"More than {MOST_ARRIVALS:,} arrivals: cut the trace.")
    return _from_first(times_s)


def mean_rate_hz(times_s: Sequence[float]) -> float:
    """Arrivals a second: gaps ÷ the time from the first arrival to the last."""
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])


def most_within(times_s: Sequence[float], span_s: float) -> int:
    """The most arrivals in any `span_s` seconds."""
    return max(bisect_left(times_s, t_s + span_s) - number for number, t_s in enumerate(times_s))


def replayed(times_s: Sequence[float], *, start_s: float) -> Iterator[float]:
    """The trace's arrivals from `start_s` on, over and over, for ever.

    Raises:
        ValueError: There are fewer than two arrivals, or they take no time.
    """
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        raise ValueError("a trace needs two arrivals at different times")
    period_s = len(times_s) / mean_rate_hz(times_s)
    for again in count():
        for t_s in times_s:
            yield start_s + again * period_s + (t_s - times_s[0])


def _time(word: str, number: int, before_s: Sequence[float]) -> float:
    if not _is_number(word):
        raise NoTrace(f"Line {number}: {word[:40]!r} is no time in seconds.")
    t_s = float(word)
    if before_s and t_s < before_s[-1]:
        raise NoTrace(f"Line {number}: {t_s:g} s lies before the arrival above it.")
    return t_s


def _from_first(times_s: Sequence[float]) -> list[float]:
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        raise NoTrace("A trace needs at least two arrivals at different times.")
    if times_s[-1] - times_s[0] > LONGEST_S:
        raise NoTrace("The trace is longer than a day: are its times in seconds?")
    return [t_s - times_s[0] for t_s in times_s]


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
