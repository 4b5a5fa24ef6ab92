"""A run's samples and requests as Parquet, and back: columnar files for any tool.

`samples.parquet` has one row per instant: `run`, `t_us` (microseconds from the run's
start), `rails_w` (watts, in the order of the run's rails) and the columns of PowerSample;
`requests.parquet` one row per measured request, in seconds from the run's start. Runs stand
in a file one after another, each ascending in time; an unknown value is null, never 0.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import connection

from measurements.models import PowerSample, RequestLog, Run

SAMPLES = pa.schema(
    [
        ("run", pa.string()),
        ("t_us", pa.int64()),
        ("rails_w", pa.list_(pa.float64())),
        ("total_w", pa.float64()),
        ("gpu_mhz", pa.int32()),
        ("emc_mhz", pa.int32()),
        ("cpu_mhz", pa.int32()),
        ("temp_c", pa.float64()),
        ("gpu_busy_percent", pa.float64()),
    ]
)
TIMES = ("arrival_s", "start_s", "inference_start_s", "end_s")
REQUESTS = pa.schema([("run", pa.string()), *((name, pa.float64()) for name in TIMES)])
ROWS_AT_ONCE = 50_000
MOST_ROWS = 20_000_000
MOST_RAILS = 64


class UnreadableSamples(ValueError):
    """The file does not hold what it should; the text says what is wrong."""


def write_samples(path: Path, runs: Iterable[Run]) -> int:
    """Every sample of `runs`; how many there are."""
    columns = SAMPLES.names[1:]
    with pq.ParquetWriter(path, SAMPLES, compression="zstd") as writer:
        return sum(_write(writer, run, columns) for run in runs)


def write_requests(path: Path, runs: Iterable[Run]) -> int:
    """Every measured request of `runs`; how many there are."""
    count = 0
    with pq.ParquetWriter(path, REQUESTS, compression="zstd") as writer:
        for log in RequestLog.objects.filter(run__in=list(runs)).order_by("run_id"):
            times = {name: getattr(log, name) for name in TIMES}
            count += len(log.end_s)
            writer.write_table(
                pa.table({"run": [str(log.run_id)] * len(log.end_s), **times}, REQUESTS)
            )
    return count


def load_samples(path: Path, rails: dict[uuid.UUID, int]) -> int:
    """Store the samples in the file at `path`; how many there are.

    Args:
        rails: How many rails each run has; no other run may be in the file.

    Raises:
        UnreadableSamples: See its text. Some may have been stored: roll back.
    """
    count = 0
    for batch in _batches(path, SAMPLES, most_values=MOST_ROWS * MOST_RAILS):
        _must_be_finite(batch, ("total_w", "temp_c", "gpu_busy_percent"))
        _must_be_finite(batch, ("rails_w",))
        _copy(_lines(batch, rails))
        count += batch.num_rows
    return count


def load_requests(path: Path, runs: Iterable[uuid.UUID]) -> int:
    """Store the request logs in the file at `path`; how many requests there are.

    Raises:
        UnreadableSamples: See its text. Some may have been stored: roll back.
    """
    allowed, logs = set(runs), {}
    for batch in _batches(path, REQUESTS, most_values=MOST_ROWS):
        _must_be_finite(batch, TIMES)
        columns = batch.to_pydict()
        for row, text in enumerate(columns["run"]):
            log = logs.setdefault(_run(text, allowed), {name: [] for name in TIMES})
            for name in TIMES:
                log[name].append(_known(columns[name][row], name))
    RequestLog.objects.bulk_create(RequestLog(run_id=run, **times) for run, times in logs.items())
    return sum(len(log["end_s"]) for log in logs.values())


def _write(writer: pq.ParquetWriter, run: Run, columns: list[str]) -> int:
    count = 0
    samples = PowerSample.objects.filter(run=run).order_by("t_us").values_list(*columns)
    for rows in _chunks(samples.iterator(chunk_size=ROWS_AT_ONCE)):
        values = dict(zip(columns, zip(*rows, strict=True), strict=True))
        writer.write_table(pa.table({"run": [str(run.pk)] * len(rows), **values}, SAMPLES))
        count += len(rows)
    return count


def _chunks(rows: Iterable[tuple]) -> Iterator[list[tuple]]:
    chunk: list[tuple] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _batches(path: Path, schema: pa.Schema, *, most_values: int) -> Iterator[pa.RecordBatch]:
    """What the file holds, piece by piece, once its footer promises no more than it may hold."""
    try:
        file = pq.ParquetFile(path)
        if not file.schema_arrow.equals(schema):
            raise UnreadableSamples(f"{path.name} has other columns than {', '.join(schema.names)}")
        if file.metadata.num_rows > MOST_ROWS or _values(file) > most_values:
            raise UnreadableSamples(f"{path.name} holds more than {MOST_ROWS:,} rows")
        yield from file.iter_batches(batch_size=ROWS_AT_ONCE)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableSamples(f"{path.name} cannot be read: {error}") from error


def _values(file: pq.ParquetFile) -> int:
    """Of the column that has most."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    columns = range(file.metadata.num_columns)
    return max((sum(g.column(c).num_values for g in groups) for c in columns), default=0)


def _must_be_finite(batch: pa.RecordBatch, names: Iterable[str]) -> None:
    for name in names:
        column = batch.column(name)
        values = pc.list_flatten(column) if pa.types.is_list(column.type) else column
        if not pc.all(pc.is_finite(values.drop_null())).as_py() and len(values.drop_null()):
            raise UnreadableSamples(f"{name} holds a number that is not finite")


def _lines(batch: pa.RecordBatch, rails: dict[uuid.UUID, int]) -> Iterator[str]:
    """Rows in the text format of COPY."""
    for text, t_us, rails_w, *values in zip(*batch.to_pydict().values(), strict=True):
        run = _run(text, rails)
        if rails_w is None or len(rails_w) != rails[run]:
            raise UnreadableSamples(f"a sample of run {run} has not a value for each rail")
        array = "{" + ",".join("NULL" if power is None else repr(power) for power in rails_w) + "}"
        fields = ("\\N" if value is None else repr(value) for value in values)
        yield "\t".join((str(run), str(_known(t_us, "t_us")), array, *fields))


def _copy(lines: Iterable[str]) -> None:
    columns = ", ".join(["run_id", *SAMPLES.names[1:]])
    command = f"COPY {PowerSample._meta.db_table} ({columns}) FROM STDIN"
    with connection.cursor() as cursor:
        cursor.copy_expert(command, io.StringIO("\n".join(lines)))


def _run(text: Any, allowed: Iterable[uuid.UUID]) -> uuid.UUID:
    try:
        run = uuid.UUID(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnreadableSamples(f"{text!r} is no run's id") from error
    if run not in allowed:
        raise UnreadableSamples(f"run {run} is not in the pack")
    return run


def _known(value: Any, name: str) -> Any:
    if value is None:
        raise UnreadableSamples(f"{name} is missing in a row")
    return value
