"""Where the joules of a request go: per rail, for the winner, the default and other good points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measurements.charts import Chart, Link, Table
from measurements.drawing import Trace, bar
from measurements.figures import EnergyShare, figure
from measurements.units import EnergyUnit
from tuning.wording import Question, three_digits

PATTERNS = ("", "/", "x", ".")
"""Rails of one part share its colour and are told apart by their pattern."""
NOT_ATTRIBUTED = "not attributed"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One bar: its name, the run it leads to, J per request in all, and what each part adds."""

    name: str
    url: str
    total_j: float
    shares: tuple[EnergyShare, ...]


def chart(configurations: Sequence[Configuration], *, question: Question) -> Chart:
    unit = question.unit.additive.fitting([one.total_j for one in configurations])
    drawn = figure(
        height=130 + 44 * len(configurations),
        barmode="stack",
        xaxis={"title": {"text": unit.title(question.energy)}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "showgrid": False},
    )
    for nth, (name, part) in enumerate(_rails(configurations)):
        drawn.add_trace(_bars(configurations, name, part, _pattern(configurations, nth), unit))
    return Chart(
        "rails",
        "Where do the joules of a request go?",
        drawn,
        _table(configurations, unit),
        "Stacked are the rails that are parts of the total, and what no rail accounts for. "
        "A board whose rails are all parts of the total has nothing that is not attributed.",
    )


def _rails(configurations: Sequence[Configuration]) -> list[tuple[str, str]]:
    """(name, part) of all rails, in the board's order, what is not attributed last."""
    seen = {share.name: share.part for one in configurations for share in one.shares}
    rails = [(name, part) for name, part in seen.items() if name != NOT_ATTRIBUTED]
    return [*rails, (NOT_ATTRIBUTED, "rest")] if NOT_ATTRIBUTED in seen else rails


def _pattern(configurations: Sequence[Configuration], nth: int) -> str:
    rails = _rails(configurations)
    earlier = sum(part == rails[nth][1] for _, part in rails[:nth])
    return PATTERNS[earlier % len(PATTERNS)]


def _bars(
    configurations: Sequence[Configuration], name: str, part: str, pattern: str, unit: EnergyUnit
) -> Trace:
    known = [(one, share) for one in configurations for share in one.shares if share.name == name]
    token = "--line-strong" if part == "rest" else f"--rail-{part}"
    return bar(
        y=[one.name for one, _ in known],
        x=[unit.value(share.energy_j) for _, share in known],
        orientation="h",
        name=name,
        marker={"pattern": {"shape": "\\" if part == "rest" else pattern, "fillmode": "replace"}},
        customdata=[one.url for one, _ in known],
        text=[f"{100 * share.energy_j / one.total_j:.0f} %" for one, share in known],
        textposition="none",
        hovertemplate=f"{name}: %{{x:.3~g}} {unit.symbol} (%{{text}})<extra>%{{y}}</extra>",
        meta={"token": token},
    )


def _table(configurations: Sequence[Configuration], unit: EnergyUnit) -> Table:
    names = [name for name, _ in _rails(configurations)]
    rows: list[list[str | Link]] = []
    for one in configurations:
        by_name = {share.name: share.energy_j for share in one.shares}
        shares = [
            three_digits(unit.value(by_name[name])) if name in by_name else "unknown"
            for name in names
        ]
        name: str | Link = Link(one.name, one.url) if one.url else one.name
        rows.append([name, three_digits(unit.value(one.total_j)), *shares])
    return Table(["Configuration", f"Total ({unit.label})", *names], rows)
