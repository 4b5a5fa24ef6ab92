"""A table of real measurements as a board, in virtual time.

A run looks up its cell. Each request takes a time drawn from the log-normal
distribution that has the cell's median and 99th percentile; power comes from the
fitted model through the sensor's low-pass, with the runs' own spread, in the sensor's
steps. The same plan and seed give the same run.

The table's clocks were pinned: a run is the cell at its upper GPU limit, and no other
lower limit than the lowest clock or that same one can be asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from random import Random

from measurements.board.hardware.emulator.clock import Alarm, VirtualClock
from measurements.board.hardware.protocol import Clock, Sample
from measurements.board.load.protocol import LoadFailed, ServedBatch
from measurements.messages import BoardInfo, NetworkFeatures, OperatingPoint, Plan, Rail, RailPart

from . import wording
from .power import RAILS
from .table import Cell, ReplayTable

STEP_W = 0.04
"""The INA3221's step on these boards' 5 V rails: 8 mA."""
SENSOR_LAG_S = 0.42
"""Its running average over 64 conversions; Source: TI SBOS576, 8.4.1."""
NORMAL_P99 = 2.3263478740408408
MHZ = 1_000_000
_PARTS: dict[str, RailPart] = {"VDD_IN": "input", "VDD_CPU_GPU_CV": "gpu", "VDD_SOC": "soc"}


@dataclass(slots=True)
class ReplaySampler:
    samples: list[Sample] = field(default_factory=list)
    unknown_tokens: dict[str, int] = field(default_factory=dict)


class Machine:
    """The board's present: its time, its point, busy or idle, and what its sensor shows."""

    def __init__(self, table: ReplayTable, point: OperatingPoint) -> None:
        self.now_s = 0.0
        self.point = point
        self.is_busy = False
        self._table = table
        self._shown_w = self._true_w()

    def advance(self, t_s: float) -> None:
        """Live until `t_s`; the state does not change on the way."""
        keep = math.exp(-(t_s - self.now_s) / SENSOR_LAG_S)
        pairs = zip(self._true_w(), self._shown_w, strict=True)
        self._shown_w = [
            to if to is None or was is None else to + (was - to) * keep for to, was in pairs
        ]
        self.now_s = t_s

    def sample(self, noise: Random) -> Sample:
        """What the board says of itself now; there was no thermometer in the table."""
        power, point = self._table.power, self.point
        spread = noise.gauss(0.0, power.spread_w) if power is not None else 0.0
        total_w = self._shown_w[0] if self._shown_w else None
        part = spread / total_w if total_w else 0.0
        return Sample(
            t_s=self.now_s,
            rails_w=tuple(_in_steps(shown, part) for shown in self._shown_w),
            gpu_mhz=_mhz(point.gpu_max_hz),
            emc_mhz=_mhz(point.emc_hz),
            cpu_mhz=_mhz(point.cpu_hz),
            temp_c=None,
            gpu_busy_percent=None,
        )

    def _true_w(self) -> list[float | None]:
        if self._table.power is None:
            return []
        gpu_hz, emc_hz = self.point.gpu_max_hz, self.point.emc_hz
        assert gpu_hz is not None and emc_hz is not None
        return self._table.power.rails_w(
            gpu_mhz=gpu_hz / MHZ, emc_mhz=emc_hz / MHZ, busy=float(self.is_busy)
        )


class ReplayBoard:
    """The board that a replay table stands for; see `hardware.protocol.Board`."""

    def __init__(
        self, name: str, table: ReplayTable, *, pace: Callable[[], float | None] = lambda: None
    ) -> None:
        self._name = name
        self._table = table
        self._gpu_hz = [_hz(mhz) for mhz in table.gpu_mhz]
        self._emc_hz = [_hz(mhz) for mhz in table.emc_mhz]
        self._cells = {
            (cell.workload, _hz(cell.gpu_mhz), _hz(cell.emc_mhz)): cell for cell in table.cells
        }
        self._default = OperatingPoint(
            gpu_min_hz=self._gpu_hz[0],
            gpu_max_hz=self._gpu_hz[-1],
            emc_hz=self._emc_hz[-1],
            cpu_hz=None if table.cpu_mhz is None else _hz(table.cpu_mhz),
        )
        self._machine = Machine(table, self._default)
        self._noise = Random(0)
        self._clock = VirtualClock(self._machine, pace)
        self.clock: Clock = self._clock

    def describe(self) -> BoardInfo:
        table = self._table
        return BoardInfo(
            name=self._name,
            kind=f"replay-{table.name}"[:40],
            model=table.board,
            l4t=None,
            jetpack=None,
            provenance="replay",
            provenance_note=wording.note(table),
            gpu_hz=self._gpu_hz,
            emc_hz=self._emc_hz,
            cpu_hz=[] if self._default.cpu_hz is None else [self._default.cpu_hz],
            default=self._default,
            rails=_rails(table),
            sensor_lag_s=SENSOR_LAG_S if table.power else 0.0,
            software={
                "replay table": f"{table.name}, SHA-256 {table.sha256}",
                "sampler": "fitted power model" if table.power else "none",
            },
            problems=wording.problems(table),
        )

    def point(self) -> OperatingPoint:
        return self._machine.point

    @contextmanager
    def holding(self, point: OperatingPoint) -> Iterator[OperatingPoint]:
        held = self._resolved(point)
        before, self._machine.point = self._machine.point, held
        try:
            yield held
        finally:
            self._machine.point = before

    @contextmanager
    def sampling(self, interval_ms: int) -> Iterator[ReplaySampler]:
        sampler, machine, period_s = ReplaySampler(), self._machine, interval_ms / 1000

        def ring() -> float:
            sampler.samples.append(machine.sample(self._noise))
            return machine.now_s + period_s

        alarm = Alarm(machine.now_s + period_s, ring)
        self._clock.add(alarm)
        try:
            yield sampler
        finally:
            self._clock.remove(alarm)

    def load(self, network: NetworkFeatures, *, batch_size: int, seed: int) -> ReplayLoad:
        """Raises: LoadFailed: The table does not hold this workload, or only at batch 1."""
        if network.workload not in self._table.workloads:
            raise LoadFailed(
                f"{network.name} is no workload of the table {self._table.name}, which holds "
                f"{', '.join(self._table.workloads)}."
            )
        if batch_size != 1:
            raise LoadFailed(f"The table was measured at batch size 1, not {batch_size}.")
        self._noise = Random(f"power/{self._table.name}/{seed}")
        draws = Random(f"latency/{self._table.name}/{seed}")
        return ReplayLoad(self._machine, self._clock, lambda: self._cell(network.workload), draws)

    def rests_on(self, plan: Plan) -> dict[str, str]:
        """For each kind of number of a run: measured, fitted or extrapolated, and from what."""
        point = self._resolved(plan.point)
        cell = self._cells.get((plan.network.workload or "", *_clocks(point)))
        return {} if cell is None else wording.rests_on(self._table, cell)

    def _cell(self, workload: str | None) -> Cell:
        gpu_hz, emc_hz = _clocks(self._machine.point)
        cell = self._cells.get((workload or "", gpu_hz, emc_hz))
        if cell is None:
            raise LoadFailed(
                f"The table has no cell for {workload} at GPU {gpu_hz / MHZ:g} and memory "
                f"{emc_hz / MHZ:g} MHz."
            )
        return cell

    def _resolved(self, point: OperatingPoint) -> OperatingPoint:
        """`point` with what it leaves as found filled in from the default.

        Raises:
            ValueError: The table does not hold it.
        """
        default = self._default
        top_hz = default.gpu_max_hz if point.gpu_max_hz is None else point.gpu_max_hz
        emc_hz = default.emc_hz if point.emc_hz is None else point.emc_hz
        low_hz = default.gpu_min_hz if point.gpu_min_hz is None else point.gpu_min_hz
        if top_hz not in self._gpu_hz or emc_hz not in self._emc_hz:
            raise ValueError("the table holds no such GPU or memory clock")
        if low_hz not in (default.gpu_min_hz, top_hz):
            raise ValueError(
                "the table's GPU clocks were pinned: a lower limit is the lowest clock or the "
                "upper limit itself"
            )
        if point.cpu_hz not in (None, default.cpu_hz):
            raise ValueError("the table's CPU clock was pinned: it cannot be another one")
        return OperatingPoint(
            gpu_min_hz=low_hz, gpu_max_hz=top_hz, emc_hz=emc_hz, cpu_hz=default.cpu_hz
        )


class ReplayLoad:
    """Requests one after another, each with a latency drawn from the cell; no preprocessing."""

    def __init__(
        self, machine: Machine, clock: VirtualClock, cell: Callable[[], Cell], draws: Random
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._cell = cell
        self._draws = draws

    @property
    def description(self) -> str:
        return "replay of a table's cell"

    def ready(self) -> AbstractContextManager[None]:
        return nullcontext()

    def serve(self, arrivals_s: Sequence[float] | None, requests: int) -> Iterator[ServedBatch]:
        """As the protocol says. Raises: LoadFailed: The table has no cell for the held point."""
        cell = self._cell()
        mean, sigma = math.log(cell.p50_ms / 1000), math.log(cell.p99_ms / cell.p50_ms) / NORMAL_P99
        try:
            for i in range(requests):
                if arrivals_s is not None:
                    self._clock.sleep_until(arrivals_s[i])
                start_s = self._clock.now()
                self._machine.is_busy = True
                self._clock.sleep_until(start_s + self._draws.lognormvariate(mean, sigma))
                self._machine.is_busy = False
                arrival_s = start_s if arrivals_s is None else arrivals_s[i]
                yield ServedBatch((arrival_s,), (start_s,), start_s, self._clock.now())
        finally:
            self._machine.is_busy = False


def _rails(table: ReplayTable) -> list[Rail]:
    if table.power is None:
        return []
    return [
        Rail(name=name, part=_PARTS[name], in_total=name == "VDD_IN", step_w=STEP_W)
        for name in RAILS
    ]


def _in_steps(power_w: float | None, part: float) -> float | None:
    return None if power_w is None else round(round(power_w * (1 + part) / STEP_W) * STEP_W, 3)


def _clocks(point: OperatingPoint) -> tuple[int, int]:
    assert point.gpu_max_hz is not None and point.emc_hz is not None
    return point.gpu_max_hz, point.emc_hz


def _hz(mhz: float) -> int:
    return round(mhz * MHZ)


def _mhz(hz: int | None) -> int | None:
    return None if hz is None else round(hz / MHZ)
