"""A list as a CSV or Parquet file: the same rows, order and columns, a piece at a time.

A file stays in the units of its heads (mJ, ms, W), whatever unit the reader looks at pages
in; its first column is the row's key, its last ones say where the row came from.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .asked import Asked
from .columns import Column, Kind

MOST_ROWS = 1_000_000
ROWS_AT_ONCE = 2_000
ROW_GROUP = 20_000
ALWAYS = ("provenance", "origin", "measured")
"""Columns that are in every file of a list that has them, chosen or not."""
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TooManyRows(ValueError):
    """More rows match than one file may hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a file: its head, where its values are in a row of the query."""

    name: str
    alias: str
    label: str
    unit: str
    type: pa.DataType
    choices: dict[str, str]

    def value(self, raw: Any) -> Any:
        if isinstance(raw, list):
            return ", ".join(raw)
        if raw is not None and pa.types.is_string(self.type):
            return self.choices.get(raw, str(raw))
        return raw


def fields(asked: Asked) -> list[Field]:
    shown = list(asked.columns)
    shown += [
        column
        for column in asked.table.columns
        if column.key in ALWAYS and column not in asked.columns
    ]
    found = [Field("id", "pk", "Key", "", pa.string(), {})]
    for column in shown:
        found += _fields(column)
    return found


def rows(asked: Asked, columns: Sequence[Field]) -> Iterator[list[Any]]:
    """The matching rows, read with a cursor on the server.

    Raises:
        TooManyRows: More than `MOST_ROWS`; nothing was read.
    """
    count = asked.matching().count()
    if count > MOST_ROWS:
        raise TooManyRows(
            f"{count:,} rows match and a file may hold {MOST_ROWS:,}: narrow the list first."
        )
    annotations = {}
    for column in asked.table.columns:
        if any(field.alias == column.alias for field in columns):
            annotations[column.alias] = column.expression()
            annotations |= _intervals(column)
    found = asked.ordered().annotate(**annotations)
    found = found.values_list(*(field.alias for field in columns))[:MOST_ROWS]
    return ([field.value(raw) for field, raw in zip(columns, row, strict=True)]
            for row in found.iterator(chunk_size=ROWS_AT_ONCE))  # fmt: skip


def as_csv(columns: Sequence[Field], found: Iterator[list[Any]]) -> Iterator[bytes]:
    """UTF-8 lines; a cell that a spreadsheet would run as a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([field.name for field in columns])
    while batch := list(islice(found, ROWS_AT_ONCE)):
        writer.writerows([_harmless(value) for value in row] for row in batch)
        yield _taken(text)
    yield _taken(text)


def as_parquet(
    columns: Sequence[Field], found: Iterator[list[Any]], *, about: dict[str, str]
) -> Iterator[bytes]:
    """A file with a row group for each `ROW_GROUP` rows; units and labels in the schema."""
    schema = pa.schema(
        [
            pa.field(field.name, field.type, metadata={"label": field.label, "unit": field.unit})
            for field in columns
        ],
        metadata=about,
    )
    outlet = _Outlet()
    with pq.ParquetWriter(pa.PythonFile(outlet, mode="w"), schema, compression="zstd") as writer:
        while batch := list(islice(found, ROW_GROUP)):
            arrays = [
                pa.array([row[place] for row in batch], type=field.type)
                for place, field in enumerate(columns)
            ]
            writer.write_table(pa.table(arrays, schema=schema))
            yield outlet.taken()
    yield outlet.taken()


class _Outlet(io.RawIOBase):
    """Keeps what a writer writes until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _fields(column: Column) -> Iterable[Field]:
    unit, label = column.unit, column.hint or column.label
    yield Field(column.key, column.alias, label, unit, _type(column), dict(column.choices))
    for alias in _intervals(column):
        yield Field(column.half_width_key, alias, f"{label}, half of the 95 % interval", unit,
                    pa.float64(), {})  # fmt: skip


def _intervals(column: Column) -> dict[str, Any]:
    half = f"{column.alias}_half"
    return {half: column.annotations()[half]} if column.half_width is not None else {}


def _type(column: Column) -> pa.DataType:
    if column.kind == Kind.COUNT:
        return pa.int64()
    if column.is_number:
        return pa.float64()
    return pa.timestamp("us", tz="UTC") if column.kind == Kind.DATE else pa.string()


def _harmless(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(STARTS_A_FORMULA):
        return f"'{value}"
    return value


def _taken(text: io.StringIO) -> bytes:
    written = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return written
