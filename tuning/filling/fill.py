"""The deed: sweeps, their runs, and then the samples and requests of every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from django.db import connection, transaction

from measurements import builtin_networks
from measurements.models import PowerSample, RequestLog

from . import copying, plausible, rows
from .rows import SETTLE_S, WARM_UP_S, MadeRun

SAMPLE_US = 50_000
RUNS_PER_COPY = 100


@transaction.atomic
def fill(
    *, runs: int, sweeps: int, samples: int, seed: int, say: Callable[[str], Any] = print
) -> dict[str, int]:
    """Store the rows, all or none; how many there are of each kind.

    Each sweep gets runs / sweeps trials, each run samples / runs samples at 20 Hz: where that
    is more than the run lasts, the board idles on, where it is less, its end is not sampled.
    """
    random = np.random.default_rng(seed)
    made = _sweeps(runs=runs, sweeps=sweeps, random=random, say=say)
    # In the order of the primary key: its index then grows at one end only.
    made.sort(key=lambda one: one.run.pk.bytes)
    wanted = list(zip(made, _shares(samples, len(made)), strict=True))
    stored = 0
    for first in range(0, len(wanted), RUNS_PER_COPY):
        stored += _copy(wanted[first : first + RUNS_PER_COPY], random)
        say(f"samples: {stored:,} of {samples:,}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"sweeps": sweeps, "runs": len(made), "samples": stored}


def _sweeps(
    *, runs: int, sweeps: int, random: np.random.Generator, say: Callable[[str], Any]
) -> list[MadeRun]:
    boards = rows.devices()
    networks = [network for network in builtin_networks.seed() if network.has_graph]
    made: list[MadeRun] = []
    for number, (trials, (device, board)) in enumerate(
        zip(_shares(runs, sweeps), cycle(boards), strict=False), start=1
    ):
        network = networks[int(random.integers(len(networks)))]
        made += rows.sweep(number, device, board, network, trials=trials, random=random)
        if number % 20 == 0:
            say(f"sweeps: {number} of {sweeps}")
    return made


def _shares(total: int, parts: int) -> list[int]:
    """`total` split into `parts` whole numbers that differ by one at most."""
    each, rest = divmod(total, parts)
    return [each + (part < rest) for part in range(parts)]


def _copy(batch: Sequence[tuple[MadeRun, int]], random: np.random.Generator) -> int:
    table = PowerSample._meta.db_table
    sampled = b"".join(_samples(one, count, random) for one, count in batch if count)
    copying.copy(table, copying.SAMPLE_COLUMNS, sampled)
    served = b"".join(_requests(one) for one, _ in batch)
    copying.copy(RequestLog._meta.db_table, copying.REQUEST_COLUMNS, served)
    return sum(count for _, count in batch)


def _samples(one: MadeRun, count: int, random: np.random.Generator) -> bytes:
    t_us = np.arange(count, dtype=np.int64) * SAMPLE_US
    t_s = t_us / 1e6
    idle = (t_s < SETTLE_S) | (t_s > one.run.window_end_s)
    rails_w = plausible.trace_w(one.steady, idle, ripple_w=one.board.ripple.input_w, random=random)
    rise = 1 - np.exp(-np.maximum(t_s - SETTLE_S, 0.0) / 20.0)
    temp_c = one.run.temp_before_c + (one.run.temp_max_c - one.run.temp_before_c) * rise
    return copying.samples(
        one.run.pk,
        t_us,
        rails_w,
        np.round(rails_w[:, one.steady.in_total].sum(axis=1), 3),
        mhz=tuple(round(hz / 1e6) for hz in (one.run.gpu_max_hz, one.run.emc_hz,
                                             one.board.cpu_hz[-1])),
        temp_c=np.round(temp_c, 2),
        busy_percent=np.where(idle, 0.0, 99.0),
    )  # fmt: skip


def _requests(one: MadeRun) -> bytes:
    size, prepare_s = one.steady.batch_size, one.steady.prepare_s
    periods_s = np.maximum(one.batches_s, prepare_s)
    inference_s = (
        SETTLE_S + WARM_UP_S + prepare_s + np.concatenate(([0.0], np.cumsum(periods_s)[:-1]))
    )
    waits_s = prepare_s * np.linspace(1.0, 1.0 / size, size)
    start_s = (inference_s[:, None] - waits_s[None, :]).ravel()
    inference_start_s = np.repeat(inference_s, size)
    end_s = np.repeat(inference_s + one.batches_s, size)
    return copying.request_log(one.run.pk, start_s, start_s, inference_start_s, end_s)
