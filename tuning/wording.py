"""What a result is called: the words that figures, tables and sentences share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from measurements.figures import energy_unit
from tuning.results import Result

SHORT = {"gpu_min_hz": "GPU min", "gpu_max_hz": "GPU max", "emc_hz": "Memory", "cpu_hz": "CPU",
         "batch_size": "Batch"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What the sweep looks for: the names of its energy and latency, and the limit in ms."""

    energy: str
    statistic: str
    slo_ms: float | None


def three_digits(value: float) -> str:
    """Three significant digits without an exponent: 0.412, 41.2, 412, 4120."""
    return f"{float(f'{value:.3g}'):f}".rstrip("0").rstrip(".") if value else "0"


def clock_mhz(value_hz: int) -> str:
    return f"{value_hz / 1e6:.2f}".rstrip("0").rstrip(".")


def hover(result: Result, *, question: Question) -> str:
    """What a result is, where it was measured and how sure that is, one fact a line."""
    scale, unit = energy_unit([known_energy(result)])
    energy, width = known_energy(result) * scale, result.half_width_j
    interval = "" if width is None else f" ± {_as_fine_as(energy, width * scale)}"
    lines = [f"<b>{three_digits(energy)}{interval} {unit}</b> per request"]
    lines.append(_latency_words(result, question))
    for name, value in result.point.items():
        shown = str(value) if name == "batch_size" else f"{clock_mhz(value)} MHz"
        lines.append(f"{SHORT.get(name, name)} {shown}")
    lines.append(f"trial {result.number}, click to open its run")
    return "<br>".join(lines)


def _as_fine_as(value: float, half_width: float) -> str:
    """The half-width with the decimals that three digits of `value` have."""
    decimals = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 3
    return f"{half_width:.{decimals}f}"


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
