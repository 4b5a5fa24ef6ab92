"""How long a sweep will keep its board, and what that estimate rests on."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Avg, Count, F, Q

from measurements.models import Device, Network, Run

FIXED_S = 7.1
"""Settling, warm-up and tail of every run: 2.5 + 2.5 + 2.1 s."""
PREPARING_S = 4.0
"""Beside `FIXED_S`, a first guess for a run of preprocessing alone: its floor is 3 s."""
GUESSED_FLOPS_PER_S = 1e12
GUESSED_BYTES_PER_S = 40e9
GUESSED_OVERHEAD_S = 0.003
"""What a first guess assumes of a board at middling clocks; only its order of magnitude counts."""


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
) -> Estimate:
    """The board time of one trial of `requests` requests."""
    if rate_hz is not None:
        return Estimate(
            FIXED_S + requests / rate_hz, f"the rate: {requests} at {rate_hz:g} a second"
        )
    runs, request_s = _measured_request_s(device, network, batch_sizes)
    if request_s is not None:
        rests_on = f"{runs} done run{'s' * (runs != 1)} of {network} on {device}"
        return Estimate(FIXED_S + requests * request_s, rests_on, runs)
    if (table := network.replay_table) is not None:
        middle = table.table.typical_s(network.workload)
        return Estimate(FIXED_S + requests * middle, f"the table {table}: its middle latency")
    guess = _guessed_request_s(network, batch_sizes)
    return Estimate(
        FIXED_S + requests * guess,
        f"a rough first guess from its FLOPs and bytes: {network} has not run on {device} yet",
    )


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


def _guessed_request_s(network: Network, batch_sizes: list[int]) -> float:
    """A roofline at middling clocks, averaged over the batch sizes."""
    times = [
        max(
            network.flops(size) / GUESSED_FLOPS_PER_S,
            network.bytes_moved(size) / GUESSED_BYTES_PER_S,
        )
        / size
        for size in batch_sizes
    ]
    return GUESSED_OVERHEAD_S + sum(times) / len(times)
