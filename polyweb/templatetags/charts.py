"""The numbers of a chart as rows of HTML, in one go: a heat map's have thousands of cells."""

from __future__ import annotations

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from measurements.charts import Link, Table

register = template.Library()


@register.simple_tag
def table_rows(table: Table) -> SafeString:
    rows = ("".join(map(_cell, row)) for row in table.rows)
    return mark_safe("".join(f"<tr>{cells}</tr>" for cells in rows))  # noqa: S308 - escaped below


def _cell(cell: str | Link) -> str:
    if isinstance(cell, Link):
        return f'<td><a href="{escape(cell.url)}">{escape(cell.text)}</a></td>'
    return f"<td>{escape(cell)}</td>"
