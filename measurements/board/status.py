"""What the worker is doing now: written by the trial's thread, read by those that report it.

Each change replaces one reference, so no reader ever sees half of one, and the signal
handler that asks for the end can never wait for a lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from measurements.board.spool import Spool
from measurements.board.trial import Progress
from measurements.messages import Heartbeat, OperatingPoint


@dataclass(slots=True)
class Activity:
    """One run that this board has claimed."""

    run_id: str
    progress: Progress | None = None
    is_cancelled: bool = False


class Status:
    """The worker's state.

    Args:
        point: Reads the board's clock limits; called only while no trial has the board.
    """

    def __init__(self, point: Callable[[], OperatingPoint]) -> None:
        self.board_in_use = Lock()
        """Held by whoever drives or reads the board."""
        self.is_stopping = False
        self._activity: Activity | None = None
        self._read_point = point
        self._last_point = OperatingPoint()

    def begin(self, run_id: str) -> Activity:
        self._activity = Activity(run_id)
        return self._activity

    def end(self) -> None:
        self._activity = None

    def cancel(self, run_id: str) -> None:
        """The server does not want `run_id`; nothing happens if that is not what is running."""
        activity = self._activity
        if activity is not None and activity.run_id == run_id:
            activity.is_cancelled = True

    @property
    def wants_end(self) -> bool:
        """Whether what is running should end at once, without a record."""
        activity = self._activity
        return self.is_stopping or (activity is not None and activity.is_cancelled)

    def heartbeat(self, spool: Spool) -> Heartbeat:
        activity = self._activity
        progress = activity.progress if activity else None
        return Heartbeat(
            run_id=activity.run_id if activity else None,
            phase=progress.phase if progress else None,
            requests_done=progress.requests_done if progress else 0,
            point=self._point(progress),
            spooled=len(spool.run_ids()),
            rejected=spool.rejected(),
        )

    def _point(self, progress: Progress | None) -> OperatingPoint:
        """Read from the board, or during a trial what it holds, or else the last one known."""
        if self.board_in_use.acquire(blocking=False):
            try:
                self._last_point = self._read_point()
            finally:
                self.board_in_use.release()
        elif progress is not None:
            self._last_point = progress.held
        return self._last_point
