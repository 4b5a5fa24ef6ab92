"""A tegrastats log captured anywhere becomes a run: no device, no network, no operating point.

Energy per request is the energy drawn over the window divided by the requests that its
owner says were served in it: the at-rate definition.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from measurements import recording
from measurements.board.hardware.protocol import Sample
from measurements.board.hardware.rails import rail_part, total_of
from measurements.board.hardware.sampling import TegrastatsSampler
from measurements.board.hardware.tegrastats import parse
from measurements.energy import EnergyUnknown, Trace, Window
from measurements.log_time import Timing, timing
from measurements.mean_power import scatter_of
from measurements.messages import Rail, Samples
from measurements.models import AuditEntry, Phase, Run, Verdict
from measurements.power import PowerMissing, rail_w, total_w
from measurements.quality import Finding, is_invalid

FEWEST_SAMPLES = 5
LINES_THAT_NAME_THE_RAILS = 200
LONGEST_LINE = 64 * 1024
MOST_TOKENS = 200
TELL_EVERY = 5000
"""Lines between two words on how far the reading is: about half a second."""
_STAMP = re.compile(r"\s*(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\b")


class LogRefused(ValueError):
    """The log cannot become a run; the text says what to do."""


@dataclass(frozen=True, slots=True)
class LogWindow:
    """What the owner of a log says of it. `end_s` None: to its last line."""

    interval_ms: int
    requests: int
    start_s: float = 0.0
    end_s: float | None = None


def _nobody(_: int) -> None:
    """Hears how far the reading is, and tells nobody."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log that was read: samples from its first line on, and how its lines were timed."""

    samples: Samples
    rails: list[Rail]
    timing: Timing
    unknown_tokens: dict[str, int]
    first_stamp: str | None
    sha256: str

    @property
    def length_s(self) -> float:
        return self.samples.t_us[-1] / 1e6


def import_log(
    data: bytes,
    *,
    interval_ms: int,
    requests: int,
    start_s: float = 0.0,
    end_s: float | None = None,
    title: str = "",
    created_by: AbstractBaseUser | None = None,
) -> Run:
    """The stored run of a tegrastats log.

    Args:
        data: The file as it was uploaded.
        interval_ms: The interval that tegrastats was started with.
        requests: How many were served between `start_s` and `end_s`, which count from
            the log's first line; `end_s` None means its last line.

    Raises:
        LogRefused: It holds nothing that could be a run; the text says what to do.
    """
    asked = LogWindow(interval_ms, requests, start_s, end_s)
    return store_log(read_log(data, asked), asked, title=title, created_by=created_by)


def read_log(data: bytes, asked: LogWindow, *, progress: Callable[[int], None] = _nobody) -> Log:
    """What the file says; nothing is stored.

    Args:
        progress: Told now and then how many percent of the lines were read.

    Raises:
        LogRefused: See `import_log`.
    """
    _check(data, asked)
    log = _read(data, asked.interval_ms, progress)
    _window(log, asked)
    return log


def store_log(
    log: Log, asked: LogWindow, *, title: str = "", created_by: AbstractBaseUser | None = None
) -> Run:
    """The stored run of a log that was read, whole or not at all."""
    run = Run(
        origin=Run.Origin.IMPORTED_LOG,
        title=title or "Imported tegrastats log",
        created_by=created_by,
        requests_asked=asked.requests,
        requests_served=asked.requests,
        sample_interval_ms=asked.interval_ms,
    )
    with transaction.atomic():
        _store(run, log, _window(log, asked))
        AuditEntry.objects.note(created_by, "imported a log", run, sha256=log.sha256)
    return run


def _check(data: bytes, asked: LogWindow) -> None:
    if len(data) > settings.LOG_MAX_BYTES:
        limit_mb = settings.LOG_MAX_BYTES / 2**20
        raise LogRefused(
            f"The log is larger than {limit_mb:.0f} MB. Cut it to the stretch around the requests."
        )
    if b"\0" in data:
        raise LogRefused("This is not a text file. Upload what tegrastats printed, as UTF-8 text.")
    if asked.requests < 1:
        raise LogRefused("At least one request must have been served in the window.")
    if not 1 <= asked.interval_ms <= 600_000:
        raise LogRefused("The interval is the one tegrastats was started with: 1 to 600000 ms.")


def _read(data: bytes, interval_ms: int, progress: Callable[[int], None]) -> Log:
    text = data.decode("utf-8", errors="replace")
    lines = [line[:LONGEST_LINE] for line in text.splitlines()]
    names = _rail_names(lines)
    sampler, stamps = _sampled(lines, names, progress)
    # A killed tegrastats leaves its last line unfinished.
    if not text.endswith("\n") and sampler.samples and None in sampler.samples[-1].rails_w:
        sampler.samples.pop()
        stamps.pop()
    if len(sampler.samples) < 2:
        raise LogRefused(
            "No two lines of this file are tegrastats lines. "
            "Upload what `tegrastats --interval …` printed, one line for each sample."
        )
    timed, total = timing(stamps, interval_ms=interval_ms), total_of(names)
    return Log(
        samples=_columns(sampler.samples, timed),
        rails=[Rail(name=name, part=rail_part(name), in_total=name in total) for name in names],
        timing=timed,
        unknown_tokens=dict(Counter(sampler.unknown_tokens).most_common(MOST_TOKENS)),
        first_stamp=stamps[0].isoformat() if stamps[0] else None,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _sampled(
    lines: list[str], names: list[str], progress: Callable[[int], None]
) -> tuple[TegrastatsSampler, list[dt.datetime | None]]:
    """A sample of each line that states something, and the line's own time."""
    sampler, stamps = TegrastatsSampler(names), list[dt.datetime | None]()
    for number, line in enumerate(lines):
        sampler.feed(float(len(stamps)), line)
        if len(sampler.samples) > len(stamps):
            stamps.append(_stamp(line))
        if number % TELL_EVERY == 0:
            progress(100 * number // len(lines))
    progress(100)
    return sampler, stamps


def _rail_names(lines: list[str]) -> list[str]:
    """The rails that the log's first lines state, in their order."""
    stated = (parse(line).rails_w for line in lines[:LINES_THAT_NAME_THE_RAILS])
    names = list(dict.fromkeys(name for rails in stated for name in rails))
    if not names:
        raise LogRefused(
            "The first lines of this file state no power rail. On most boards tegrastats "
            "prints power only as root: capture the log with sudo."
        )
    return names


def _stamp(line: str) -> dt.datetime | None:
    """The line's own time in whole seconds, without a zone (JetPack 5 and later)."""
    found = _STAMP.match(line)
    return _time(found[1]) if found else None


@lru_cache(maxsize=8)
def _time(stamp: str) -> dt.datetime | None:
    """Neighbouring lines share their second."""
    try:
        return dt.datetime.strptime(stamp, "%m-%d-%Y %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None


def _columns(rows: list[Sample], timed: Timing) -> Samples:
    return Samples(
        t_us=[round(t_s * 1e6) for t_s in timed.times_s(len(rows))],
        rails_w=[list(rail) for rail in zip(*(row.rails_w for row in rows), strict=True)],
        gpu_mhz=[row.gpu_mhz for row in rows],
        emc_mhz=[row.emc_mhz for row in rows],
        cpu_mhz=[row.cpu_mhz for row in rows],
        temp_c=[row.temp_c for row in rows],
        gpu_busy_percent=[row.gpu_busy_percent for row in rows],
    )


def _window(log: Log, asked: LogWindow) -> Window:
    end_s = log.length_s if asked.end_s is None else asked.end_s
    covers = f"The log's {len(log.samples.t_us)} lines cover 0 to {log.length_s:.2f} s"
    if not 0 <= asked.start_s < end_s <= log.length_s:
        raise LogRefused(
            f"{covers}; choose a window within them, its start before its end "
            f"(not {asked.start_s:g} to {end_s:g} s)."
        )
    t_s = np.array(log.samples.t_us) / 1e6
    inside = int(((t_s >= asked.start_s) & (t_s <= end_s)).sum())
    if inside < FEWEST_SAMPLES:
        raise LogRefused(
            f"Only {inside} lines fall in the window; at least {FEWEST_SAMPLES} are needed."
        )
    return Window(asked.start_s, end_s)


def _store(run: Run, log: Log, window: Window) -> None:
    found = [*log.timing.findings(window), *_measure(run, log, window)]
    run.state = Run.State.INVALID if is_invalid(found) else Run.State.DONE
    run.finished_at, run.board_s = timezone.now(), log.length_s
    run.window_start_s, run.window_end_s = window
    run.rails = [rail.name for rail in log.rails]
    run.total_of = [rail.name for rail in log.rails if rail.in_total]
    run.temp_max_c = max((t for t in log.samples.temp_c if t is not None), default=None)
    run.unknown_tokens, run.record_sha256 = log.unknown_tokens, log.sha256
    run.manifest = _manifest(run, log)
    run.save()
    Verdict.objects.bulk_create(
        Verdict(run=run, severity=finding.severity, code=finding.code, text=finding.text)
        for finding in found
    )
    Phase.objects.create(run=run, name="serve", start_s=window.start_s, end_s=window.end_s)
    recording.store_samples(run, log.samples, _totals_w(log))


def _measure(run: Run, log: Log, window: Window) -> list[Finding]:
    t_s = np.array(log.samples.t_us) / 1e6
    seconds_each = window.length_s / run.requests_asked
    run.rail_at_rate_energy_j = [
        _energy_or_none(Trace(t_s, rail_w(log.samples, index)), window, seconds_each)
        for index in range(len(log.rails))
    ]
    try:
        power = scatter_of(Trace(t_s, total_w(log.samples, log.rails)), window).mean
    except EnergyUnknown as error:
        return [Finding("invalid", "energy-unknown", f"No energy: {error}.")]
    run.mean_power_w = power.value
    run.at_rate_energy_j = power.value * seconds_each
    spread_j = None if power.half_width is None else power.half_width * seconds_each
    return _what_a_log_lacks(spread_j)


def _energy_or_none(trace: Trace, window: Window, seconds_each: float) -> float | None:
    try:
        return scatter_of(trace, window).mean.value * seconds_each
    except PowerMissing:
        return None


def _what_a_log_lacks(spread_j: float | None) -> list[Finding]:
    alone = (
        ""
        if spread_j is None
        else f" The spread of the samples alone gives ± {round(spread_j, 9):.3g} J."
    )
    return [
        Finding(
            "note",
            "busy-unknown",
            "Busy energy is not known: a log does not say when inferences ran.",
        ),
        Finding(
            "note",
            "interval-unknown",
            "No interval: a log does not say in which steps and how late its sensor reads." + alone,
        ),
    ]


def _totals_w(log: Log) -> list[float | None]:
    try:
        return recording.known(total_w(log.samples, log.rails))
    except PowerMissing:
        return [None] * len(log.samples.t_us)


def _manifest(run: Run, log: Log) -> dict[str, Any]:
    return {
        "source": "imported tegrastats log",
        "board": {"rails": msgspec.to_builtins(log.rails)},
        "first_line_at": log.first_stamp,
        "lines": len(log.samples.t_us),
        "sample_interval_ms": run.sample_interval_ms,
        "period_s": log.timing.period_s,
        "period_error_s": log.timing.error_s,
        "period_from": log.timing.source,
        "definitions": recording.DEFINITIONS,
        "record_sha256": log.sha256,
    }
