"""A board that breaks down on demand, in virtual time: what the emulator never does.

It draws 10 W, serves a batch each 20 ms of which 5 ms are preprocessing, and can be told
how to fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from measurements.board.hardware.protocol import PointNotHeld, Sample
from measurements.board.load.protocol import LoadFailed, ServedBatch
from measurements.messages import BoardInfo, NetworkFeatures, OperatingPoint, Rail

DEFAULT = OperatingPoint(gpu_min_hz=100, gpu_max_hz=1000)
RAILS = [Rail(name="VDD_IN", part="input", in_total=True)]
PERIOD_S, PREPROCESSING_S = 0.02, 0.005


@dataclass
class BenchSampler:
    samples: list[Sample] = field(default_factory=list)
    unknown_tokens: dict[str, int] = field(default_factory=dict)


@dataclass
class BenchClock:
    """Virtual seconds; samples appear as they pass, until `silent_from_s`."""

    t_s: float = 100.0
    silent_from_s: float = float("inf")
    interval_s: float = 0.05
    sampler: BenchSampler | None = None

    def now(self) -> float:
        return self.t_s

    def sleep_until(self, t_s: float) -> None:
        while self.t_s < t_s:
            step_s = min(self.interval_s, t_s - self.t_s)
            self.t_s = min(t_s, self.t_s + step_s)
            if self.sampler and self.t_s < self.silent_from_s:
                self.sampler.samples.append(Sample(self.t_s, (10.0,), 1000, None, None, 40.0, 50.0))


@dataclass
class BenchLoad:
    clock: BenchClock
    batch_size: int
    batches: int | None
    was_closed: bool = False
    description: str = "a bench"

    @contextmanager
    def ready(self) -> Iterator[None]:
        yield

    def serve(self, arrivals_s: Sequence[float] | None, requests: int) -> Iterator[ServedBatch]:
        try:
            yield from self._serve(arrivals_s, requests)
        finally:
            self.was_closed = True

    def _serve(self, arrivals_s: Sequence[float] | None, requests: int) -> Iterator[ServedBatch]:
        served = 0
        while served < requests:
            if self.batches is not None and served >= self.batches * self.batch_size:
                raise LoadFailed("the inference server is gone")
            size = min(self.batch_size, requests - served)
            ready_s = arrivals_s[served + size - 1] if arrivals_s else self.clock.now()
            self.clock.sleep_until(ready_s)
            start_s = self.clock.now()
            self.clock.sleep_until(start_s + PERIOD_S)
            arrivals = arrivals_s[served : served + size] if arrivals_s else [start_s] * size
            served += size
            yield ServedBatch(
                tuple(arrivals), (start_s,) * size, start_s + PREPROCESSING_S, self.clock.now()
            )


@dataclass
class BenchBoard:
    clock: BenchClock = field(default_factory=BenchClock)
    refuses_points: bool = False
    tegrastats_missing: bool = False
    batches: int | None = None
    at: OperatingPoint = DEFAULT
    last_load: BenchLoad | None = None

    def describe(self) -> BoardInfo:
        return BoardInfo(
            name="bench", kind="bench", model="Bench", l4t=None, jetpack=None,
            provenance="emulated", provenance_note="made up for a test", gpu_hz=[100, 1000],
            emc_hz=[], cpu_hz=[], default=DEFAULT, rails=RAILS, sensor_lag_s=0.0, software={},
        )  # fmt: skip

    def point(self) -> OperatingPoint:
        return self.at

    @contextmanager
    def holding(self, point: OperatingPoint) -> Iterator[OperatingPoint]:
        if self.refuses_points:
            raise PointNotHeld("the GPU reads 100 Hz instead of 1000 Hz")
        if point.gpu_max_hz not in (None, 100, 1000):
            raise ValueError(f"{point.gpu_max_hz} Hz is not in the GPU's table")
        self.at = point
        try:
            yield point
        finally:
            self.at = DEFAULT

    @contextmanager
    def sampling(self, interval_ms: int) -> Iterator[BenchSampler]:
        if self.tegrastats_missing:
            raise FileNotFoundError("tegrastats: no such program")
        self.clock.sampler = BenchSampler()
        yield self.clock.sampler
        self.clock.sampler = None

    def load(self, network: NetworkFeatures, *, batch_size: int, seed: int) -> BenchLoad:
        self.last_load = BenchLoad(self.clock, batch_size, self.batches)
        return self.last_load
