"""The temperature gate: runs of one sweep start equally warm, neither hotter nor colder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from statistics import fmean
from typing import Literal

from measurements.board.hardware.protocol import Sample
from measurements.messages import Gate

LOOK_S = 1.0
MOST_DRIFT_K = 0.5
"""Between two stretches of LOOK_S; sensors show halves of a degree on older boards."""

Climate = Literal["open", "hot", "cold", "drifting"]


def climate(gate: Gate, samples: Sequence[Sample], now_s: float) -> Climate:
    """What keeps a run from starting; "open": nothing does, or no zone can be read."""
    now_c, before_c = _mean_c(samples, now_s), _mean_c(samples, now_s - LOOK_S)
    if now_c is None:
        return "open"
    if gate.reference_c is not None and abs(now_c - gate.reference_c) > gate.band_k:
        return "hot" if now_c > gate.reference_c else "cold"
    if before_c is not None and abs(now_c - before_c) > MOST_DRIFT_K:
        return "drifting"
    return "open"


def _mean_c(samples: Sequence[Sample], until_s: float) -> float | None:
    """The hottest zone over the LOOK_S until `until_s`; None if nothing states it."""
    recent = takewhile(lambda sample: sample.t_s >= until_s - LOOK_S, reversed(samples))
    temps_c = [s.temp_c for s in recent if s.t_s <= until_s and s.temp_c is not None]
    return fmean(temps_c) if temps_c else None
