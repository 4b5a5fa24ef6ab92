"""When the requests of a trial come, warm-up included."""

from __future__ import annotations

import math
from bisect import bisect_left

from measurements.board.load.arrivals import arrival_times_s
from measurements.messages import Plan


def schedule(plan: Plan, start_s: float, *, measured: int) -> tuple[list[float] | None, int]:
    """Times of arrival, and how many of them are warm-up at least; None: back-to-back.

    They last for the longest warm-up and `measured` requests after it, and as many more
    as a batch may take that begins with warm-up requests.
    """
    needed = measured + plan.batch_size - 1
    longest_s = max(plan.warm_up_s, plan.longest_warm_up_s or 0.0)
    guess = needed + math.ceil((plan.arrivals.rate_hz or 0) * longest_s) + 1
    while True:
        times_s = arrival_times_s(plan.arrivals, guess, start_s=start_s, seed=plan.seed)
        if times_s is None:
            return None, 0
        most = bisect_left(times_s, start_s + longest_s)
        if most + needed <= guess:
            return times_s[: most + needed], bisect_left(times_s, start_s + plan.warm_up_s)
        guess *= 2
