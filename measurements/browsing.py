"""Pages of rows and the links between them: the page number stands in the URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet, Window
from django.http import QueryDict

PER_PAGE = 50


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


def pages(rows: QuerySet, query: QueryDict, *, per_page: int = PER_PAGE) -> Pages:
    """The page that `page` asks for; the nearest one where it asks for nonsense."""
    return _pages(Paginator(rows, per_page).get_page(query.get("page")), query)


def keyed_pages(rows: QuerySet, query: QueryDict, *, per_page: int = PER_PAGE) -> Pages:
    """As `pages`, but of keys: which rows match is found out once, for the page and the count."""
    paginator = Paginator(rows.values_list("pk", flat=True), per_page)
    asked = query.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    first = max(number - 1, 0) * per_page
    counted = rows.values_list("pk", Window(Count("*")))[first : first + per_page]
    if found := list(counted):
        paginator.count = found[0][1]
    page = paginator.get_page(asked)
    is_it = bool(found) and page.number == number
    page.object_list = [key for key, _ in found] if is_it else list(page.object_list)
    return _pages(page, query)


def _pages(page: Page, query: QueryDict) -> Pages:
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
