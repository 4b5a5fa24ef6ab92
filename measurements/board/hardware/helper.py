"""Reach the root's files and clocks through the privileged helper, as a plain user.

`measurements.board.privileged` is the helper. It is asked in lines over a Unix socket, and each
request gets one line back: `ok JSON`, `refused JSON` (not in the board's tables, or nonsense),
`not-held JSON` or `failed JSON`. No request names a path; the helper knows its own.

    tables                        the clocks that may be set, in Hz
    point                         the clocks as they stand
    hold KNOB HZ [KNOB HZ ...]    hold these until `restore`, or until the connection ends
    default                       the clocks as they were before any point was applied
    apply KNOB HZ [KNOB HZ ...]   hold these until `roll-back`, restarts included
    roll-back                     put back what was before `apply`
    restore                       put back what this connection held
    read NAME                     one of the files in READINGS
    tegrastats MS                 run it; its lines follow until the connection ends
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from measurements.board.hardware.machine import SamplingStopped
from measurements.board.hardware.protocol import Clock, Files, PointNotHeld
from measurements.messages import OperatingPoint

SOCKET = Path("/run/polyweb/privileged.sock")
KNOBS = {"gpu_min": "gpu_min_hz", "gpu_max": "gpu_max_hz", "emc": "emc_hz", "cpu": "cpu_hz"}
"""The helper's names of what may be held, and the fields of OperatingPoint."""
_BPMP = "/sys/kernel/debug/bpmp/debug"
READINGS = {
    "emc_rates": f"{_BPMP}/emc/possible_rates",
    "emc_rate": f"{_BPMP}/clk/emc/rate",
    "emc_locked": f"{_BPMP}/clk/emc/mrq_rate_locked",
    "emc_state": f"{_BPMP}/clk/emc/state",
    "emc_rate_t210": "/sys/kernel/debug/clk/emc/clk_rate",
}
"""Files that only root may read and a board worker needs."""

_NAMES = {path: name for name, path in READINGS.items()}
_ANSWER_WITHIN_S = 10.0
_LONGEST_ANSWER = 65_536


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    gpu_hz: list[int]
    emc_hz: list[int]
    cpu_hz: list[int]


class HelperGone(ConnectionError):
    """The helper cannot be reached, or ended the connection."""


class Refused(ValueError):
    """The helper does not do this: a value that is in no table, or another holds the clocks."""


class Connection:
    """One conversation with the helper; what it holds is restored when it ends."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_ANSWER_WITHIN_S)
        try:
            self._socket.connect(str(path))
        except OSError as failure:
            self._socket.close()
            raise HelperGone(f"no privileged helper at {path}: {failure}") from failure
        self._answers = self._socket.makefile("rb")
        self._listener: threading.Thread | None = None

    def ask(self, request: str) -> Any:
        """The answer's value.

        Raises:
            HelperGone: There is nobody to answer, or not in time.
            Refused: The helper does not do this.
            PointNotHeld: A clock did not take; all are restored.
            OSError: It was tried and failed, with the errno that the kernel gave.
        """
        try:
            self._socket.sendall(request.encode() + b"\n")
            line = self._answers.readline(_LONGEST_ANSWER)
        except OSError as failure:
            raise HelperGone(f"the privileged helper does not answer: {failure}") from failure
        if not line.endswith(b"\n"):
            raise HelperGone("the privileged helper ended the connection")
        kind, _, value = line.partition(b" ")
        return msgspec.json.decode(value) if kind == b"ok" else _fail(kind, value)

    def listen(self, feed: Callable[[str], None]) -> threading.Thread:
        """From now on feed each line, from a thread that lasts as long as the connection."""
        self._socket.settimeout(None)
        thread = threading.Thread(target=self._feed, args=(feed,), daemon=True)
        self._listener = thread
        thread.start()
        return thread

    def _feed(self, feed: Callable[[str], None]) -> None:
        with suppress(OSError):
            for raw in self._answers:
                feed(raw.rstrip(b"\n").decode("utf-8", errors="replace"))

    @property
    def is_over(self) -> bool:
        """Whether the helper ended a connection that is listened to."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._listener not in (None, threading.current_thread()):
            self._listener.join(_ANSWER_WITHIN_S)  # its file must not close under its hands
        self._answers.close()
        self._socket.close()


def _fail(kind: bytes, value: bytes) -> NoReturn:
    if kind == b"failed":
        code, text = msgspec.json.decode(value, type=tuple[int, str])
        raise OSError(code, text)
    text = msgspec.json.decode(value, type=str)
    raise PointNotHeld(text) if kind == b"not-held" else Refused(text)


class Helper:
    """Asks the helper at `path`, again after it was started anew."""

    def __init__(self, path: Path = SOCKET) -> None:
        self.path = path
        self._connection: Connection | None = None
        self._asking = threading.Lock()

    def ask(self, request: str) -> Any:
        """See `Connection.ask`."""
        with self._asking:
            if self._connection is not None:
                with suppress(HelperGone):
                    return self._connection.ask(request)
                self.close()
            self._connection = Connection(self.path)
            try:
                return self._connection.ask(request)
            except HelperGone:
                self.close()
                raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PrivilegedFiles:
    """The board's files as a plain user reads them, and through the helper where he may not."""

    def __init__(self, files: Files, helper: Helper) -> None:
        self._files = files
        self._helper = helper

    def read(self, path: str) -> str:
        """Raises: OSError, with the errno that the kernel gives."""
        try:
            return self._files.read(path)
        except PermissionError:
            if path not in _NAMES:
                raise
        return str(self._helper.ask(f"read {_NAMES[path]}"))

    def write(self, path: str, text: str) -> None:
        """Raises: PermissionError: Always; clocks are held by `PrivilegedClocks`."""
        raise PermissionError(errno.EACCES, "only the privileged helper writes", path)

    def glob(self, pattern: str) -> list[str]:
        return self._files.glob(pattern)


class PrivilegedClocks:
    """The clocks of this board, held by the helper; see `clocks.Clocks`.

    The helper keeps the restore file, and restores as soon as this process is gone.
    """

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        tables = msgspec.convert(helper.ask("tables"), Tables)
        self.gpu_hz = tuple(tables.gpu_hz)
        self.emc_hz = tuple(tables.emc_hz)
        self.cpu_hz = tuple(tables.cpu_hz)

    def point(self) -> OperatingPoint:
        return msgspec.convert(self._helper.ask("point"), OperatingPoint)

    @contextmanager
    def holding(self, point: OperatingPoint) -> Iterator[OperatingPoint]:
        """Raises: as `Clocks.holding`; HelperGone (an OSError) if the helper ends meanwhile."""
        connection = Connection(self._helper.path)
        try:
            held = connection.ask(hold_request(point))
            try:
                yield msgspec.convert(held, OperatingPoint)
            finally:
                connection.ask("restore")
        finally:
            connection.close()

    def default_point(self) -> OperatingPoint:
        return msgspec.convert(self._helper.ask("default"), OperatingPoint)

    def apply(self, point: OperatingPoint) -> OperatingPoint:
        """Raises: as `Clocks.apply`; Refused if another connection holds clocks."""
        return msgspec.convert(self._helper.ask(hold_request(point, "apply")), OperatingPoint)

    def roll_back(self) -> OperatingPoint:
        return msgspec.convert(self._helper.ask("roll-back"), OperatingPoint)

    def resume(self) -> bool:
        """The helper did so when it started, or said in its log why not."""
        return True

    def restore_left_over(self) -> bool:
        """The helper did so when it started."""
        return False


def hold_request(point: OperatingPoint, verb: str = "hold") -> str:
    values = {knob: getattr(point, field) for knob, field in KNOBS.items()}
    return " ".join([verb, *(f"{knob} {hz}" for knob, hz in values.items() if hz is not None)])


class PrivilegedTegrastats:
    """Has the helper run `tegrastats` where that needs root."""

    def __init__(self, helper: Helper, clock: Clock) -> None:
        self._helper = helper
        self._clock = clock

    @contextmanager
    def lines(self, interval_ms: int, feed: Callable[[float, str], None]) -> Iterator[None]:
        """Stamps are of the arrival here, well below a millisecond after the helper had the line.

        Raises:
            OSError: The program cannot be started.
            SamplingStopped: On leaving the block: the helper had ended before.
        """
        connection = Connection(self._helper.path)

        def take(text: str) -> None:
            feed(self._clock.now(), text)

        try:
            connection.ask(f"tegrastats {interval_ms}")
            reader = connection.listen(take)
            yield
            is_over = connection.is_over
        finally:
            connection.close()
        reader.join()
        if is_over:
            raise SamplingStopped("the privileged helper stopped handing on tegrastats")
