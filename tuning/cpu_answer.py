"""What a CPU phase found, for its reader: the paper's Table 7 for this network on this board."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.urls import reverse

from measurements.models import Device, RequestLog, Run
from tuning import cpu_search
from tuning.cpu_phase import Curves, Reading, Terms, curves, readings_of
from tuning.results import Difference
from tuning.stream_energy import saving, stream_j

from .models import CpuPhase, Sweep

WITHIN_STEP = 0.475
"""Half-width of the 95 % interval of an error that is uniform over one step of a sensor."""


@dataclass(frozen=True, slots=True)
class Energy:
    """J per prepared request, with half of its 95 % interval; None: not known."""

    joules: float
    half_width_j: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Preprocessing alone at one clock (None: as found).

    `board` is the whole board's energy; `added` what it was beyond the idle board at the same
    clock; `cpu` what the CPU's own rail took of it, None if no sensor sees the CPU by itself;
    `at_pace_j` what the choice compares (see `tuning.cpu_phase`).
    """

    cpu_hz: int | None
    time_ms: float
    board: Energy
    added: Energy | None
    cpu: Energy | None
    at_pace_j: float | None
    run_url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How much the CPU clock saves: in preprocessing, and overall."""

    measured: list[Measured]
    found: Measured | None
    chosen: Measured | None
    board: Difference | None
    added: Difference | None
    cpu: Difference | None
    overall: Difference | None
    terms: Terms
    curves: Curves | None
    cpu_rail: str
    board_s: float
    whole_found_j: float | None
    whole_chosen_j: float | None

    @property
    def pace_ms(self) -> float:
        return 1e3 * self.terms.pace_s

    @property
    def limit_ms(self) -> float | None:
        return None if self.terms.limit_s is None else 1e3 * self.terms.limit_s

    @property
    def measured_held(self) -> int:
        """At how many fixed clocks preprocessing was measured."""
        return sum(one.cpu_hz is not None for one in self.measured)


def answer(sweep: Sweep, phase: CpuPhase) -> Answer:
    terms, rail = cpu_search.terms(sweep, phase), cpu_rail(sweep.device)
    top_hz = max(phase.clocks_hz)
    rows = [_measured(row, rail, terms, top_hz) for row in cpu_search.preprocessed(phase)]
    found = next((row for row in rows if row.cpu_hz is None), None)
    held = phase.chosen_hz
    chosen = next((row for row in rows if held is not None and row.cpu_hz == held), None)
    readings = readings_of(cpu_search.asked(phase))
    whole = cpu_search.whole_runs(phase)
    return Answer(
        measured=sorted(rows, key=lambda row: row.cpu_hz or 0),
        found=found,
        chosen=chosen,
        board=_less(chosen, found, "board"),
        added=_less(chosen, found, "added"),
        cpu=_less(chosen, found, "cpu"),
        overall=saving(whole.get(held), whole.get(None)) if held is not None else None,
        terms=terms,
        curves=curves({hz: one for hz, one in readings.items() if hz is not None}),
        cpu_rail=rail,
        board_s=sweep.cpu_board_s(),
        whole_found_j=_stream_j(whole.get(None)),
        whole_chosen_j=_stream_j(whole.get(held)) if held is not None else None,
    )


@dataclass(frozen=True, slots=True)
class Split:
    """Where the time of a mean request went in one run, ms; `left_ms`: of the limit."""

    preprocessing_ms: float
    queue_ms: float
    inference_ms: float
    slo_ms: float | None
    batch_size: int
    run_url: str

    @property
    def latency_ms(self) -> float:
        return self.preprocessing_ms + self.queue_ms + self.inference_ms

    @property
    def left_ms(self) -> float | None:
        return None if self.slo_ms is None else self.slo_ms - self.latency_ms


def split(log: RequestLog, *, preprocessing_ms: float, slo_ms: float | None) -> Split | None:
    """How the mean request of a run spent its time; None if the run served none.

    Args:
        preprocessing_ms: What preparing one request takes at the run's CPU clock.
    """
    arrival, begun, end = (np.array(times, dtype=float) for times in (
        log.arrival_s, log.inference_start_s, log.end_s))  # fmt: skip
    if not len(end):
        return None
    before_ms = 1e3 * float(np.mean(begun - arrival))
    own_ms = min(preprocessing_ms, before_ms)
    return Split(
        preprocessing_ms=own_ms,
        queue_ms=before_ms - own_ms,
        inference_ms=1e3 * float(np.mean(end - begun)),
        slo_ms=slo_ms,
        batch_size=log.run.batch_size,
        run_url=log.run.get_absolute_url(),
    )


def cpu_rail(device: Device) -> str:
    """The rail that feeds the CPU and nothing else; empty: the device has none."""
    named = zip(device.rails, device.rail_parts, strict=True)
    return next((name for name, part in named if part == "cpu"), "")


def _measured(row: dict[str, Any], rail: str, terms: Terms, top_hz: int) -> Measured:
    power_w, idle_w = row["run__mean_power_w"], row["run__idle_power_w"]
    time_s, board = row["run__latency_mean_ms"] / 1e3, _board(row)
    known = power_w is not None and idle_w is not None
    reading = Reading(time_s, power_w, idle_w) if known else None
    return Measured(
        cpu_hz=row["cpu_hz"],
        time_ms=1e3 * time_s,
        board=board,
        added=reading and _added(row, board, time_s),
        cpu=_on_rail(row, rail, time_s),
        at_pace_j=reading and terms.energy_j(reading, row["cpu_hz"] or top_hz),
        run_url=reverse("run", args=[row["run__id"]]),
    )


def _board(row: dict[str, Any]) -> Energy:
    return Energy(row["run__busy_energy_j"], row["run__busy_half_width_j"])


def _added(row: dict[str, Any], board: Energy, time_s: float) -> Energy:
    """Beyond the idle board; working and idle power are independent readings."""
    added_j = board.joules - row["run__idle_power_w"] * time_s
    idle_half_w = row["run__idle_half_width_w"]
    if board.half_width_j is None or idle_half_w is None:
        return Energy(added_j, None)
    return Energy(added_j, math.hypot(board.half_width_j, idle_half_w * time_s))


def _on_rail(row: dict[str, Any], rail: str, time_s: float) -> Energy | None:
    """Of one rail; its interval is that of its sensor's step alone (95 % of a uniform error)."""
    rails_j = dict(zip(row["run__rails"], row["run__rail_busy_energy_j"], strict=True))
    if (joules := rails_j.get(rail)) is None:
        return None
    told = row["run__manifest"].get("board", {}).get("rails", ())
    step_w = next((one["step_w"] for one in told if one["name"] == rail), None)
    return Energy(joules, None if step_w is None else WITHIN_STEP * step_w * time_s)


def _stream_j(run: Run | None) -> float | None:
    found = stream_j(run)
    return found and found[0]


def _less(chosen: Measured | None, found: Measured | None, name: str) -> Difference | None:
    """By what share the chosen clock takes less; the interval where both have one."""
    ours: Energy | None = chosen and getattr(chosen, name)
    theirs: Energy | None = found and getattr(found, name)
    if ours is None or theirs is None or theirs.joules <= 0:
        return None
    ratio = ours.joules / theirs.joules
    if ours.half_width_j is None or theirs.half_width_j is None:
        return Difference(1 - ratio, None)
    return Difference(1 - ratio, math.hypot(ours.half_width_j, ratio * theirs.half_width_j)
                      / theirs.joules)  # fmt: skip
