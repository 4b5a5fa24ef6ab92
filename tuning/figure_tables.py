"""The numbers of a sweep's figures as tables, for readers who do not see the figures."""

from __future__ import annotations

from collections.abc import Sequence

from measurements.charts import Link, Table
from tuning.results import Result
from tuning.wording import SHORT, Question, clock_mhz, three_digits

UNKNOWN = "unknown"


def of_results(results: Sequence[Result], *, question: Question) -> Table:
    """One row a trial, with a link to its run."""
    names = tuple(results[0].point) if results else ()
    heads = [
        "Trial", *(head(name) for name in names), f"{question.energy} (mJ/request)",
        "± 95 % (mJ)", f"{question.statistic} (ms)", "at most (ms)", "SLO",
    ]  # fmt: skip
    return Table(heads, [_row(result, question) for result in results])


def head(name: str) -> str:
    """A knob's column, with its unit."""
    short = SHORT.get(name, name)
    return f"{short} (MHz)" if name.endswith("_hz") else short


def knob(name: str, value: int) -> str:
    """A knob's value in the unit of its column."""
    return clock_mhz(value) if name.endswith("_hz") else str(value)


def number(value: float | None) -> str:
    return UNKNOWN if value is None else three_digits(value)


def _row(result: Result, question: Question) -> list[str | Link]:
    verdict = "met" if result.meets_slo else "not met"
    return [
        Link(str(result.number), result.url),
        *(knob(name, value) for name, value in result.point.items()),
        number(result.energy_mj),
        number(result.half_width_mj),
        number(result.latency_ms),
        number(result.upper_ms),
        "no limit" if question.slo_ms is None else verdict,
    ]
