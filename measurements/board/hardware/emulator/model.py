"""The emulated board itself: a deterministic physical model that steps from event to event.

Between events everything is constant (clocks, work in progress, power), so energy and the
sensor's low-pass are exact. Events are clocks that settle, batches that finish, and a tick
every 25 ms on which governors look at the load, power ripples and heat flows.
"""

from __future__ import annotations

from math import inf

from . import governor, physics
from .boards.data import BoardData
from .drift import Heat, Ripple
from .events import Event, SetKnob, StartCpu, StartGpu
from .governor import Knobs
from .physics import Activity
from .sensor import LowPass
from .state import Domain, Job, Totals, TrueEnergy
from .trace import EnergyTrace

TICK_S = 0.025
GPU_MEMORY = 0.25
"""Weight of the last tick in the governors' running load."""
CPU_MEMORY = 1.0 - 0.5 ** (TICK_S / 0.032)
"""The same for schedutil: the kernel's load average halves in 32 ms."""


class Model:
    """One emulated board in its own time.

    Args:
        start_s: The time at which it wakes up, idle and in thermal balance.
        knobs: The clock files as they stand; as booted by default.
    """

    def __init__(
        self, board: BoardData, *, seed: int, start_s: float = 0.0, knobs: Knobs | None = None
    ) -> None:
        self.board, self.now_s = board, start_s
        self.knobs = knobs or Knobs.as_booted(board)
        self.totals = Totals()
        self._jobs: dict[str, Job] = {}
        self._tick_s = start_s + TICK_S
        self._ripple = Ripple(
            board.ripple.sigmas_w, board.ripple.tau_s, seed=f"{board.kind}/{seed}"
        )
        self._loads = {"gpu": 0.0, "emc": 0.0, "cpu": 0.0}
        self._before = Totals()
        self._gpu_idle_s = start_s - board.governor.gpu_idle_to_gate_s
        self.gpu_awake = not self.knobs.railgate
        self._background_cores = 0.0
        self._clocks_from(self.knobs)
        self._activity = Activity(self.gpu_awake, None, 0.0, 0.0)
        self._trace = EnergyTrace(start_s, len(board.rails))
        self._sensor = LowPass(board.rails, board.sensor_tau_s)
        self._feeds = [
            (rail.gain, [physics.Parts._fields.index(part) for part in rail.parts])
            for rail in board.rails
        ]
        self._counted = [index for index, rail in enumerate(board.rails) if rail.in_total]
        self._rails_w: list[float] = []
        self._total_w = 0.0
        self._heat = Heat(board.thermal)
        self._refresh()
        self._heat.settle(self._total_w)
        self._sensor.settle()

    @property
    def temp_c(self) -> float:
        return self.board.thermal.ambient_c + self._heat.rise_k

    @property
    def gpu_busy(self) -> bool:
        return "gpu" in self._jobs

    @property
    def gpu_load(self) -> float:
        """What the GPU's governor sees: busy share of the last ticks, 0 to 1."""
        return self._loads["gpu"]

    @property
    def gpu_wanted_hz(self) -> int:
        """Where the GPU's clock is going."""
        return self.gpu.hz if self.gpu.due_s == inf else self.gpu.wanted_hz

    def zone_c(self, index: int) -> float | None:
        """Temperature of a thermal zone; None while its power domain is off."""
        zone = self.board.zones[index]
        if zone.constant_c is not None:
            return zone.constant_c
        if zone.gated_with == "always" or (zone.gated_with == "gpu" and not self.gpu_awake):
            return None
        return self.board.thermal.ambient_c + zone.offset_c + zone.share * self._heat.rise_k

    def true_energy_j(self, start_s: float, end_s: float) -> TrueEnergy:
        """The exact energy between two times; the total is of the rails that make it.

        Raises:
            BeforeTrace: The window does not lie in the kept past.
        """
        rails_j = self._trace.energy_j(start_s, end_s)
        total = sum(j for j, rail in zip(rails_j, self.board.rails, strict=True) if rail.in_total)
        return TrueEnergy(total, rails_j)

    def milliwatts(self, rail: int) -> int:
        return self._sensor.registers(rail).milliwatts

    def registers(self, rail: int) -> tuple[int, int]:
        """Millivolts and milliamperes of a rail, as the kernel's files show them."""
        return self._sensor.registers(rail)

    @property
    def horizon_s(self) -> float:
        """Until when `due_s` of running jobs holds: no clock changes before."""
        return min(self._settles_s(), self._tick_s if self.knobs.governed else inf)

    def advance(self, to_s: float) -> None:
        """Let the board live until `to_s`; the past is not changed.

        What falls due now happens now, also when `to_s` is now: nothing that `horizon_s` or a
        job names is left in the past, however the rounding falls.
        """
        while (next_s := self._next_s()) <= self.now_s or self.now_s < to_s:
            self._elapse(min(max(to_s, self.now_s), next_s))
            self._fire()

    def apply(self, event: Event) -> Job | None:
        """Something happens now; a started batch is returned, to be looked at for its end.

        Where one still ran, to the last rounding, it is complete by then.
        """
        job = None
        if isinstance(event, SetKnob):
            self._set(event)
        elif isinstance(event, StartGpu):
            job = self._start("gpu", Job(left=1.0, work=event.work))
            self.gpu_awake = True
        elif isinstance(event, StartCpu):
            job = self._start("cpu", Job(left=event.cycles))
        else:
            self._jobs.clear()
            self._gpu_idle_s = self.now_s
        self._refresh()
        return job

    def occupy(self, cores: float) -> None:
        """From now on programs beside the load keep so many cores busy."""
        self._background_cores = cores
        self._refresh()

    def _start(self, where: str, job: Job) -> Job:
        if where in self._jobs:
            self._finish(where, self._jobs[where])
        self._jobs[where] = job
        return job

    def _clocks_from(self, knobs: Knobs) -> None:
        board = self.board
        emc = knobs.emc_rate_hz if knobs.emc_locked else board.governor.emc_idle_hz
        self.gpu = Domain(knobs.gpu_min_hz, board.settle_gpu_s)
        self.emc = Domain(emc, board.settle_emc_s)
        self.cpus = [Domain(hz, board.settle_cpu_s) for hz in knobs.cpu_min_hz]

    def _domains(self) -> tuple[Domain, ...]:
        return (self.gpu, self.emc, *self.cpus)

    def _settles_s(self) -> float:
        return min(domain.due_s for domain in self._domains())

    def _next_s(self) -> float:
        due = min((job.due_s for job in self._jobs.values()), default=inf)
        return max(self.now_s, min(self._tick_s, self._settles_s(), due))

    def _elapse(self, to_s: float) -> None:
        dt_s = to_s - self.now_s
        self.now_s = to_s
        if dt_s <= 0.0:
            return
        self._trace.add(to_s, self._rails_w)
        self._sensor.elapse(dt_s)
        totals, activity = self.totals, self._activity
        totals.total_j += self._total_w * dt_s
        totals.core_busy_s += activity.busy_cores * dt_s
        totals.dram_bytes += activity.dram_bytes_per_s * dt_s
        totals.emc_cycles += self.emc.hz * dt_s
        totals.gpu_busy_s += activity.gpu_busy * dt_s
        for job in self._jobs.values():
            job.left -= job.rate * dt_s

    def _fire(self) -> None:
        for domain in self._domains():
            if domain.due_s <= self.now_s:
                domain.take()
        for where, job in list(self._jobs.items()):
            if job.due_s <= self.now_s:
                self._finish(where, job)
        if self._tick_s <= self.now_s:
            self._tick()
        self._refresh()

    def _finish(self, where: str, job: Job) -> None:
        job.end_s = self.now_s
        del self._jobs[where]
        if where == "gpu":
            self._gpu_idle_s = self.now_s

    def _tick(self) -> None:
        self._tick_s += TICK_S
        self._heat.flow((self.totals.total_j - self._before.total_j) / TICK_S, TICK_S)
        self._ripple.sway(TICK_S)
        self._weigh()
        self._govern()

    def _weigh(self) -> None:
        """The loads that governors look at, averaged over the last ticks."""
        now, was, loads = self.totals, self._before, self._loads
        bus = (now.emc_cycles - was.emc_cycles) * self.board.engine.bus_bytes_per_emc_cycle
        moved = (now.dram_bytes - was.dram_bytes) / bus
        core = (now.core_busy_s - was.core_busy_s) / TICK_S
        invariant = min(core, 1.0) * self.cpus[0].hz / self.board.cpu_hz[-1]
        loads["gpu"] += GPU_MEMORY * ((now.gpu_busy_s - was.gpu_busy_s) / TICK_S - loads["gpu"])
        loads["emc"] += GPU_MEMORY * (moved - loads["emc"])
        loads["cpu"] += CPU_MEMORY * (invariant - loads["cpu"])
        self._before = Totals(
            now.gpu_busy_s, now.core_busy_s, now.dram_bytes, now.emc_cycles, now.total_j
        )

    def _govern(self) -> None:
        idle_s = 0.0 if self.gpu_busy else self.now_s - self._gpu_idle_s
        if self.knobs.railgate and idle_s >= self.board.governor.gpu_idle_to_gate_s:
            self.gpu_awake = False
        board, knobs, loads, now_s = self.board, self.knobs, self._loads, self.now_s
        awake = self.gpu_busy or idle_s < board.governor.gpu_idle_to_gate_s
        self.gpu.aim(governor.gpu_hz(board, knobs, now_hz=self.gpu.hz, load=loads["gpu"]), now_s)
        emc = governor.emc_hz(board, knobs, now_hz=self.emc.hz, load=loads["emc"], awake=awake)
        self.emc.aim(emc, now_s)
        for policy, domain in enumerate(self.cpus):
            used = loads["cpu"] if policy == 0 else 0.0
            domain.aim(governor.cpu_hz(board, knobs, policy, utilisation=used), now_s)

    def _set(self, event: SetKnob) -> None:
        knobs, field = self.knobs, f"{event.knob}_hz"
        if event.knob in ("cpu_min", "cpu_max"):
            getattr(knobs, field)[event.policy] = event.value
        elif event.knob in ("railgate", "emc_locked"):
            setattr(knobs, event.knob, bool(event.value))
        elif event.knob == "cpu_online":
            others = set(knobs.offline) - {event.policy}
            knobs.offline = sorted(others if event.value else others | {event.policy})
        elif event.knob == "emc_cap":
            knobs.emc_cap_hz = event.value
        else:
            setattr(knobs, field, event.value)
        self.gpu_awake = self.gpu_awake or not knobs.railgate
        self._limit()

    def _limit(self) -> None:
        """Clocks go where the written limits force them, without waiting for a governor."""
        knobs, now_s = self.knobs, self.now_s
        self.gpu.aim(min(max(self.gpu.hz, knobs.gpu_min_hz), knobs.gpu_max_hz), now_s)
        if knobs.emc_locked:
            self.emc.aim(governor.capped(self.board, knobs, knobs.emc_rate_hz), now_s)
        limits = zip(self.cpus, knobs.cpu_min_hz, knobs.cpu_max_hz, strict=True)
        for domain, low, high in limits:
            domain.aim(min(max(domain.hz, low), high), now_s)

    def _refresh(self) -> None:
        """Speed of the work in progress and power of each rail, from the present state."""
        board, gpu, cpu = self.board, self._jobs.get("gpu"), self._jobs.get("cpu")
        if cpu is not None:
            cpu.rate = float(self.cpus[0].hz)
            cpu.due_s = self.now_s + max(cpu.left, 0.0) / cpu.rate
        preparing = 1.0 if cpu is not None else 0.0
        self._activity = self._gpu_activity(gpu, preparing + self._background_cores)
        parts = physics.parts_w(
            board,
            self._activity,
            gpu_hz=self.gpu.hz,
            emc=board.emc_hz.index(self.emc.hz),
            cpu_hz=[domain.hz for domain in self.cpus],
            temp_c=self.temp_c,
        )
        self._draw(self._ripple.on(parts))

    def _gpu_activity(self, job: Job | None, other_cores: float) -> Activity:
        if job is None or job.work is None:
            return Activity(self.gpu_awake, None, 0.0, other_cores)
        work, cpu_hz = job.work, self.cpus[0].hz
        seconds = physics.batch_seconds(
            work, self.board.engine, gpu_hz=self.gpu.hz, emc_hz=self.emc.hz, cpu_hz=cpu_hz
        )
        job.rate = 1.0 / seconds
        job.due_s = self.now_s + max(job.left, 0.0) * seconds
        launching = work.launch_cycles / cpu_hz * work.stretch / seconds
        return Activity(
            gpu_awake=True,
            gpu_activity=work.gpu_cycles / self.gpu.hz / seconds,
            dram_bytes_per_s=work.dram_bytes / seconds,
            busy_cores=other_cores + launching,
            gpu_busy=1.0 - launching,
        )

    def _draw(self, parts: physics.Parts) -> None:
        rails_w = [gain * sum([parts[part] for part in fed]) for gain, fed in self._feeds]
        self._rails_w, self._total_w = rails_w, sum([rails_w[rail] for rail in self._counted])
        self._sensor.hold(rails_w)
