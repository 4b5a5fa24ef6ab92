"""What a board measured."""

from __future__ import annotations

from typing import Literal

import msgspec

from measurements.messages.boards import BoardInfo, OperatingPoint
from measurements.messages.plans import Plan
from measurements.messages.wire import VERSION

PhaseName = Literal["settle", "gate", "warm_up", "serve", "tail"]
StoppedBecause = Literal["fixed", "precise", "ceiling"]


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    name: PhaseName
    start_s: float
    end_s: float


class Samples(msgspec.Struct, kw_only=True):
    """Columns of n samples; `rails_w` has shape (rails, n) in the order of `BoardInfo.rails`."""

    t_us: list[int]
    rails_w: list[list[float | None]]
    gpu_mhz: list[int | None]
    emc_mhz: list[int | None]
    cpu_mhz: list[int | None]
    temp_c: list[float | None]
    gpu_busy_percent: list[float | None]


class Requests(msgspec.Struct, kw_only=True):
    """Columns of the measured requests, in order of completion, in seconds from the run's start.

    Requests of one batch share `inference_start_s` and `end_s`. For back-to-back
    arrivals `arrival_s` equals `start_s`, the start of preprocessing. Where preprocessing is
    all the work, `inference_start_s` is its start and `end_s` its end.
    """

    arrival_s: list[float]
    start_s: list[float]
    inference_start_s: list[float]
    end_s: list[float]


class SamplerCpu(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds that sampling took at least, in `over_s` seconds of it."""

    over_s: float
    reader_s: float
    """Of the worker's thread that reads and parses."""
    program_s: float | None
    """Of tegrastats itself; None where it did not run as the worker's child."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that makes the run invalid, seen on the board."""

    code: str
    text: str


class Record(msgspec.Struct, kw_only=True):
    """Everything one run measured: exact, whole, delivered once."""

    run_id: str
    attempt: int
    plan: Plan
    board: BoardInfo
    started_at: str
    """The board's wall clock at the start, ISO 8601 with zone; for reading only."""
    board_s: float
    before: OperatingPoint
    held: OperatingPoint
    """Read back while the point was held."""
    restored: OperatingPoint
    phases: list[Phase]
    samples: Samples
    requests: Requests
    faults: list[Fault]
    unknown_tokens: dict[str, int]
    rests_on: dict[str, str] = {}
    """On a replay board, for latency and power: "measured", "fitted" or "extrapolated", and why."""
    load: str = ""
    """What served the requests, read back from it: program, version, provider, threads."""
    stopped_because: StoppedBecause = "fixed"
    is_steady: bool | None = None
    """Whether the warm-up ended in a steady state; None: nobody looked."""
    clock_zero_s: float | None = None
    """The board's own Clock at t = 0: how far apart two runs of one boot were. None: not told."""
    sampler_cpu: SamplerCpu | None = None
    """None: not counted, as on an emulated board, whose sampling takes none of its CPU."""
    version: int = VERSION
