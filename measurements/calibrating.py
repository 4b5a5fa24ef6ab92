"""The deeds: a meter's file and a session become a Calibration, or an OverheadCheck."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from measurements.alignment import Alignment, NotAligned, align, usable
from measurements.calibration import Fit, NotCalibrated, calibrate
from measurements.messages import SamplerCpu
from measurements.meter_csv import MeterFileRefused, Readings, read_meter
from measurements.models import AuditEntry, Calibration, CalibrationSeries, OverheadCheck, Run
from measurements.overhead import Arm, CpuCost, NotComparable, Overhead, cpu_cost, overhead
from measurements.sessions import BoardSession, traces

VALID_DAYS = 90
FEWEST_READINGS_A_RUN = 5


class CalibrationRefused(ValueError):
    """Nothing was stored; the text says what to do."""


def make_calibration(
    session: BoardSession,
    data: bytes,
    *,
    meter: str,
    file_name: str = "",
    note: str = "",
    meter_accuracy: float | None = None,
    valid_days: int = VALID_DAYS,
    by: AbstractBaseUser | None = None,
) -> Calibration:
    """The stored calibration of the session's device by the meter's file `data`.

    Args:
        meter_accuracy: As a share of the reading; None if it is not known.

    Raises:
        CalibrationRefused: The file cannot be read, does not belong to the session, or no
            useful line follows.
    """
    fit = _fitted(session, data, meter_accuracy)
    row = Calibration(
        device=session.runs[0].device,
        made_by=by,
        meter=meter,
        note=note,
        valid_from=session.began_at,
        valid_until=session.ended_at + dt.timedelta(days=valid_days),
        meter_accuracy=meter_accuracy,
        **_file(data, file_name),
        **_columns(fit),
    )
    with transaction.atomic():
        row.save()
        row.runs.set(session.runs)
        _store_series(row, fit)
        told = {"calibration": row.pk, "gain": row.gain, "offset_w": row.offset_w}
        AuditEntry.objects.note(by, "calibrated", row.device, **told)
    return row


def _fitted(session: BoardSession, data: bytes, meter_accuracy: float | None) -> Fit:
    steps_w = _steps_w(session.runs)
    try:
        readings, shown = read_meter(data), usable(traces(session.runs))
        return calibrate(readings, shown, steps_w=steps_w, meter_accuracy=meter_accuracy)
    except (MeterFileRefused, NotAligned, NotCalibrated) as refusal:
        raise CalibrationRefused(str(refusal)) from refusal


def _file(data: bytes | None, name: str) -> dict[str, str]:
    """Which file a row was made from; empty if none."""
    sha256 = "" if data is None else hashlib.sha256(data).hexdigest()
    return {"file_name": name[:200], "file_sha256": sha256}


def check_overhead(
    session: BoardSession,
    data: bytes | None,
    *,
    meter: str = "",
    file_name: str = "",
    by: AbstractBaseUser | None = None,
) -> OverheadCheck:
    """The stored sampler check of the session's device, by a meter or by the board's own rails.

    Args:
        data: The meter's file; None: compare what the rails showed.

    Raises:
        CalibrationRefused: The file cannot be read or aligned, or the runs are no such check.
    """
    runs = compared_runs(session.runs)
    found = _compared(session, runs, data)
    row = OverheadCheck(
        device=session.runs[0].device,
        made_by=by,
        reference="rails" if data is None else "meter",
        meter=meter,
        **_file(data, file_name),
        fast_ms=found.fast_ms,
        slow_ms=found.slow_ms,
        extra_w=found.extra_w,
        extra_half_width_w=found.half_width_w,
        slow_w=found.slow_w,
        blocks=found.blocks,
    )
    with transaction.atomic():
        row.save()
        row.runs.set(runs)
        AuditEntry.objects.note(by, "checked the sampler", row.device, extra_w=row.extra_w)
    return row


def _compared(session: BoardSession, runs: Sequence[Run], data: bytes | None) -> Overhead:
    if data is None and not all(run.is_sampled for run in runs):
        raise CalibrationRefused(
            "With the sampler off only an external meter sees the power: choose its file."
        )
    try:
        powers_w = _rail_powers_w(runs) if data is None else _meter_powers_w(session, runs, data)
        arms = [Arm(run.sample_interval_ms, w) for run, w in zip(runs, powers_w, strict=True)]
        return overhead(arms)
    except (MeterFileRefused, NotAligned, NotComparable) as refusal:
        raise CalibrationRefused(str(refusal)) from refusal


def compared_runs(runs: Sequence[Run]) -> list[Run]:
    """The latest check in a session: one load at one clock under two ways of sampling.

    Runs of other loads may have come after it. Without a check: the latest load's runs.
    """
    by_load: dict[tuple[object, ...], list[Run]] = {}
    for run in reversed(runs):
        by_load.setdefault(_load(run), []).append(run)
    latest = [_of_two_ways(group) for group in by_load.values()]
    return next((group for group in latest if len(_intervals_ms(group)) == 2), latest[0])


def _of_two_ways(latest_first: Sequence[Run]) -> list[Run]:
    """In order of time; what came before with a third way of sampling was another check."""
    kept: list[Run] = []
    for run in latest_first:
        if len(_intervals_ms([*kept, run])) > 2:
            break
        kept.append(run)
    return kept[::-1]


def _intervals_ms(runs: Iterable[Run]) -> list[int | None]:
    return list(dict.fromkeys(run.sample_interval_ms for run in runs))


def _load(run: Run) -> tuple[object, ...]:
    return (run.network_id, run.point, run.batch_size, run.arrivals, run.rate_hz,
            run.requests_asked)  # fmt: skip


def sampler_cpu(runs: Iterable[Run]) -> CpuCost | None:
    """What sampling took of the CPU in `runs` of one device, the latest first."""
    told = [
        (run.sample_interval_ms, run.manifest.get("sampler_cpu"))
        for run in runs
        if run.state == Run.State.DONE and run.sample_interval_ms is not None
    ]
    return cpu_cost([(ms, msgspec.convert(cpu, SamplerCpu) if cpu else None) for ms, cpu in told])


def is_check(session: BoardSession) -> bool:
    """Whether runs of the session compare two sampling intervals, or one with none."""
    return len(compared_ms(session)) == 2


def compared_ms(session: BoardSession) -> list[int | None]:
    """At which intervals the runs of the session's check sampled, in order of the first ones."""
    return _intervals_ms(compared_runs(session.runs))


def _rail_powers_w(runs: Sequence[Run]) -> list[float]:
    return [run.mean_power_w for run in runs if run.mean_power_w is not None]


def _meter_powers_w(session: BoardSession, runs: Sequence[Run], data: bytes) -> list[float]:
    """What the meter showed, on average, while each of `runs` served its measured requests."""
    readings = read_meter(data)
    alignment = align(readings, usable(traces(session.runs)))
    return [_window_power_w(readings, alignment, run) for run in runs]


def _window_power_w(readings: Readings, alignment: Alignment, run: Run) -> float:
    if run.window_start_s is None or run.window_end_s is None or run.clock_zero_s is None:
        raise NotComparable(f"The run {run} does not say when it served its requests.")
    board_s = alignment.board_s(readings.t_s) - run.clock_zero_s
    # A reading stands for the time since the one before.
    inside = (board_s - readings.period_s >= run.window_start_s) & (board_s <= run.window_end_s)
    if inside.sum() < FEWEST_READINGS_A_RUN:
        raise NotComparable(
            f"Only {inside.sum()} readings of the meter fall into the run {run}; at least "
            f"{FEWEST_READINGS_A_RUN} are needed: ask for more requests a run."
        )
    return float(np.mean(readings.power_w[inside]))


def _steps_w(runs: Sequence[Run]) -> list[float]:
    """Steps of the rails that make the total, as the session's last run tells them."""
    rails = Run.objects.values_list("manifest__board__rails", flat=True).get(pk=runs[-1].pk) or []
    steps_w = [rail.get("step_w") for rail in rails if rail.get("in_total")]
    if not steps_w or None in steps_w:
        raise CalibrationRefused(
            "The board does not say in which steps its sensors read, so no interval would be "
            "honest. Its device page lists the rails."
        )
    return [float(step) for step in steps_w]


def _columns(fit: Fit) -> dict[str, float | int]:
    line, alignment = fit.line, fit.alignment
    return {
        "gain": line.gain,
        "gain_half_width": line.gain_half_width,
        "offset_w": line.offset_w,
        "offset_half_width_w": line.offset_half_width_w,
        "correlation": max(-1.0, min(1.0, line.correlation)),
        "lowest_w": fit.lowest_w,
        "highest_w": fit.highest_w,
        "residual_w": fit.residual_w,
        "readings": int(fit.is_used.sum()),
        "batches": fit.batches,
        "lag_s": alignment.lag_s,
        "drift_ppm": alignment.drift_ppm,
        "peak": alignment.correlation,
        "runner_up": alignment.runner_up,
    }


def _store_series(row: Calibration, fit: Fit) -> None:
    CalibrationSeries.objects.create(
        calibration=row,
        meter_s=fit.meter_s.tolist(),
        board_s=fit.board_s.tolist(),
        meter_w=fit.meter_w.tolist(),
        board_w=fit.board_w.tolist(),
        run_number=fit.run.tolist(),
        is_used=fit.is_used.tolist(),
    )
