"""The course of a trial: settle, pass the gate, warm up, serve, tail, while sampling.

All times are seconds on the board's `Clock`. What spoils the run is a `Fault`; a mistake in
the program is an exception. Either way the clocks are restored.

Whole batches are measured: from the first one without a warm-up request to the one that
makes the number asked for full, which may hold a few more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field

from measurements.board.gates import Climate, climate
from measurements.board.hardware.protocol import (
    Board,
    PointNotHeld,
    Sample,
    Sampler,
)
from measurements.board.hardware.throttling import noticed
from measurements.board.load.protocol import (
    Load,
    LoadFailed,
    NoPreprocessing,
    ServedBatch,
    preprocessing_of,
)
from measurements.board.schedule import schedule
from measurements.board.spoilt import Spoilt, spoiling
from measurements.board.steady import is_steady
from measurements.board.stopping import Stopper, most_requests
from measurements.messages import (
    BoardInfo,
    Fault,
    FeaturesUnknown,
    Gate,
    OperatingPoint,
    Phase,
    PhaseName,
    Plan,
    StoppedBecause,
)

SETTLE_S = 2.5
"""After the clocks were set: six time constants (0.42 s) of the power sensors' low-pass."""
TAIL_S = 2.1
"""Sampled after the last request: five time constants, so that the sensors show all of it."""
SILENCE_S = 2.0
"""A sampler that says nothing for so long (or 20 intervals) has died."""
TELL_EVERY_S = 0.1
STREAM_REQUESTS = 10**9
"""More requests than any run serves: a back-to-back stream is closed when it has enough."""


class Cancelled(Exception):
    """The run is not wanted any more; the clocks are restored and there is no record."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a trial is. `samples` is the sampler's own list: it grows under the reader."""

    phase: PhaseName
    requests_done: int
    held: OperatingPoint
    zero_s: float
    """When sampling started, on the board's Clock."""
    samples: Sequence[Sample]


@dataclass(slots=True)
class _Off:
    """Stands for the sampler where nothing is sampled."""

    samples: list[Sample] = field(default_factory=list)
    unknown_tokens: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Course:
    """What has come of a trial so far; `run` goes through all of it."""

    plan: Plan
    board: Board
    info: BoardInfo
    progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    held: OperatingPoint = field(default_factory=OperatingPoint)
    zero_s: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    unknown_tokens: dict[str, int] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    batches: list[ServedBatch] = field(default_factory=list)
    requests_done: int = 0
    faults: list[Fault] = field(default_factory=list)
    load: str = ""
    stopped_because: StoppedBecause = "fixed"
    is_steady: bool | None = None
    looked_s: float = -math.inf
    sampler: Sampler | None = None

    def run(self) -> None:
        """Go through all phases; what spoils the run is noted, and the board is restored."""
        try:
            with ExitStack() as stack:
                self._measure(stack)
        except Spoilt as spoilt:
            self.faults.append(spoilt.fault)
        except OSError as failure:
            self.faults.append(Fault(code="board-failed", text=str(failure)))

    def _measure(self, stack: ExitStack) -> None:
        plan, board = self.plan, self.board
        with spoiling("load-failed", LoadFailed, FeaturesUnknown, OSError):
            load = self._load()
            stack.enter_context(load.ready())
        self.load = load.description
        with spoiling("point-not-held", PointNotHeld, ValueError, OSError):
            self.held = stack.enter_context(board.holding(plan.point))
        stack.enter_context(noticed(board, self.faults))
        self._check_cancelled()
        self.zero_s = board.clock.now()
        with spoiling("sampler-not-started", OSError):
            self.sampler = stack.enter_context(self._sampling())
        self._phases(load, self.sampler)

    def _load(self) -> Load:
        plan = self.plan
        load = self.board.load(plan.network, batch_size=plan.batch_size, seed=plan.seed)
        if plan.work == "request":
            return load
        with spoiling("no-preprocessing", NoPreprocessing):
            return preprocessing_of(load)

    def _sampling(self) -> AbstractContextManager[Sampler]:
        """The board's sampler, or none at all where the plan says so."""
        interval_ms = self.plan.sample_interval_ms
        return nullcontext(_Off()) if interval_ms is None else self.board.sampling(interval_ms)

    def _phases(self, load: Load, sampler: Sampler) -> None:
        self.samples, self.unknown_tokens = sampler.samples, sampler.unknown_tokens
        self._wait("settle", SETTLE_S)
        if not self.samples and self.plan.sample_interval_ms is not None:
            raise Spoilt("no-samples", f"The sampler gave nothing in the first {SETTLE_S} s.")
        if self.plan.gate is not None:
            self._pass_gate(load, self.plan.gate)
        self._serve(load)
        self._wait("tail", TAIL_S)

    def _pass_gate(self, load: Load, gate: Gate) -> None:
        """Wait, or warm up, until the board is as warm as it should be, for a limited time."""
        clock = self.board.clock
        until_s = clock.now() + gate.longest_s
        while (now := climate(gate, self.samples, clock.now())) != "open":
            if clock.now() >= until_s:
                return  # how far off it started, the record's own temperatures say
            start_s = clock.now()
            self._change_climate(load, gate, now, until_s)
            self._note("gate", start_s, clock.now())
            self._wait("settle", SETTLE_S)

    def _change_climate(self, load: Load, gate: Gate, found: Climate, until_s: float) -> None:
        """Let a hot or drifting board rest, a cold one work, until `found` is over."""
        clock = self.board.clock
        stream = load.serve(None, STREAM_REQUESTS) if found == "cold" else None
        try:
            with spoiling("load-failed", LoadFailed, FeaturesUnknown):
                while clock.now() < until_s and climate(gate, self.samples, clock.now()) == found:
                    self._tell("gate")
                    if stream is None:
                        clock.sleep_until(clock.now() + TELL_EVERY_S)
                    else:
                        self._next(stream, "gate")
        finally:
            if isinstance(stream, Generator):
                stream.close()

    def _wait(self, phase: PhaseName, seconds: float) -> None:
        clock, start_s = self.board.clock, self.board.clock.now()
        end_s = start_s + seconds
        while (now_s := clock.now()) < end_s:
            self._tell(phase)
            clock.sleep_until(min(end_s, now_s + TELL_EVERY_S))
        self._tell(phase)
        self._note(phase, start_s, clock.now())

    def _serve(self, load: Load) -> None:
        """Warm up and measure in one stream of requests, so that no pause lies between."""
        start_s, most = self.board.clock.now(), most_requests(self.plan)
        arrivals_s, warm_up = schedule(self.plan, start_s, measured=most)
        stream = load.serve(arrivals_s, STREAM_REQUESTS if arrivals_s is None else len(arrivals_s))
        try:
            with spoiling("load-failed", LoadFailed, FeaturesUnknown):
                served, end_s = self._warm_up(stream, start_s, warm_up)
                measuring_s = end_s if arrivals_s is None else arrivals_s[served]
                self._note("warm_up", start_s, measuring_s)
                self._measure_requests(stream)
        finally:
            if isinstance(stream, Generator):
                stream.close()
        self._note("serve", measuring_s, self.batches[-1].inference_end_s)

    def _warm_up(
        self, stream: Iterator[ServedBatch | None], start_s: float, requests: int
    ) -> tuple[int, float]:
        """Serve what is not measured: `requests` at a rate; back-to-back, until its time is over.

        Then on until the board is steady, if the plan asks for that.

        Returns:
            How many were served (whole batches), and when the last one was done.
        """
        by_time = self.plan.arrivals.kind == "back_to_back"
        until_s = start_s + self.plan.warm_up_s
        served, now_s, batches = 0, start_s, list[ServedBatch]()
        self._tell("warm_up")
        while ((now_s < until_s) if by_time else (served < requests)) or not self._may_measure(
            batches, start_s, now_s
        ):
            batch = self._next(stream, "warm_up")
            batches.append(batch)
            served, now_s = served + len(batch.arrival_s), batch.inference_end_s
            self._tell("warm_up")
        return served, now_s

    def _may_measure(self, batches: Sequence[ServedBatch], start_s: float, now_s: float) -> bool:
        """Whether the board is steady, or was waited for long enough."""
        if (longest_s := self.plan.longest_warm_up_s) is None:
            return True
        if now_s < self.looked_s + TELL_EVERY_S:
            return False
        self.looked_s = now_s
        self.is_steady = is_steady(self.samples, batches, self.info.rails, now_s)
        return self.is_steady or now_s >= start_s + longest_s

    def _measure_requests(self, stream: Iterator[ServedBatch | None]) -> None:
        stopper = Stopper(self.plan, self.info.rails, self.info.sensor_lag_s)
        while True:
            batch = self._next(stream, "serve")
            self.batches.append(batch)
            self.requests_done += len(batch.arrival_s)
            self._tell("serve")
            if because := stopper.ends(self.batches, self.samples, self.requests_done):
                self.stopped_because = because
                return

    def _next(self, stream: Iterator[ServedBatch | None], phase: PhaseName) -> ServedBatch:
        for batch in stream:
            if batch is not None:
                return batch
            self._tell(phase)
        raise Spoilt(
            "load-stopped",
            f"The load stopped after {self.requests_done} of {self.plan.requests} requests.",
        )

    def _tell(self, phase: PhaseName) -> None:
        self._check_cancelled()
        self._check_sampler()
        self.progress(
            Progress(
                phase=phase,
                requests_done=min(self.requests_done, self.plan.requests),
                held=self.held,
                zero_s=self.zero_s,
                samples=self.samples,
            )
        )

    def _check_cancelled(self) -> None:
        if self.cancelled():
            raise Cancelled(self.plan.run_id)

    def _check_sampler(self) -> None:
        allowed_s = max(SILENCE_S, 20 * (self.plan.sample_interval_ms or 0) / 1000)
        if self.samples and (silent_s := self.board.clock.now() - self.samples[-1].t_s) > allowed_s:
            raise Spoilt("sampler-stopped", f"The sampler said nothing for {silent_s:.1f} s.")

    def _note(self, phase: PhaseName, start_s: float, end_s: float) -> None:
        zero_s = self.zero_s
        self.phases.append(Phase(name=phase, start_s=start_s - zero_s, end_s=end_s - zero_s))
