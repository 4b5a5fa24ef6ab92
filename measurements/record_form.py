"""Is a record well formed? What no board of ours would send is refused, not interpreted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from measurements.messages import OperatingPoint, Phase, Record, Requests, Samples

MOST_SAMPLES = 1_000_000
MOST_REQUESTS = 1_000_000
MOST_RAILS = 64
MOST_PHASES = 100
LONGEST_RUN_S = 7 * 24 * 3600.0
MOST_W = 1e5
MOST_MHZ = 100_000
MOST_HZ = 10**11
MOST_C = 1000.0
LONGEST_NAME = 40


class Malformed(ValueError):
    """The record is not what a board sends; the text says where."""


def check(record: Record) -> None:
    """Pass a well-formed record.

    Raises:
        Malformed: Columns of unequal length, a NaN, a time before the start, …
    """
    _samples(record.samples, rails=len(record.board.rails))
    if record.plan.sample_interval_ms is None and record.samples.t_us:
        raise Malformed("the plan asked for no samples, but there are some")
    _requests(record.requests)
    _phases(record.phases)
    _within("board_s", [record.board_s], 0, LONGEST_RUN_S)
    _within("sensor_lag_s", [record.board.sensor_lag_s], 0, 60)
    for point in (record.before, record.held, record.restored):
        _point(point)
    if (cpu := record.sampler_cpu) is not None:
        _within("sampler_cpu", [cpu.over_s, cpu.reader_s, cpu.program_s or 0.0], 0, LONGEST_RUN_S)
    _storable(record)


def _samples(samples: Samples, *, rails: int) -> None:
    count = len(samples.t_us)
    if count > MOST_SAMPLES or rails > MOST_RAILS:
        raise Malformed(f"{count} samples of {rails} rails are too many")
    if len(samples.rails_w) != rails:
        raise Malformed(f"samples of {len(samples.rails_w)} rails, but the board has {rails}")
    _within("t_us", samples.t_us, 0, LONGEST_RUN_S * 1e6)
    columns: dict[str, tuple[Sequence[float | None], float, float]] = {
        "gpu_mhz": (samples.gpu_mhz, 0, MOST_MHZ),
        "emc_mhz": (samples.emc_mhz, 0, MOST_MHZ),
        "cpu_mhz": (samples.cpu_mhz, 0, MOST_MHZ),
        "temp_c": (samples.temp_c, -MOST_C, MOST_C),
        "gpu_busy_percent": (samples.gpu_busy_percent, 0, 1000),
        **{f"rail {i}": (rail, -MOST_W, MOST_W) for i, rail in enumerate(samples.rails_w)},
    }
    for name, (column, low, high) in columns.items():
        _length(name, column, count)
        _within(name, (value for value in column if value is not None), low, high)


def _requests(requests: Requests) -> None:
    columns = msgspec.structs.asdict(requests)
    count = len(requests.end_s)
    if count > MOST_REQUESTS:
        raise Malformed(f"{count} requests are too many")
    for name, column in columns.items():
        _length(name, column, count)
        _within(name, column, 0, LONGEST_RUN_S)
    in_order = (requests.arrival_s, requests.start_s, requests.inference_start_s, requests.end_s)
    if count and (np.diff(np.array(in_order), axis=0) < 0).any():
        raise Malformed("a request ends before it starts, or starts before it arrives")


def _phases(phases: Sequence[Phase]) -> None:
    if len(phases) > MOST_PHASES:
        raise Malformed(f"{len(phases)} phases are too many")
    for phase in phases:
        _within(f"phase {phase.name}", [phase.start_s, phase.end_s], 0, LONGEST_RUN_S)
        if phase.end_s < phase.start_s:
            raise Malformed(f"phase {phase.name} ends before it starts")


def _point(point: OperatingPoint) -> None:
    clocks = msgspec.structs.asdict(point)
    _within("a clock", (hz for hz in clocks.values() if hz is not None), 0, MOST_HZ)


def _storable(record: Record) -> None:
    """A date that is one, and no NUL character: PostgreSQL stores none."""
    try:
        aware = dt.datetime.fromisoformat(record.started_at).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise Malformed(f"started_at is no time with a zone: {record.started_at!r}")
    names = [fault.code for fault in record.faults] + [rail.name for rail in record.board.rails]
    if any(len(name) > LONGEST_NAME for name in names):
        raise Malformed(f"the name of a rail or fault has over {LONGEST_NAME} letters")
    words = (record.board, record.faults, record.unknown_tokens)
    if b"\\u0000" in msgspec.json.encode(words):
        raise Malformed("a text holds a NUL character")


def _length(name: str, column: Sequence[object], count: int) -> None:
    if len(column) != count:
        raise Malformed(f"{name} has {len(column)} values instead of {count}")


def _within(name: str, values: Iterable[float], low: float, high: float) -> None:
    """Every value is a number from `low` to `high` (NaN is none)."""
    numbers = np.fromiter(values, dtype=float)
    if not ((numbers >= low) & (numbers <= high)).all():
        raise Malformed(f"{name} holds a value outside {low:g} to {high:g}")
