import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from polyweb.stack.errors import StackError

_PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the system: how to start it and how to ask it to end."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str | None] = field(default_factory=dict)
    """On top of this process's own environment; None takes a variable away."""
    stop_signal: signal.Signals = signal.SIGTERM
    is_server: bool = False
    """A server that the others need: the last to stop."""

    def spawn(self, log: Path) -> "subprocess.Popen[bytes]":
        """Start it, in a process group of its own, writing to the end of `log`.

        A terminal's Ctrl-C does not reach it. When whoever started it dies, even
        by SIGKILL, Linux sends it its stop signal (the main thread must start it).
        """
        merged = {**os.environ, **self.env}
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command,
                env={name: value for name, value in merged.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=self._die_with_parent,
            )

    def _die_with_parent(self) -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(self.stop_signal))


def check_runs(command: Sequence[str], *, instead: str) -> None:
    """Refuse early, in one sentence, when a wheel's binary cannot run on this machine.

    Raises:
        StackError: With the loader's own words (a missing system library, say).
    """
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except OSError as error:
        raise StackError(f"{command[0]} does not run on this machine: {error}. {instead}") from None
    if run.returncode:
        why = run.stderr.strip() or f"exit code {run.returncode}"
        raise StackError(f"{command[0]} does not run on this machine: {why}. {instead}")
