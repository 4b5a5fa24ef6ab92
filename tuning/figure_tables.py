"""The numbers of a sweep's figures as tables, for readers who do not see the figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from measurements.charts import Link, Table
from measurements.units import EnergyUnit
from tuning.heat_cells import Predicted
from tuning.results import Result
from tuning.wording import SHORT, Question, clock_mhz, three_digits

UNKNOWN = "unknown"


def of_results(results: Sequence[Result], *, question: Question) -> Table:
    """One row a trial, with a link to its run."""
    names = tuple(results[0].point) if results else ()
    return Table(_heads(names, question), [_row(result, question) for result in results])


def _heads(names: Iterable[str], question: Question) -> list[str]:
    unit = question.unit.in_column
    return [
        "Trial", *(head(name) for name in names), f"{question.energy} ({unit.label})",
        f"95 % interval ({unit.symbol})", f"{question.statistic} (ms)", "at most (ms)", "SLO",
    ]  # fmt: skip


def of_predictions(predicted: Sequence[Predicted], *, beside: Table, question: Question) -> Table:
    """The rows of `beside`, then one a predicted point, which says so."""
    if not predicted:
        return beside
    heads = _heads(predicted[0].point, question)
    return Table(heads, [*beside.rows, *(_guess(one, question) for one in predicted)])


def _guess(one: Predicted, question: Question) -> list[str | Link]:
    unit = question.unit.in_column
    ends = sorted(unit.value(end) for end in one.energy_ends_j)
    return [
        "predicted",
        *(knob(name, value) for name, value in one.point.items()),
        number(unit.value(one.energy_j)),
        " to ".join(number(end) for end in ends),
        number(one.latency_ms),
        f"{number(one.latency_ends_ms[1])} (two-sided)",
        "no limit" if question.slo_ms is None else f"met with {one.chance}",
    ]


def head(name: str) -> str:
    """A knob's column, with its unit."""
    short = SHORT.get(name, name)
    return f"{short} (MHz)" if name.endswith("_hz") else short


def knob(name: str, value: int) -> str:
    """A knob's value in the unit of its column."""
    return clock_mhz(value) if name.endswith("_hz") else str(value)


def number(value: float | None) -> str:
    return UNKNOWN if value is None else three_digits(value)


def _energy(result: Result, unit: EnergyUnit) -> tuple[str, str]:
    """The value in its column's unit, and its interval: a half-width, or from and to."""
    if result.energy_j is None:
        return UNKNOWN, UNKNOWN
    value, width = number(unit.value(result.energy_j)), result.half_width_j
    if width is None:
        return value, UNKNOWN
    if not unit.is_inverse:
        return value, f"± {number(unit.scale * width)}"
    return value, " to ".join(number(end) for end in unit.bounds(result.energy_j, width))


def _row(result: Result, question: Question) -> list[str | Link]:
    verdict = "met" if result.meets_slo else "not met"
    return [
        Link(str(result.number), result.url),
        *(knob(name, value) for name, value in result.point.items()),
        *_energy(result, question.unit.in_column),
        number(result.latency_ms),
        number(result.upper_ms),
        "no limit" if question.slo_ms is None else verdict,
    ]
