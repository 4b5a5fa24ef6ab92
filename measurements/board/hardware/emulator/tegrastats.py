"""What `tegrastats` of JetPack 5 prints as root, from the emulated board's state.

In virtual time `VirtualTegrastats` hands the lines on. As a program it follows a tree on
which an emulated board runs in real time, and prints as the real one does:

    python -m measurements.board.hardware.emulator.tegrastats --tree T --interval 50

Source: docs/emulator.md; captured lines of AGX Orin devkits.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .clock import Alarm, VirtualClock
from .emulation import EVENTS, Follower
from .model import Model

WORK_S = (0.008, 0.010)
"""Time that collecting one line takes; the period is the interval plus this."""
FOLLOW_LAG_S = 0.15
"""The program lives this far behind real time, so that even on a busy machine every event is
on disk by then; a third of the sensor's own lag."""
VIRTUAL_EPOCH = dt.datetime(2026, 1, 1)  # noqa: DTZ001  tegrastats prints local time without zone


class Printer:
    """Prints lines of one run of tegrastats; its averages are cumulative since its start."""

    def __init__(self, model: Model, *, seed: int, stamp: Callable[[], dt.datetime]) -> None:
        self._model = model
        self._stamp = stamp
        self._random = random.Random(f"tegrastats/{seed}/{model.now_s}")
        self._lines = 0
        self._sums_mw = [0] * len(model.board.rails)
        self._since_s = model.now_s
        self._gpu_busy_s = model.totals.gpu_busy_s
        self._core_busy_s = model.totals.core_busy_s
        self._dram_bytes = model.totals.dram_bytes
        self._emc_cycles = model.totals.emc_cycles

    def period_s(self, interval_ms: int) -> float:
        return interval_ms / 1000 + self._random.uniform(*WORK_S)

    def line(self) -> str:
        board = self._model.board
        text = (
            f"{self._stamp():%m-%d-%Y %H:%M:%S} RAM 2257/{board.ram_mb}MB (lfb 5392x4MB) "
            f"SWAP 0/{board.ram_mb // 2}MB (cached 0MB) {self._loads()} "
            f"NVJPG1 729 VIC_FREQ 115 APE 233 {self._temperatures()} {self._rails()}"
        )
        self._lines += 1
        return text

    def _loads(self) -> str:
        model, totals = self._model, self._model.totals
        span_s = max(model.now_s - self._since_s, 1e-9)
        gpu = round(100 * (totals.gpu_busy_s - self._gpu_busy_s) / span_s)
        core = round(100 * min((totals.core_busy_s - self._core_busy_s) / span_s, 1.0))
        bus_bytes = (
            totals.emc_cycles - self._emc_cycles
        ) * model.board.engine.bus_bytes_per_emc_cycle
        emc = round(100 * (totals.dram_bytes - self._dram_bytes) / max(bus_bytes, 1.0))
        self._since_s, self._gpu_busy_s = model.now_s, totals.gpu_busy_s
        self._core_busy_s, self._dram_bytes = totals.core_busy_s, totals.dram_bytes
        self._emc_cycles = totals.emc_cycles
        mhz = self._counter_mhz(gpu / 100)
        return (
            f"CPU [{self._cores(core)}] EMC_FREQ {emc}%@{model.emc.hz // 1_000_000} "
            f"GR3D_FREQ {gpu}%@{mhz} GR3D2_FREQ {gpu}%@{mhz}"
        )

    def _cores(self, first_percent: int) -> str:
        """The busy core's load; the others idle along."""
        board, cpus = self._model.board, self._model.cpus
        words = [
            f"{int(self._random.random() * 1.2)}%@{cpus[i].hz // 1_000_000}"
            for i, policy in enumerate(board.policies)
            for _ in policy
        ]
        words[0] = f"{first_percent}%@{cpus[0].hz // 1_000_000}"
        return ",".join(words)

    def _counter_mhz(self, busy: float) -> int:
        """The hardware's own count: 0.4 % below the set clock when idle, 1.2 % under load."""
        if not self._model.gpu_awake:
            return 0
        error = 0.004 + 0.008 * busy + self._random.uniform(0.0, 0.003)
        return int(self._model.gpu.hz * (1.0 - error) / 1e6)

    def _temperatures(self) -> str:
        zones = self._model.board.zones
        return " ".join(
            f"{zone.name}@{self._degrees(self._model.zone_c(i))}C" for i, zone in enumerate(zones)
        )

    def _degrees(self, temp_c: float | None) -> str:
        """As the sensors give them: thirty-seconds of a degree, cut to three digits."""
        if temp_c is None:
            return "-256"
        return f"{int(temp_c * 32) / 32:.4f}"[:-1].rstrip("0").rstrip(".")

    def _rails(self) -> str:
        words = []
        for i, rail in enumerate(self._model.board.rails):
            milliwatts = self._model.milliwatts(i)
            self._sums_mw[i] += milliwatts
            words.append(f"{rail.name} {milliwatts}mW/{self._sums_mw[i] // (self._lines + 1)}mW")
        return " ".join(words)


class VirtualTegrastats:
    """The line source in virtual time: lines come as the virtual clock moves on."""

    def __init__(self, model: Model, clock: VirtualClock, *, seed: int) -> None:
        self._model = model
        self._clock = clock
        self._seed = seed

    @contextmanager
    def lines(self, interval_ms: int, feed: Callable[[float, str], None]) -> Iterator[None]:
        printer = Printer(self._model, seed=self._seed, stamp=self._stamp)

        def ring() -> float:
            feed(self._model.now_s, printer.line())
            return self._model.now_s + printer.period_s(interval_ms)

        alarm = Alarm(self._model.now_s + printer.period_s(interval_ms), ring)
        self._clock.add(alarm)
        try:
            yield
        finally:
            self._clock.remove(alarm)

    def _stamp(self) -> dt.datetime:
        return VIRTUAL_EPOCH + dt.timedelta(seconds=int(self._model.now_s))


def run(tree: Path, interval_ms: int) -> None:
    """Print a line every `interval_ms` and a bit, for ever."""
    follower = Follower(tree / EVENTS)
    follower.advance(time.monotonic() - FOLLOW_LAG_S)
    printer = Printer(follower.model, seed=follower.seed, stamp=_local_time)
    due_s = time.monotonic()
    while True:
        due_s += printer.period_s(interval_ms)
        time.sleep(max(0.0, due_s - time.monotonic()))
        follower.advance(time.monotonic() - FOLLOW_LAG_S)
        print(printer.line(), flush=True)


def _local_time() -> dt.datetime:
    return dt.datetime.now()  # noqa: DTZ005  tegrastats prints local time without zone


def main() -> None:
    parser = argparse.ArgumentParser(prog="tegrastats")
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--interval", type=int, default=1000, metavar="ms")
    asked = parser.parse_args()
    if not (asked.tree / EVENTS).is_file():
        parser.error(f"no emulated board has run in real time on {asked.tree}")
    try:
        run(asked.tree, asked.interval)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stderr.close()  # nobody reads any more: end as silently as the real one


if __name__ == "__main__":
    main()
