"""One real-time pipeline for every engine: preprocessing overlaps inference, in two threads.

One thread prepares requests one by one as they come, never more than one batch ahead; the
other runs the engine on whatever is prepared, up to the batch size (back-to-back: always a
full batch). Everything that the engine does happens in its own thread, loading included.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Condition
from typing import NamedTuple, Protocol

from measurements.board.hardware.protocol import Clock
from measurements.board.load.preparing import PreparingLoad
from measurements.board.load.preprocess import Input, Item, preparer
from measurements.board.load.protocol import LoadFailed, ServedBatch

log = logging.getLogger(__name__)
TELL_EVERY_S = 0.2
"""While no batch is complete, the stream yields None so often."""
GIVE_UP_S = 10.0
"""So long an engine that was told to stop may take over its last batch."""


class Engine(Protocol):
    """Runs batches of one network; every method is called in one and the same thread."""

    inputs: Sequence[Input]
    """Known once the engine is open."""
    description: str
    """What it is, read back once it is open: program, version, provider, threads."""

    def open(self) -> None:
        """Load the network. Raises: LoadFailed."""

    def infer(self, batch: Sequence[Item]) -> float:
        """Run one batch and wait for its answer; when inference itself began, on the Clock.

        Raises:
            LoadFailed: It broke down, or was told to stop.
        """

    def stop(self) -> None:
        """Give up the batch that is running, if that is possible; from any thread."""

    def close(self) -> None:
        """Free what `open` took; safe after an `open` that failed."""


class _Request(NamedTuple):
    arrival_s: float
    start_s: float
    item: Item


class PipelinedLoad:
    """Serves requests with `engine` in real time; see `load.protocol.Load`.

    Args:
        clock: The board's; must run by itself, as the real one does.
        seed: Of the made-up inputs.
    """

    def __init__(self, engine: Engine, *, clock: Clock, batch_size: int, seed: int) -> None:
        self._engine = engine
        self._clock = clock
        self._batch_size = batch_size
        self._seed = seed
        self._prepare: Callable[[], Item] | None = None
        self._executor: ThreadPoolExecutor | None = None

    @property
    def description(self) -> str:
        return self._engine.description

    @contextmanager
    def ready(self) -> Iterator[None]:
        """As the protocol says; one batch is run, so that lazy parts are loaded as well."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="inference")
        try:
            self._executor.submit(self._open).result()
            yield
        finally:
            self._executor.submit(self._engine.close).result()
            self._executor.shutdown()
            self._executor = None

    def _open(self) -> None:
        self._engine.open()
        self._prepare = preparer(self._engine.inputs, seed=self._seed)
        self._engine.infer([self._prepare() for _ in range(self._batch_size)])

    def preprocessing(self) -> PreparingLoad:
        return PreparingLoad(self._engine, clock=self._clock, seed=self._seed)

    def serve(
        self, arrivals_s: Sequence[float] | None, requests: int
    ) -> Iterator[ServedBatch | None]:
        if self._executor is None or self._prepare is None:
            raise LoadFailed("the load is not ready")
        line = _Line(self._clock, arrivals_s, requests, batch_size=self._batch_size)
        served: SimpleQueue[ServedBatch] = SimpleQueue()
        with ThreadPoolExecutor(1, thread_name_prefix="preprocessing") as preparing:
            jobs = [
                preparing.submit(line.prepare_all, self._prepare),
                self._executor.submit(self._infer_all, line, served),
            ]
            try:
                yield from _batches(served, jobs, requests)
            finally:
                line.stop()
                self._engine.stop()
                if wait(jobs, timeout=GIVE_UP_S).not_done:
                    log.error("%s did not stop within %g s", self.description, GIVE_UP_S)

    def _infer_all(self, line: _Line, served: SimpleQueue[ServedBatch]) -> None:
        while batch := line.next_batch():
            inference_start_s = self._engine.infer([request.item for request in batch])
            served.put(
                ServedBatch(
                    arrival_s=tuple(request.arrival_s for request in batch),
                    start_s=tuple(request.start_s for request in batch),
                    inference_start_s=inference_start_s,
                    inference_end_s=self._clock.now(),
                )
            )


def _batches(
    served: SimpleQueue[ServedBatch], jobs: Sequence[Future[None]], requests: int
) -> Iterator[ServedBatch | None]:
    """What comes out of the pipeline; its threads' failures are raised here."""
    done = 0
    while done < requests:
        try:
            batch = served.get(timeout=TELL_EVERY_S)
        except Empty:
            _raise_failure(jobs)
            yield None
            continue
        done += len(batch.arrival_s)
        yield batch


def _raise_failure(jobs: Sequence[Future[None]]) -> None:
    for job in jobs:
        if job.done() and (failure := job.exception()) is not None:
            raise failure


class _Line:
    """The requests between the two threads: prepared ones, at most a batch of them."""

    def __init__(
        self,
        clock: Clock,
        arrivals_s: Sequence[float] | None,
        requests: int,
        *,
        batch_size: int,
    ) -> None:
        self._clock = clock
        self._arrivals_s = arrivals_s
        self._requests = requests
        self._batch_size = batch_size
        self._prepared: deque[_Request] = deque()
        self._taken = 0
        self._is_stopped = False
        self._changed = Condition()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def prepare_all(self, prepare: Callable[[], Item]) -> None:
        """The first thread's work: until all are prepared, or it is stopped."""
        for number in range(self._requests):
            arrival_s = None if self._arrivals_s is None else self._arrivals_s[number]
            if not self._wait_for_turn(arrival_s):
                return
            start_s = self._clock.now()
            item = prepare()
            request = _Request(start_s if arrival_s is None else arrival_s, start_s, item)
            with self._changed:
                self._prepared.append(request)
                self._changed.notify_all()

    def next_batch(self) -> list[_Request]:
        """The second thread waits here for a batch; empty when there are no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._has_batch())
            if self._is_stopped:
                return []
            size = min(len(self._prepared), self._batch_size)
            self._taken += size
            batch = [self._prepared.popleft() for _ in range(size)]
            self._changed.notify_all()
            return batch

    def _has_batch(self) -> bool:
        """Whether the engine may go on: with a full batch, or at a rate with any."""
        left = self._requests - self._taken
        wanted = min(self._batch_size, left) if self._arrivals_s is None else min(1, left)
        return len(self._prepared) >= wanted

    def _wait_for_turn(self, arrival_s: float | None) -> bool:
        """Wait until there is room and the request has come; False once stopped."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or len(self._prepared) < self._batch_size
            )
            while arrival_s is not None and not self._is_stopped:
                left_s = arrival_s - self._clock.now()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            return not self._is_stopped
