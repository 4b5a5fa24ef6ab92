"""What the privileged helper does when it is asked: fixed verbs, knobs by name, legal values only.

No request holds a path. A connection that takes too long or sends too much is ended, and what
it held is restored.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec

from measurements.board.hardware.clocks import Clocks
from measurements.board.hardware.helper import KNOBS, READINGS, Tables
from measurements.board.hardware.protocol import Clock, Files, LineSource, PointNotHeld
from measurements.messages import OperatingPoint

log = logging.getLogger(__name__)

LONGEST_REQUEST = 256
REQUEST_WITHIN_S = 5.0
"""From a request's first byte to its last."""
LONGEST_SILENCE_S = 600.0
LONGEST_HOLD_S = 3600.0
"""Longer than any run."""
INTERVALS_MS = range(10, 10_001)
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


class Refused(ValueError):
    """Nothing that this program does."""


class Overdue(Exception):
    """The client took too long, or sent too much; its connection is ended."""


class Keeper:
    """Carries out what is asked, one request at a time; at most one connection holds clocks.

    Making one restores what a killed helper left held.

    Raises:
        OSError: Clocks were left held and cannot be restored.
    """

    def __init__(
        self, files: Files, clock: Clock, lines: LineSource, *, restore_file: Path
    ) -> None:
        self.lines = lines
        self.one_at_a_time = threading.RLock()
        self._files = files
        self._clocks = Clocks(files, clock, restore_file=restore_file)
        self._holder: object | None = None
        if self._clocks.restore_left_over():
            log.warning("restored the clocks that were left held")
        if not self._clocks.resume():
            log.error("the applied point could not be held again")

    def tables(self) -> Tables:
        clocks = self._clocks
        return Tables(
            gpu_hz=list(clocks.gpu_hz), emc_hz=list(clocks.emc_hz), cpu_hz=list(clocks.cpu_hz)
        )

    def point(self) -> OperatingPoint:
        return self._clocks.point()

    def default(self) -> OperatingPoint:
        return self._clocks.default_point()

    def stand(self, point: OperatingPoint | None) -> OperatingPoint:
        """Apply `point`, or roll back (None); refused while clocks are held for a run."""
        if self._holder is not None:
            raise Refused("clocks are held for a run")
        held = self._clocks.roll_back() if point is None else self._clocks.apply(point)
        log.info("rolled back to %s" if point is None else "applied %s", held)
        return held

    def read(self, name: str) -> str:
        if name not in READINGS:
            raise Refused("no such reading")
        return self._files.read(READINGS[name])

    def hold(self, holder: object, point: OperatingPoint, until: ExitStack) -> OperatingPoint:
        """Hold `point` for `holder` until the stack closes."""
        if self._holder is not None:
            raise Refused("clocks are held already")
        held = until.enter_context(self._clocks.holding(point))
        self._holder = holder
        log.info("holding %s", held)
        return held

    def release(self, holder: object, until: ExitStack) -> None:
        """Put back what `holder` holds, if it does."""
        with self.one_at_a_time:
            if self._holder is holder:
                self._holder = None
                until.close()
                log.info("restored")


class Session:
    """One client's connection."""

    def __init__(self, keeper: Keeper, connection: socket.socket) -> None:
        self._keeper = keeper
        self._socket = connection
        self._held = ExitStack()
        self._hold_ends_s = float("inf")
        self._verbs: dict[str, Callable[[list[str]], Any]] = {
            "tables": self._tables,
            "point": self._point,
            "hold": self._hold,
            "default": self._default,
            "apply": self._apply,
            "roll-back": self._roll_back,
            "restore": self._restore,
            "read": self._read,
        }

    def run(self) -> None:
        """Answer until the client is gone; then restore what it held."""
        try:
            for request in self._requests():
                words = request.split(" ")
                if words[0] == "tegrastats":
                    self._tegrastats(words[1:])
                    break
                self._socket.sendall(self._answer(words))
        except (OSError, Overdue) as end:
            log.info("connection ended: %s", end)
        finally:
            self._socket.close()
            self._restore_at_last()

    def end(self) -> None:
        """From another thread: make `run` return."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _restore_at_last(self) -> None:
        try:
            self._keeper.release(self, self._held)
        except OSError as failure:
            log.error("the clocks are not restored, their file stays: %s", failure)

    def _requests(self) -> Iterator[str]:
        waiting = b""
        while True:
            line, found, rest = waiting.partition(b"\n")
            if len(line) > LONGEST_REQUEST:
                raise Overdue("a request is too long")
            if found:
                waiting = rest
                yield line.decode("ascii", errors="replace")
            elif data := self._receive(started=bool(waiting)):
                waiting += data
            else:
                return

    def _receive(self, *, started: bool) -> bytes:
        left_s = self._hold_ends_s - time.monotonic()
        self._socket.settimeout(
            max(0.01, min(left_s, REQUEST_WITHIN_S if started else LONGEST_SILENCE_S))
        )
        try:
            return self._socket.recv(LONGEST_REQUEST)
        except TimeoutError as late:
            raise Overdue("nothing came in time") from late

    def _answer(self, words: list[str]) -> bytes:
        try:
            with self._keeper.one_at_a_time:
                return _reply("ok", self._carry_out(words))
        except PointNotHeld as failure:
            return _reply("not-held", str(failure))
        except OSError as failure:
            return _failure(failure)
        except ValueError as refusal:
            return _reply("refused", str(refusal))

    def _carry_out(self, words: list[str]) -> Any:
        if (verb := self._verbs.get(words[0])) is None:
            raise Refused("no such verb")
        return verb(words[1:])

    def _tables(self, words: list[str]) -> Tables:
        _expect(words, 0)
        return self._keeper.tables()

    def _point(self, words: list[str]) -> OperatingPoint:
        _expect(words, 0)
        return self._keeper.point()

    def _default(self, words: list[str]) -> OperatingPoint:
        _expect(words, 0)
        return self._keeper.default()

    def _apply(self, words: list[str]) -> OperatingPoint:
        return self._keeper.stand(point_of(words))

    def _roll_back(self, words: list[str]) -> OperatingPoint:
        _expect(words, 0)
        return self._keeper.stand(None)

    def _read(self, words: list[str]) -> str:
        _expect(words, 1)
        return self._keeper.read(words[0])

    def _hold(self, words: list[str]) -> OperatingPoint:
        held = self._keeper.hold(self, point_of(words), self._held)
        self._hold_ends_s = time.monotonic() + LONGEST_HOLD_S
        return held

    def _restore(self, words: list[str]) -> None:
        _expect(words, 0)
        self._hold_ends_s = float("inf")
        self._keeper.release(self, self._held)

    def _tegrastats(self, words: list[str]) -> None:
        """Hand on lines for as long as the client listens."""
        if not _is_interval(words):
            self._socket.sendall(_reply("refused", "an interval of 10 to 10000 ms is needed"))
            return
        answered = threading.Event()

        def feed(_: float, line: str) -> None:
            answered.wait()
            with suppress(OSError):
                self._socket.sendall(line.encode() + b"\n")

        with ExitStack() as running:
            try:
                running.enter_context(self._keeper.lines.lines(int(words[0]), feed))
            except OSError as failure:
                self._socket.sendall(_failure(failure))
                return
            running.callback(answered.set)  # before the lines end, which waits for `feed`
            self._socket.sendall(_reply("ok", None))
            answered.set()
            self._socket.settimeout(LONGEST_HOLD_S)
            self._socket.recv(1)


def _reply(kind: str, value: Any) -> bytes:
    return kind.encode() + b" " + msgspec.json.encode(value) + b"\n"


def _failure(failure: OSError) -> bytes:
    return _reply("failed", (failure.errno or 0, failure.strerror or str(failure)))


def _is_interval(words: list[str]) -> bool:
    return len(words) == 1 and bool(_NUMBER.fullmatch(words[0])) and int(words[0]) in INTERVALS_MS


def _expect(words: list[str], count: int) -> None:
    if len(words) != count:
        raise Refused(f"{count} words are needed after the verb")


def point_of(words: list[str]) -> OperatingPoint:
    """The point in "KNOB HZ KNOB HZ …".

    Raises:
        Refused: A knob is unknown or comes twice, or a value is no number.
    """
    if len(words) % 2:
        raise Refused("each knob needs a value")
    fields: dict[str, int] = {}
    for knob, value in zip(words[::2], words[1::2], strict=True):
        if knob not in KNOBS or KNOBS[knob] in fields or not _NUMBER.fullmatch(value):
            raise Refused("hold takes each of gpu_min, gpu_max, emc, cpu at most once, in Hz")
        fields[KNOBS[knob]] = int(value)
    return OperatingPoint(**fields)
