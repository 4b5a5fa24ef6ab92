"""A verification's runs, read from the rows, and what they say together."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from measurements.models import RequestLog, Run
from tuning import results, verification
from tuning.models import Sweep, Verification
from tuning.verification import Arm, Estimate, Measured, Verdict

QUANTILES = {"mean": None, "p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Row:
    """One place of the plan. None: not (yet) known."""

    position: int
    block: int
    arm: Arm
    run_id: uuid.UUID | None
    run_state: str
    energy_j: float | None
    half_width_j: float | None
    latency_ms: float | None

    @property
    def is_measured(self) -> bool:
        return self.run_state == Run.State.DONE and self.energy_j is not None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The winner against one other arm."""

    arm: Arm
    saved: Estimate
    change: Estimate | None
    words: str

    @property
    def within_percent(self) -> float | None:
        return None if self.saved.within is None else 100 * self.saved.within


@dataclass(frozen=True, slots=True)
class Answer:
    """What a whole verification says; the first comparison is that with the default."""

    comparisons: list[Comparison]
    bound_ms: float | None
    verdict: Verdict
    words: str


def rows(found: Verification) -> list[Row]:
    sweep = found.sweep
    energy = "busy" if sweep.objective != Sweep.Objective.AT_RATE else "at_rate"
    columns = found.steps.values_list(
        "position", "block", "arm", "run_id", "run__state", f"run__{energy}_energy_j",
        f"run__{energy}_half_width_j", f"run__latency_{sweep.slo_statistic}_ms",
    )  # fmt: skip
    return [
        Row(position, block, Arm(arm), run, state or "", *rest)
        for position, block, arm, run, state, *rest in columns
    ]


def measured(found: Iterable[Row]) -> list[Measured]:
    return [
        Measured(row.arm, row.block, row.energy_j, row.half_width_j, row.latency_ms)
        for row in found
        if row.is_measured and row.energy_j is not None
    ]


def answer(found: Verification) -> Answer | None:
    """None if a run has no energy: then there is nothing to compare."""
    runs = measured(rows(found))
    if len(runs) < found.steps.count():
        return None
    sweep, statistic = found.sweep, results.STATISTIC_LABELS[found.sweep.slo_statistic]
    others = [arm for arm in Arm if arm is not Arm.WINNER and any(arm is run.arm for run in runs)]
    comparisons = [_comparison(runs, arm, statistic) for arm in others]
    first, bound_ms = comparisons[0], _bound_ms(found)
    return Answer(
        comparisons,
        bound_ms,
        verification.verdict(first.saved, bound_ms=bound_ms, slo_ms=sweep.slo_ms),
        verification.sentence(
            first.saved, first.change, statistic=statistic, bound_ms=bound_ms, slo_ms=sweep.slo_ms
        ),
    )


def _comparison(runs: list[Measured], arm: Arm, statistic: str) -> Comparison:
    saved = verification.saving(runs, against=arm)
    change = verification.latency_change(runs, against=arm)
    return Comparison(arm, saved, change, verification.saving_words(saved))


def _bound_ms(found: Verification) -> float | None:
    """Over all requests of the winner's runs together; those of one batch stay together."""
    runs = found.steps.filter(arm=Arm.WINNER.value).values("run")
    logs = RequestLog.objects.filter(run__in=runs).values_list(
        "arrival_s", "inference_start_s", "end_s"
    )
    latencies_ms: list[float] = []
    batches: list[int] = []
    numbers: dict[tuple[int, float, float], int] = {}
    for run, log in enumerate(logs):
        for arrival_s, start_s, end_s in zip(*log, strict=True):
            latencies_ms.append(1e3 * (end_s - arrival_s))
            batches.append(numbers.setdefault((run, start_s, end_s), len(numbers)))
    quantile = QUANTILES[found.sweep.slo_statistic]
    return verification.latency_bound_ms(latencies_ms, batches, quantile=quantile)
