"""What a sweep answers now, to be approved as it is or held against what was approved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.db.models import F

from measurements.models import Calibration, Run
from tuning.models import (
    Answer,
    Approval,
    CpuTrialRun,
    Sweep,
    TrialRun,
    VerificationRun,
)

WORDS = {
    "trial": "winning trial", "run": "its run", "point_names": "knobs", "point_values": "winner",
    "objective": "objective", "energy_j": "energy per request", "half_width_j": "its interval",
    "slo_statistic": "statistic of the limit", "slo_ms": "latency limit",
    "latency_ms": "latency", "bound_ms": "latency held against the limit",
    "standing": "verdict", "verification": "verification",
    "verification_words": "words of the verification", "calibration": "calibration in force",
    "runs": "number of records", "records_sha256": "hash of the records",
    "definitions": "version of the definitions",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of the answer that is not what was approved any more."""

    what: str
    then: str
    now: str


def answer_of(sweep: Sweep) -> Answer | None:
    """The answer of now; None where no measured point keeps the limit.

    Args:
        sweep: As `with_standing` gives it.
    """
    best = sweep.best
    if not best:
        return None
    found = sweep.checked or {}
    records = _records(sweep)
    winner = next(row for row in records if str(row.pk) == best["run"])
    calibration = Calibration.of_run(winner)
    return Answer(
        trial=best["number"],
        run=winner.pk,
        point_names=sweep.space().names,
        point_values=tuple(best["values"]),
        objective=sweep.objective,
        energy_j=float(best["energy_j"]),
        half_width_j=_number(best["half_width_j"]),
        slo_statistic=sweep.slo_statistic,
        slo_ms=sweep.slo_ms,
        latency_ms=_number(best["latency_ms"]),
        bound_ms=_number(best["bound_ms"]),
        standing=str(sweep.standing),
        verification=found.get("id"),
        verification_words=found.get("words", ""),
        calibration=calibration and calibration.pk,
        runs=len(records),
        records_sha256=_sha256(records),
        definitions=", ".join(sorted({str(row.definitions) for row in records})),
    )


def differences(approval: Approval, now: Answer | None) -> list[Difference]:
    """What changed since the approval: none, or code or data did what it should not have."""
    if now is None:
        return [Difference("winner", f"trial {approval.trial}", "none keeps the limit")]
    then = approval.answer
    pairs = ((name, getattr(then, name), getattr(now, name)) for name in WORDS)
    return [Difference(WORDS[name], _shown(was), _shown(is_)) for name, was, is_ in pairs
            if was != is_]  # fmt: skip


def _records(sweep: Sweep) -> list[Run]:
    """The runs that the answer rests on: those of its trials, verifications and CPU phase."""
    ours = (
        TrialRun.objects.filter(trial__sweep=sweep)
        .values("run")
        .union(
            VerificationRun.objects.filter(verification__sweep=sweep, run__isnull=False).values(
                "run"
            ),
            CpuTrialRun.objects.filter(trial__phase__sweep=sweep).values("run"),
        )
    )
    needed = ("state", "record_sha256", "device_id", "claimed_at", "finished_at")
    rows = Run.objects.filter(pk__in=ours).order_by("pk").only(*needed)
    return list(rows.annotate(definitions=F("manifest__definitions")))


def _sha256(records: list[Run]) -> str:
    """Changes with any record, and when one comes or goes."""
    digest = hashlib.sha256()
    for run in records:
        digest.update(f"{run.pk} {run.state} {run.record_sha256}\n".encode())
    return digest.hexdigest()


def _number(value: float | None) -> float | None:
    """JSON tells 41.0 as 41; what is pinned is a float again."""
    return None if value is None else float(value)


def _shown(value: object) -> str:
    if value is None or value == "":
        return "unknown"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
