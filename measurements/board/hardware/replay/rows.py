"""A replay table's text, read strictly: every refusal names its line.

Only plain decimal numbers count: no NaN, no infinity, no thousands separators.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 2 * 1024 * 1024
MOST_ROWS = 20_000
LONGEST_TEXT = 200
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_HISTOGRAM = re.compile(r"\w+ steps \[")
"""Lines under some logs' tables that count the sensor's steps: no rows."""


class TableRefused(ValueError):
    """The table cannot be replayed; the text says why and, where it has one, in which line."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be; `hint` is said when it is not."""

    low: float
    high: float
    unit: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    values: dict[str, str]

    def text(self, name: str) -> str:
        """Raises: TableRefused: It is empty, too long, or not printable."""
        value = self.values[name].strip()
        if not value or len(value) > LONGEST_TEXT or not value.isprintable():
            raise TableRefused(f"line {self.line}: {name} is {_quoted(value)}, which is no name")
        return value

    def number(self, name: str, within: Bounds) -> float:
        """Raises: TableRefused: It is no plain decimal number, or not within the bounds."""
        value = self.values[name].strip()
        if not _NUMBER.fullmatch(value):
            raise TableRefused(f"line {self.line}: {name} is {_quoted(value)}, which is no number")
        number = float(value)
        if not within.low <= number <= within.high:
            raise TableRefused(
                f"line {self.line}: {name} is {_quoted(value)}; it should lie within "
                f"{within.low:g} to {within.high:g} {within.unit}{within.hint}"
            )
        return number


def read(data: bytes, *, columns: Sequence[str]) -> tuple[str, list[Row]]:
    """The comment above the table, and its rows; columns that nobody asks for are left out.

    Args:
        columns: Names that the header must hold, in small letters.

    Raises:
        TableRefused: It is too large, no text, no table, or lacks a column.
    """
    if len(data) > MOST_BYTES:
        raise TableRefused(f"the file has more than {MOST_BYTES:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TableRefused(f"line {line}: this is no UTF-8 text") from error
    comment, skipped, body = _without_comment(text)
    return comment, list(_rows(body, columns, skipped=skipped))


def bytes_of(path: Path) -> bytes:
    """The file's bytes, up to one more than a table may have.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _without_comment(text: str) -> tuple[str, int, str]:
    """The leading comment lines as one text, how many lines that were, and the rest."""
    lines = text.splitlines(keepends=True)
    count = 0
    while count < len(lines) and (not lines[count].strip() or lines[count].startswith("#")):
        count += 1
    comment = " ".join(line.lstrip("#").strip() for line in lines[:count])
    return comment.strip(), count, "".join(lines[count:])


def _rows(body: str, columns: Sequence[str], *, skipped: int) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(body), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header, columns, line=skipped + 1)
        rows = 0
        for fields in reader:
            line = skipped + reader.line_num
            if not fields or _HISTOGRAM.match(fields[0]):
                continue
            rows += 1
            if rows > MOST_ROWS:
                raise TableRefused(f"line {line}: the table has more than {MOST_ROWS:,} rows")
            yield Row(line, _named(header, fields, line=line))
    except csv.Error as error:
        raise TableRefused(f"line {skipped + reader.line_num}: {error}") from error


def _check_header(header: list[str], columns: Sequence[str], *, line: int) -> None:
    if not header:
        raise TableRefused("the file is empty")
    missing = [name for name in columns if name not in header]
    if missing:
        raise TableRefused(
            f"line {line}: the header lacks {', '.join(missing)}; "
            f"it reads {_quoted(','.join(header))}"
        )
    double = sorted({name for name in header if header.count(name) > 1})
    if double:
        raise TableRefused(f"line {line}: the header names {', '.join(double)} twice")


def _named(header: list[str], fields: list[str], *, line: int) -> dict[str, str]:
    if len(fields) != len(header):
        raise TableRefused(
            f"line {line}: {len(fields)} values under a header of {len(header)} columns"
        )
    return dict(zip(header, fields, strict=True))


def _quoted(text: str) -> str:
    shown = text if len(text) <= 60 else f"{text[:57]}…"
    return f"“{''.join(c if c.isprintable() else '?' for c in shown)}”"
