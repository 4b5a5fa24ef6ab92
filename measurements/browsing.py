"""Lists as pages: filters, order and page number stand in the URL and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import QueryDict

PER_PAGE = 50
ENERGY = "energy"
"""As a column's unit: the reader's own, see `measurements.units`."""


@dataclass(frozen=True, slots=True)
class Chip:
    text: str
    href: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class FilterRow:
    """The chips of one filter; the first takes it away."""

    label: str
    chips: list[Chip]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; `order_by` is what it sorts by, empty where it cannot."""

    text: str
    key: str = ""
    order_by: str = ""
    unit: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    unit: str
    href: str
    aria_sort: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Pages:
    """One page of rows and the links to its neighbours; None where there is none."""

    page: Page
    before: str | None
    after: str | None


def filter_row(
    query: QueryDict, key: str, label: str, options: Iterable[tuple[str, str]]
) -> FilterRow:
    """Chips for `options`, (value, text) pairs, of the filter `key`."""
    chosen = query.get(key, "")
    everything = Chip("all", url(query, **{key: None, "page": None}), not chosen)
    chips = [
        Chip(text, url(query, **{key: value, "page": None}), chosen == value)
        for value, text in options
    ]
    return FilterRow(label, [everything, *chips])


def headings(query: QueryDict, columns: Sequence[Column], *, default: str) -> list[Heading]:
    """The columns' heads, those that sort with a link; `default` is the order without `sort`."""
    asked = query.get("sort", default)
    found = []
    for column in columns:
        is_sorted = column.key != "" and asked.removeprefix("-") == column.key
        direction = "descending" if asked.startswith("-") else "ascending"
        turned = f"-{column.key}" if is_sorted and direction == "ascending" else column.key
        href = url(query, sort=turned, page=None) if column.key else ""
        aria = direction if is_sorted else ""
        found.append(Heading(column.text, column.unit, href, aria, column.is_number))
    return found


def ordered(
    rows: QuerySet, query: QueryDict, columns: Sequence[Column], *, default: str
) -> QuerySet:
    """`rows` as `sort` asks; unknown values come last, and the key decides between equals."""
    orders = {column.key: column.order_by for column in columns if column.key}
    asked = query.get("sort", default)
    if asked.removeprefix("-") not in orders:
        asked = default
    field = F(orders[asked.removeprefix("-")])
    if asked.startswith("-"):
        return rows.order_by(field.desc(nulls_last=True), "-pk")
    return rows.order_by(field.asc(nulls_last=True), "pk")


def pages(rows: QuerySet, query: QueryDict, *, per_page: int = PER_PAGE) -> Pages:
    """The page that `page` asks for; the nearest one where it asks for nonsense."""
    page = Paginator(rows, per_page).get_page(query.get("page"))
    before = url(query, page=str(page.previous_page_number())) if page.has_previous() else None
    after = url(query, page=str(page.next_page_number())) if page.has_next() else None
    return Pages(page, before, after)


def url(query: QueryDict, **changes: str | None) -> str:
    """This page's query string with `changes`; None takes a parameter away."""
    changed = query.copy()
    for key, value in changes.items():
        if value is None:
            changed.pop(key, None)
        else:
            changed[key] = value
    return f"?{changed.urlencode()}" if changed else "?"
