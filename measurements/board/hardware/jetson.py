"""The Jetson adapter: everything it knows, the board itself said.

One adapter for the real board and the emulated one: they differ in the files, the clock
and the source of tegrastats lines that are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from measurements.board.hardware import discovery, throttling
from measurements.board.hardware.clocks import RESTORE_FILE, Clocks
from measurements.board.hardware.findings import Finding, Seen
from measurements.board.hardware.ina3221 import Ina3221Sampler
from measurements.board.hardware.power_mode import Nvpmodel, power_mode
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
from measurements.board.hardware.survey import survey
from measurements.board.hardware.tegrastats import Line, parse
from measurements.board.load.protocol import Load
from measurements.messages import BoardInfo, NetworkFeatures, OperatingPoint, Provenance, Rail

LoadFactory = Callable[[NetworkFeatures, int, int], Load]
"""(network, batch size, seed) -> what serves it."""

NOT_HELD_AGAIN = "The point that was applied here could not be held again after a restart."
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
        self._default = self._clocks.default_point()
        self._stands = self._clocks.resume()
        self._rails: list[Rail] | None = None
        self._line: Line | None = None
        self._findings: list[Finding] | None = None

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
            software=self._software(),
            problems=[found.problem for found in self.survey() if found.ok is False]
            + ([] if self._stands else [NOT_HELD_AGAIN]),
            needs_network_file=self._needs_network_file,
        )

    def _software(self) -> dict[str, str]:
        """What may change a measurement: kernel, power mode, sampler."""
        found = {"sampler": "ina3221" if self._ticks else "tegrastats"}
        if mode := power_mode(self._files, self._nvpmodel):
            found["nvpmodel"] = str(mode)
        return discovery.software(self._files) | found

    def point(self) -> OperatingPoint:
        return self._clocks.point()

    def throttle_events(self) -> dict[str, int]:
        return throttling.events(self._files)

    def holding(self, point: OperatingPoint) -> AbstractContextManager[OperatingPoint]:
        return self._clocks.holding(point)

    def apply(self, point: OperatingPoint) -> OperatingPoint:
        return self._clocks.apply(point)

    def roll_back(self) -> OperatingPoint:
        return self._clocks.roll_back()

    @contextmanager
    def sampling(self, interval_ms: int) -> Iterator[Sampler]:
        names = [rail.name for rail in self._known_rails()]
        if self._ticks:
            registers = Ina3221Sampler(self._files, self.clock, names)
            with self._ticks.every(interval_ms, registers.take) as registers.spent:
                yield registers
        else:
            sampler = TegrastatsSampler(names)
            with self._lines.lines(interval_ms, sampler.feed) as sampler.spent:
                yield sampler

    def load(self, network: NetworkFeatures, *, batch_size: int, seed: int) -> Load:
        return self._loads(network, batch_size, seed)

    def survey(self) -> list[Finding]:
        """All that was found, what works of it, and remedies for the rest.

        Whether clocks may be set is tried once, by writing what stands there.
        """
        if self._findings is None:
            seen = Seen(
                rails=self._known_rails(),
                line=self._first_line(),
                reads_sensors=self._ticks is not None,
                nvpmodel=self._nvpmodel,
                has_helper=not isinstance(self._clocks, Clocks),
            )
            self._findings = survey(self._files, seen)
        return self._findings

    def _known_rails(self) -> list[Rail]:
        if self._rails is None:
            steps_w = {sensor.rail: sensor.step_w for sensor in discovery.sensors(self._files)}
            line = self._first_line()
            names = list((line and line.rails_w) or steps_w)
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

    def _first_line(self) -> Line | None:
        """What tegrastats prints here, of all that the sensors' files may hold."""
        if self._line is None and self._ticks is None:
            self._line = self._printed_first()
        return self._line

    def _printed_first(self) -> Line | None:
        lines: list[Line] = []

        def take(t_s: float, text: str) -> None:
            line = parse(text)
            if line.rails_w or line.temps_c or line.cpus:
                lines.append(line)

        with suppress(OSError), self._lines.lines(_FIRST_LINE_INTERVAL_MS, take):
            deadline_s = self.clock.now() + _FIRST_LINE_WITHIN_S
            while not lines and self.clock.now() < deadline_s:
                self.clock.sleep_until(self.clock.now() + _FIRST_LINE_INTERVAL_MS / 1000)
        return lines[0] if lines else None
