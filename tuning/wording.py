"""What a result is called: the words that figures, tables and sentences share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from measurements.units import JOULE, EnergyUnit
from tuning.models import Sweep
from tuning.questions import Goal
from tuning.results import STATISTIC_LABELS, Result

SHORT = {"gpu_min_hz": "GPU min", "gpu_max_hz": "GPU max", "emc_hz": "Memory", "cpu_hz": "CPU",
         "batch_size": "Batch"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What the sweep looks for: the names of its energy and latency, and the limit in ms."""

    energy: str
    statistic: str
    slo_ms: float | None
    unit: EnergyUnit = JOULE
    """In which the reader sees energies."""
    goal: Goal = Goal.ENERGY

    def cost(self, result: Result) -> float:
        """What the goal counts, to rank results: J; else J·ms, whose least is a front's knee."""
        energy_j = known_energy(result)
        if self.goal is Goal.ENERGY:
            return energy_j
        return math.inf if result.latency_ms is None else energy_j * result.latency_ms


def question_of(sweep: Sweep, unit: EnergyUnit = JOULE) -> Question:
    """The words of `sweep`'s question, for a reader who sees energies in `unit`."""
    energy = "Busy energy" if sweep.objective == Sweep.Objective.BUSY else "At-rate energy"
    statistic = STATISTIC_LABELS[sweep.slo_statistic]
    return Question(energy, statistic, sweep.slo_ms, unit, Goal(sweep.goal))


def three_digits(value: float) -> str:
    """Three significant digits without an exponent: 0.412, 41.2, 412, 4120."""
    return f"{float(f'{value:.3g}'):f}".rstrip("0").rstrip(".") if value else "0"


def clock_mhz(value_hz: int) -> str:
    return f"{value_hz / 1e6:.2f}".rstrip("0").rstrip(".")


def hover(result: Result, *, question: Question) -> str:
    """What a result is, where it was measured and how sure that is, one fact a line."""
    shown = question.unit.text(known_energy(result), result.half_width_j)
    lines = [f"<b>{shown}</b> {question.unit.per}"]
    lines.append(_latency_words(result, question))
    for name, value in result.point.items():
        shown = str(value) if name == "batch_size" else f"{clock_mhz(value)} MHz"
        lines.append(f"{SHORT.get(name, name)} {shown}")
    if result.look > 1:
        lines.append(f"measured {result.look} times, the latest run is shown")
    lines.append(f"trial {result.number}, click to open its run")
    return "<br>".join(lines)


def _latency_words(result: Result, question: Question) -> str:
    if result.latency_ms is None:
        return f"{question.statistic} unknown"
    words = f"{question.statistic} {three_digits(result.latency_ms)} ms"
    if result.upper_ms is not None:
        words += f" (at most {three_digits(result.upper_ms)} ms)"
    if question.slo_ms is None:
        return words
    verdict = "met" if result.meets_slo else "not met"
    return f"{words}, SLO {three_digits(question.slo_ms)} ms {verdict}"


def known_energy(result: Result) -> float:
    if result.energy_j is None:
        raise ValueError(f"trial {result.number} has no energy and belongs in no figure")
    return result.energy_j
