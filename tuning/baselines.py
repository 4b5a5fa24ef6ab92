"""What the default clocks cost in a sweep's own measurements: the zero line of its figures.

The best source is a verification, which measured them beside the winner in mirrored
blocks; next comes the sweep's own trial at clocks that are the board's default.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F

from measurements.models import Run
from tuning import results, verification
from tuning.verification import Arm, Measured, TooFewPairs

from .models import Sweep, VerificationRun

DEFAULT_ARMS = (Arm.DEFAULT.value, Arm.DEFAULT_ONE.value)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Energy per request at the default clocks and one batch size: J, ± 95 %; latency in ms."""

    batch_size: int
    energy_j: float
    half_width_j: float | None
    latency_ms: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Saving:
    """The share of the default's energy that the best point saves at its batch size.

    `is_paired`: from a verification in mirrored blocks, not from single trials.
    `default_j`: J per request at the default clocks, as measured beside it.
    """

    share: float
    low: float | None
    high: float | None
    is_paired: bool
    default_j: float | None = None

    @property
    def is_saving(self) -> bool:
        return (self.share if self.low is None else self.low) > 0


@dataclass(frozen=True, slots=True)
class _Pair:
    """One done run of a verification."""

    verification: int
    measured: Measured
    batch_size: int


def saving(sweep: Sweep, best: results.Result | None) -> Saving | None:
    """Of a sweep with its standing; None while nobody has measured the default clocks."""
    if best is None:
        return None
    if sweep.standing != Sweep.Standing.NOT_YET:
        return _paired(_latest(sweep))
    default = results.at_default_clocks(sweep, sweep.space().names, best.batch_size)
    if default is None or default.number == best.number:
        return None
    found = results.less(best, default)
    if found is None:
        return None
    width = found.half_width
    ends = (None, None) if width is None else (found.share - width, found.share + width)
    return Saving(found.share, *ends, is_paired=False, default_j=default.energy_j)


def of(sweep: Sweep, measured: Iterable[results.Result]) -> dict[int, Baseline]:
    """The default's energy by batch size, where the sweep or its verification measured it.

    Args:
        measured: The sweep's measured trials.
    """
    default = {name: getattr(sweep.device, f"default_{name}", None) for name in sweep.space().names}
    clocks = {name: value for name, value in default.items() if name != "batch_size"}
    found = {}
    for result in measured if sweep.held_cpu_hz is None else ():
        if clocks == {name: value for name, value in result.point.items() if name != "batch_size"}:
            found[result.batch_size] = Baseline(
                result.batch_size, result.energy_j or 0.0, result.half_width_j,
                result.latency_ms, f"trial {result.number}",
            )  # fmt: skip
    by_batch: dict[int, list[Measured]] = {}
    for pair in _latest(sweep):
        if pair.measured.arm.value in DEFAULT_ARMS:
            by_batch.setdefault(pair.batch_size, []).append(pair.measured)
    return found | {batch: _mean(batch, runs) for batch, runs in by_batch.items()}


def _latest(sweep: Sweep) -> list[_Pair]:
    """The done runs of the sweep's latest verification that came to a verdict."""
    energy = "busy" if sweep.objective != Sweep.Objective.AT_RATE else "at_rate"
    rows = (
        VerificationRun.objects.filter(
            verification__sweep=sweep, verification__verdict__gt="", run__state=Run.State.DONE
        )
        .filter(**{f"run__{energy}_energy_j__isnull": False})
        .order_by("-verification_id", "position")
        .values_list(
            "verification_id", "arm", "block", F(f"run__{energy}_energy_j"),
            F(f"run__{energy}_half_width_j"), F(f"run__latency_{sweep.slo_statistic}_ms"),
            "run__batch_size",
        )
    )  # fmt: skip
    pairs = [
        _Pair(pk, Measured(Arm(arm), block, *rest), batch) for pk, arm, block, *rest, batch in rows
    ]
    return [pair for pair in pairs if pair.verification == pairs[0].verification]


def _paired(pairs: list[_Pair]) -> Saving | None:
    try:
        found = verification.saving([pair.measured for pair in pairs], against=Arm.DEFAULT)
    except TooFewPairs:
        return None
    default_j = [one.measured.energy_j for one in pairs if one.measured.arm is Arm.DEFAULT]
    mean_j = math.fsum(default_j) / len(default_j)
    return Saving(found.value, found.low, found.high, is_paired=True, default_j=mean_j)


def _mean(batch_size: int, runs: list[Measured]) -> Baseline:
    """Of several runs; the half-width is that of their mean, by their own intervals."""
    widths = [run.half_width_j for run in runs if run.half_width_j is not None]
    latencies = [run.latency_ms for run in runs if run.latency_ms is not None]
    known = len(widths) == len(runs)
    return Baseline(
        batch_size=batch_size,
        energy_j=math.fsum(run.energy_j for run in runs) / len(runs),
        half_width_j=math.hypot(*widths) / len(runs) if known else None,
        latency_ms=math.fsum(latencies) / len(latencies) if latencies else None,
        source=f"{len(runs)} runs of its verification",
    )
