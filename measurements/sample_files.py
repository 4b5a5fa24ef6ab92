"""A run's samples and requests as Parquet, and back: columnar files for any tool.

`samples.parquet` has one row per instant: `run`, `t_us` (microseconds from the run's
start), `rails_w` (watts, in the order of the run's rails) and the columns of PowerSample;
`requests.parquet` one row per measured request, in seconds from the run's start. Runs stand
in a file one after another, each ascending in time; an unknown value is null, never 0.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from measurements.messages import Samples
from measurements.models import PowerSample, RequestLog, Run
from measurements.recording import store_samples

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
MOST_ROWS_OF_A_RUN = 2_000_000
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


def load_samples(path: Path, runs: dict[uuid.UUID, Run]) -> int:
    """Store the samples in the file at `path`; how many there are.

    Args:
        runs: By their ids; no other run may be in the file.

    Raises:
        UnreadableSamples: See its text. Some may have been stored: roll back.
    """
    count, stored = 0, set()
    for text, rows in _by_run(path):
        run = runs[_run(text, runs)]
        if run.pk in stored:
            raise UnreadableSamples(f"the samples of run {run.pk} do not stand together")
        stored.add(run.pk)
        samples = _samples(run, rows)
        store_samples(run, samples, rows["total_w"])
        count += len(samples.t_us)
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


def _by_run(path: Path) -> Iterator[tuple[str, dict[str, list]]]:
    """(run, its columns), in the order of the file."""
    run, columns = None, _empty()
    for batch in _batches(path, SAMPLES, most_values=MOST_ROWS * MOST_RAILS):
        _must_be_finite(batch, ("rails_w", "total_w", "temp_c", "gpu_busy_percent"))
        rows = zip(*batch.to_pydict().values(), strict=True)
        for text, group in itertools.groupby(rows, key=lambda row: row[0]):
            if text != run and run is not None:
                yield run, columns
                columns = _empty()
            run = text
            for values in group:
                for column, value in zip(columns.values(), values[1:], strict=True):
                    column.append(value)
            if len(columns["t_us"]) > MOST_ROWS_OF_A_RUN:
                raise UnreadableSamples(f"run {run} has more than {MOST_ROWS_OF_A_RUN:,} samples")
    if run is not None:
        yield run, columns


def _empty() -> dict[str, list]:
    return {name: [] for name in SAMPLES.names[1:]}


def _samples(run: Run, rows: dict[str, list]) -> Samples:
    """The rows as a board would have sent them, rail by rail."""
    if any(powers is None or len(powers) != len(run.rails) for powers in rows["rails_w"]):
        raise UnreadableSamples(f"a sample of run {run.pk} has not a value for each rail")
    rails_w = [list(powers) for powers in zip(*rows["rails_w"], strict=True)]
    rest = {name: rows[name] for name in rows if name not in ("t_us", "rails_w", "total_w")}
    return Samples(t_us=[_known(t, "t_us") for t in rows["t_us"]], rails_w=rails_w, **rest)


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
