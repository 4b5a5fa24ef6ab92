"""A chart as a page shows it: a question, the figure that answers it, its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from measurements.drawing import Figure

DIGITS = 5
"""Significant digits that reach the browser: more than any axis or hover shows."""


@dataclass(frozen=True, slots=True)
class Link:
    """A cell of a table that leads somewhere."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Table:
    """The same numbers for those who do not see the chart, or want to copy them."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str | Link]]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of a page; `name` is unique on it. `note` says what it was computed from."""

    name: str
    question: str
    figure: Figure
    table: Table
    note: str = ""

    @property
    def drawn(self) -> dict[str, Any]:
        """Data and layout for the browser, no larger than what can be seen of it."""
        return _slim(self.figure.to_plotly_json())


def _slim(value: Any) -> Any:
    """Without entries that say nothing, and with numbers as fine as they are shown."""
    if isinstance(value, dict):
        return {key: _slim(one) for key, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [_slim(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return value
