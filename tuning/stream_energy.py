"""Energy per request of a whole stream: what runs with different CPU clocks are compared by."""

from __future__ import annotations

import math

from measurements.models import Run
from tuning.results import Difference


def saving(run: Run | None, than: Run | None) -> Difference | None:
    """By what share `run` takes less energy per request of its whole stream than `than`."""
    ours, theirs = stream_j(run), stream_j(than)
    if ours is None or theirs is None:
        return None
    ratio, spread = ours[0] / theirs[0], None
    if ours[1] is not None and theirs[1] is not None:
        spread = ratio * math.hypot(ours[1], theirs[1])
    return Difference(1 - ratio, spread)


def stream_j(run: Run | None) -> tuple[float, float | None] | None:
    """(joules per request, relative half-width), the waiting for preprocessing included.

    Busy energy leaves that waiting out, so it would count a CPU that is too slow as a saving.
    """
    if run is None or not run.requests_served or run.busy_energy_j is None:
        return None
    if run.at_rate_energy_j is not None:
        width = run.at_rate_half_width_j
        return run.at_rate_energy_j, width and width / run.at_rate_energy_j
    energy_j = run.mean_power_w * (run.window_end_s - run.window_start_s) / run.requests_served
    width = run.busy_half_width_j
    return energy_j, width and width / run.busy_energy_j
