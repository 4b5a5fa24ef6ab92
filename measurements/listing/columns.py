"""What a column of a list is: in SQL, in a URL, in a file and on a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable

Sql = str | Combinable | Callable[[], Combinable]
"""A field path or an expression; a function where it depends on now."""


@dataclass(frozen=True, slots=True)
class Options:
    """Rows whose columns `value` and `text` are what a filter offers."""

    rows: QuerySet[Any]
    value: str = "name"
    text: str = "name"


class Kind(str, Enum):
    """How a cell looks; templatetags/cells.py has a function for each."""

    NAME = "name"
    TEXT = "text"
    CHOICE = "choice"
    STATE = "state"
    DEVICE = "device"
    DOING = "doing"
    NUMBER = "number"
    ENERGY = "energy"
    COUNT = "count"
    CLOCK = "clock"
    DATE = "date"
    TAGS = "tags"


NUMBERS = (Kind.NUMBER, Kind.ENERGY, Kind.COUNT, Kind.CLOCK)


class Filter(str, Enum):
    """How a list is narrowed by a column."""

    NONE = "none"
    VALUES = "values"
    RANGE = "range"
    DATES = "dates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a list.

    Args:
        key: Its name in URLs and files; a column with a unit has it in its key.
        half_width: Of the 95 % interval, in the same unit.
        beside: Further values that its cell shows, by name.
        choices: What stands for what, where the values are codes.
        options: What its filter offers, where only the database knows.
        narrowed: The condition for chosen values where it is not "the column is one of them".
        is_offered: Whether the panel of filters has it; else only links lead to it.
        absent: What stands where there is no value; `reason`: why.
    """

    key: str
    label: str
    sql: Sql
    kind: Kind = Kind.TEXT
    unit: str = ""
    decimals: int = 0
    half_width: Sql | None = None
    beside: Mapping[str, Sql] = field(default_factory=dict)
    choices: tuple[tuple[str, str], ...] = ()
    options: Callable[[], Options] | None = None
    narrowed: Callable[[list[str]], Q] | None = None
    is_shown: bool = True
    is_offered: bool = True
    absent: str = "unknown"
    reason: str = ""
    hint: str = ""

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS

    @property
    def is_energy(self) -> bool:
        return self.kind == Kind.ENERGY

    @property
    def filter(self) -> Filter:
        if self.choices or self.options:
            return Filter.VALUES
        if self.is_number:
            return Filter.RANGE
        return Filter.DATES if self.kind == Kind.DATE else Filter.NONE

    @property
    def alias(self) -> str:
        """Its name in a query; no field of a model is called so."""
        return f"c_{self.key}"

    @property
    def half_width_key(self) -> str:
        """Of its interval in a file: energy_mj has energy_half_width_mj."""
        stem, _, unit = self.key.rpartition("_")
        return f"{stem}_half_width_{unit}"

    def expression(self) -> Combinable:
        return _expression(self.sql)

    def annotations(self) -> dict[str, Combinable]:
        """All that its cell needs, by their names in the query."""
        found = {self.alias: self.expression()}
        if self.half_width is not None:
            found[f"{self.alias}_half"] = _expression(self.half_width)
        return found | {
            f"{self.alias}_{name}": _expression(sql) for name, sql in self.beside.items()
        }


def _expression(sql: Sql) -> Combinable:
    if isinstance(sql, str):
        return F(sql)
    return sql if isinstance(sql, Combinable) else sql()
