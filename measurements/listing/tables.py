"""What a list is: its rows, its columns, how it is searched, and where a row leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.urls import NoReverseMatch, reverse

from .columns import Column


@dataclass(slots=True, kw_only=True)
class Table:
    """One list.

    Args:
        name: Its place in URLs, "runs"; `what`: one of its rows, "run".
        sort: The order without another wish, like "-queued".
        search: The condition for words; the words are stripped and not empty.
        link: The URL name of a row's page and the field that it takes.
        sought: What the words are looked for in, as a person would say it.
        template: Of its page; `nothing`: of what stands there while there are no rows at all.
        comparable: Whether rows can be compared side by side.
    """

    name: str
    what: str
    model: type[Model]
    columns: tuple[Column, ...]
    sort: str
    search: Callable[[str], Q]
    sought: str
    link: tuple[str, str]
    template: str
    nothing: str
    comparable: bool = False

    def add(self, *columns: Column, before: str) -> None:
        """Columns that another app knows of; called once, when it starts."""
        place = [column.key for column in self.columns].index(before)
        self.columns = (*self.columns[:place], *columns, *self.columns[place:])

    def column(self, key: str) -> Column | None:
        return next((column for column in self.columns if column.key == key), None)

    def rows(self) -> QuerySet[Any]:
        return self.model._default_manager.order_by()

    def href(self, row: dict[str, Any]) -> str:
        name, field = self.link
        return reverse(name, args=[row[field]])

    @property
    def url(self) -> str:
        return reverse(self.name)

    @property
    def compare_url(self) -> str:
        """Where marked rows are compared; empty where they cannot be."""
        try:
            return f"{reverse('compare')}?{self.name}=" if self.comparable else ""
        except NoReverseMatch:
            return ""

    @property
    def shown(self) -> Sequence[Column]:
        """The columns without another wish."""
        return [column for column in self.columns if column.is_shown]


TABLES: dict[str, Table] = {}
"""Every list by its name; each app adds its own."""


def register(table: Table) -> Table:
    TABLES[table.name] = table
    return table
