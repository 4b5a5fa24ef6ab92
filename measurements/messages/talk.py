"""The small talk between a board and its server, and the moving picture."""

from __future__ import annotations

import msgspec

from measurements.messages.boards import OperatingPoint
from measurements.messages.records import PhaseName
from measurements.messages.wire import VERSION


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
