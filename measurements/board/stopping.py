"""When a run has measured enough: a fixed number of requests, or a wanted precision.

Looking often and stopping at the first good look would make intervals too narrow: the
looks lie 10 % apart, none before the floor. 3 s are ten batches of 0.3 s, each several
times as long as power's own sway lasts (0.1 s); 100 requests are ten batches of ten.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from measurements import energy
from measurements.board.columns import requests_of
from measurements.board.hardware.protocol import Sample
from measurements.board.load.protocol import ServedBatch
from measurements.messages import Plan, Rail, StoppedBecause, Stopping
from measurements.power import Trace, Window
from measurements.statistics import fewest_for_upper_bound, percentile_upper

LOOK_EVERY = 1.1
RATE_MARGIN = 1.5
"""At a rate, so many times the requests that the floor's seconds need are scheduled."""


def most_requests(plan: Plan) -> int:
    """How many requests a run may measure at most, but for filling its last batch."""
    if plan.stopping is None:
        return plan.requests
    rate_hz = plan.arrivals.rate_hz or 0
    return max(plan.requests, _floor(plan.stopping), math.ceil(
        RATE_MARGIN * rate_hz * plan.stopping.floor_s))  # fmt: skip


def _floor(stopping: Stopping) -> int:
    quantile = stopping.quantile
    return max(stopping.floor_requests, fewest_for_upper_bound(quantile) if quantile else 1)


@dataclass(slots=True)
class Stopper:
    """Asked after each batch whether the run may end.

    Args:
        rails: Of the board, in the order of its samples.
    """

    plan: Plan
    rails: Sequence[Rail]
    lag_s: float
    next_look: int = 0

    def ends(
        self, batches: Sequence[ServedBatch], samples: Sequence[Sample], done: int
    ) -> StoppedBecause | None:
        """Why the run ends now; None: it goes on.

        Args:
            batches: Those measured so far, at least one.
            done: How many requests they hold.
        """
        plan, stopping = self.plan, self.plan.stopping
        if stopping is None:
            return "fixed" if done >= plan.requests else None
        if done >= most_requests(plan):
            return "precise" if self._is_precise(batches, samples) else "ceiling"
        served_s = batches[-1].inference_end_s - batches[0].inference_start_s
        if done < _floor(stopping) or served_s < stopping.floor_s:
            return None
        if done >= plan.requests:
            return "precise" if self._is_precise(batches, samples) else "ceiling"
        if done < self.next_look:
            return None
        self.next_look = math.ceil(done * LOOK_EVERY)
        return "precise" if self._is_precise(batches, samples) else None

    def _is_precise(self, batches: Sequence[ServedBatch], samples: Sequence[Sample]) -> bool:
        """Whether energy is known well enough, and the limit's percentile has an upper bound."""
        stopping = self.plan.stopping
        if stopping is None or not _is_bounded(batches, stopping.quantile):
            return False
        spread = self._spread(batches, samples)
        return spread is not None and 100 * spread <= stopping.half_width_percent

    def _spread(self, batches: Sequence[ServedBatch], samples: Sequence[Sample]) -> float | None:
        """The relative statistical half-width of busy energy now; None if it is not known."""
        requests = requests_of(batches, zero_s=0.0)
        idles = self.plan.arrivals.kind != "back_to_back"
        if not any(rail.in_total for rail in self.rails):
            return energy.inference_time_per_request(requests).relative_half_width
        window = energy.busy_window(requests)
        shown = Window(window.start_s, min(window.end_s, samples[-1].t_s))
        try:
            trace = self._trace(samples, shown)
            return energy.relative_spread(trace, requests, shown, idles=idles)
        except (energy.EnergyUnknown, ValueError):
            return None

    def _trace(self, samples: Sequence[Sample], window: Window) -> Trace:
        """The total power about `window`."""
        first = max(0, bisect_right(samples, window.start_s, key=_time) - 1)
        last = bisect_left(samples, window.end_s, key=_time) + 1
        inside = samples[first:last]
        counted = [index for index, rail in enumerate(self.rails) if rail.in_total]
        rows = [[sample.rails_w[index] for index in counted] for sample in inside]
        power_w = np.array(rows, dtype=float).sum(axis=1)
        return Trace(np.array([sample.t_s for sample in inside]), power_w, self.lag_s)


def _is_bounded(batches: Sequence[ServedBatch], quantile: float | None) -> bool:
    """Requests of one batch end together: so many of them may be worth too few."""
    if quantile is None:
        return True
    latency_s = [batch.inference_end_s - at for batch in batches for at in batch.arrival_s]
    batch_of = [number for number, batch in enumerate(batches) for _ in batch.arrival_s]
    return percentile_upper(latency_s, quantile, batches=batch_of) is not None


def _time(sample: Sample) -> float:
    return sample.t_s
