"""When requests come: at an exact rate, as a seeded Poisson stream, or as a trace recorded."""

from __future__ import annotations

from itertools import accumulate, islice
from random import Random

from measurements.board.load.trace import replayed
from measurements.messages import Arrivals


def arrival_times_s(
    arrivals: Arrivals, requests: int, *, start_s: float, seed: int
) -> list[float] | None:
    """When each of `requests` requests comes, in seconds on the clock of `start_s`.

    Uniform: `start_s` and then every `1 / rate_hz`. Poisson: independent exponential gaps
    of mean `1 / rate_hz`, the first one after `start_s`. Trace: as recorded, the first one
    at `start_s`, again and again. A longer stream of the same seed begins with the shorter one.

    Returns:
        Ascending times, shape (requests,); None for back-to-back, where a request comes
        when the one before it has gone.

    Raises:
        ValueError: The rate is missing or not positive, or back-to-back was given one; a
            trace holds fewer than two arrivals.
    """
    if arrivals.kind == "back_to_back":
        if arrivals.rate_hz is not None:
            raise ValueError("back-to-back arrivals have no rate")
        return None
    if arrivals.rate_hz is None or not 0 < arrivals.rate_hz < float("inf"):
        raise ValueError(f"{arrivals.kind} arrivals need a positive rate, got {arrivals.rate_hz}")
    if arrivals.kind == "trace":
        return list(islice(replayed(arrivals.times_s or (), start_s=start_s), requests))
    if arrivals.kind == "uniform":
        return [start_s + i / arrivals.rate_hz for i in range(requests)]
    return _poisson(requests, rate_hz=arrivals.rate_hz, start_s=start_s, seed=seed)


def _poisson(requests: int, *, rate_hz: float, start_s: float, seed: int) -> list[float]:
    random = Random(seed)
    gaps_s = (random.expovariate(rate_hz) for _ in range(requests))
    return list(accumulate(gaps_s, initial=start_s))[1:]
