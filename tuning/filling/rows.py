"""The rows of the synthetic sweeps: devices, sweeps with their trials, runs, verifications."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils import timezone

from measurements.board.hardware.emulator.boards import BOARDS
from measurements.board.hardware.emulator.boards.data import BoardData
from measurements.models import Device, Network, Phase, Run, Verdict
from measurements.statistics import percentile, percentile_upper
from tuning.models import Sweep, SweepAxis, Trial, TrialRun, Verification
from tuning.space import Axis, Point, Space

from . import NOTE, plausible
from .plausible import Steady

BATCH_SIZES = (1, 2, 4, 8, 16)
SETTLE_S, WARM_UP_S, TAIL_S = 2.0, 3.0, 1.0
INVALID_SHARE = 0.03
RANDOM_STARTS = 8
JITTER = 0.012
STATES = (("finished", 0.86), ("cancelled", 0.06), ("failed", 0.04), ("paused", 0.04))


@dataclass(frozen=True, slots=True)
class MadeRun:
    """A run's row with what its samples and requests are made from."""

    run: Run
    steady: Steady
    board: BoardData
    batches_s: np.ndarray
    """How long each batch's inference took, shape (batches,)."""


def devices() -> list[tuple[Device, BoardData]]:
    """A synthetic device for each emulated board; none of them is ever online."""
    return [(_device(board), board) for board in BOARDS.values()]


def space_of(board: BoardData) -> Space:
    return Space((
        Axis("gpu_max_hz", board.gpu_hz),
        Axis("emc_hz", board.emc_hz),
        Axis("batch_size", BATCH_SIZES),
    ))  # fmt: skip


def sweep(
    number: int,
    device: Device,
    board: BoardData,
    network: Network,
    *,
    trials: int,
    random: np.random.Generator,
) -> list[MadeRun]:
    """Sweep `number` with `trials` trials of one run each; all rows but samples are stored."""
    space = space_of(board)
    trials = min(trials, len(space))
    known = {point: _steady(board, network, space.named(point)) for point in space.points}
    slo_ms = _slo_ms(known, random)
    row = _sweep(number, device, network, space, trials, slo_ms, random)
    points = _asked(known, slo_ms, trials, random)
    began = row.created_at
    made = []
    for point in points:
        one = _run(row, space.named(point), known[point], board, began, random)
        began = one.run.finished_at + dt.timedelta(seconds=4)
        made.append(one)
    _store(row, points, made)
    _verify(row, made, points, slo_ms, random)
    return made


def _device(board: BoardData) -> Device:
    rails = plausible.rails(board)
    total = [rail.name for rail in rails if rail.in_total]
    seen = timezone.now() - dt.timedelta(days=1)
    name = f"synthetic-{board.kind}"
    if known := Device.objects.filter(name=name).first():
        return known
    return Device.objects.create(
        name=name,
        kind=board.kind,
        board_model=board.model,
        jetpack=str(board.jetpack),
        provenance=Device.Provenance.EMULATED,
        provenance_note=NOTE,
        gpu_hz=list(board.gpu_hz),
        emc_hz=list(board.emc_hz),
        cpu_hz=list(board.cpu_hz),
        default_gpu_min_hz=board.gpu_hz[0],
        default_gpu_max_hz=board.gpu_hz[-1],
        default_emc_hz=board.emc_hz[-1],
        default_cpu_hz=board.cpu_hz[-1],
        rails=[rail.name for rail in rails],
        rail_parts=[plausible.part(rail) for rail in rails],
        rail_steps_w=[rail.bus.volts * rail.bus.step_a for rail in rails],
        total_of=total,
        board_total_of=total,
        sensor_lag_s=board.sensor_tau_s,
        registered_at=seen,
        last_seen_at=seen,
    )


def _steady(board: BoardData, network: Network, values: dict[str, int]) -> Steady:
    return plausible.steady(
        board,
        network.features(),
        gpu_hz=values["gpu_max_hz"],
        emc_hz=values["emc_hz"],
        batch_size=values["batch_size"],
    )


def _slo_ms(known: dict[Point, Steady], random: np.random.Generator) -> float:
    """A limit that part of the space keeps: 1.5 to 4 times the fastest point's latency."""
    fastest_s = min(one.latency_s for one in known.values())
    return round(1e3 * fastest_s * random.uniform(1.5, 4.0), 1)


def _sweep(
    number: int, device: Device, network: Network, space: Space, trials: int,
    slo_ms: float, random: np.random.Generator,
) -> Sweep:  # fmt: skip
    state = random.choice([name for name, _ in STATES], p=[share for _, share in STATES])
    row = Sweep.objects.create(
        name=f"Synthetic {number:03d}: {network.name} on {device.kind}"[:120],
        device=device,
        network=network,
        slo_ms=slo_ms,
        strategy=random.choice(Sweep.Strategy.values),
        seed=number,
        requests=400,
        half_width_percent=1.0,
        budget_trials=trials,
        state=state,
        ended_because="" if state == "paused" else f"Synthetic: {state}.",
    )
    began = timezone.now() - dt.timedelta(days=float(random.uniform(1, 365)))
    row.created_at = began
    row.finished_at = None if state == "paused" else began + dt.timedelta(minutes=trials)
    row.save(update_fields=["created_at", "finished_at"])
    SweepAxis.objects.bulk_create(
        SweepAxis(sweep=row, position=position, name=axis.name, values=list(axis.values))
        for position, axis in enumerate(space.axes)
    )
    return row


def _asked(
    known: dict[Point, Steady], slo_ms: float, trials: int, random: np.random.Generator
) -> list[Point]:
    """Random starts, then ever better guesses, as a search that learns would ask."""
    points = [list(known)[i] for i in random.permutation(len(known))]
    starts, rest = points[:RANDOM_STARTS], points[RANDOM_STARTS:]

    def cost(point: Point) -> float:
        one = known[point]
        late = max(0.0, 1.1 * 1e3 * one.latency_s / slo_ms - 1.0)
        return float(one.energy_j * (1 + late) * random.lognormal(0.0, 0.35))

    return [*starts, *sorted(rest, key=cost)[: trials - len(starts)][::-1]][:trials]


def _run(
    row: Sweep, values: dict[str, int], found: Steady, board: BoardData, began: dt.datetime,
    random: np.random.Generator,
) -> MadeRun:  # fmt: skip
    requests = int(random.integers(200, 401))
    batches = -(-requests // found.batch_size)
    batches_s = found.inference_s * random.lognormal(0.0, JITTER, batches)
    is_invalid = random.random() < INVALID_SHARE
    serve_s = float(np.maximum(batches_s, found.prepare_s).sum() + found.prepare_s)
    board_s = SETTLE_S + WARM_UP_S + serve_s + TAIL_S
    ended = began + dt.timedelta(seconds=board_s)
    run = Run(
        id=uuid.UUID(bytes=random.bytes(16), version=4),
        title=f"synthetic: {row.network.name}"[:200],
        device=row.device,
        network=row.network,
        **values,
        **{f"held_{name}": value for name, value in values.items() if name != "batch_size"},
        requests_asked=400,
        half_width_percent=1.0,
        state=Run.State.INVALID if is_invalid else Run.State.DONE,
        attempt=1,
        queued_at=began,
        claimed_at=began,
        heard_at=ended,
        started_at=began,
        finished_at=ended,
        board_s=board_s,
        requests_served=batches * found.batch_size,
        stopped_because=Run.StoppedBecause.PRECISE,
        manifest=_manifest(board, row),
        **_energies(found, batches_s, random),
        **_latencies_ms(found, batches_s),
    )
    run.rails = list(row.device.rails)
    run.total_of = list(row.device.total_of)
    run.window_start_s = SETTLE_S + WARM_UP_S + found.prepare_s
    run.window_end_s = run.window_start_s + float(np.maximum(batches_s, found.prepare_s).sum())
    run.inference_s = float(batches_s.sum())
    return MadeRun(run, found, board, batches_s)


def _energies(found: Steady, batches_s: np.ndarray, random: np.random.Generator) -> dict[str, Any]:
    factor = float(batches_s.mean() / found.inference_s * random.normal(1.0, 0.004))
    energy_j = found.energy_j * factor
    return {
        "busy_energy_j": energy_j,
        "busy_half_width_j": energy_j * float(random.uniform(0.004, 0.01)),
        "rail_busy_energy_j": [float(joules) * factor for joules in found.rails_j],
        "mean_power_w": found.power_w,
        "idle_power_w": found.idle_w,
        "idle_half_width_w": 0.02,
        "temp_before_c": float(random.normal(48.0, 1.5)),
        "temp_max_c": float(random.normal(56.0, 2.0)),
    }


def _latencies_ms(found: Steady, batches_s: np.ndarray) -> dict[str, float | None]:
    """Of every request: it waits for those before it in its batch to be prepared, or less."""
    waits_s = found.prepare_s * np.linspace(1.0, 1.0 / found.batch_size, found.batch_size)
    latency_ms = 1e3 * (batches_s[:, None] + waits_s[None, :]).ravel()
    batches = np.repeat(np.arange(len(batches_s)), found.batch_size)
    known: dict[str, float | None] = {"latency_mean_ms": float(latency_ms.mean())}
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        known[f"latency_{name}_ms"] = percentile(latency_ms, q)
        known[f"latency_{name}_upper_ms"] = percentile_upper(latency_ms, q, batches=batches)
    return known


def _manifest(board: BoardData, row: Sweep) -> dict[str, Any]:
    rails = [
        {"name": rail.name, "part": plausible.part(rail), "in_total": rail.in_total}
        for rail in plausible.rails(board)
    ]
    about = {"name": row.device.name, "kind": board.kind, "model": board.model,
             "provenance": "emulated", "provenance_note": NOTE, "rails": rails}  # fmt: skip
    return {"synthetic": NOTE, "board": about, "seed": row.seed}


def _store(row: Sweep, points: Sequence[Point], made: Sequence[MadeRun]) -> None:
    runs = [one.run for one in made]
    Run.objects.bulk_create(runs)
    trials = Trial.objects.bulk_create(
        Trial(sweep=row, number=number, values=list(point), state=_trial_state(run))
        for number, (point, run) in enumerate(zip(points, runs, strict=True), start=1)
    )
    TrialRun.objects.bulk_create(
        TrialRun(trial=trial, run=run) for trial, run in zip(trials, runs, strict=True)
    )
    Verdict.objects.bulk_create(verdict for run in runs for verdict in _verdicts(run))
    Phase.objects.bulk_create(phase for one in made for phase in _phases(one))


def _trial_state(run: Run) -> str:
    return Trial.State.OBSERVED if run.state == Run.State.DONE else Trial.State.GIVEN_UP


def _verdicts(run: Run) -> list[Verdict]:
    said = [Verdict(run=run, severity="note", code="synthetic", text=NOTE)]
    if run.state == Run.State.INVALID:
        said.append(Verdict(run=run, code="throttled", text="Synthetic: the board throttled."))
    return said


def _phases(one: MadeRun) -> list[Phase]:
    edges = [0.0, SETTLE_S, SETTLE_S + WARM_UP_S, one.run.board_s - TAIL_S, one.run.board_s]
    names = ("settle", "warm_up", "serve", "tail")
    return [
        Phase(run=one.run, name=name, start_s=start_s, end_s=end_s)
        for name, start_s, end_s in zip(names, edges, edges[1:], strict=False)
    ]


def _verify(
    row: Sweep, made: Sequence[MadeRun], points: Sequence[Point], slo_ms: float,
    random: np.random.Generator,
) -> None:  # fmt: skip
    """Of most finished sweeps: a verification of the winner, without runs of its own."""
    feasible = [
        (one.run.busy_energy_j, number)
        for number, one in enumerate(made, start=1)
        if one.run.state == Run.State.DONE
        and (one.run.latency_p95_upper_ms or slo_ms + 1) <= slo_ms
    ]
    if row.state != Sweep.State.FINISHED or not feasible or random.random() > 0.7:
        return
    verdict = "verified" if random.random() < 0.8 else "not_confirmed"
    Verification.objects.create(
        sweep=row,
        trial=row.trials.get(number=min(feasible)[1]),
        device=row.device,
        blocks=3,
        seed=row.seed,
        state=Verification.State.DONE,
        verdict=verdict,
        words=f"Synthetic: {verdict.replace('_', ' ')}; nothing was measured.",
        finished_at=row.finished_at,
    )
