"""The model and what happens to it: applied at once, and written down where another follows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from .boards import BOARDS
from .events import Event, Stamped, Start
from .governor import Knobs
from .model import Model
from .state import Job

EVENTS = "emulator/events.jsonl"
"""Under the tree: the stream that the separate tegrastats program replays."""


class Emulation:
    """A model that files, load and clock share; in real time from several threads.

    Args:
        now: The real clock, if time runs by itself; None in virtual time, where only the
            virtual clock moves the model.
        log: Where each event is appended; None in virtual time.
    """

    def __init__(
        self, model: Model, *, now: Callable[[], float] | None = None, log: Path | None = None
    ) -> None:
        self.model = model
        self.lock = threading.RLock()
        """To be held while the model lives on or is read."""
        self._now = now
        self._log = log

    def catch_up(self) -> None:
        """Bring the model to the real clock; nothing in virtual time."""
        if self._now is not None:
            self.live_until(self._now())

    def live_until(self, t_s: float) -> None:
        with self.lock:
            self.model.advance(t_s)

    def apply(self, event: Event) -> Job | None:
        """Let `event` happen at the model's present time."""
        with self.lock:
            job = self.model.apply(event)
            if self._log is not None:
                _append(self._log, Stamped(self.model.now_s, event))
            return job


def begin_log(path: Path, start: Start) -> None:
    """A fresh events file: an older one belongs to a board that is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(start) + b"\n")


class Follower:
    """A second model that lives through the events that another process writes down.

    Raises:
        ValueError: The file is empty: no emulated board runs on this tree in real time.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._partial = b""
        first = self._file.readline()
        if not first.endswith(b"\n"):
            raise ValueError(f"{path} holds no start of an emulated board")
        start = msgspec.json.decode(first, type=Start)
        self.board = BOARDS[start.kind]
        self.seed = start.seed
        self.model = Model(
            self.board,
            seed=start.seed,
            start_s=start.start_s,
            knobs=msgspec.convert(start.knobs, Knobs),
        )

    def advance(self, to_s: float) -> None:
        """Live until `to_s`; an event that was written too late happens at the present."""
        for line in self._lines():
            stamped = msgspec.json.decode(line, type=Stamped)
            self.model.advance(stamped.t_s)
            self.model.apply(stamped.event)
        self.model.advance(to_s)

    def close(self) -> None:
        self._file.close()

    def _lines(self) -> list[bytes]:
        *whole, self._partial = (self._partial + self._file.read()).split(b"\n")
        return whole


def _append(path: Path, message: msgspec.Struct) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.encode(message) + b"\n")
