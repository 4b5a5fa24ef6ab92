"""The power of a few runs over each other, thinned out to what a screen shows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from measurements import envelope
from measurements.comparing import Side
from measurements.models import PowerSample, Run

TRACE_POINTS = 500
MOST_READ = 3000
"""Samples of one run that are read for its line."""


def powers(shown: Sequence[Side]) -> dict[uuid.UUID, tuple[list[float], list[float | None]]]:
    """(seconds from the start of serving, total power in W) of each run, in one query."""
    queries = [_few_samples(side.run) for side in shown]
    rows = queries[0].union(*queries[1:], all=True) if len(queries) > 1 else queries[0]
    columns: dict[uuid.UUID, list[tuple[int, float | None]]] = {side.run.pk: [] for side in shown}
    for run, t_us, total_w in rows:
        columns[run].append((t_us, total_w))
    return {side.run.pk: _line(side.run, sorted(columns[side.run.pk])) for side in shown}


def _few_samples(run: Run) -> Any:
    """About `TRACE_POINTS` of its samples, at the level that its length asks for."""
    expected = 1e3 * (run.board_s or 0.0) / max(1, run.sample_interval_ms or 1000)
    samples = PowerSample.objects.filter(run=run)
    level = 0
    while expected > envelope.SHORT and expected / envelope.stretch(level) > TRACE_POINTS / 3:
        level += 1
    if level:
        levels = range(min(level, envelope.LEVELS), envelope.LEVELS + 1)
        samples = samples.filter(level__in=levels)
    return samples.order_by("t_us").values_list("run_id", "t_us", "total_w")[:MOST_READ]


def _line(
    run: Run, samples: Sequence[tuple[int, float | None]]
) -> tuple[list[float], list[float | None]]:
    serve_s = next((phase.start_s for phase in run.phases.all() if phase.name == "serve"), 0.0)
    step = max(1, -(-len(samples) // TRACE_POINTS))
    kept = samples[::step]
    return [t_us / 1e6 - serve_s for t_us, _ in kept], [total_w for _, total_w in kept]
