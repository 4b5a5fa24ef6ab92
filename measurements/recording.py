"""A board's record becomes a finished run: once, whole, or not at all."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from measurements import conditions, energy, envelope, quality, statistics
from measurements.messages import OperatingPoint, Plan, Record, Requests, Samples, encode
from measurements.models import Phase, PowerSample, RequestLog, Run, Verdict
from measurements.models.rail_maps import counted
from measurements.models.runs import POINT_FIELDS
from measurements.power import PowerMissing, total_w
from measurements.record_form import Malformed, check

DEFINITIONS = 3
"""Version of the definitions (docs/definitions.md) that the stored figures were made by."""


class RecordRefused(ValueError):
    """The record cannot be this run's; the text says why. Nothing was stored."""


def store(run: Run, record: Record) -> bool:
    """Turn `record` into the results of `run`; False if the run has ended before.

    The first accepted record wins; the run's row is locked meanwhile, so two
    deliveries at once are one after the other.

    Raises:
        RecordRefused: The run was cancelled, the record is another run's, or it is
            malformed.
    """
    with transaction.atomic():
        locked = Run.objects.select_for_update().get(pk=run.pk)
        if locked.state == Run.State.CANCELLED:
            raise RecordRefused("the run was cancelled")
        _belongs(locked, record)
        try:
            check(record)
        except Malformed as error:
            raise RecordRefused(str(error)) from error
        if locked.state in (Run.State.DONE, Run.State.INVALID):
            return False
        _finish(locked, record)
    run.refresh_from_db()
    return True


def store_samples(run: Run, samples: Samples, totals_w: Iterable[float | None]) -> None:
    """One row per instant, by COPY; of two samples at one instant the first is kept.

    Args:
        totals_w: Board power of each sample, shape (n,).
    """
    columns = ("run_id", "t_us", "rails_w", "total_w", "gpu_mhz", "emc_mhz", "cpu_mhz",
               "temp_c", "gpu_busy_percent", "level")  # fmt: skip
    totals_w = list(totals_w)
    rails_w = zip(*samples.rails_w, strict=True) if samples.rails_w else [()] * len(samples.t_us)
    instants = zip(
        samples.t_us, rails_w, totals_w, samples.gpu_mhz,
        samples.emc_mhz, samples.cpu_mhz, samples.temp_c, samples.gpu_busy_percent,
        _levels(samples, totals_w), strict=True,
    )  # fmt: skip
    rows: dict[int, str] = {}
    for t_us, powers, *values in instants:
        array = "{" + ",".join("NULL" if power is None else repr(power) for power in powers) + "}"
        fields = ("\\N" if value is None else str(value) for value in values)
        rows.setdefault(t_us, "\t".join((str(run.pk), str(t_us), array, *fields)))
    table = PowerSample._meta.db_table
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY {table} ({', '.join(columns)}) FROM STDIN", io.StringIO("\n".join(rows.values()))
        )


def _levels(samples: Samples, totals_w: Sequence[float | None]) -> list[int]:
    """From how far away each sample is still drawn; where no total is known, by all rails."""
    power_w = np.array(totals_w, dtype=float)
    if samples.rails_w and np.isnan(power_w).all():
        power_w = np.nansum(np.array(samples.rails_w, dtype=float), axis=0)
    return [int(level) for level in envelope.levels(power_w, np.array(samples.gpu_mhz, float))]


def known(values: Iterable[float]) -> list[float | None]:
    """The values as numbers, None where one is NaN."""
    return [None if value != value else float(value) for value in values]


def _belongs(run: Run, record: Record) -> None:
    """Raise unless the record answers this run's plan, in an attempt that was made."""
    asked, answered = _comparable(run.plan()), _comparable(record.plan)
    answered["run"] = {answered["run"], record.run_id}
    asked["run"] = {asked["run"]}
    different = [name for name in asked if asked[name] != answered[name]]
    if different:
        raise RecordRefused(f"the record answers another plan: {', '.join(different)} differ")
    if record.board.name != record.plan.device:
        raise RecordRefused(f"the record was made by the board {record.board.name}")
    if not 1 <= record.attempt <= run.attempt:
        raise RecordRefused(f"attempt {record.attempt} was never made")


def _comparable(plan: Plan) -> dict[str, Any]:
    """The parts of a plan that make it this run's.

    Not the network's hash: it becomes known when its file is first needed.
    """
    return {
        "run": plan.run_id,
        "device": plan.device,
        "network": plan.network.name,
        "operating point": plan.point,
        "batch size": plan.batch_size,
        "arrivals": plan.arrivals,
        "requests": plan.requests,
        "stopping": plan.stopping,
        "seed": plan.seed,
        "work": plan.work,
        "sampling at all": plan.sample_interval_ms is not None,
    }


def _finish(run: Run, record: Record) -> None:
    sha256 = hashlib.sha256(encode(record)).hexdigest()
    record = msgspec.structs.replace(record, board=counted(record.board, run))
    found = quality.findings(record)
    found += _measure(run, record, is_invalid=quality.is_invalid(found))
    _describe(run, record, sha256=sha256)
    run.state = Run.State.INVALID if quality.is_invalid(found) else Run.State.DONE
    run.finished_at = timezone.now()
    run.save()
    Verdict.objects.bulk_create(
        Verdict(run=run, severity=finding.severity, code=finding.code, text=finding.text)
        for finding in found
    )
    Phase.objects.bulk_create(
        Phase(run=run, name=phase.name, start_s=phase.start_s, end_s=phase.end_s)
        for phase in record.phases
    )
    store_samples(run, record.samples, _totals_w(record))
    RequestLog.objects.create(run=run, **msgspec.structs.asdict(record.requests))


def _totals_w(record: Record) -> list[float | None]:
    try:
        return known(total_w(record.samples, record.board.rails))
    except PowerMissing:
        return [None] * len(record.samples.t_us)


def _measure(run: Run, record: Record, *, is_invalid: bool) -> list[quality.Finding]:
    """Fill in energies and latencies; what stays unknown has a finding that says why."""
    run.requests_served = len(record.requests.end_s)
    latency_ms = 1e3 * (np.array(record.requests.end_s) - np.array(record.requests.arrival_s))
    _set_latency(run, latency_ms, energy.batch_of(record.requests))
    with suppress(energy.EnergyUnknown):
        _set_window(run, record.requests)
    if record.plan.sample_interval_ms is None:
        return []
    try:
        _set_busy(run, record)
        if record.plan.arrivals.kind != "back_to_back":
            _set_at_rate(run, energy.at_rate(record))
    except energy.EnergyUnknown as error:
        if quality.gives_latency_only(record.board):
            return []
        # An invalid record has told the cause already.
        severity: quality.Severity = "note" if is_invalid else "invalid"
        return [quality.Finding(severity, "energy-unknown", f"No energy: {error}.")]
    if run.busy_half_width_j is None:
        return [quality.Finding("note", "interval-unknown", _WHY_NO_INTERVAL)]
    return []


_WHY_NO_INTERVAL = (
    "No interval: the sensor's power step is unknown, or the requests were too few batches."
)


def _set_window(run: Run, requests: Requests) -> None:
    """When inference ran, which is known without any sample."""
    run.window_start_s, run.window_end_s = energy.busy_window(requests)
    run.inference_s = energy.union_length_s(requests.inference_start_s, requests.end_s)


def _set_busy(run: Run, record: Record) -> None:
    busy = energy.busy(record)
    run.mean_power_w = busy.mean_power_w
    run.busy_energy_j, run.busy_half_width_j = busy.energy_j, busy.half_width_j
    run.rail_busy_energy_j = list(busy.rails_j)
    _set_idle(run, record)


def _set_idle(run: Run, record: Record) -> None:
    """The idle baseline; it stays unknown where settling was not sampled whole."""
    with suppress(energy.EnergyUnknown):
        idle = energy.idle(record)
        run.idle_power_w, run.idle_half_width_w = idle.power_w, idle.half_width_w


def _set_at_rate(run: Run, at_rate: energy.PerRequest) -> None:
    run.at_rate_energy_j, run.at_rate_half_width_j = at_rate.energy_j, at_rate.half_width_j
    run.rail_at_rate_energy_j = list(at_rate.rails_j)


def _set_latency(run: Run, latency_ms: Sequence[float], batches: Sequence[int]) -> None:
    run.latency_mean_ms = float(np.mean(latency_ms)) if len(latency_ms) else None
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        setattr(run, f"latency_{name}_ms", statistics.percentile(latency_ms, q))
        upper_ms = statistics.percentile_upper(latency_ms, q, batches=batches)
        setattr(run, f"latency_{name}_upper_ms", upper_ms)


def _describe(run: Run, record: Record, *, sha256: str) -> None:
    """What is known of the board and the run apart from its figures."""
    run.started_at = dt.datetime.fromisoformat(record.started_at)
    run.board_s, run.clock_zero_s = record.board_s, record.clock_zero_s
    for field in POINT_FIELDS:
        setattr(run, f"held_{field}", getattr(record.held, field))
    run.rails = [rail.name for rail in record.board.rails]
    run.total_of = [rail.name for rail in record.board.rails if rail.in_total]
    run.stopped_because = record.stopped_because
    run.temp_before_c = conditions.temperature_before_c(record)
    run.temp_max_c = max((t for t in record.samples.temp_c if t is not None), default=None)
    run.unknown_tokens = record.unknown_tokens
    run.record_sha256 = sha256
    run.manifest = _manifest(record, run.record_sha256)


def _manifest(record: Record, sha256: str) -> dict[str, Any]:
    points: dict[str, OperatingPoint] = {
        "asked": record.plan.point,
        "before": record.before,
        "held": record.held,
        "restored": record.restored,
    }
    board = record.board
    manifest = {
        "board": {name: getattr(board, name) for name in (
            "name", "kind", "model", "l4t", "jetpack", "provenance", "provenance_note",
            "default", "rails", "sensor_lag_s", "software", "problems")},
        "clocks": points,
        "network": record.plan.network,
        "load": record.load,
        "arrivals": record.plan.arrivals,
        "batch_size": record.plan.batch_size,
        "work": record.plan.work,
        "requests": record.plan.requests,
        "run_id": record.plan.run_id,
        "rests_on": record.rests_on,
        "sample_interval_ms": record.plan.sample_interval_ms,
        "sampler_cpu": record.sampler_cpu,
        "warm_up_s": record.plan.warm_up_s,
        "longest_warm_up_s": record.plan.longest_warm_up_s,
        "stopping": record.plan.stopping,
        "stopped_because": record.stopped_because,
        "gate": record.plan.gate,
        "seed": record.plan.seed,
        "attempt": record.attempt,
        "started_at": record.started_at,
        "definitions": DEFINITIONS,
        "record_version": record.version,
        "record_sha256": sha256,
    }  # fmt: skip
    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    return plain
