"""One cell of a list, by the kind of its column; called for every cell, so plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from measurements.listing.columns import Column, Kind
from measurements.listing.listed import Row
from polyweb.templatetags.numbers import (
    aligned,
    count,
    energy_cell,
    energy_width,
    mhz,
    provenance_of,
)

register = template.Library()

PHASES = {"settle": "settling", "warm_up": "warming up", "tail": "last samples"}


@register.simple_tag(takes_context=True)
def cell(context: Context, column: Column, row: Row) -> SafeString:
    if column.is_energy:
        return _energy(context, column, row)
    return CELLS[column.kind](column, row)


def _value(column: Column, row: Row) -> Any:
    return row.values[column.alias]


def _beside(column: Column, row: Row) -> Mapping[str, Any]:
    return {name: row.values[f"{column.alias}_{name}"] for name in column.beside}


def _unknown(column: Column) -> SafeString:
    return format_html('<span class="unknown" title="{}">{}</span>', column.reason, column.absent)


def _name(column: Column, row: Row) -> SafeString:
    return format_html('<a href="{}">{}</a>', row.href, _value(column, row))


def _text(column: Column, row: Row) -> SafeString:
    value = _value(column, row)
    return format_html("{}", value) if value not in (None, "") else _unknown(column)


def _choice(column: Column, row: Row) -> SafeString:
    value = _value(column, row)
    if value is None:
        return _unknown(column)
    return format_html("{}", dict(column.choices).get(value, value))


def _state(column: Column, row: Row) -> SafeString:
    return format_html(
        '<span class="badge" data-state="{}">{}</span>',
        _value(column, row),
        _choice(column, row),
    )


def _device(column: Column, row: Row) -> SafeString:
    """A device's name with the badge of data that no real Jetson gave."""
    value, beside = _value(column, row), _beside(column, row)
    if value is None:
        return format_html('<span class="quiet" title="{}">imported log</span>', column.reason)
    is_imported = beside["pack"] is not None
    badge = provenance_of(beside["provenance"], beside["note"], is_imported=is_imported)
    if value == beside["provenance"]:
        return badge or format_html("{}", value)
    return format_html("{} {}", value, badge)


def _number(column: Column, row: Row) -> SafeString:
    value = _value(column, row)
    return _unknown(column) if value is None else aligned(value, column.decimals)


def _energy(context: Context, column: Column, row: Row) -> SafeString:
    """In the reader's unit; the column itself is in mJ."""
    value_mj, half_mj = _value(column, row), row.values.get(f"{column.alias}_half")
    if value_mj is None:
        return _unknown(column)
    value = energy_cell(context, value_mj / 1e3)
    if half_mj is None:
        return value
    unit = context.get("energy_unit")
    sign = "" if unit is not None and unit.is_inverse else "± "
    width = energy_width(context, value_mj / 1e3, half_mj / 1e3)
    return format_html('{} <span class="interval">{}{}</span>', value, sign, width)


def _count(column: Column, row: Row) -> SafeString:
    value = _value(column, row)
    return _unknown(column) if value is None else format_html("{}", count(value))


def _clock(column: Column, row: Row) -> SafeString:
    value = _value(column, row)
    return _unknown(column) if value is None else format_html("{}", mhz(value * 1e6))


def _date(column: Column, row: Row) -> SafeString:
    value = _value(column, row)
    if value is None:
        return _unknown(column)
    here = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        here.isoformat(),
        f"{here:%Y-%m-%d %H:%M:%S %Z}",
        naturaltime(value),
    )


def _tags(column: Column, row: Row) -> SafeString:
    names = ((name,) for name in _value(column, row))
    return format_html_join(" ", '<span class="tag">{}</span>', names)


def _doing(column: Column, row: Row) -> SafeString:
    """What a board is doing, in a line."""
    beside = _beside(column, row)
    if beside["registered"] is None:
        return SafeString('<span class="quiet">Its worker has to be started on the board.</span>')
    if beside["presence"] == "offline":
        seen = beside["seen"]
        words = f"last heard {naturaltime(seen)}" if seen else "never heard"
        return format_html('<span class="quiet">{}</span>', words)
    if beside["run"] is None:
        return SafeString('<span class="quiet">idle</span>')
    return _running(row, _value(column, row) or "a run", beside)


def _running(row: Row, network: str, beside: Mapping[str, Any]) -> SafeString:
    phase = PHASES.get(beside["phase"], "starting")
    if beside["phase"] == "serve":
        phase = f"{count(beside['done'])} of {count(beside['asked'])} requests"
    batch = f", batch {beside['batch']}" if beside["batch"] else ""
    return format_html(
        '<a href="{}" id="doing-{}">{}</a><span class="quiet">{} · {}</span>',
        reverse("run", args=[beside["run"]]),
        row.key,
        network,
        batch,
        phase,
    )


CELLS: dict[Kind, Callable[[Column, Row], SafeString]] = {
    Kind.NAME: _name,
    Kind.TEXT: _text,
    Kind.CHOICE: _choice,
    Kind.STATE: _state,
    Kind.DEVICE: _device,
    Kind.DOING: _doing,
    Kind.NUMBER: _number,
    Kind.COUNT: _count,
    Kind.CLOCK: _clock,
    Kind.DATE: _date,
    Kind.TAGS: _tags,
}
