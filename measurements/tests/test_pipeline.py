"""The real-time pipeline over an engine that only waits, in fractions of a second."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from measurements.board.hardware.machine import RealClock
from measurements.board.load.pipeline import PipelinedLoad
from measurements.board.load.preprocess import Input, Item
from measurements.board.load.protocol import LoadFailed, ServedBatch

CLOCK = RealClock()
MANY = 10**9


@dataclass
class WaitingEngine:
    """Takes `takes_s` for each batch; breaks down at batch number `breaks_at`."""

    takes_s: float = 0.01
    breaks_at: int | None = None
    inputs: Sequence[Input] = (Input("tokens", (8,), "int64"),)
    description: str = "an engine that waits"
    sizes: list[int] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        self.threads.add(threading.current_thread().name)

    def infer(self, batch: Sequence[Item]) -> float:
        self.threads.add(threading.current_thread().name)
        self.sizes.append(len(batch))
        if self.breaks_at == len(self.sizes):
            raise LoadFailed("the engine is gone")
        start_s = CLOCK.now()
        self.stopped.wait(self.takes_s)
        return start_s

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)


@contextmanager
def _ready(engine: WaitingEngine, *, batch_size: int = 4) -> Iterator[PipelinedLoad]:
    load = PipelinedLoad(engine, clock=CLOCK, batch_size=batch_size, seed=1)
    with load.ready():
        yield load


def _batches(load: PipelinedLoad, arrivals_s: list[float] | None, n: int) -> list[ServedBatch]:
    return [batch for batch in load.serve(arrivals_s, n) if batch is not None]


def test_back_to_back_batches_are_full_and_the_last_one_holds_the_rest():
    with _ready(WaitingEngine()) as load:
        assert [len(batch.arrival_s) for batch in _batches(load, None, 10)] == [4, 4, 2]


def test_a_request_back_to_back_arrives_as_its_preprocessing_starts():
    with _ready(WaitingEngine()) as load:
        for batch in _batches(load, None, 8):
            assert batch.arrival_s == batch.start_s
            assert max(batch.start_s) <= batch.inference_start_s <= batch.inference_end_s


def test_preprocessing_runs_while_the_engine_infers():
    with _ready(WaitingEngine(takes_s=0.05), batch_size=1) as load:
        first, second = _batches(load, None, 2)
    assert second.start_s[0] < first.inference_end_s


def test_at_a_rate_the_free_engine_takes_whatever_waits():
    engine = WaitingEngine(takes_s=0.1)
    with _ready(engine) as load:
        now_s = CLOCK.now()
        together = [now_s, now_s + 0.02, now_s + 0.02, now_s + 0.02]
        sizes = [len(batch.arrival_s) for batch in _batches(load, together, 4)]
    assert sizes == [1, 3]


def test_no_request_starts_before_it_arrives():
    with _ready(WaitingEngine(), batch_size=2) as load:
        now_s = CLOCK.now()
        arrivals_s = [now_s + 0.03 * i for i in range(5)]
        served = _batches(load, arrivals_s, 5)
    assert [t_s for batch in served for t_s in batch.arrival_s] == arrivals_s
    for batch in served:
        assert all(s >= a for a, s in zip(batch.arrival_s, batch.start_s, strict=True))


def test_a_slow_batch_lets_the_caller_look_round():
    engine = WaitingEngine()
    with _ready(engine, batch_size=1) as load:
        engine.takes_s = 0.7
        assert next(load.serve(None, MANY)) is None


def test_closing_the_stream_ends_a_long_batch_within_a_second():
    engine = WaitingEngine()
    with _ready(engine, batch_size=1) as load:
        engine.takes_s = 60.0
        stream = load.serve(None, MANY)
        next(stream)
        began_s = CLOCK.now()
        stream.close()
        assert CLOCK.now() - began_s < 1.0


def test_a_stream_after_a_closed_one_serves_again():
    engine = WaitingEngine(takes_s=0.0)
    with _ready(engine, batch_size=1) as load:
        stream = load.serve(None, MANY)
        next(stream)
        stream.close()
        assert len(_batches(load, None, 3)) == 3


def test_a_breakdown_reaches_the_caller():
    with (
        _ready(WaitingEngine(breaks_at=3), batch_size=1) as load,
        pytest.raises(LoadFailed, match="gone"),
    ):
        _batches(load, None, 100)


def test_a_network_that_cannot_be_opened_fails_before_the_first_request():
    broken = WaitingEngine(inputs=(Input("words", (1,), "str"),))
    with pytest.raises(LoadFailed, match="nothing to fill it with"), _ready(broken):
        pass


def test_everything_of_an_engine_happens_in_one_thread():
    engine = WaitingEngine()
    with _ready(engine) as load:
        _batches(load, None, 4)
    assert len(engine.threads) == 1
    assert threading.current_thread().name not in engine.threads


def test_one_batch_is_run_before_the_first_is_served():
    engine = WaitingEngine()
    with _ready(engine):
        assert engine.sizes == [4]


def test_preprocessing_alone_infers_nothing_and_is_served_one_by_one():
    engine = WaitingEngine(breaks_at=0)  # an inference would fail
    load = PipelinedLoad(engine, clock=CLOCK, batch_size=4, seed=1).preprocessing()
    with load.ready():
        served = list(load.serve(None, 30))
    assert len(served) == 30 and all(len(batch.arrival_s) == 1 for batch in served)
    starts = [batch.inference_start_s for batch in served]
    assert starts == sorted(starts) and starts == [batch.start_s[0] for batch in served]
    with pytest.raises(LoadFailed, match="back to back"):
        next(iter(load.serve([0.0], 1)))
