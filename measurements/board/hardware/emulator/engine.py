"""The load on an emulated board: a pipeline of preprocessing and inference in its time.

One core prepares the next batch while the GPU infers the one before: a look-ahead of one
batch. A batch takes whatever waits, up to the batch size, when its preprocessing starts;
back-to-back there is always a full one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import inf

import msgspec

from measurements.board.hardware.protocol import Clock
from measurements.board.load.protocol import LoadFailed, ServedBatch
from measurements.messages import NetworkFeatures

from . import physics
from .boards.data import Engine
from .emulation import Emulation
from .events import StartCpu, StartGpu, Stop
from .state import Job


@dataclass(slots=True)
class _Batch:
    """Requests that go through the pipeline together."""

    arrival_s: list[float]
    """Empty for back-to-back, where a request arrives as its preprocessing starts."""
    size: int
    prepare_s: float
    inference_s: float = 0.0
    start_s: tuple[float, ...] = ()

    def prepared(self, end_s: float) -> None:
        """One core prepared the requests one after another."""
        each_s = (end_s - self.prepare_s) / self.size
        self.start_s = tuple(self.prepare_s + i * each_s for i in range(self.size))

    def served(self, end_s: float) -> ServedBatch:
        arrival_s = tuple(self.arrival_s) or self.start_s
        return ServedBatch(arrival_s, self.start_s, self.inference_s, end_s)


class EmulatedLoad:
    """Serves requests of `network` on the emulated board; see `load.protocol.Load`.

    The same device seed and `seed` give the same jitter, batch by batch.
    """

    def __init__(
        self,
        network: NetworkFeatures,
        batch_size: int,
        seed: int,
        *,
        emulation: Emulation,
        clock: Clock,
        device_seed: int,
    ) -> None:
        self._network = network
        self._batch_size = batch_size
        self._emulation = emulation
        self._clock = clock
        self._random = random.Random(f"load/{device_seed}/{seed}")

    @property
    def description(self) -> str:
        engine = f"emulated engine of {self._emulation.model.board.kind}"
        return f"{engine}, one core for preprocessing"

    @contextmanager
    def ready(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._emulation.apply(Stop())

    def serve(self, arrivals_s: Sequence[float] | None, requests: int) -> Iterator[ServedBatch]:
        """As the protocol says. Times of completed work are exact, also in real time."""
        self._emulation.catch_up()
        pipeline = _Pipeline(self, arrivals_s, requests)
        try:
            while not pipeline.is_done:
                pipeline.start_what_can()
                self.reach(pipeline.next_s())
                if served := pipeline.collect():
                    yield served
        finally:
            self._emulation.apply(Stop())

    def preprocessing(self) -> EmulatedPreparing:
        return EmulatedPreparing(self)

    def reach(self, t_s: float) -> None:
        """Wait for `t_s`, then let the model live to just there, not to the real clock."""
        self._clock.sleep_until(t_s)
        self._emulation.live_until(t_s)

    @property
    def emulation(self) -> Emulation:
        return self._emulation

    def start_preparing(self, size: int) -> Job:
        cycles = size * physics.preprocess_cycles(self._network, self._engine)
        return self._started(StartCpu(cycles * self._stretch()))

    def start_inference(self, size: int) -> Job:
        work = physics.work_of(self._network, size, self._engine)
        return self._started(StartGpu(msgspec.structs.replace(work, stretch=self._stretch())))

    @property
    def batch_size(self) -> int:
        return self._batch_size

    @property
    def _engine(self) -> Engine:
        return self._emulation.model.board.engine

    def _stretch(self) -> float:
        return self._random.lognormvariate(0.0, self._engine.jitter)

    def _started(self, event: StartCpu | StartGpu) -> Job:
        job = self._emulation.apply(event)
        assert job is not None
        return job


class EmulatedPreparing:
    """Only the first stage of `load`: one core prepares one request after another."""

    def __init__(self, load: EmulatedLoad) -> None:
        self._load = load

    @property
    def description(self) -> str:
        return f"preprocessing alone, of the {self._load.description}"

    def ready(self) -> AbstractContextManager[None]:
        return self._load.ready()

    def serve(self, arrivals_s: Sequence[float] | None, requests: int) -> Iterator[ServedBatch]:
        """Each request as a batch of its own; `arrivals_s` must be None."""
        if arrivals_s is not None:
            raise LoadFailed("preprocessing alone is measured back to back, not at a rate")
        self._load.emulation.catch_up()
        try:
            for _ in range(requests):
                start_s = self._load.emulation.model.now_s
                end_s = self._prepared_s(self._load.start_preparing(1))
                yield ServedBatch((start_s,), (start_s,), start_s, end_s)
        finally:
            self._load.emulation.apply(Stop())

    def _prepared_s(self, job: Job) -> float:
        """Live on until `job` is done; when that was."""
        while job.end_s is None:
            self._load.reach(min(self._load.emulation.model.horizon_s, job.due_s))
            if job.end_s is None and job.due_s <= self._load.emulation.model.now_s:
                raise LoadFailed("a request was dropped: another load on this board ended")
        return job.end_s


class _Pipeline:
    """Two stages and a place between them, each with at most one batch."""

    def __init__(
        self, load: EmulatedLoad, arrivals_s: Sequence[float] | None, requests: int
    ) -> None:
        self._load = load
        self._model = load.emulation.model
        self._arrivals_s = arrivals_s
        self._requests = requests
        self._taken = 0
        self._served = 0
        self._preparing: tuple[_Batch, Job] | None = None
        self._prepared: _Batch | None = None
        self._inferring: tuple[_Batch, Job] | None = None

    @property
    def is_done(self) -> bool:
        return self._served == self._requests

    def start_what_can(self) -> None:
        if self._prepared is not None and self._inferring is None:
            batch, self._prepared = self._prepared, None
            batch.inference_s = self._model.now_s
            self._inferring = batch, self._load.start_inference(batch.size)
        if self._preparing is None and self._prepared is None and (size := self._waiting()):
            first, self._taken = self._taken, self._taken + size
            arrivals_s = list((self._arrivals_s or ())[first : self._taken])
            batch = _Batch(arrivals_s, size, self._model.now_s)
            self._preparing = batch, self._load.start_preparing(size)

    def next_s(self) -> float:
        """Until when nothing changes that this pipeline has to act on."""
        jobs = [stage[1].due_s for stage in (self._preparing, self._inferring) if stage]
        return min(self._model.horizon_s, self._next_arrival_s(), *jobs, inf)

    def collect(self) -> ServedBatch | None:
        """Move what is complete one stage on; a batch that left the last one is returned.

        Raises:
            LoadFailed: A batch will never be complete: another load's end dropped it.
        """
        self._look_for_dropped()
        if self._preparing and (end_s := self._preparing[1].end_s) is not None:
            self._prepared, self._preparing = self._preparing[0], None
            self._prepared.prepared(end_s)
        if self._inferring is None or (end_s := self._inferring[1].end_s) is None:
            return None
        batch, self._inferring = self._inferring[0], None
        self._served += batch.size
        return batch.served(end_s)

    def _look_for_dropped(self) -> None:
        """The model leaves nothing due in the past, so what is due and not done is not there."""
        with self._load.emulation.lock:
            for stage in (self._preparing, self._inferring):
                if stage and stage[1].end_s is None and stage[1].due_s <= self._model.now_s:
                    raise LoadFailed("a batch was dropped: another load on this board ended")

    def _waiting(self) -> int:
        """How many requests a batch could take now."""
        left = min(self._requests - self._taken, self._load.batch_size)
        if self._arrivals_s is None:
            return left
        now_s = self._model.now_s
        due = self._arrivals_s[self._taken : self._taken + left]
        return sum(arrival_s <= now_s for arrival_s in due)

    def _next_arrival_s(self) -> float:
        """When the idle first stage gets something to do."""
        if self._arrivals_s is None or self._preparing or self._prepared:
            return inf
        return self._arrivals_s[self._taken] if self._taken < self._requests else inf
