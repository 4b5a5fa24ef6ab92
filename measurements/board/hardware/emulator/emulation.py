"""The model and what happens to it: applied at once, and written down where another follows."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from . import checkpoint
from .checkpoint import Checkpoint
from .events import Event, Moved, Stamped, Stop
from .governor import Knobs
from .model import Model
from .state import Job
from .variant import variant

EVENTS = "emulator/events.jsonl"
"""Under the tree: the stream that the separate tegrastats program replays."""
LONGEST_LOG_BYTES = 1_000_000
"""An events file that is longer is begun anew from a checkpoint, as soon as the board is idle."""


class Start(msgspec.Struct, frozen=True):
    """The first line of the events file: how to build the same model."""

    kind: str
    seed: int
    start_s: float
    knobs: dict[str, bool | int | list[int]]
    checkpoint: Checkpoint | None = None
    """None: as booted, idle, in thermal balance."""


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
                if isinstance(event, Stop) and self._log.stat().st_size > LONGEST_LOG_BYTES:
                    self._begin_anew(self._log)
            return job

    def _begin_anew(self, log: Path) -> None:
        """Replace the events file by its outcome; who follows the old one is told."""
        with log.open("rb") as old:
            start = msgspec.json.decode(old.readline(), type=Start)
        state = msgspec.structs.replace(
            start,
            start_s=self.model.now_s,
            knobs=dataclasses.asdict(self.model.knobs),
            checkpoint=checkpoint.take(self.model),
        )
        with log.open("ab") as old:
            begin_log(log, state)
            old.write(msgspec.json.encode(Stamped(self.model.now_s, Moved())) + b"\n")


def begin_log(path: Path, start: Start) -> None:
    """A fresh events file in place of an older one, which its readers keep."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(start) + b"\n")
    new.replace(path)


class Follower:
    """A second model that lives through the events that another process writes down.

    Raises:
        ValueError: The file is empty: no emulated board runs on this tree in real time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        start = self._open()
        which = variant(start.kind)
        self.board, self.seed, self.is_root = which.board, start.seed, which.rights.is_root
        self.model = Model(
            self.board,
            seed=start.seed,
            start_s=start.start_s,
            knobs=msgspec.convert(start.knobs, Knobs),
        )
        if start.checkpoint is not None:
            checkpoint.resume(self.model, start.checkpoint)

    def advance(self, to_s: float) -> None:
        """Live until `to_s`; an event that was written too late happens at the present."""
        for line in self._lines():
            stamped = msgspec.json.decode(line, type=Stamped)
            self.model.advance(stamped.t_s)
            if not isinstance(stamped.event, Moved):
                self.model.apply(stamped.event)
        self.model.advance(to_s)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> Start:
        self._file = self._path.open("rb")
        self._partial = b""
        first = self._file.readline()
        if not first.endswith(b"\n"):
            raise ValueError(f"{self._path} holds no start of an emulated board")
        return msgspec.json.decode(first, type=Start)

    def _lines(self) -> Iterator[bytes]:
        """What was written since the last call, also in the file that took over."""
        while True:
            *whole, self._partial = (self._partial + self._file.read()).split(b"\n")
            yield from whole
            if not whole or b'"type":"moved"' not in whole[-1]:
                return
            self._file.close()
            self._open()


def _append(path: Path, message: msgspec.Struct) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.encode(message) + b"\n")
