"""Sessions: runs of a device between two restarts of its clock, which a meter can look on at.

Two runs of one session are as far apart as the board's own clock says. A clock that
went back (a reboot, a restarted emulator) begins a new session.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from measurements.models import Device, Network, PowerSample, Run
from measurements.models.calibrations import run_time
from measurements.power import Trace

LONGEST_PAUSE_S = 3600.0
"""A longer pause between two runs begins a new session."""
MOST_RUNS = 400
FAST_MS, SLOW_MS = 50, 1000
OFF = None
"""The interval of a run that samples nothing."""
CALIBRATION_ROUNDS = 3
OVERHEAD_BLOCKS = 6
MARK_REQUESTS, MARK_RATE_HZ = 40, 2.0
CHECK_WARM_UP_S = 10.0
"""In both arms of a check: an arm without samples cannot wait until its power is steady."""


@dataclass(frozen=True, slots=True)
class BoardSession:
    """Done runs of one device in order of time; at least one tells its power."""

    runs: tuple[Run, ...]

    @property
    def key(self) -> str:
        """Stands in forms for this session as it is now: its last run."""
        return str(self.runs[-1].pk)

    def until(self, key: str) -> BoardSession | None:
        """As it was when `key` stood for it, before further runs; None if it never did."""
        keys = [str(run.pk) for run in self.runs]
        return BoardSession(self.runs[: keys.index(key) + 1]) if key in keys else None

    @property
    def began_at(self) -> dt.datetime:
        return _time_of(self.runs[0])

    @property
    def ended_at(self) -> dt.datetime:
        return _time_of(self.runs[-1])

    @property
    def length_s(self) -> float:
        return _end_s(self.runs[-1]) - _zero_s(self.runs[0])

    @property
    def power_w(self) -> tuple[float, float]:
        """The lowest and the highest mean power of a run."""
        powers_w = [run.mean_power_w for run in self.runs if run.mean_power_w is not None]
        return min(powers_w), max(powers_w)


def sessions(device: Device) -> list[BoardSession]:
    """The device's sessions among its latest runs, the newest first."""
    tells = Q(mean_power_w__isnull=False) | Q(sample_interval_ms=OFF)
    runs = device.runs.done().filter(tells, clock_zero_s__isnull=False, board_s__isnull=False)
    latest = runs.defer("manifest").annotate(taken_at=run_time()).order_by("-taken_at")[:MOST_RUNS]
    found: list[list[Run]] = []
    for run in reversed(latest):
        if found and _goes_on(found[-1][-1], run):
            found[-1].append(run)
        else:
            found.append([run])
    return [BoardSession(tuple(group)) for group in reversed(found) if _tells_power(group)]


def traces(runs: Iterable[Run]) -> list[Trace]:
    """The total power of each run on its board's own clock."""
    runs = list(runs)
    columns: dict[Any, list[tuple[int, float | None]]] = {run.pk: [] for run in runs}
    known = Run.objects.filter(pk__in=columns).values_list("pk", "manifest__board__sensor_lag_s")
    lags_s = {pk: float(lag_s or 0.0) for pk, lag_s in known}
    samples = PowerSample.objects.filter(run__in=runs).order_by("run", "t_us")
    for pk, t_us, total_w in samples.values_list("run_id", "t_us", "total_w"):
        columns[pk].append((t_us, total_w))
    return [
        _trace(run, columns[run.pk], lags_s[run.pk]) for run in runs if len(columns[run.pk]) > 1
    ]


def queue_calibration(
    device: Device, network: Network, *, requests: int, by: AbstractBaseUser | None
) -> list[Run]:
    """Runs whose power goes up and down: each GPU clock from the lowest to the highest, in turn."""
    points = _stepped_hz(device) * CALIBRATION_ROUNDS
    rows = [
        _row(device, network, requests, by, f"calibration {n} of {len(points)}", gpu_hz=hz)
        for n, hz in enumerate(points, start=1)
    ]
    return _queued(rows)


def queue_overhead_check(
    device: Device,
    network: Network,
    *,
    requests: int,
    by: AbstractBaseUser | None,
    against_ms: int | None = SLOW_MS,
) -> list[Run]:
    """The same load again and again, in blocks of four: fast, slow, slow, fast, then mirrored.

    What a board does at the start of a block (it may have rested) so falls on either arm.

    Args:
        against_ms: The slow arm's interval; OFF: it samples nothing, and only an external
            meter sees it. Then marks stand between: sampled runs of little load, without
            which runs alike would fit the meter's series at several lags.
    """
    blocks = [_block(against_ms, is_mirrored=n % 2 == 1) for n in range(OVERHEAD_BLOCKS)]
    arms = [
        _row(device, network, requests, by, f"sampler check {n}, {in_words(ms)}",
             gpu_hz=max(device.gpu_hz, default=None), interval_ms=ms, warm_up_s=CHECK_WARM_UP_S)
        for n, ms in enumerate(chain(*blocks), start=1)
    ]  # fmt: skip
    if against_ms is not OFF:
        return _queued(arms)
    marks = [_mark(device, network, by) for _ in range(2)]
    half = len(arms) // 2
    return _queued([marks[0], *arms[:half], marks[1], *arms[half:]])


def _block(against_ms: int | None, *, is_mirrored: bool) -> tuple[int | None, ...]:
    first, second = (against_ms, FAST_MS) if is_mirrored else (FAST_MS, against_ms)
    return first, second, second, first


def _mark(device: Device, network: Network, by: AbstractBaseUser | None) -> Run:
    """A run whose power stands out from that of back-to-back ones: mostly idle."""
    row = _row(device, network, MARK_REQUESTS, by, "sampler check, mark for the meter",
               gpu_hz=max(device.gpu_hz, default=None))  # fmt: skip
    row.arrivals, row.rate_hz = Run.ArrivalsKind.UNIFORM, MARK_RATE_HZ
    return row


def in_words(interval_ms: int | None) -> str:
    return "off" if interval_ms is OFF else f"{interval_ms} ms"


def _tells_power(runs: Iterable[Run]) -> bool:
    return any(run.mean_power_w is not None for run in runs)


def _row(
    device: Device,
    network: Network,
    requests: int,
    by: AbstractBaseUser | None,
    title: str,
    *,
    gpu_hz: int | None,
    interval_ms: int | None = FAST_MS,
    warm_up_s: float = 2.5,
) -> Run:
    return Run(
        device=device,
        network=network,
        created_by=by,
        title=title,
        gpu_min_hz=gpu_hz,
        gpu_max_hz=gpu_hz,
        batch_size=network.only_batch_size or 1,
        requests_asked=requests,
        sample_interval_ms=interval_ms,
        warm_up_s=warm_up_s,
    )


def _queued(rows: list[Run]) -> list[Run]:
    with transaction.atomic():
        for row in rows:  # One by one: their order is their time.
            row.save()
    return rows


def _stepped_hz(device: Device) -> list[int | None]:
    """Lowest, highest, middle and highest GPU clock; nothing to choose where none is known."""
    legal = sorted(device.gpu_hz)
    if not legal:
        return [None]
    return [legal[0], legal[-1], legal[len(legal) // 2], legal[-1]]


def _goes_on(before: Run, after: Run) -> bool:
    pause_s = _zero_s(after) - _end_s(before)
    return -1.0 <= pause_s <= LONGEST_PAUSE_S


def _time_of(run: Run) -> dt.datetime:
    when = run.claimed_at or run.finished_at
    assert when is not None  # a done run has ended
    return when


def _zero_s(run: Run) -> float:
    return float(run.clock_zero_s or 0.0)


def _end_s(run: Run) -> float:
    return _zero_s(run) + (run.window_end_s or 0.0)


def _trace(run: Run, rows: list[tuple[int, float | None]], lag_s: float) -> Trace:
    t_us, total_w = zip(*rows, strict=True)
    return Trace(_zero_s(run) + np.array(t_us) / 1e6, np.array(total_w, dtype=float), lag_s)
