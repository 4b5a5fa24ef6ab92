"""What a board is asked to do."""

from __future__ import annotations

from typing import Literal

import msgspec

from measurements.messages.boards import OperatingPoint
from measurements.messages.wire import VERSION

ArrivalKind = Literal["back_to_back", "uniform", "poisson", "trace"]
Work = Literal["request", "preprocessing"]
"""What a run serves: whole requests, or only what the CPU does for each before its inference."""


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


def _affine(
    network: NetworkFeatures, fixed: float | None, per_item: float | None, batch_size: int
) -> float:
    if fixed is None or per_item is None:
        raise FeaturesUnknown(f"nothing is known of the graph of {network.name}")
    return fixed + per_item * batch_size
