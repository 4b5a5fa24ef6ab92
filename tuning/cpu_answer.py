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


@dataclass(frozen=True, slots=True)
class Measured:
    """Preprocessing alone at one clock (None: as found); energies in J per prepared request.

    `added_j` is what it took beyond the idle board at the same clock; `cpu_j` what the CPU's
    own rail took of it, None if no sensor sees the CPU by itself; `at_pace_j` is what the
    choice compares (see `tuning.cpu_phase`).
    """

    cpu_hz: int | None
    time_ms: float
    energy_j: float
    half_width_j: float | None
    added_j: float | None
    cpu_j: float | None
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
    at_pace: Difference | None
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
        board=_less(chosen, found, "energy_j"),
        added=_less(chosen, found, "added_j"),
        cpu=_less(chosen, found, "cpu_j"),
        at_pace=_less(chosen, found, "at_pace_j"),
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
    rails_j = dict(zip(row["run__rails"], row["run__rail_busy_energy_j"], strict=True))
    power_w, idle_w = row["run__mean_power_w"], row["run__idle_power_w"]
    time_ms = row["run__latency_mean_ms"]
    known = power_w is not None and idle_w is not None
    reading = Reading(time_ms / 1e3, power_w, idle_w) if known else None
    return Measured(
        cpu_hz=row["cpu_hz"],
        time_ms=time_ms,
        energy_j=row["run__busy_energy_j"],
        half_width_j=row["run__busy_half_width_j"],
        added_j=reading and (power_w - idle_w) * reading.time_s,
        cpu_j=rails_j.get(rail),
        at_pace_j=reading and terms.energy_j(reading, row["cpu_hz"] or top_hz),
        run_url=reverse("run", args=[row["run__id"]]),
    )


def _stream_j(run: Run | None) -> float | None:
    found = stream_j(run)
    return found and found[0]


def _less(chosen: Measured | None, found: Measured | None, name: str) -> Difference | None:
    """By what share the chosen clock takes less; the interval where both have one."""
    if chosen is None or found is None:
        return None
    ours, theirs = getattr(chosen, name), getattr(found, name)
    if not ours or not theirs:
        return None
    widths = (chosen.half_width_j, found.half_width_j) if name == "energy_j" else (None, None)
    if widths[0] is None or widths[1] is None:
        return Difference(1 - ours / theirs, None)
    spread = math.hypot(widths[0] / ours, widths[1] / theirs)
    return Difference(1 - ours / theirs, ours / theirs * spread)
