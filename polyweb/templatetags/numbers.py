"""Numbers and states as pages show them. Builtin in every template.

Three significant digits with an SI prefix, the interval behind the value with the
same decimals, and "unknown" written out with its reason: never 0, never a bare dash.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

from django import template
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from measurements import roles
from measurements.units import JOULE, EnergyUnit

register = template.Library()

UNKNOWN = "unknown"
NO_REASON = "It was not measured."
MINUS = "\N{MINUS SIGN}"

_UP = (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
_DOWN = (("m", 1e-3), ("µ", 1e-6), ("n", 1e-9))
_HOUR_S = 3600.0
_IN_SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e7
"""Units without prefixes are written in plain digits between these sizes."""


@register.simple_tag
def quantity(value: Any, unit: str, half_width: Any = None, reason: str = NO_REASON) -> SafeString:
    """`value` in `unit` with its 95 % half width, or "unknown" with the reason on hover."""
    number = _finite(value)
    if number is None:
        return format_html(
            '<span class="unknown" title="{}">{}</span>', reason or NO_REASON, UNKNOWN
        )
    text, shown_unit, interval = written(number, unit, _finite(half_width))
    spaced = format_html("{}&nbsp;{}", text, shown_unit) if shown_unit else text
    if not interval:
        return format_html('<span class="quantity">{}</span>', spaced)
    return format_html(
        '<span class="quantity">{} <span class="interval">± {}</span></span>', spaced, interval
    )


@register.simple_tag(takes_context=True)
def energy(
    context: Context, value_j: Any, half_width_j: Any = None, reason: str = NO_REASON
) -> SafeString:
    """Joules per request in the reader's unit, with the 95 % interval; `per` follows it."""
    unit, number, width = _unit(context), _finite(value_j), _finite(half_width_j)
    if number is None:
        return quantity(None, "", reason=reason)
    if not unit.is_inverse:
        scaled = None if width is None else unit.scale * width
        return quantity(unit.value(number), unit.symbol, half_width=scaled)
    if width is None or not math.isfinite(unit.value(number)):
        return quantity(unit.value(number), unit.symbol, reason="It takes no energy at all.")
    return _between(unit, number, width)


@register.simple_tag(takes_context=True)
def energy_cell(context: Context, value_j: Any, reason: str = NO_REASON) -> SafeString:
    """Joules per request for a column whose head names `energy_unit.column`."""
    unit, number = _unit(context), _finite(value_j)
    shown = None if number is None else unit.in_column.value(number)
    return aligned(shown, unit.column_decimals, reason=reason)


@register.simple_tag(takes_context=True)
def energy_width(context: Context, value_j: Any, half_width_j: Any, reason: str = "") -> SafeString:
    """The 95 % interval for a column beside `energy_cell`: a half width, or from and to."""
    unit, number, width = _unit(context).in_column, _finite(value_j), _finite(half_width_j)
    if number is None or width is None:
        return quantity(None, "", reason=reason)
    if not unit.is_inverse:
        return aligned(unit.scale * width, unit.column_decimals)
    low, high = unit.bounds(number, width)
    decimals = unit.column_decimals
    top = _fixed(high, decimals) if math.isfinite(high) else "unlimited"
    return format_html('<span class="quantity">{} to {}</span>', _fixed(low, decimals), top)


@register.simple_tag(takes_context=True)
def energy_ends(
    context: Context, value_j: Any, half_width_j: Any, reason: str = NO_REASON
) -> SafeString:
    """One of several intervals around an energy: "± 0.004 J", or "12.1 to 12.6 h"."""
    unit, number, width = _unit(context), _finite(value_j), _finite(half_width_j)
    if number is None or width is None:
        return quantity(None, "", reason=reason)
    if not unit.is_inverse:
        return format_html("± {}", quantity(unit.scale * width, unit.symbol))
    text, symbol, _ = written(unit.value(number), unit.symbol)
    return format_html("{}&nbsp;{}", _hours(unit, number, width, text), symbol)


@register.simple_tag(takes_context=True)
def energy_part(context: Context, value_j: Any, reason: str = NO_REASON) -> SafeString:
    """A part of an energy, as of one rail, under `energy_unit.additive.column`."""
    return energy_cell({"energy_unit": _unit(context).additive}, value_j, reason)


@register.simple_tag(takes_context=True)
def energy_name(context: Context, energy: str) -> str:
    """What an energy is called in the reader's unit: "Busy energy per request"."""
    return _unit(context).named(energy)


@register.simple_tag(takes_context=True)
def energy_words(context: Context, energy: str) -> str:
    """The words behind a number: "of busy energy per request"."""
    return _unit(context).words(energy)


@register.simple_tag
def aligned(value: Any, decimals: int, reason: str = NO_REASON) -> SafeString:
    """`value` with fixed decimals, for a column whose head names the unit."""
    number = _finite(value)
    if number is None:
        return quantity(None, "", reason=reason)
    return format_html('<span class="quantity">{}</span>', _fixed(number, decimals))


def written(number: float, unit: str, half_width: float | None = None) -> tuple[str, str, str]:
    """The texts of the value, its unit with prefix, and its half width ("" for none).

    The larger of value and half width decides prefix and decimals, so that both share them.
    """
    width = half_width if half_width is not None and half_width >= 0 else None
    size = _rounded(max(abs(number), width or 0.0))
    shown_unit, factor = _scale(size, unit)
    if factor == 0:  # Outside all prefixes.
        interval = "" if width is None else f"{width:.2e}"
        return f"{number:.2e}".replace("-", MINUS), shown_unit, interval.replace("-", MINUS)
    decimals = _decimals(size / factor)
    interval = "" if width is None else _interval(width / factor, decimals)
    return _fixed(number / factor, decimals), shown_unit, interval


@register.simple_tag
def percent(share: Any, low: Any = None, high: Any = None, reason: str = NO_REASON) -> SafeString:
    """A share as "23 %", with its 95 % interval where both ends are known: "23 % (19 to 27 %)"."""
    value, ends = _finite(share), percent_range(low, high)
    if value is None:
        return quantity(None, "", reason=reason)
    text = _percent(value, *_ends(low, high))
    if not ends:
        return format_html('<span class="quantity">{}&nbsp;%</span>', text)
    return format_html(
        '<span class="quantity">{}&nbsp;% <span class="interval">({})</span></span>', text, ends
    )


@register.simple_tag
def percent_range(low: Any, high: Any) -> str:
    """The interval of a share: "19 to 27 %"; empty where an end is unknown."""
    ends = _ends(low, high)
    if len(ends) < 2:
        return ""
    return f"{_percent(ends[0], *ends)} to {_percent(ends[1], *ends)} %"


def _ends(low: Any, high: Any) -> tuple[float, ...]:
    ends = (_finite(low), _finite(high))
    return tuple(end for end in ends if end is not None) if None not in ends else ()


def _percent(share: float, *ends: float) -> str:
    """Whole percents, or as fine as a narrow interval asks for."""
    width = ends[1] - ends[0] if ends else 0.02
    return _fixed(100 * share, 0 if width >= 0.01 else 1 if width >= 0.001 else 2)


@register.filter
def mhz(value_hz: Any, otherwise: str = UNKNOWN) -> str:
    """Hz as MHz with the decimals it needs, up to two; `otherwise` stands for None."""
    number = _finite(value_hz)
    return otherwise if number is None else f"{number / 1e6:.2f}".rstrip("0").rstrip(".")


@register.filter
def as_typed(value: Any) -> str:
    """A number that somebody chose, without zeros that they did not type: 82.9, 120."""
    number = _finite(value)
    return UNKNOWN if number is None else f"{number:,.6f}".rstrip("0").rstrip(".")


@register.filter
def duration(value_s: Any) -> str:
    """Seconds (or a timedelta) in the two units that matter: "3 min 20 s"."""
    number = _finite(value_s.total_seconds() if isinstance(value_s, dt.timedelta) else value_s)
    if number is None:
        return UNKNOWN
    text = _short(abs(number)) if abs(number) < 59.5 else _long(round(abs(number)))
    return MINUS + text if number < 0 else text


@register.filter
def count(value: Any) -> str:
    """A whole number with thousands separated."""
    number = _finite(value)
    return UNKNOWN if number is None else f"{round(number):,}".replace("-", MINUS)


@register.filter
def rounded(value: Any) -> str:
    """A large count in two significant digits, in words where that is shorter: "1.3 million"."""
    number = _finite(value)
    if number is None:
        return UNKNOWN
    size = float(f"{number:.1e}")
    for word, factor in (("billion", 1e9), ("million", 1e6)):
        if size >= factor:
            return f"{size / factor:,.3g} {word}"
    return f"{size:,.0f}"


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol of the sprite static/icons.svg; decoration only, so hidden from readers."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )


@register.simple_tag
def state_badge(subject: Any) -> SafeString:
    """The state of a run, sweep or trial, or the presence of a device."""
    if not subject:
        return SafeString("")
    state = getattr(subject, "state", None) or subject.presence
    shown = subject.get_state_display() if hasattr(subject, "get_state_display") else state
    return format_html('<span class="badge" data-state="{}">{}</span>', str(state), shown)


@register.simple_tag
def standing_badge(sweep: Any) -> SafeString:
    """Whether the sweep's winner was verified; of a row that `with_standing` annotated."""
    standing = sweep.standing
    return format_html(
        '<span class="badge" data-state="{}">{}</span>', standing.value, standing.label
    )


@register.simple_tag
def provenance(device: Any) -> SafeString:
    """The small constant badges of data that no real Jetson gave, or that came from elsewhere."""
    if not device:
        return SafeString("")
    is_imported = device.pack_id is not None
    return provenance_of(device.provenance, device.provenance_note, is_imported=is_imported)


def provenance_of(kind: str, note: str, *, is_imported: bool = False) -> SafeString:
    badges = SafeString("")
    if kind != "real":
        badges += _badge(str(kind), note, _replay_of(note) if kind == "replay" else kind)
    if is_imported:
        note = "Measured elsewhere; it came with an evidence pack."
        badges += _badge("imported", note, "imported")
    return badges


def _badge(kind: str, note: str, text: str) -> SafeString:
    return format_html(
        '<span class="badge provenance" data-provenance="{}" title="{}"><span>{}</span></span>',
        kind,
        note,
        text,
    )


@register.filter
def has_role(user: AbstractUser | AnonymousUser, role: str) -> bool:
    return bool(user) and roles.has_role(user, role)


@register.filter
def role_names(user: AbstractUser | AnonymousUser) -> list[str]:
    return sorted(roles.roles_of(user))


def _unit(context: Context) -> EnergyUnit:
    """Joules where nobody reads, as in a mail."""
    return context.get("energy_unit") or JOULE


def _between(unit: EnergyUnit, energy_j: float, half_width_j: float) -> SafeString:
    """Hours with their interval, which is not symmetric."""
    text, symbol, _ = written(unit.value(energy_j), unit.symbol)
    return format_html(
        '<span class="quantity">{}&nbsp;{} <span class="interval">({})</span></span>',
        text,
        symbol,
        _hours(unit, energy_j, half_width_j, text),
    )


def _hours(unit: EnergyUnit, energy_j: float, half_width_j: float, text: str) -> str:
    """Both ends of an interval of hours, as fine as `text`."""
    decimals = len(text.partition(".")[2])
    low, high = unit.bounds(energy_j, half_width_j)
    if not math.isfinite(high):
        return f"at least {_fixed(low, decimals)}"
    return f"{_fixed(low, decimals)} to {_fixed(high, decimals)}"


def _finite(value: Any) -> float | None:
    """The number, or None for what is no number: None, "", NaN, infinity."""
    if value is None or value == "":
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _rounded(size: float) -> float:
    """To three significant digits, so that 999.7 counts as 1000 when a prefix is chosen."""
    return float(f"{size:.2e}")


def _scale(size: float, unit: str) -> tuple[str, float]:
    """The unit to show and what one of it is in `unit`; 0 if no prefix reaches `size`."""
    if size == 0:
        return unit, 1.0
    base, slash, rest = unit.partition("/")
    steps, end = _steps(base)
    for name, least, factor in steps:
        if least <= size < end:
            return name + slash + rest, factor
    return unit, 0.0


def _steps(base: str) -> tuple[list[tuple[str, float, float]], float]:
    """(unit, smallest size it is used for, its factor), largest first; and where they end."""
    up = [(prefix + base, factor, factor) for prefix, factor in _UP]
    down = [(prefix + base, factor, factor) for prefix, factor in _DOWN]
    if base == "J":
        hours = [("kWh", 1e3 * _HOUR_S, 1e3 * _HOUR_S), ("Wh", _HOUR_S, _HOUR_S)]
        return [*hours, ("kJ", 1e3, 1e3), ("J", 0.1, 1.0), *down], 1e12
    if base in _IN_SECONDS:
        own = _IN_SECONDS[base]
        names = [("s", 1.0)] + [(f"{prefix}s", factor) for prefix, factor in _DOWN]
        return [(name, factor / own, factor / own) for name, factor in names], 1e9 / own
    if base in ("Wh", "gCO₂"):
        return [*up, (base, 0.1, 1.0), *down], 1e21
    if base in ("W", "Hz"):
        return [*up, (base, 0.1, 1.0), *down], 1e21
    if base in ("B", "FLOP", "MAC"):
        return [*up, (base, _PLAIN_FROM, 1.0)], 1e21
    return [(base, _PLAIN_FROM, 1.0)], _PLAIN_TO


def _decimals(scaled: float) -> int:
    """Digits behind the point that make three significant ones; none for an exact 0."""
    return 0 if scaled == 0 else max(0, 2 - math.floor(math.log10(scaled)))


def _interval(width: float, decimals: int) -> str:
    text = f"{width:.{decimals}f}"
    return f"<{10**-decimals:.{decimals}f}" if width > 0 and float(text) == 0 else text


def _fixed(number: float, decimals: int) -> str:
    text = f"{number:.{decimals}f}"
    return text.replace("-", "" if float(text) == 0 else MINUS)


def _short(value_s: float) -> str:
    text, unit, _ = written(value_s, "s")
    if value_s >= 9.95:
        text = str(round(value_s))
    elif value_s >= 1:
        text = f"{value_s:.1f}"
    return f"{text} {unit}"


def _long(value_s: int) -> str:
    minutes, seconds = divmod(value_s, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def _replay_of(note: str) -> str:
    """The source that a note beginning "replay of ..." names, up to its first stop."""
    first = re.split(r"[.;:](?:\s|$)", note, maxsplit=1)[0]
    return first if first.lower().startswith("replay of ") else "replay"
