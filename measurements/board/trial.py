"""One Plan on one Board: hold the clocks, settle, warm up, serve while sampling, restore.

All times are seconds on the board's `Clock`, real or virtual; inside a Record they
count from the start of sampling. What spoils a run on the board is a `Fault` in its
Record; a mistake in the program is an exception. Either way the clocks are restored.

A run measures whole batches: from the first one without a warm-up request to the one
that makes the number asked for full, which may hold a few more.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone

from measurements.board.hardware.protocol import Board, PointNotHeld, Sample, Sampler, rests_on
from measurements.board.load.arrivals import arrival_times_s
from measurements.board.load.protocol import Load, LoadFailed, ServedBatch
from measurements.messages import (
    BoardInfo,
    Fault,
    FeaturesUnknown,
    OperatingPoint,
    Phase,
    PhaseName,
    Plan,
    Record,
    Requests,
    Samples,
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


class _Spoilt(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.fault = Fault(code=code, text=text)


def run_trial(
    plan: Plan,
    board: Board,
    *,
    attempt: int,
    progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> Record:
    """Carry out `plan` on `board` and give back all that was measured.

    Args:
        progress: Called when a phase starts, after each batch and each 0.1 s of waiting.
        cancelled: Asked as often; once it says True, the trial ends.

    Raises:
        Cancelled: `cancelled` said so.
    """
    started_at = datetime.now(timezone.utc).isoformat()
    began_s, info, before = board.clock.now(), board.describe(), board.point()
    trial = _Trial(plan=plan, board=board, progress=progress, cancelled=cancelled)
    trial.run()
    return Record(
        run_id=plan.run_id,
        attempt=attempt,
        plan=plan,
        board=info,
        started_at=started_at,
        board_s=board.clock.now() - began_s,
        before=before,
        held=trial.held,
        restored=board.point(),
        phases=trial.phases,
        samples=_columns(trial.samples, info, zero_s=trial.zero_s),
        requests=_requests(trial.batches, zero_s=trial.zero_s),
        faults=trial.faults,
        unknown_tokens=trial.unknown_tokens,
        rests_on=rests_on(board, plan),
        load=trial.load,
    )


@dataclass(slots=True)
class _Trial:
    """What has come of a trial so far."""

    plan: Plan
    board: Board
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

    def run(self) -> None:
        """Go through all phases; what spoils the run is noted, and the board is restored."""
        try:
            with ExitStack() as stack:
                self._measure(stack)
        except _Spoilt as spoilt:
            self.faults.append(spoilt.fault)
        except OSError as failure:
            self.faults.append(Fault(code="board-failed", text=str(failure)))

    def _measure(self, stack: ExitStack) -> None:
        plan, board = self.plan, self.board
        with _spoiling("load-failed", LoadFailed, FeaturesUnknown, OSError):
            load = board.load(plan.network, batch_size=plan.batch_size, seed=plan.seed)
            stack.enter_context(load.ready())
        self.load = load.description
        with _spoiling("point-not-held", PointNotHeld, ValueError, OSError):
            self.held = stack.enter_context(board.holding(plan.point))
        self._check_cancelled()
        self.zero_s = board.clock.now()
        with _spoiling("sampler-not-started", OSError):
            sampler = stack.enter_context(board.sampling(plan.sample_interval_ms))
        self._phases(load, sampler)

    def _phases(self, load: Load, sampler: Sampler) -> None:
        self.samples, self.unknown_tokens = sampler.samples, sampler.unknown_tokens
        self._wait("settle", SETTLE_S)
        if not self.samples:
            raise _Spoilt("no-samples", f"The sampler gave nothing in the first {SETTLE_S} s.")
        self._serve(load)
        self._wait("tail", TAIL_S)

    def _wait(self, phase: PhaseName, seconds: float) -> None:
        clock = self.board.clock
        start_s = clock.now()
        end_s = start_s + seconds
        while (now_s := clock.now()) < end_s:
            self._tell(phase)
            clock.sleep_until(min(end_s, now_s + TELL_EVERY_S))
        self._tell(phase)
        self._note(phase, start_s, clock.now())

    def _serve(self, load: Load) -> None:
        """Warm up and measure in one stream of requests, so that no pause lies between."""
        start_s = self.board.clock.now()
        arrivals_s, warm_up = self._arrivals(start_s)
        stream = load.serve(arrivals_s, STREAM_REQUESTS if arrivals_s is None else len(arrivals_s))
        try:
            with _spoiling("load-failed", LoadFailed, FeaturesUnknown):
                served, end_s = self._warm_up(stream, start_s, warm_up)
                measuring_s = end_s if arrivals_s is None else arrivals_s[served]
                self._note("warm_up", start_s, measuring_s)
                self._measure_requests(stream)
        finally:
            if isinstance(stream, Generator):
                stream.close()
        self._note("serve", measuring_s, self.batches[-1].inference_end_s)

    def _arrivals(self, start_s: float) -> tuple[list[float] | None, int]:
        """When requests come, and how many of them are warm-up at least; None: back-to-back.

        There are as many more as a batch may take that begins with warm-up requests.
        """
        plan = self.plan
        measured = plan.requests + plan.batch_size - 1
        guess = measured + math.ceil((plan.arrivals.rate_hz or 0) * plan.warm_up_s) + 1
        while True:
            times_s = arrival_times_s(plan.arrivals, guess, start_s=start_s, seed=plan.seed)
            if times_s is None:
                return None, 0
            warm_up = bisect_left(times_s, start_s + plan.warm_up_s)
            if warm_up + measured <= guess:
                return times_s[: warm_up + measured], warm_up
            guess *= 2

    def _warm_up(
        self, stream: Iterator[ServedBatch | None], start_s: float, requests: int
    ) -> tuple[int, float]:
        """Serve what is not measured: `requests` at a rate; back-to-back, until its time is over.

        Returns:
            How many were served (whole batches), and when the last one was done.
        """
        by_time = self.plan.arrivals.kind == "back_to_back"
        until_s = start_s + self.plan.warm_up_s
        served, now_s = 0, start_s
        self._tell("warm_up")
        while (now_s < until_s) if by_time else (served < requests):
            batch = self._next(stream, "warm_up")
            served, now_s = served + len(batch.arrival_s), batch.inference_end_s
            self._tell("warm_up")
        return served, now_s

    def _measure_requests(self, stream: Iterator[ServedBatch | None]) -> None:
        while self.requests_done < self.plan.requests:
            batch = self._next(stream, "serve")
            self.batches.append(batch)
            self.requests_done += len(batch.arrival_s)
            self._tell("serve")

    def _next(self, stream: Iterator[ServedBatch | None], phase: PhaseName) -> ServedBatch:
        for batch in stream:
            if batch is not None:
                return batch
            self._tell(phase)
        raise _Spoilt(
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
        allowed_s = max(SILENCE_S, 20 * self.plan.sample_interval_ms / 1000)
        silent_s = self.board.clock.now() - (self.samples[-1].t_s if self.samples else self.zero_s)
        if self.samples and silent_s > allowed_s:
            raise _Spoilt("sampler-stopped", f"The sampler said nothing for {silent_s:.1f} s.")

    def _note(self, phase: PhaseName, start_s: float, end_s: float) -> None:
        start_s, end_s = start_s - self.zero_s, end_s - self.zero_s
        self.phases.append(Phase(name=phase, start_s=start_s, end_s=end_s))


@contextmanager
def _spoiling(code: str, *failures: type[Exception]) -> Iterator[None]:
    """Inside the block these failures, which hardware is known for, spoil the run."""
    try:
        yield
    except failures as failure:
        raise _Spoilt(code, str(failure)) from failure


def _columns(samples: Sequence[Sample], info: BoardInfo, *, zero_s: float) -> Samples:
    rails = range(len(info.rails))
    return Samples(
        t_us=[round((sample.t_s - zero_s) * 1e6) for sample in samples],
        rails_w=[[sample.rails_w[rail] for sample in samples] for rail in rails],
        gpu_mhz=[sample.gpu_mhz for sample in samples],
        emc_mhz=[sample.emc_mhz for sample in samples],
        cpu_mhz=[sample.cpu_mhz for sample in samples],
        temp_c=[sample.temp_c for sample in samples],
        gpu_busy_percent=[sample.gpu_busy_percent for sample in samples],
    )


def _requests(batches: Sequence[ServedBatch], *, zero_s: float) -> Requests:
    return Requests(
        arrival_s=[t_s - zero_s for batch in batches for t_s in batch.arrival_s],
        start_s=[t_s - zero_s for batch in batches for t_s in batch.start_s],
        inference_start_s=[b.inference_start_s - zero_s for b in batches for _ in b.arrival_s],
        end_s=[b.inference_end_s - zero_s for b in batches for _ in b.arrival_s],
    )
