"""Figures of a sweep: heat maps (`tuning.heat_maps`), and energy against latency.

They take results and return figures; nothing is queried here. See
`measurements.figures` for the template and for how colours get in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from measurements.charts import Chart
from measurements.drawing import Figure, Trace, scatter
from measurements.figures import figure
from tuning.baselines import Baseline
from tuning.figure_tables import of_results
from tuning.heat_maps import HeatMap, heat_maps
from tuning.results import Result, non_dominated
from tuning.wording import Question, hover, known_energy, three_digits
from tuning.zero_line import EnergyScale, scale_for

__all__ = ["HeatMap", "energy_against_latency", "heat_maps", "pareto_front"]

SYMBOLS = {1: "circle", 2: "square", 4: "diamond", 8: "triangle-up", 16: "star", 32: "hexagon"}
LOG_FROM_RATIO = 12.0
"""An axis whose largest value is this many times the smallest is logarithmic."""


def energy_against_latency_chart(
    results: Sequence[Result],
    *,
    question: Question,
    baselines: Mapping[int, Baseline] | None = None,
    is_relative: bool = False,
) -> Chart:
    return Chart(
        "against",
        "What does a tighter latency limit cost in energy?",
        energy_against_latency(
            results, question=question, baselines=baselines, is_relative=is_relative
        ),
        of_results(results, question=question),
    )


def energy_against_latency(
    results: Sequence[Result],
    *,
    question: Question,
    baselines: Mapping[int, Baseline] | None = None,
    is_relative: bool = False,
) -> Figure:
    """Every measured point, the front that no other point beats in both, the SLO, the default.

    Args:
        baselines: The default clocks by batch size, where they were measured.
        is_relative: Energies are shown against them, and the default is a line at 0.
    """
    unit = scale_for(results, unit=question.unit, baselines=baselines if is_relative else None)
    known = [
        result
        for result in results
        if result.latency_ms is not None
        and unit.value(known_energy(result), result.batch_size) is not None
    ]
    energies = [unit.value(known_energy(result), result.batch_size) or 0.0 for result in known]
    latencies = [result.latency_ms or 0.0 for result in known]
    drawn = figure(
        height=480,
        xaxis={"title": {"text": f"{question.statistic} latency (ms)"}, **_range(latencies)},
        yaxis={"title": {"text": unit.title(question.energy)}, **_range(energies)},
        shapes=[_zero_line()] if is_relative else [],
    )
    if question.slo_ms is not None:
        drawn.add_trace(_slo_line(question.slo_ms, energies))
    drawn.add_trace(_front(pareto_front(known), unit))
    if baselines:
        drawn.add_trace(_defaults(list(baselines.values()), unit))
    outside = [result for result in known if not result.meets_slo]
    drawn.add_trace(_points(outside, "SLO not met", "x-thin-open", "--text-quiet", unit, question))
    for size in sorted({result.batch_size for result in known}):
        inside = [result for result in known if result.meets_slo and result.batch_size == size]
        symbol = SYMBOLS.get(size, "circle")
        drawn.add_trace(_points(inside, f"batch {size}", symbol, "--accent", unit, question))
    best = min((result for result in known if result.meets_slo), key=question.cost, default=None)
    if best is not None:
        drawn.add_trace(_ring(best, unit))
    return drawn


def pareto_front(results: Iterable[Result]) -> list[Result]:
    """Those results that no other beats in both latency and energy, by rising latency."""
    return non_dominated(results)


def _range(values: Sequence[float]) -> dict[str, object]:
    low, high = min(values, default=1.0), max(values, default=1.0)
    if low > 0 and high / low >= LOG_FROM_RATIO:
        return {"type": "log", "dtick": "D2", "tickformat": "~g"}
    return {"rangemode": "tozero"}


def _points(
    results: Sequence[Result],
    name: str,
    symbol: str,
    token: str,
    unit: EnergyScale,
    question: Question,
) -> Trace:
    return scatter(
        x=[result.latency_ms for result in results],
        y=[unit.value(known_energy(result), result.batch_size) for result in results],
        error_y=unit.error_bars(results),
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 9, "line": {"width": 1}},
        text=[hover(result, question=question) for result in results],
        customdata=[result.url for result in results],
        hovertemplate="%{text}<extra></extra>",
        meta={"token": token},
        visible=True if results else "legendonly",
        showlegend=bool(results),
    )  # fmt: skip


def _front(front: Sequence[Result], unit: EnergyScale) -> Trace:
    return scatter(
        x=[result.latency_ms for result in front],
        y=[unit.value(known_energy(result), result.batch_size) for result in front],
        mode="lines",
        line={"width": 1.5, "shape": "hv"},
        name="Pareto front",
        hoverinfo="skip",
        meta={"token": "--text-quiet"},
    )


def _defaults(baselines: Sequence[Baseline], unit: EnergyScale) -> Trace:
    """What the board does by itself, at every batch size where that was measured."""
    known = [zero for zero in baselines if zero.latency_ms is not None]
    return scatter(
        x=[zero.latency_ms for zero in known],
        y=[unit.value(zero.energy_j, zero.batch_size) for zero in known],
        mode="markers",
        name="default clocks",
        marker={"symbol": "cross-open", "size": 11, "line": {"width": 2}},
        text=[
            f"<b>default clocks, batch {zero.batch_size}</b><br>"
            f"{unit.unit.text(zero.energy_j, zero.half_width_j)}<br>from {zero.source}"
            for zero in known
        ],
        hovertemplate="%{text}<extra></extra>",
        meta={"token": "--warn"},
    )


def _zero_line() -> dict[str, object]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 0,
        "y1": 0,
        "line": {"width": 1.5},
        "name": "--warn",
        "label": {"text": "default clocks", "textposition": "start", "font": {"size": 11}},
    }


def _ring(best: Result, unit: EnergyScale) -> Trace:
    return scatter(
        x=[best.latency_ms],
        y=[unit.value(known_energy(best), best.batch_size)],
        mode="markers",
        name="best within the SLO",
        marker={"symbol": "circle-open", "size": 18, "line": {"width": 2}},
        hoverinfo="skip",
        meta={"token": "--text"},
    )


def _slo_line(slo_ms: float, energies: Sequence[float]) -> Trace:
    return scatter(
        x=[slo_ms, slo_ms],
        y=[min(energies, default=0.0), max(energies, default=1.0)],
        mode="lines",
        line={"width": 1.5, "dash": "dash"},
        name=f"SLO {three_digits(slo_ms)} ms",
        hoverinfo="skip",
        meta={"token": "--bad"},
    )
