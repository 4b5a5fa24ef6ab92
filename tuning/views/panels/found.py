"""What several tabs start from: the measured trials, and the words of the sweep's question."""

from __future__ import annotations

from measurements.units import EnergyUnit
from tuning import results
from tuning.models import Sweep
from tuning.results import Result
from tuning.wording import Question, question_of


def question(sweep: Sweep, unit: EnergyUnit) -> Question:
    return question_of(sweep, unit)


def measured(sweep: Sweep) -> list[Result]:
    """Done trials with a known energy, by number."""
    return results.rows(sweep, results.measured(sweep), sweep.space().names)


def winner(measured: list[Result], question: Question) -> Result | None:
    """The least of what the goal counts, within the limit; of all where nothing keeps it."""
    return min(measured, key=lambda one: (not one.meets_slo, question.cost(one)), default=None)
