"""Sessions: runs of a device between two restarts of its clock, which a meter can look on at.

Two runs of one session are as far apart as the board's own clock says. A clock that
went back (a reboot, a restarted emulator) begins a new session.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from measurements.models import Device, Network, PowerSample, Run
from measurements.models.calibrations import run_time
from measurements.power import Trace

LONGEST_PAUSE_S = 3600.0
"""A longer pause between two runs begins a new session."""
MOST_RUNS = 400
FAST_MS, SLOW_MS = 50, 1000
ABBA = (FAST_MS, SLOW_MS, SLOW_MS, FAST_MS)
CALIBRATION_ROUNDS = 3
OVERHEAD_BLOCKS = 6


@dataclass(frozen=True, slots=True)
class BoardSession:
    """Done runs of one device in order of time."""

    runs: tuple[Run, ...]

    @property
    def key(self) -> str:
        """Stands in forms for this session: its last run, to which nothing can be added before."""
        return str(self.runs[-1].pk)

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
    runs = device.runs.done().filter(
        clock_zero_s__isnull=False, board_s__isnull=False, mean_power_w__isnull=False
    )
    latest = runs.defer("manifest").annotate(taken_at=run_time()).order_by("-taken_at")[:MOST_RUNS]
    found: list[list[Run]] = []
    for run in reversed(latest):
        if found and _goes_on(found[-1][-1], run):
            found[-1].append(run)
        else:
            found.append([run])
    return [BoardSession(tuple(group)) for group in reversed(found)]


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
    device: Device, network: Network, *, requests: int, by: AbstractBaseUser | None
) -> list[Run]:
    """The same load again and again, the sampler fast, slow, slow, fast, in blocks."""
    intervals_ms = ABBA * OVERHEAD_BLOCKS
    highest_hz = max(device.gpu_hz, default=None)
    rows = [
        _row(device, network, requests, by, f"sampler check {n} of {len(intervals_ms)}, {ms} ms",
             gpu_hz=highest_hz, interval_ms=ms)
        for n, ms in enumerate(intervals_ms, start=1)
    ]  # fmt: skip
    return _queued(rows)


def _row(
    device: Device,
    network: Network,
    requests: int,
    by: AbstractBaseUser | None,
    title: str,
    *,
    gpu_hz: int | None,
    interval_ms: int = FAST_MS,
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
