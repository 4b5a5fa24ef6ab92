"""When the lines of a tegrastats log were printed, from what little a log says.

Line i is taken to stand at i mean periods after the first. The period is the interval
plus what tegrastats itself takes, or comes from the log's time stamps (whole seconds,
JetPack 5 and later), whichever is known better.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from measurements.power import Window
from measurements.quality import Finding

EXCESS_S, EXCESS_ERROR_S = 0.008, 0.002
"""tegrastats works for 6 to 10 ms, then sleeps the interval: 1000 -> 1008, 100 -> 106 to 110 ms."""
STAMP_ERROR_S = 1.0
"""Two stamps cut to whole seconds are up to 1 s further apart, or nearer, than their lines."""
SMALLEST_GAP_S = 3.0


@dataclass(frozen=True, slots=True)
class Timing:
    """The mean period of a log's lines, how far off it may be, and where the log paused."""

    period_s: float
    error_s: float
    source: str
    pauses: tuple[tuple[int, float], ...] = ()
    """Index of the line before a pause, and its length in seconds."""
    contradicts: str = ""

    def times_s(self, lines: int) -> list[float]:
        """When each of `lines` lines stands, from the first one's 0 s; pauses included."""
        longer_s = dict(self.pauses)
        steps_s = (longer_s.get(line, self.period_s) for line in range(lines - 1))
        return list(itertools.accumulate(steps_s, initial=0.0))

    def findings(self, window: Window) -> list[Finding]:
        """What the reader of a run over `window` should know of its times."""
        percent = 100 * self.error_s / self.period_s
        found = [
            Finding(
                "note",
                "log-time",
                f"Lines are {1000 * self.period_s:.1f} ms apart, within {percent:.2g} %: "
                f"{self.source}.{self.contradicts}",
            )
        ]
        times_s = self.times_s(1 + max((line for line, _ in self.pauses), default=0))
        for line, pause_s in self.pauses:
            if times_s[line] < window.end_s and times_s[line] + pause_s > window.start_s:
                text = f"The log pauses for {pause_s:.0f} s after line {line + 1}, in the window."
                found.append(Finding("invalid", "gap", text))
                break
        return found


def timing(stamps: Sequence[dt.datetime | None], *, interval_ms: int) -> Timing:
    """How far apart the lines of a log stand.

    Args:
        stamps: Of each line, in whole seconds; None where a line has none. Shape (n,), n >= 2.
    """
    interval = Timing(
        interval_ms / 1000 + EXCESS_S,
        EXCESS_ERROR_S,
        f"from the interval of {interval_ms} ms and what tegrastats itself takes",
    )
    steps_s = _steps_s(stamps)
    if steps_s is None:
        return interval
    if min(steps_s) < 0:
        return Timing(
            interval.period_s, interval.error_s, interval.source,
            contradicts=" The log's own time stamps run backwards.",
        )  # fmt: skip
    return _better(interval, steps_s, interval_ms=interval_ms)


def _better(interval: Timing, steps_s: Sequence[float], *, interval_ms: int) -> Timing:
    allowed_s = max(SMALLEST_GAP_S, 5 * interval.period_s)
    pauses = tuple((line, step_s) for line, step_s in enumerate(steps_s) if step_s > allowed_s)
    going_s = [step_s for step_s in steps_s if step_s <= allowed_s]
    if not going_s:
        return interval
    period_s, error_s = sum(going_s) / len(going_s), STAMP_ERROR_S / len(going_s)
    contradicts = abs(period_s - interval.period_s) > error_s + interval.error_s
    if not contradicts and error_s >= interval.error_s:
        return Timing(interval.period_s, interval.error_s, interval.source, pauses)
    return Timing(
        period_s,
        error_s,
        "from the log's own time stamps",
        pauses,
        f" That is not the {interval_ms} ms that was given." if contradicts else "",
    )


def _steps_s(stamps: Sequence[dt.datetime | None]) -> list[float] | None:
    """Seconds from stamp to stamp; None unless every line has one."""
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or len(known) < 2:
        return None
    return [
        (after - before).total_seconds() for before, after in zip(known, known[1:], strict=False)
    ]
