"""What a reader chose in the controls above a tab's charts; it stands in the URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Control:
    """A choice among a few, as a select; `why_not` says why it cannot be chosen now."""

    name: str
    label: str
    options: tuple[Option, ...]
    chosen: str
    why_not: str = ""


def control(
    request: HttpRequest,
    name: str,
    label: str,
    options: Iterable[tuple[str, str]],
    *,
    first: str | None = None,
    why_not: str = "",
) -> Control:
    """The choice called `name`; the first option, or `first`, where the URL says nothing known."""
    known = tuple(Option(*option) for option in options)
    values = [option.value for option in known]
    asked = request.GET.get(name, "")
    start = first if first in values else values[0]
    return Control(name, label, known, asked if asked in values and not why_not else start, why_not)


def against(request: HttpRequest, *, is_known: bool) -> Control:
    """Whether energies are shown as they are or against the default clocks."""
    return control(
        request,
        "against",
        "Energy",
        [("", "as measured"), ("default", "against the default clocks")],
        why_not="" if is_known else "Nobody measured the default clocks here: Verify does.",
    )
