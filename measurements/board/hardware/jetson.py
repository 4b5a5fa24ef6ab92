"""The Jetson adapter: everything it knows, the board itself said.

One adapter for the real board and the emulated one: they differ in the files, the clock
and the source of tegrastats lines that are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from measurements.board.hardware import discovery, throttling
from measurements.board.hardware.clocks import RESTORE_FILE, Clocks
from measurements.board.hardware.ina3221 import Ina3221Sampler
from measurements.board.hardware.power_mode import Nvpmodel
from measurements.board.hardware.protocol import (
    Clock,
    ClockControl,
    Files,
    LineSource,
    Sampler,
    Ticks,
)
from measurements.board.hardware.rails import rail_part, total_of
from measurements.board.hardware.sampling import TegrastatsSampler
from measurements.board.hardware.tegrastats import parse
from measurements.board.load.protocol import Load
from measurements.messages import BoardInfo, NetworkFeatures, OperatingPoint, Provenance, Rail

LoadFactory = Callable[[NetworkFeatures, int, int], Load]
"""(network, batch size, seed) -> what serves it."""

_FIRST_LINE_INTERVAL_MS = 100
_FIRST_LINE_WITHIN_S = 3.0


class JetsonBoard:
    """A Jetson behind its files.

    Making one restores the clocks that a killed worker left held.

    Args:
        name: The device's name on the server.
        lines: Samples come from here, unless there are `ticks`.
        ticks: When to read the power sensors' own files; None: sample by tegrastats.
        nvpmodel: Tells the power mode; None: only its status file does.
        clocks: Sets this board's clocks; None: this process does, through `files`.
        state_dir: Survives a crash; holds the restore file while clocks are held.
        provenance_note: What is emulated, in one sentence; empty for a real board.

    Raises:
        OSError: Clocks were left held and cannot be restored.
    """

    def __init__(
        self,
        name: str,
        *,
        files: Files,
        clock: Clock,
        lines: LineSource,
        ticks: Ticks | None = None,
        loads: LoadFactory,
        state_dir: Path,
        clocks: ClockControl | None = None,
        nvpmodel: Nvpmodel | None = None,
        needs_network_file: bool = False,
        provenance: Provenance = "real",
        provenance_note: str = "",
    ) -> None:
        self.clock = clock
        self._name = name
        self._files = files
        self._lines = lines
        self._ticks = ticks
        self._loads = loads
        self._nvpmodel = nvpmodel
        self._needs_network_file = needs_network_file
        self._provenance: Provenance = provenance
        self._provenance_note = provenance_note
        self._clocks = clocks or Clocks(files, clock, restore_file=state_dir / RESTORE_FILE)
        self._clocks.restore_left_over()
        self._default = self._clocks.point()
        self._rails: list[Rail] | None = None

    def describe(self) -> BoardInfo:
        rails = self._known_rails()
        return BoardInfo(
            name=self._name,
            kind=discovery.kind(self._files),
            model=discovery.model(self._files),
            l4t=discovery.l4t(self._files),
            jetpack=discovery.jetpack(self._files),
            provenance=self._provenance,
            provenance_note=self._provenance_note,
            gpu_hz=list(self._clocks.gpu_hz),
            emc_hz=list(self._clocks.emc_hz),
            cpu_hz=list(self._clocks.cpu_hz),
            default=self._default,
            rails=rails,
            sensor_lag_s=discovery.sensor_lag_s(self._files),
            software=discovery.software(self._files)
            | {"sampler": "ina3221" if self._ticks else "tegrastats"},
            problems=self._problems(rails),
            needs_network_file=self._needs_network_file,
        )

    def point(self) -> OperatingPoint:
        return self._clocks.point()

    def throttle_events(self) -> dict[str, int]:
        return throttling.events(self._files)

    def holding(self, point: OperatingPoint) -> AbstractContextManager[OperatingPoint]:
        return self._clocks.holding(point)

    @contextmanager
    def sampling(self, interval_ms: int) -> Iterator[Sampler]:
        names = [rail.name for rail in self._known_rails()]
        if self._ticks:
            registers = Ina3221Sampler(self._files, self.clock, names)
            with self._ticks.every(interval_ms, registers.take):
                yield registers
        else:
            sampler = TegrastatsSampler(names)
            with self._lines.lines(interval_ms, sampler.feed):
                yield sampler

    def load(self, network: NetworkFeatures, *, batch_size: int, seed: int) -> Load:
        return self._loads(network, batch_size, seed)

    def _known_rails(self) -> list[Rail]:
        if self._rails is None:
            steps_w = {sensor.rail: sensor.step_w for sensor in discovery.sensors(self._files)}
            names = list(steps_w) or self._rails_of_first_line()
            total = total_of(names)
            self._rails = [
                Rail(
                    name=name,
                    part=rail_part(name),
                    in_total=name in total,
                    step_w=steps_w.get(name),
                )
                for name in names
            ]
        return self._rails

    def _rails_of_first_line(self) -> list[str]:
        """Where the sensors' own files cannot be read, tegrastats may still name the rails."""
        names: list[str] = []

        def take(t_s: float, text: str) -> None:
            names[:] = names or parse(text).rails_w

        with suppress(OSError), self._lines.lines(_FIRST_LINE_INTERVAL_MS, take):
            deadline_s = self.clock.now() + _FIRST_LINE_WITHIN_S
            while not names and self.clock.now() < deadline_s:
                self.clock.sleep_until(self.clock.now() + _FIRST_LINE_INTERVAL_MS / 1000)
        return names

    def _problems(self, rails: Sequence[Rail]) -> list[str]:
        found = {
            "The GPU's clocks cannot be found, so they stay as they are.": not self._clocks.gpu_hz,
            "The memory clock cannot be set: its files under /sys/kernel/debug need root, or "
            "this board has another kind.": not self._clocks.emc_hz,
            "The CPU clusters share no clock, so they stay as they are.": not self._clocks.cpu_hz,
            "No power rail can be read: tegrastats is missing, or it needs root.": not rails,
            "The rails that make this board's total are not known, so its energy is not.": (
                len(rails) > 0 and not any(rail.in_total for rail in rails)
            ),
        }
        return [sentence for sentence, is_so in found.items() if is_so]
