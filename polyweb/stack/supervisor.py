"""Keeps a handful of programs running: restarts the dead, gives up on the hopeless, stops all."""

import os
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from polyweb.stack import lock, secrets
from polyweb.stack.errors import StackError
from polyweb.stack.program import Program

RESTARTS = 5
WITHIN_S = 60
STOP_S = 10
POLL_S = 0.1
LOG_MAX_BYTES = 5 * 1024 * 1024


class GaveUp(StackError):
    """A program died again and again."""


@dataclass(slots=True)
class _Child:
    program: Program
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    deaths_s: deque[float] = field(default_factory=deque)
    again_at_s: float = 0

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tail(self, lines: int) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8192))
            text = file.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])


class Supervisor:
    """Runs programs for one `var/`; their output goes to `var/log/<name>.log`.

    Use as a context manager: everything is stopped on the way out.
    """

    def __init__(
        self,
        var: Path,
        *,
        url: str = "",
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._var, self._url, self._say, self._clock = var, url, say, clock
        self._logs = secrets.private_directory(var / "log")
        self._children: list[_Child] = []
        self._hurry = False
        self._is_polling = False
        self._is_interrupted = False

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def names(self) -> list[str]:
        return [child.program.name for child in self._children]

    def start(self, program: Program) -> None:
        child = _Child(program, self._logs / f"{program.name}.log")
        self._children.append(child)
        self._spawn(child)

    def wait_until(self, ready: Callable[[], bool], *, what: str, timeout_s: float = 60) -> None:
        """Return when `ready()`; keep the children running meanwhile.

        Raises:
            StackError: Not ready in time, or a program died too often.
        """
        until_s = self._clock() + timeout_s
        while not ready():
            self.tick()
            if self._clock() > until_s:
                raise StackError(f"{what} did not answer within {timeout_s:.0f} s. {self._hint()}")
            time.sleep(POLL_S)

    def watch(self) -> None:
        """Go on until somebody interrupts, or a program is hopeless."""
        while True:
            self.tick()
            time.sleep(POLL_S)

    def tick(self) -> None:
        """Look once at every child: bury the dead, restart those whose time has come.

        Raises:
            GaveUp: A child died more than `RESTARTS` times within `WITHIN_S`.
            KeyboardInterrupt: A signal came meanwhile.
        """
        self._is_polling = True
        try:
            for child in self._children:
                self._look_at(child)
        finally:
            self._is_polling = False
        if self._is_interrupted:
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """For a signal's handler: KeyboardInterrupt, but never in the middle of polling.

        Raised inside `Popen.poll` it could leave that object's lock taken, and the child
        would never be seen to end.
        """
        self._is_interrupted = True
        if not self._is_polling:
            raise KeyboardInterrupt

    def hurry(self) -> None:
        """Stop waiting for the orderly end: kill."""
        self._hurry = True

    def stop(self) -> None:
        """Ask all to end, the servers last, and kill what has not within `STOP_S`."""
        self._is_polling = True  # from here on a signal is only noted
        for servers in (False, True):
            alive = [c for c in self._children if c.is_alive and c.program.is_server == servers]
            for child in alive:
                self._signal(child, child.program.stop_signal)
            self._await_end(alive)
        (self._var / "stack.json").unlink(missing_ok=True)

    def _await_end(self, children: list[_Child]) -> None:
        until_s = self._clock() + STOP_S
        while any(child.is_alive for child in children):
            if self._hurry or self._clock() > until_s:
                for child in children:
                    self._signal(child, signal.SIGKILL)
            time.sleep(POLL_S / 4)

    def _look_at(self, child: _Child) -> None:
        _bound(child.log)
        if child.is_alive:
            return
        if child.process is not None:
            self._bury(child)
        if self._clock() >= child.again_at_s:
            self._spawn(child)

    def _spawn(self, child: _Child) -> None:
        child.process = child.program.spawn(child.log)
        alive = [c for c in self._children if c.process is not None]
        processes = {c.program.name: (c.process.pid, c.program.stop_signal) for c in alive}
        lock.note(self._var, url=self._url, processes=processes)

    def _bury(self, child: _Child) -> None:
        now_s = self._clock()
        child.deaths_s.append(now_s)
        while child.deaths_s[0] < now_s - WITHIN_S:
            child.deaths_s.popleft()
        end = _end(child.process.returncode)
        self._signal(child, signal.SIGKILL)  # what it started itself and left behind
        child.process = None
        if len(child.deaths_s) > RESTARTS:
            raise GaveUp(
                f"{child.program.name} {end} for the {len(child.deaths_s)}th time within "
                f"{WITHIN_S} s, so everything stops. The end of {child.log}:\n{child.tail(15)}"
            )
        delay_s = 2 ** (len(child.deaths_s) - 1)
        child.again_at_s = now_s + delay_s
        self._say(f"{child.program.name} {end}; again in {delay_s} s: {child.tail(1)}")

    def _signal(self, child: _Child, which: signal.Signals) -> None:
        try:
            os.killpg(child.process.pid, which)
        except (ProcessLookupError, PermissionError):
            return  # the whole group has ended

    def _hint(self) -> str:
        return f"See the logs in {self._logs}."


def _end(returncode: int) -> str:
    if returncode < 0:
        return f"was killed ({signal.Signals(-returncode).name})"
    return f"ended (exit code {returncode})"


def _bound(log: Path) -> None:
    """Keep a log to two files of `LOG_MAX_BYTES`; its writer appends and notices nothing."""
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)
