"""Plan, Record, LiveFrame and the small talk around them: the only types both sides share.

Sent as MessagePack over HTTPS (`encode`, `decode`), and as JSON builtins inside a
Celery message. Units are in the names; an unknown value is None, never 0. Times
`t_s`, `start_s`, `t_us` count from the run's start on the board's own clock.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

VERSION = 2
OLDEST_VERSION = 1
"""Both sides accept messages from OLDEST_VERSION to VERSION (their own and the one before)."""

MEDIA_TYPE = "application/msgpack"
MAX_RECORD_BYTES = 64 * 1024 * 1024

ArrivalKind = Literal["back_to_back", "uniform", "poisson", "trace"]
Work = Literal["request", "preprocessing"]
"""What a run serves: whole requests, or only what the CPU does for each before its inference."""
Provenance = Literal["real", "emulated", "replay", "host"]
RailPart = Literal["gpu", "cpu", "memory", "soc", "input", "other"]
PhaseName = Literal["settle", "gate", "warm_up", "serve", "tail"]
StoppedBecause = Literal["fixed", "precise", "ceiling"]


class UnsupportedVersion(ValueError):
    """The message was written by a version that this side does not speak."""


class OperatingPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Clocks in Hz as sysfs lists them; None means "left as found"."""

    gpu_min_hz: int | None = None
    gpu_max_hz: int | None = None
    emc_hz: int | None = None
    cpu_hz: int | None = None


class Rail(msgspec.Struct, frozen=True, kw_only=True):
    """One power rail as its sensor reports it.

    `step_w` is the sensor's power step at the rail's usual voltage; None if unknown.
    `in_total` says whether the rail is added up to the board's total power.
    """

    name: str
    part: RailPart
    in_total: bool
    step_w: float | None = None


class BoardInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a board worker says about its board when it registers, and in each record."""

    name: str
    kind: str
    """Short name of the board's type, e.g. "agx-orin"."""
    model: str
    """The device tree's own words, e.g. "NVIDIA Jetson AGX Orin Developer Kit"."""
    l4t: str | None
    jetpack: str | None
    provenance: Provenance
    provenance_note: str
    """What is emulated, fitted or replayed, in one sentence; empty for a real board."""
    gpu_hz: list[int]
    emc_hz: list[int]
    cpu_hz: list[int]
    default: OperatingPoint
    rails: list[Rail]
    sensor_lag_s: float
    """Time constant of the power sensor's first-order low-pass, in seconds (0: none)."""
    software: dict[str, str]
    problems: list[str] = []
    needs_network_file: bool = False
    """Whether a plan must carry the hash of the ONNX file: a load here runs the graph itself."""
    version: int = VERSION


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """How requests come: one after another, at `rate_hz` requests a second, or as recorded."""

    kind: ArrivalKind = "back_to_back"
    rate_hz: float | None = None
    """Of a trace: its mean rate."""
    trace: str = ""
    """The name of the recorded trace; empty for the other kinds."""
    times_s: list[float] | None = None
    """The trace's arrivals in seconds from the first one, ascending; None: no trace."""


class FeaturesUnknown(ValueError):
    """Nothing is known of the network's graph: it is a workload of a replay table."""


class NetworkFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """What a load needs to know of a network; FLOPs and bytes are affine in the batch size.

    A workload of a replay table has no graph: its name in the table is all that is known.
    """

    name: str
    sha256: str | None
    """Of the ONNX file; None while nothing has needed the file yet."""
    input_shape: list[int | None]
    """Empty if it has no graph; a free axis is None."""
    input_dtype: str
    flops_per_item: float | None
    flops_fixed: float | None
    bytes_per_item: float | None
    bytes_fixed: float | None
    workload: str | None = None
    """Its name in the replay table that it belongs to; None for a network with a graph."""
    input_name: str = ""
    """As the graph calls its first input; empty if there is no graph."""

    def flops(self, batch_size: int) -> float:
        """Floating point operations of one batch (2 per multiply-accumulate).

        Raises:
            FeaturesUnknown: It has no graph.
        """
        return _affine(self, self.flops_fixed, self.flops_per_item, batch_size)

    def bytes_moved(self, batch_size: int) -> float:
        """Bytes read and written by all layers of one batch, weights included.

        Raises:
            FeaturesUnknown: It has no graph.
        """
        return _affine(self, self.bytes_fixed, self.bytes_per_item, batch_size)


class Stopping(msgspec.Struct, frozen=True, kw_only=True):
    """End a run when its energy is known well enough; `Plan.requests` is its ceiling.

    `half_width_percent` is asked of the statistical part of the 95 % interval alone:
    the sensor's steps do not shrink with more requests.
    """

    half_width_percent: float
    floor_requests: int = 100
    floor_s: float = 3.0
    """Of serving; this floor may lift the ceiling of fast requests."""
    quantile: float | None = None
    """Of the latency limit: it must exist before the run may end; None: no quantile."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The hottest zone must lie this near to the reference, and stand still, before a run."""

    reference_c: float | None = None
    """None: this run is the first, and makes the reference; only drift is waited for."""
    band_k: float = 5.0
    longest_s: float = 60.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run for a board: this network, at this point, under this load."""

    run_id: str
    device: str
    network: NetworkFeatures
    point: OperatingPoint
    batch_size: int
    arrivals: Arrivals
    requests: int
    warm_up_s: float
    sample_interval_ms: int | None
    """None: nothing is sampled, so that a meter can see what sampling costs. A worker that does
    not know this refuses the plan."""
    seed: int
    stopping: Stopping | None = None
    """None: exactly `requests` requests (in whole batches)."""
    gate: Gate | None = None
    longest_warm_up_s: float | None = None
    """Warm up on until power and inference time are steady, at most so long; None: do not look."""
    work: Work = "request"
    version: int = VERSION


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


class ClaimReply(msgspec.Struct, frozen=True, kw_only=True):
    attempt: int
    version: int = VERSION


class RejectedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that the server refused for good and the board keeps in `spool/rejected/`."""

    run_id: str
    reason: str


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Every 2 s from a board worker: what it is doing now."""

    run_id: str | None
    phase: PhaseName | None
    requests_done: int
    point: OperatingPoint
    spooled: int
    rejected: list[RejectedRecord]
    version: int = VERSION


class HeartbeatReply(msgspec.Struct, frozen=True, kw_only=True):
    """`cancel` is the id of a run that is not wanted any more; None for "go on"."""

    cancel: str | None = None
    version: int = VERSION


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An order to a board: hold `point` from now on, or go back to how it was before."""

    application: int
    device: str
    point: OperatingPoint | None
    """None: roll back."""
    version: int = VERSION


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What a board did with an order."""

    application: int
    is_back: bool
    """Whether the order was to roll back."""
    is_ok: bool
    reason: str
    """Why not; empty if it did."""
    read_back: OperatingPoint
    version: int = VERSION


class LiveFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A moving picture for whoever watches: batched, may be lost, nothing is computed from it."""

    device: str
    run_id: str | None
    phase: PhaseName | None
    requests_done: int
    requests_asked: int
    rails: list[str]
    t_s: list[float]
    rails_w: list[list[float | None]]
    """Shape (rails, n), like `Samples.rails_w`."""
    gpu_mhz: list[int | None] = []
    emc_mhz: list[int | None] = []
    cpu_mhz: list[int | None] = []
    temp_c: list[float | None] = []
    """These four have shape (n,), or (0,) from a worker that does not tell them."""
    version: int = VERSION


M = TypeVar("M", bound=msgspec.Struct)


def encode(message: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """The message of type `kind` in `data`.

    Raises:
        UnsupportedVersion: It was written by a newer or a too old program.
        msgspec.ValidationError: It is malformed; the text says where.
        msgspec.DecodeError: It is not MessagePack at all.
    """
    version = msgspec.msgpack.decode(data, type=_Versioned).version
    if not OLDEST_VERSION <= version <= VERSION:
        raise UnsupportedVersion(
            f"message version {version}; this side speaks {OLDEST_VERSION} to {VERSION}"
        )
    return msgspec.msgpack.decode(data, type=kind)


def _affine(
    network: NetworkFeatures, fixed: float | None, per_item: float | None, batch_size: int
) -> float:
    if fixed is None or per_item is None:
        raise FeaturesUnknown(f"nothing is known of the graph of {network.name}")
    return fixed + per_item * batch_size


class _Versioned(msgspec.Struct):
    version: int
