"""Has a warm-up ended: do power and inference time still drift?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from statistics import median

from measurements.board.hardware.protocol import Sample
from measurements.board.load.protocol import ServedBatch
from measurements.messages import Rail

HALF_S = 1.0
"""Two stretches of this length are compared: more than two time constants of the sensors."""
DRIFT = 0.01
"""As large as the half-width that is asked by default."""
FEWEST = 3
"""In each half; fewer say nothing."""


def is_steady(
    samples: Sequence[Sample], batches: Sequence[ServedBatch], rails: Sequence[Rail], now_s: float
) -> bool:
    """Whether neither power nor inference time moved in one direction in the last 2 s.

    A series drifts if its last second lies wholly above or below the second before, and
    by more than 1 % (and more than a step of the sensors): scatter alone, as random
    arrivals make it, lets the two overlap.
    """
    # With fewer than three batches in each second power follows their rhythm.
    since_s = now_s - 2 * HALF_S
    recent = takewhile(lambda batch: batch.inference_end_s >= since_s, reversed(batches))
    if sum(1 for _ in recent) < 2 * FEWEST:
        return True
    steps_w = [rail.step_w for rail in rails if rail.in_total and rail.step_w]
    power = ((sample.t_s, _total_w(sample, rails)) for sample in reversed(samples))
    times = (
        (b.inference_end_s, b.inference_end_s - b.inference_start_s) for b in reversed(batches)
    )
    return not _drifts(power, now_s, least=max(steps_w, default=0.0)) and not _drifts(
        times, now_s, least=0.0
    )


def _drifts(latest_first: Iterable[tuple[float, float | None]], now_s: float, least: float) -> bool:
    since_s = now_s - 2 * HALF_S
    recent = takewhile(lambda pair: pair[0] >= since_s, latest_first)
    known = [(t_s, value) for t_s, value in recent if value is not None]
    late = [value for t_s, value in known if t_s >= now_s - HALF_S]
    early = [value for t_s, value in known if t_s < now_s - HALF_S]
    if len(late) < FEWEST or len(early) < FEWEST:
        return False
    overlap = max(late) >= min(early) and max(early) >= min(late)
    moved, level = abs(median(late) - median(early)), abs(median(early))
    return not overlap and moved > max(DRIFT * level, least * (1 + 1e-6))


def _total_w(sample: Sample, rails: Sequence[Rail]) -> float | None:
    counted = [w for w, rail in zip(sample.rails_w, rails, strict=True) if rail.in_total]
    known = [power_w for power_w in counted if power_w is not None]
    return sum(known) if known and len(known) == len(counted) else None
