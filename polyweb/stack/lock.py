"""One system per `var/`, and no orphans of one that was killed."""

import fcntl
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from polyweb.stack import secrets
from polyweb.stack.errors import StackError

_held: dict[Path, IO[str]] = {}  # open for as long as this process lives: that is the lock
TERM_S = 10


def take(var: Path) -> None:
    """Hold `var` until this process ends, however it ends; then reap a killed one's orphans.

    Raises:
        StackError: A system runs on it already.
    """
    file = (var / "lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        running = state(var)
        raise StackError(
            f"PolyWeb already runs on {var} (pid {running.get('pid', 'unknown')}): "
            f"{running.get('url', 'it is still starting')}"
        ) from None
    _held[var] = file
    reap(var)


def state(var: Path) -> dict[str, Any]:
    """What the last system on `var` said of itself; nothing if there was none."""
    try:
        found = json.loads((var / "stack.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def note(var: Path, *, url: str, processes: Mapping[str, tuple[int, signal.Signals]]) -> None:
    """Say who runs, so that a later start can end what a killed one left behind."""
    noted = {
        name: {"pid": pid, "started": started(pid), "stop_signal": int(stop_signal)}
        for name, (pid, stop_signal) in processes.items()
    }
    text = json.dumps({"pid": os.getpid(), "url": url, "processes": noted}, indent=1)
    secrets.write(var / "stack.json", text)


def started(pid: int) -> float | None:
    """When the process began: with its number, what tells it from a later one."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def reap(var: Path) -> None:
    """End the processes that a killed system left, and only those."""
    left = []
    for one in state(var).get("processes", {}).values():
        if one["started"] is None or started(one["pid"]) is None:
            continue
        if abs(started(one["pid"]) - one["started"]) < 1:
            left.append(psutil.Process(one["pid"]))
            _signal_group(one["pid"], signal.Signals(one["stop_signal"]))
    for process in psutil.wait_procs(left, timeout=TERM_S)[1]:
        _signal_group(process.pid, signal.SIGKILL)
    (var / "stack.json").unlink(missing_ok=True)


def _signal_group(pid: int, which: signal.Signals) -> None:
    try:
        os.killpg(pid, which)
    except ProcessLookupError:
        return
