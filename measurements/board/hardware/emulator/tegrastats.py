"""What `tegrastats` prints, from the emulated board's state, as its JetPack writes it.

In virtual time `VirtualTegrastats` hands the lines on. As a program it follows a tree on
which an emulated board runs in real time, and prints as the real one does:

    python -m measurements.board.hardware.emulator.tegrastats --tree T --interval 50

Source: docs/emulator.md; captured lines of each board.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from statistics import fmean

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

    def __init__(
        self, model: Model, *, seed: int, stamp: Callable[[], dt.datetime], is_root: bool = True
    ) -> None:
        self._model = model
        self._grammar = model.board.grammar
        self._is_root = is_root
        self._stamp = stamp
        policies = enumerate(model.board.policies)
        of_core = {cpu: policy for policy, cpus in policies for cpu in cpus}
        self._policy_of = [of_core[cpu] for cpu in sorted(of_core)]
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
        ram_mb, grammar = self._model.board.ram_mb, self._grammar
        words = [f"{self._stamp():%m-%d-%Y %H:%M:%S}"] if grammar.is_dated else []
        words += [
            f"RAM 2257/{ram_mb}MB (lfb {ram_mb // 6}x4MB)",
            f"SWAP 0/{ram_mb // 2}MB (cached 0MB)",
            self._loads(),
        ]
        if self._is_root:
            words.append(grammar.extras)
        words.append(self._temperatures())
        if self._is_root or grammar.user_has_rails:
            words.append(self._rails())
        self._lines += 1
        return " ".join(words)

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
        cores = f"CPU [{self._cores(core)}]"
        if not self._is_root:
            memory = "EMC_FREQ 0% " if self._grammar.user_has_memory else ""
            return f"{cores} {memory}GR3D_FREQ {gpu}%"
        memory = f"EMC_FREQ {emc}%@{model.emc.hz // 1_000_000}"
        return f"{cores} {memory} {self._gpu(gpu)}"

    def _gpu(self, busy_percent: int) -> str:
        mhz, lists = self._gpu_mhz(busy_percent / 100), self._grammar.gpu_lists
        clock = f"[{','.join([str(mhz)] * lists)}]" if lists else str(mhz)
        second = f" GR3D2_FREQ {busy_percent}%@{mhz}" if self._grammar.has_second_gpu else ""
        return f"GR3D_FREQ {busy_percent}%@{clock}{second}"

    def _cores(self, first_percent: int) -> str:
        """The busy core's load, in the cores' order; the others idle along."""
        mhz = [domain.hz // 1_000_000 for domain in self._model.cpus]
        words = [f"{int(self._random.random() * 1.2)}%@{mhz[i]}" for i in self._policy_of]
        words[0] = f"{first_percent}%@{mhz[0]}"
        for cpu in self._model.knobs.offline:
            words[cpu] = "off"
        return ",".join(words)

    def _gpu_mhz(self, busy: float) -> int:
        """The hardware's own count: 0.4 % below the set clock when idle, 1.2 % under load.

        JetPack 4 prints what was set, also while the GPU is gated.
        """
        if not self._grammar.counts_gpu_clock:
            return self._model.gpu.hz // 1_000_000
        if not self._model.gpu_awake:
            return 0
        error = 0.004 + 0.008 * busy + self._random.uniform(0.0, 0.003)
        return int(self._model.gpu.hz * (1.0 - error) / 1e6)

    def _temperatures(self) -> str:
        zones = [(zone, self._model.zone_c(i)) for i, zone in enumerate(self._model.board.zones)]
        return " ".join(
            f"{zone.name}@{_degrees(temp_c, zone.step_c)}C"
            for zone, temp_c in zones
            if temp_c is not None or not self._grammar.hides_gated
        )

    def _rails(self) -> str:
        words, unit = [], self._grammar.power_unit
        for i, rail in enumerate(self._model.board.rails):
            if not rail.printed:
                continue
            milliwatts = self._model.milliwatts(i)
            self._sums_mw[i] += milliwatts
            mean = self._sums_mw[i] // (self._lines + 1)
            words.append(f"{rail.name} {milliwatts}{unit}/{mean}{unit}")
        return " ".join(words)


def _degrees(temp_c: float | None, step_c: float) -> str:
    """In whole steps of the sensor, cut to three digits."""
    return "-256" if temp_c is None else _steps(int(temp_c / step_c), step_c)


@lru_cache(maxsize=4096)
def _steps(count: int, step_c: float) -> str:
    return f"{count * step_c:.4f}"[:-1].rstrip("0").rstrip(".")


class VirtualTegrastats:
    """The line source in virtual time: lines come as the virtual clock moves on.

    Args:
        line_core_s: CPU seconds that a line costs the board. None were measured on a Jetson.
    """

    def __init__(
        self,
        model: Model,
        clock: VirtualClock,
        *,
        seed: int,
        is_root: bool = True,
        line_core_s: float = 0.0,
    ) -> None:
        self._model = model
        self._line_core_s = line_core_s
        self._clock = clock
        self._seed = seed
        self._is_root = is_root

    @contextmanager
    def lines(self, interval_ms: int, feed: Callable[[float, str], None]) -> Iterator[None]:
        printer = Printer(self._model, seed=self._seed, stamp=self._stamp, is_root=self._is_root)

        def ring() -> float:
            feed(self._model.now_s, printer.line())
            return self._model.now_s + printer.period_s(interval_ms)

        alarm = Alarm(self._model.now_s + printer.period_s(interval_ms), ring)
        self._clock.add(alarm)
        self._model.occupy(self._line_core_s / (interval_ms / 1000 + fmean(WORK_S)))
        try:
            yield
        finally:
            self._model.occupy(0.0)
            self._clock.remove(alarm)

    def _stamp(self) -> dt.datetime:
        return VIRTUAL_EPOCH + dt.timedelta(seconds=int(self._model.now_s))


def run(tree: Path, interval_ms: int) -> None:
    """Print a line every `interval_ms` and a bit, for ever."""
    follower = Follower(tree / EVENTS)
    follower.advance(time.monotonic() - FOLLOW_LAG_S)
    printer = Printer(
        follower.model, seed=follower.seed, stamp=_local_time, is_root=follower.is_root
    )
    signal.signal(signal.SIGTERM, partial(_end_half_way, printer))
    due_s = time.monotonic()
    while True:
        due_s += printer.period_s(interval_ms)
        time.sleep(max(0.0, due_s - time.monotonic()))
        follower.advance(time.monotonic() - FOLLOW_LAG_S)
        print(printer.line(), flush=True)


def _end_half_way(printer: Printer, *_: object) -> None:
    """Die as the real one does: in the middle of a line."""
    text = printer.line()
    os.write(sys.stdout.fileno(), text[: len(text) // 2].encode())
    os._exit(0)


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
