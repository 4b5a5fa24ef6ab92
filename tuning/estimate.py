"""How long a sweep will keep its board, and what that estimate rests on.

A network that has not run on the board is guessed from its FLOPs and bytes, the board's kind
and the stop rule, at the middle of the board's clocks: right within a factor of about two.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from django.db.models import Avg, Count, F, Q

from measurements.messages import Stopping
from measurements.models import Device, Network, Run
from measurements.statistics import fewest_for_upper_bound

FIXED_S = 7.1
"""Settling, warm-up and tail of every run: 2.5 + 2.5 + 2.1 s."""
PREPARING_S = 4.0
"""Beside `FIXED_S`, a first guess for a run of preprocessing alone: its floor is 3 s."""
GUESSED_FLOPS_PER_S = 1e12
GUESSED_BYTES_PER_S = 40e9
GUESSED_OVERHEAD_S = 0.003
"""What a first guess assumes of a board of no known kind; only its order of magnitude counts."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a kind of board gets through, roughly.

    Bytes are those of all layers as counted, most of which caches and fusion keep from the
    memory; they take cycles of the GPU and of the memory.

    Source: docs/emulator.md's fits to measured latencies, rounded; Orin NX and AGX Xavier, which
    it does not have, by their number of cores and width of memory.
    """

    flops_per_gpu_cycle: float
    bytes_per_gpu_cycle: float
    bytes_per_emc_cycle: float
    prepare_s: float = 0.008
    """To decode and resize one picture on one core; the next is prepared meanwhile."""


THROUGHPUTS = {
    "agx-orin": Throughput(7000, 500, 300),
    "orin-nano": Throughput(3500, 250, 150),
    "orin-nx": Throughput(3500, 250, 150),
    "xavier-nx": Throughput(1300, 200, 150, prepare_s=0.012),
    "agx-xavier": Throughput(1700, 250, 300, prepare_s=0.010),
    "tx2": Throughput(1200, 60, 150, prepare_s=0.013),
}
"""By `Device.kind`; a kind with a suffix ("agx-orin-jp6") is the same board."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Board seconds of one trial; `runs` is how many done runs it rests on, 0 for a guess."""

    trial_s: float
    rests_on: str
    runs: int = 0


def trial_time(
    *,
    device: Device,
    network: Network,
    requests: int,
    rate_hz: float | None,
    batch_sizes: list[int],
    stopping: Stopping | None = None,
) -> Estimate:
    """The board time of one trial of `requests` requests, or of fewer by the rule `stopping`."""

    def trial_s(request_s: Callable[[int], float]) -> float:
        """On average over the batch sizes, of which each takes `request_s` a request."""
        served_s = [serving_s(request_s(size), requests, size, stopping) for size in batch_sizes]
        return FIXED_S + statistics.fmean(served_s)

    if rate_hz is not None:
        many = requests if stopping is None else f"at most {requests}"
        return Estimate(trial_s(lambda _: 1 / rate_hz), f"the rate: {many} at {rate_hz:g} a second")
    runs, measured_s = _measured_request_s(device, network, batch_sizes)
    if measured_s is not None:
        rests_on = f"{runs} done run{'s' * (runs != 1)} of {network} on {device}"
        return Estimate(trial_s(lambda _: measured_s), rests_on, runs)
    if (table := network.replay_table) is not None:
        middle_s = table.table.typical_s(network.workload)
        return Estimate(trial_s(lambda _: middle_s), f"the table {table}: its middle latency")
    return Estimate(
        trial_s(partial(_guessed_request_s, device, network)),
        f"a rough first guess from its FLOPs and bytes: {network} has not run on {device} yet",
    )


def serving_s(request_s: float, requests: int, batch_size: int, stopping: Stopping | None) -> float:
    """How long a run measures that takes `request_s` a request.

    By the stop rule a steady load ends at the rule's floors; the percentile of the limit needs
    59 (299) independent requests, between one in a batch and all of it: their middle is taken.
    """
    if stopping is None:
        return requests * request_s
    floor = stopping.floor_requests
    if stopping.quantile is not None:
        floor = max(
            floor, fewest_for_upper_bound(stopping.quantile) * math.ceil(math.sqrt(batch_size))
        )
    return max(min(floor, requests) * request_s, stopping.floor_s)


def preparing_time_s(device: Device) -> float:
    """The board time of one run of preprocessing alone: as measured on `device`, else a guess."""
    alone = Run.objects.done().filter(device=device, work=Run.Work.PREPROCESSING)
    return alone.aggregate(mean=Avg("board_s"))["mean"] or FIXED_S + PREPARING_S


def _measured_request_s(
    device: Device, network: Network, batch_sizes: list[int]
) -> tuple[int, float | None]:
    """(runs, seconds a request) of done back-to-back runs, of these batch sizes if any."""
    runs = (
        Run.objects.done()
        .of_requests()
        .sampled()
        .filter(
            device=device,
            network=network,
            arrivals=Run.ArrivalsKind.BACK_TO_BACK,
            board_s__gt=FIXED_S,
            requests_served__gt=0,
        )
    )
    a_request_s = (F("board_s") - FIXED_S) / F("requests_served")
    of_these = Q(batch_size__in=batch_sizes)
    told = runs.aggregate(
        these=Count("pk", filter=of_these),
        of_these_s=Avg(a_request_s, filter=of_these),
        all=Count("pk"),
        of_all_s=Avg(a_request_s),
    )
    if told["these"]:
        return told["these"], told["of_these_s"]
    return told["all"], told["of_all_s"]


def _guessed_request_s(device: Device, network: Network, batch_size: int) -> float:
    """A roofline at the middle of the board's clocks, or of a board of no known kind."""
    flops, moved = network.flops(batch_size), network.bytes_moved(batch_size)
    known = _throughput(device.kind)
    if known is None or not device.gpu_hz or not device.emc_hz:
        batch_s = max(flops / GUESSED_FLOPS_PER_S, moved / GUESSED_BYTES_PER_S)
        return GUESSED_OVERHEAD_S + batch_s / batch_size
    gpu_cycles = flops / known.flops_per_gpu_cycle + moved / known.bytes_per_gpu_cycle
    batch_s = max(
        gpu_cycles / _middle(device.gpu_hz),
        moved / known.bytes_per_emc_cycle / _middle(device.emc_hz),
    )
    prepare_s = known.prepare_s if len(network.input_shape) == 4 else 0.0
    return max(prepare_s, batch_s / batch_size)


def _middle(clocks_hz: Sequence[int]) -> float:
    """The middle of a board's table."""
    return float(statistics.median(clocks_hz))


def _throughput(kind: str) -> Throughput | None:
    named = [name for name in THROUGHPUTS if kind == name or kind.startswith(f"{name}-")]
    return THROUGHPUTS[max(named, key=len)] if named else None
