"""What the board side asks of hardware: one clock, files, a line source, a board.

A real Jetson and an emulated one differ only in the `Clock`, `Files` and
`LineSource` that are handed to the same Jetson adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from measurements.board.load.protocol import Load
from measurements.messages import BoardInfo, NetworkFeatures, OperatingPoint, Plan

SamplerName = Literal["tegrastats", "ina3221"]
"""What reads the power sensors: NVIDIA's program, or the board worker itself."""


class Clock(Protocol):
    """The board's own monotonic time in seconds, real or virtual."""

    def now(self) -> float: ...

    def sleep_until(self, t_s: float) -> None:
        """Return when `now() >= t_s`; at once if that is already past."""


class Files(Protocol):
    """The board's sysfs, procfs, debugfs and /etc; paths are the board's own ("/sys/…")."""

    def read(self, path: str) -> str:
        """Raises: OSError, with the errno that the kernel gives (ENOENT, EACCES, EAGAIN, …)."""

    def write(self, path: str, text: str) -> None:
        """Raises: OSError, with the errno that the kernel gives (EINVAL, EACCES, …)."""

    def glob(self, pattern: str) -> list[str]:
        """Existing paths that match, sorted."""


@dataclass(slots=True)
class CpuSpent:
    """CPU seconds, user and system, of sampling for `over_s` seconds; told when it has ended.

    What runs elsewhere (the kernel's own threads, a privileged helper) is not in it, so it is
    the least that sampling took.
    """

    over_s: float = 0.0
    reader_s: float = 0.0
    """Of the thread that reads and parses."""
    program_s: float | None = None
    """Of tegrastats itself, by its resource usage; None: no such program ran as a child."""


class LineSource(Protocol):
    """Runs `tegrastats` and hands on each line it prints."""

    def lines(
        self, interval_ms: int, feed: Callable[[float, str], None]
    ) -> AbstractContextManager[CpuSpent | None]:
        """Inside the `with` block, call `feed(t_s, line)` as lines arrive.

        The block gets what holds the CPU time once it is left; None where nobody counts it.

        `t_s` is the board's `Clock` at that moment.

        `feed` may be called from another thread. Leaving the block ends the program,
        and only that program.

        Raises:
            OSError: The program cannot be started.
        """


class Ticks(Protocol):
    """Calls something again and again, in the board's own time."""

    def every(
        self, interval_ms: int, ring: Callable[[], None]
    ) -> AbstractContextManager[CpuSpent | None]:
        """Inside the `with` block, call `ring()` about each `interval_ms`.

        The block gets what holds the CPU time once it is left; None where nobody counts it.

        `ring` may be called from another thread, never from two at once.

        Raises:
            OSError: On leaving the block: `ring` had failed, and was not called again.
        """


@dataclass(frozen=True, slots=True)
class Sample:
    """The board's power at one instant. None: this line did not say."""

    t_s: float
    """On the board's Clock (not yet counted from the run's start)."""
    rails_w: tuple[float | None, ...]
    """In the order of `BoardInfo.rails`."""
    gpu_mhz: int | None
    emc_mhz: int | None
    cpu_mhz: int | None
    """The fastest online core."""
    temp_c: float | None
    """The hottest zone that was stated."""
    gpu_busy_percent: float | None


class Sampler(Protocol):
    """A running sampler; its lists only grow."""

    samples: list[Sample]
    unknown_tokens: dict[str, int]


@runtime_checkable
class Counted(Protocol):
    """A sampler whose CPU time is counted."""

    spent: CpuSpent | None


class PointNotHeld(RuntimeError):
    """The clocks read back differ from what was asked; the board was restored."""


@runtime_checkable
class Replays(Protocol):
    """A board whose numbers come from a table."""

    def rests_on(self, plan: Plan) -> dict[str, str]:
        """What latency and power of this run rest on; see `Record.rests_on`.

        Raises:
            ValueError: The plan's point is not in the table.
        """


def rests_on(board: object, plan: Plan) -> dict[str, str]:
    """What `board` says that its numbers rest on; nothing where it measures them itself.

    A point that a table does not hold makes a fault in its run, which says so.
    """
    if isinstance(board, Replays):
        with suppress(ValueError):
            return board.rests_on(plan)
    return {}


class ClockControl(Protocol):
    """Who sets this board's clocks: this process, or the privileged helper for it."""

    gpu_hz: tuple[int, ...]
    emc_hz: tuple[int, ...]
    cpu_hz: tuple[int, ...]

    def point(self) -> OperatingPoint:
        """The limits as they stand; memory and CPU are None while they are governed."""

    def holding(self, point: OperatingPoint) -> AbstractContextManager[OperatingPoint]:
        """See `Board.holding`."""

    def default_point(self) -> OperatingPoint:
        """The limits as they were before any point was applied."""

    def apply(self, point: OperatingPoint) -> OperatingPoint:
        """See `Standable.apply`."""

    def roll_back(self) -> OperatingPoint:
        """See `Standable.roll_back`."""

    def resume(self) -> bool:
        """Hold an applied point again after a restart; False if it did not take."""

    def restore_left_over(self) -> bool:
        """Restore what a killed worker left held; False if nothing was left.

        Raises:
            OSError: A clock cannot be written.
        """


@runtime_checkable
class Standable(Protocol):
    """A board that can be told to hold a point for good."""

    def apply(self, point: OperatingPoint) -> OperatingPoint:
        """Hold `point` until it is rolled back, restarts included; what was read back.

        Raises:
            PointNotHeld: A clock did not take; what stood before stands again.
            ValueError: A value is not in the board's own tables.
            OSError: What is to be restored could not be saved, or not be restored.
        """

    def roll_back(self) -> OperatingPoint:
        """Go back to the state before anything was applied; what was read back.

        Raises:
            OSError: A clock cannot be written.
        """


class Board(Protocol):
    """A Jetson, an emulated one, or a replay: all that a trial needs."""

    clock: Clock

    def describe(self) -> BoardInfo: ...

    def point(self) -> OperatingPoint:
        """The clock limits as they stand now, read from the board."""

    def holding(self, point: OperatingPoint) -> AbstractContextManager[OperatingPoint]:
        """Hold `point` inside the `with` block, which gets what was read back.

        The point from before is restored on any exit.

        Raises:
            PointNotHeld: A clock did not take.
            ValueError: A value is not in the board's own tables.
        """

    def sampling(self, interval_ms: int) -> AbstractContextManager[Sampler]:
        """Sample every rail about each `interval_ms` inside the `with` block."""

    def load(self, network: NetworkFeatures, *, batch_size: int, seed: int) -> Load:
        """What serves requests of `network` here."""
