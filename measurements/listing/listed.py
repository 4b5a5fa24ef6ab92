"""A page of a list: heads, rows, filters and what is chosen, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import QueryDict

from measurements.browsing import Chip, Pages, keyed_pages, url

from .asked import COMPARISONS, Asked
from .columns import Column, Filter, Options

HIDDEN_IN_FORMS = ("q", "sort", "columns")
EVERYTHING = "?view=all"
QUICK_MOST = 8
"""A filter with so few values stands on the page as chips; the others are in the panel."""


@dataclass(frozen=True, slots=True)
class Heading:
    column: Column
    href: str
    aria_sort: str


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    href: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """The filter of one column: its values, or the two ends of its range."""

    column: Column
    choices: list[Choice]
    low: str = ""
    high: str = ""

    @property
    def is_range(self) -> bool:
        return self.column.filter in (Filter.RANGE, Filter.DATES)

    @property
    def input_type(self) -> str:
        return "number" if self.column.filter == Filter.RANGE else "date"

    @property
    def boxes(self) -> tuple[str, str]:
        """The parameters of the two ends: from … to numbers, from … to before a day."""
        upper = "lte" if self.column.filter == Filter.RANGE else "lt"
        return f"{self.column.key}__gte", f"{self.column.key}__{upper}"

    @property
    def is_used(self) -> bool:
        return bool(self.low or self.high) or any(choice.is_chosen for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Listed:
    asked: Asked
    pages: Pages
    rows: list[Row]
    headings: list[Heading]
    panels: list[Panel]
    chips: list[Chip]
    """What narrows the list now; each takes itself away."""
    quick: list[Chip]
    """The states, to be switched with one click."""

    @property
    def count(self) -> int:
        return int(self.pages.page.paginator.count)

    @property
    def used(self) -> int:
        """How many filters of the panel are in use."""
        return sum(panel.is_used for panel in self.panels)

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What the form of the filters has to keep: bounds that it has no box for, too."""
        in_boxes = {name for panel in self.panels for name in panel.boxes}
        others = (bound.parameter for bound in self.asked.bounds)
        return self.kept(*HIDDEN_IN_FORMS, *(name for name in others if name not in in_boxes))

    def kept(self, *keys: str) -> list[tuple[str, str]]:
        query = self.asked.query
        return [(key, value) for key in keys for value in query.getlist(key)]

    @property
    def kept_by_search(self) -> list[tuple[str, str]]:
        return self.kept(*(key for key in self.asked.query if key not in ("q", "page")))

    @property
    def kept_by_columns(self) -> list[tuple[str, str]]:
        return self.kept(*(key for key in self.asked.query if key not in ("columns", "page")))

    @property
    def without_columns(self) -> str:
        return url(self.asked.query, columns="default", remember="yes", page=None)

    @property
    def query_string(self) -> str:
        """Of what is shown, without the page's number: for files and saved views."""
        query = self.asked.query.copy()
        query.pop("page", None)
        return query.urlencode()


def listed(asked: Asked) -> Listed:
    query = asked.query
    found = keyed_pages(asked.ordered(), query)
    options = _options(asked)
    return Listed(
        asked=asked,
        pages=found,
        rows=_rows(asked, found),
        headings=[_heading(asked, column) for column in asked.columns],
        panels=[
            _panel(asked, column, options.get(column.key, []))
            for column in asked.table.columns
            if column.filter != Filter.NONE and column.is_offered
        ],
        chips=_chips(asked, options),
        quick=_quick(asked),
    )


def _rows(asked: Asked, found: Pages) -> list[Row]:
    table = asked.table
    annotations: dict[str, Any] = {}
    for column in asked.columns:
        annotations |= column.annotations()
    link = table.link[1]
    named = {"pk", link, *annotations}
    keys = found.page.object_list
    rows = table.rows().filter(pk__in=keys).annotate(**annotations).values(*named)
    by_key = {row["pk"]: row for row in rows}
    shown = [by_key[key] for key in keys if key in by_key]  # One may have gone meanwhile.
    return [Row(str(row["pk"]), table.href(row), row) for row in shown]


def _heading(asked: Asked, column: Column) -> Heading:
    is_sorted = asked.sorted_by is column
    turned = f"-{column.key}" if is_sorted and not asked.is_descending else column.key
    direction = "descending" if asked.is_descending else "ascending"
    return Heading(column, url(asked.query, sort=turned, page=None), direction if is_sorted else "")


def _options(asked: Asked) -> dict[str, list[tuple[str, str]]]:
    """(value, text) of each filter; what only the database knows comes in one query."""
    found = {column.key: list(column.choices) for column in asked.table.columns}
    wanted = [
        _offered(column.key, column.options())
        for column in asked.table.columns
        if column.options and (column.is_offered or column.key in asked.values)
    ]
    if wanted:
        for key, value, text in sorted(wanted[0].union(*wanted[1:]), key=itemgetter(2)):
            found[key].append((value, text))
    return found


def _offered(key: str, options: Options) -> QuerySet[Any]:
    rows = options.rows.order_by().annotate(
        offered_by=Value(key, TextField()),
        offered=Cast(options.value, TextField()),
        offered_as=Cast(options.text, TextField()),
    )
    return rows.values_list("offered_by", "offered", "offered_as")


def _panel(asked: Asked, column: Column, options: list[tuple[str, str]]) -> Panel:
    chosen = asked.values.get(column.key, [])
    panel = Panel(column, [Choice(value, text, value in chosen) for value, text in options])
    ends = {bound.parameter: bound.text for bound in asked.bounds}
    low, high = panel.boxes
    return replace(panel, low=ends.get(low, ""), high=ends.get(high, ""))


def _chips(asked: Asked, options: dict[str, list[tuple[str, str]]]) -> list[Chip]:
    chips = []
    if asked.words:
        chips.append(_away(asked, f"“{asked.words}”", q=None))
    for key, values in asked.values.items():
        column, texts = asked.table.column(key), dict(options[key])
        assert column is not None
        for value in values:
            text = f"{column.label}: {texts.get(value, value)}"
            rest = [other for other in values if other != value]
            chips.append(Chip(text, _with_values(asked.query, key, rest), True))
    for bound in asked.bounds:
        unit = f" {bound.column.unit}" if bound.column.unit else ""
        text = f"{bound.column.label} {COMPARISONS[bound.comparison]} {bound.text}{unit}"
        chips.append(_away(asked, text, **{bound.parameter: None}))
    return chips


def _away(asked: Asked, text: str, **changes: str | None) -> Chip:
    return Chip(text, _link(asked.query, page=None, **changes), True)


def _quick(asked: Asked) -> list[Chip]:
    column = asked.table.column("state")
    if column is None:
        return []
    chosen = asked.values.get(column.key, [])
    chips = []
    for value, text in column.choices[:QUICK_MOST]:
        rest = [one for one in chosen if one != value]
        values = rest if value in chosen else [*chosen, value]
        chips.append(Chip(text, _with_values(asked.query, column.key, values), value in chosen))
    return chips


def _with_values(query: QueryDict, key: str, values: list[str]) -> str:
    changed = query.copy()
    changed.pop("page", None)
    changed.setlist(key, values)
    return _link(changed)


def _link(query: QueryDict, **changes: str | None) -> str:
    """An empty query would open the reader's default view instead."""
    changed = url(query, **changes)
    return changed if len(changed) > 1 else EVERYTHING
