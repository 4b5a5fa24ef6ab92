"""What a board's clocks are to go back to, as it is kept on its disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from measurements.messages import OperatingPoint


class RestoreFileDamaged(OSError):
    """What the clocks were before is not known any more."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What to go back to: limits in Hz, the gate's word; None: not there, or not to be touched."""

    gpu_hz: tuple[int, int] | None
    gpu_gate: str | None
    emc_hz: int | None
    """None: governed."""
    cpus_hz: dict[str, tuple[int, int]]

    def point(self) -> OperatingPoint:
        pairs = set(self.cpus_hz.values())
        cpu = pairs.pop() if len(pairs) == 1 else None
        return OperatingPoint(
            gpu_min_hz=self.gpu_hz[0] if self.gpu_hz else None,
            gpu_max_hz=self.gpu_hz[1] if self.gpu_hz else None,
            emc_hz=self.emc_hz,
            cpu_hz=cpu[0] if cpu and cpu[0] == cpu[1] else None,
        )


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An applied point, and the state to roll back to."""

    before: State
    point: OperatingPoint


K = TypeVar("K", State, Standing)


def read_state(path: Path) -> State | None:
    """None if there is no such file; raises RestoreFileDamaged."""
    return _read(path, State)


def read_standing(path: Path) -> Standing | None:
    """None if no point is applied; raises RestoreFileDamaged."""
    return _read(path, Standing)


def save(path: Path, state: State | Standing) -> None:
    """Put `state` on the disk for good: the file whole or not at all, its name too."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_directory(path.parent)


def drop(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync_directory(path.parent)


def with_limits(now: tuple[int, int] | None, point: OperatingPoint) -> tuple[int, int] | None:
    """The GPU limits `now` with those that the point names; None: leave both."""
    if now is None or (point.gpu_min_hz is None and point.gpu_max_hz is None):
        return None
    low_hz = now[0] if point.gpu_min_hz is None else point.gpu_min_hz
    return low_hz, now[1] if point.gpu_max_hz is None else point.gpu_max_hz


def _read(path: Path, kind: type[K]) -> K | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as damage:
        raise RestoreFileDamaged(f"{path}: {damage}") from damage


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
