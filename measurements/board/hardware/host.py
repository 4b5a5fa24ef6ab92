"""The machine itself as a board: its clocks stay as they are, its power comes from RAPL if at all.

Where no RAPL counter can be read the board has no rails: runs have latencies, and their
energy is unknown.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from measurements.board.hardware.jetson import LoadFactory
from measurements.board.hardware.machine import counting
from measurements.board.hardware.protocol import Clock, CpuSpent, Files, Sample
from measurements.board.hardware.rapl import Counters, Found, discover
from measurements.board.load.protocol import Load
from measurements.messages import BoardInfo, NetworkFeatures, OperatingPoint

CPU_CLOCKS = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"
ZONES = "/sys/class/thermal/thermal_zone*/temp"
NO_COUNTERS = (
    "No RAPL counter under /sys/class/powercap (a virtual machine, a container, or a processor "
    "without them): energy is unknown here, latency is measured."
)
REFUSED = (
    "RAPL counters may not be read ({}), so that much energy is unknown. Remedy, as root: "
    "chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (docs/loads.md has a udev rule)."
)
NOTE = (
    "This is the machine that the worker runs on, not a Jetson; its clocks are governed and "
    "whatever else it does is in the numbers."
)
RAPL_NOTE = (
    " RAPL counts the processor's packages and memory only: no fan, disk, mainboard or supply."
)


class HostBoard:
    """This machine behind its files, serving with `loads` in real time."""

    def __init__(
        self,
        name: str,
        *,
        files: Files,
        clock: Clock,
        loads: LoadFactory,
        needs_network_file: bool = True,
    ) -> None:
        self.clock = clock
        self._name = name
        self._files = files
        self._loads = loads
        self._needs_network_file = needs_network_file
        self._found: Found = discover(files)

    def describe(self) -> BoardInfo:
        rails = [domain.rail for domain in self._found.domains]
        return BoardInfo(
            name=self._name,
            kind="host",
            model=self._model(),
            l4t=None,
            jetpack=None,
            provenance="host",
            provenance_note=NOTE + (RAPL_NOTE if rails else ""),
            gpu_hz=[],
            emc_hz=[],
            cpu_hz=[],
            default=OperatingPoint(),
            rails=rails,
            sensor_lag_s=0.0,
            software={"python": platform.python_version(), "kernel": platform.release()},
            problems=self._problems(),
            needs_network_file=self._needs_network_file,
        )

    def point(self) -> OperatingPoint:
        return OperatingPoint()

    @contextmanager
    def holding(self, point: OperatingPoint) -> Iterator[OperatingPoint]:
        if point != OperatingPoint():
            raise ValueError("this machine's clocks are not set by PolyWeb: leave them as found")
        yield OperatingPoint()

    @contextmanager
    def sampling(self, interval_ms: int) -> Iterator[HostSampler]:
        sampler = HostSampler(self._files, self.clock, self._found)
        stopping = threading.Event()
        work = partial(sampler.run, interval_ms / 1000, stopping)
        thread = threading.Thread(target=work, name="host-sampler", daemon=True)
        thread.start()
        try:
            yield sampler
        finally:
            stopping.set()
            thread.join()

    def load(self, network: NetworkFeatures, *, batch_size: int, seed: int) -> Load:
        return self._loads(network, batch_size, seed)

    def _model(self) -> str:
        try:
            lines = self._files.read("/proc/cpuinfo").splitlines()
        except OSError:
            lines = []
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"

    def _problems(self) -> list[str]:
        if self._found.refused:
            return [REFUSED.format(", ".join(self._found.refused))]
        return [] if self._found.domains else [NO_COUNTERS]


class HostSampler:
    """Power, the fastest core's clock and the hottest zone of this machine, one thread's work.

    A counter tells the mean since the reading before, so a sample stands in the middle of
    the two: linear interpolation between samples then keeps the energy.
    """

    def __init__(self, files: Files, clock: Clock, found: Found) -> None:
        self.samples: list[Sample] = []
        self.unknown_tokens: dict[str, int] = {}
        self.spent: CpuSpent | None = None
        self._files = files
        self._clock = clock
        self._counters = Counters(files, found.domains)
        self._cpu_clocks = files.glob(CPU_CLOCKS)
        self._zones = files.glob(ZONES)
        self._before_s: float | None = None

    def run(self, interval_s: float, stopping: threading.Event) -> None:
        due_s, self.spent = self._clock.now(), CpuSpent()
        with counting(self.spent):
            while not stopping.wait(max(0.0, due_s - self._clock.now())):
                self.take(self._clock.now())
                due_s = max(due_s + interval_s, self._clock.now())

    def take(self, t_s: float) -> None:
        """Read everything now, at `t_s` on the Clock; the first reading only begins to count."""
        powers_w, before_s = self._counters.powers_w(t_s), self._before_s
        self._before_s = t_s
        if powers_w is None or before_s is None:
            return
        self.samples.append(
            Sample(
                t_s=(before_s + t_s) / 2,
                rails_w=powers_w,
                gpu_mhz=None,
                emc_mhz=None,
                cpu_mhz=self._fastest(self._cpu_clocks),
                temp_c=self._hottest(self._zones),
                gpu_busy_percent=None,
            )
        )

    def _fastest(self, paths: list[str]) -> int | None:
        """MHz, from kHz; None if no core tells."""
        khz = max((value for path in paths if (value := self._number(path))), default=None)
        return None if khz is None else round(khz / 1000)

    def _hottest(self, paths: list[str]) -> float | None:
        """°C, from thousandths; None if no zone tells one above absolute nonsense."""
        known = [value for path in paths if (value := self._number(path)) is not None]
        return max((value / 1000 for value in known if 0 < value < 200_000), default=None)

    def _number(self, path: str) -> int | None:
        try:
            return int(self._files.read(path))
        except (OSError, ValueError):
            return None
