"""This machine itself: its monotonic clock, its files, its `tegrastats`."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from measurements.board.hardware.protocol import Clock, CpuSpent

_GRACE_S = 2.0
"""How long a program may take to end after SIGTERM before it is killed."""


class SamplingStopped(OSError):
    """The sampler ended by itself while it was needed; the samples stop there."""


class RealClock:
    """Monotonic seconds of this machine."""

    def now(self) -> float:
        return time.monotonic()

    def sleep_until(self, t_s: float) -> None:
        while (left_s := t_s - time.monotonic()) > 0:
            time.sleep(left_s)


class SysFiles:
    """The files under `root`, which is "/" on a board."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> str:
        with open(f"{self._root}/{path}", "rb", buffering=0) as file:  # noqa: PTH123  5x as fast
            return file.readall().decode("utf-8", errors="replace")

    def write(self, path: str, text: str) -> None:
        """Write an existing file in one write call, as sysfs wants; never create one."""
        descriptor = os.open(self._real(path), os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def glob(self, pattern: str) -> list[str]:
        found = self._root.glob(pattern.lstrip("/"))
        return sorted("/" + str(path.relative_to(self._root)) for path in found)

    def _real(self, path: str) -> Path:
        return self._root / path.lstrip("/")


class RealTicks:
    """Rings from a thread of its own; a ring that comes too late is not made up for."""

    @contextmanager
    def every(self, interval_ms: int, ring: Callable[[], None]) -> Iterator[CpuSpent]:
        """Raises: SamplingStopped: On leaving the block: `ring` had failed."""
        is_over, failures, spent = threading.Event(), list[OSError](), CpuSpent()

        def work() -> None:
            with counting(spent):
                _ring_until(is_over, interval_ms / 1000, ring, failures)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield spent
        finally:
            is_over.set()
            thread.join()
        if failures:
            raise SamplingStopped(f"the sensors cannot be read: {failures[0]}") from failures[0]


@contextmanager
def counting(spent: CpuSpent) -> Iterator[None]:
    """Note in `spent` the time that passes, and what CPU time this thread takes of it."""
    began_s, cpu_s = time.monotonic(), time.thread_time()
    try:
        yield
    finally:
        spent.over_s, spent.reader_s = time.monotonic() - began_s, time.thread_time() - cpu_s


def _ring_until(
    is_over: threading.Event, every_s: float, ring: Callable[[], None], failures: list[OSError]
) -> None:
    due_s = time.monotonic()
    try:
        while not is_over.wait(max(due_s - time.monotonic(), 0.0)):
            ring()
            due_s = max(due_s + every_s, time.monotonic())
    except OSError as failure:
        failures.append(failure)


class ChildTegrastats:
    """Runs `tegrastats` as a child in a process group of its own.

    Its own stamps have whole seconds only, so each line is stamped as it arrives. If this
    process is killed, the child ends at its next line, for nobody reads the pipe.

    Args:
        program: The program, or the program and its first arguments.
        clock: Stamps the lines.
    """

    def __init__(self, program: str | list[str], clock: Clock) -> None:
        self._command = [program] if isinstance(program, str) else list(program)
        self._clock = clock

    @contextmanager
    def lines(self, interval_ms: int, feed: Callable[[float, str], None]) -> Iterator[CpuSpent]:
        """Feed whole lines only, from a thread; one that the program never finished is dropped.

        Raises:
            OSError: The program cannot be started.
            SamplingStopped: On leaving the block: the program had ended before.
        """
        with tempfile.TemporaryFile() as complaints, self._start(interval_ms, complaints) as child:
            spent = CpuSpent()
            reader = threading.Thread(target=self._read, args=(child, feed, spent), daemon=True)
            reader.start()
            try:
                yield spent
                died = _has_ended(child)
            finally:
                spent.program_s = _end(child, reader)
            if died:
                raise SamplingStopped(self._farewell(child.returncode, complaints))

    def _start(self, interval_ms: int, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, "--interval", str(interval_ms)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )

    def _read(
        self,
        child: subprocess.Popen[bytes],
        feed: Callable[[float, str], None],
        spent: CpuSpent,
    ) -> None:
        assert child.stdout is not None
        with counting(spent):
            for raw in child.stdout:
                if raw.endswith(b"\n"):
                    feed(self._clock.now(), raw[:-1].decode("utf-8", errors="replace"))

    def _farewell(self, status: int, complaints: IO[bytes]) -> str:
        complaints.seek(0)
        words = complaints.read().decode("utf-8", errors="replace").strip()[-500:]
        return f"{self._command[0]} ended by itself with status {status}: {words or 'no message'}"


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child is dead; it is not reaped, so that its group's number stays its own."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(child: subprocess.Popen[bytes], reader: threading.Thread) -> float:
    """End the child and whatever it started, and nothing else; what CPU seconds it took.

    The reader is done when nobody holds the pipe any more. Until the child is reaped its
    group's number cannot belong to another.
    """
    os.killpg(child.pid, signal.SIGTERM)
    reader.join(_GRACE_S)
    os.killpg(child.pid, signal.SIGKILL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    return usage.ru_utime + usage.ru_stime
