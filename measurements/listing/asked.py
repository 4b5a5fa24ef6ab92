"""What a URL asks of a list: filters, words, order, columns. Nonsense is left out and named."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from .columns import Column, Filter
from .tables import Table

COMPARISONS = {"lt": "<", "lte": "≤", "gt": ">", "gte": "≥"}
MOST_WORDS = 100
MOST_VALUES = 50
"""Of one filter; a URL is no place for more."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range, like energy_mj__lt=400."""

    column: Column
    comparison: str
    text: str
    value: float | dt.datetime

    @property
    def parameter(self) -> str:
        return f"{self.column.key}__{self.comparison}"


@dataclass(slots=True)
class Asked:
    table: Table
    query: QueryDict
    """As it came, without what this list does not know."""
    words: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)
    bounds: list[Bound] = field(default_factory=list)
    sort: str = ""
    columns: list[Column] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words or self.values or self.bounds)

    @property
    def sorted_by(self) -> Column:
        found = self.table.column(self.sort.removeprefix("-"))
        assert found is not None
        return found

    @property
    def is_descending(self) -> bool:
        return self.sort.startswith("-")

    def matching(self) -> QuerySet[Any]:
        """The rows that fit, in no order."""
        rows = self.table.rows()
        if self.words:
            rows = rows.filter(self.table.search(self.words))
        for key, values in self.values.items():
            rows = _narrowed(rows, self.table.column(key), values)
        for bound in self.bounds:
            alias = bound.column.alias
            rows = rows.alias(**{alias: bound.column.expression()})
            rows = rows.filter(**{f"{alias}__{bound.comparison}": bound.value})
        return rows

    def ordered(self) -> QuerySet[Any]:
        """`matching` as `sort` asks: unknown values last; the key decides between equals."""
        column = self.sorted_by
        rows = self.matching().alias(**{column.alias: column.expression()})
        order = F(column.alias)
        if self.is_descending:
            return rows.order_by(order.desc(nulls_last=True), "-pk")
        return rows.order_by(order.asc(nulls_last=True), "pk")


def read(table: Table, query: QueryDict, *, remembered: str = "") -> Asked:
    """What `query` asks of `table`.

    Args:
        remembered: Columns as an earlier URL chose them; the URL itself goes before.
    """
    asked = Asked(table, QueryDict(mutable=True))
    _keep(asked, query, "q", "page")
    asked.words = query.get("q", "").strip()[:MOST_WORDS].replace("\x00", "")
    for column in table.columns:
        if column.filter == Filter.VALUES:
            _read_values(asked, query, column)
        elif column.filter in (Filter.RANGE, Filter.DATES):
            asked.bounds += _bounds(asked, query, column)
    _read_sort(asked, query)
    _read_columns(asked, query, remembered)
    return asked


def _keep(asked: Asked, query: QueryDict, *keys: str) -> None:
    for key in keys:
        if query.get(key):
            asked.query.setlist(key, query.getlist(key))


def _read_values(asked: Asked, query: QueryDict, column: Column) -> None:
    values = [value for value in query.getlist(column.key) if value][:MOST_VALUES]
    known = {value for value, _ in column.choices}
    wrong = [value for value in values if known and value not in known]
    asked.problems += [f"{column.label} is never “{value[:40]}”." for value in wrong]
    values = [value.replace("\x00", "") for value in values if value not in wrong]
    if values:
        asked.values[column.key] = list(dict.fromkeys(values))
        asked.query.setlist(column.key, asked.values[column.key])


def _bounds(asked: Asked, query: QueryDict, column: Column) -> Iterator[Bound]:
    for comparison in COMPARISONS:
        parameter = f"{column.key}__{comparison}"
        if not (text := query.get(parameter, "").strip()):
            continue
        value = _number(text) if column.filter == Filter.RANGE else _day(text)
        if value is None:
            what = "number" if column.filter == Filter.RANGE else "date like 2026-11-25"
            asked.problems.append(f"{column.label}: “{text[:40]}” is no {what}; it was left out.")
            continue
        asked.query[parameter] = text
        yield Bound(column, comparison, text, value)


def _read_sort(asked: Asked, query: QueryDict) -> None:
    wanted = query.get("sort", "")
    if asked.table.column(wanted.removeprefix("-")):
        asked.sort = asked.query["sort"] = wanted
    else:
        asked.sort = asked.table.sort


def _read_columns(asked: Asked, query: QueryDict, remembered: str) -> None:
    """In the table's own order; `columns` may stand there once for each, or with commas."""
    chosen = {key for part in query.getlist("columns") for key in part.split(",")}
    found = [column for column in asked.table.columns if column.key in chosen]
    if found:
        asked.query["columns"] = ",".join(column.key for column in found)
    elif not chosen:
        kept = set(remembered.split("."))
        found = [column for column in asked.table.columns if column.key in kept]
    asked.columns = found or list(asked.table.shown)


def _narrowed(rows: QuerySet[Any], column: Column | None, values: list[str]) -> QuerySet[Any]:
    assert column is not None
    if column.narrowed is not None:
        return rows.filter(column.narrowed(values))
    rows = rows.alias(**{column.alias: column.expression()})
    return rows.filter(Q(**{f"{column.alias}__in": values}))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def _day(text: str) -> dt.datetime | None:
    """Midnight, at the beginning of the day in the server's time zone."""
    try:
        day = dt.date.fromisoformat(text)
        return timezone.make_aware(dt.datetime.combine(day, dt.time()))
    except (ValueError, OverflowError):
        return None
