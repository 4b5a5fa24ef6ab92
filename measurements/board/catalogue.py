"""The boards that a worker can open, by what `--board` says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from measurements.board.hardware import emulator, replay
from measurements.board.hardware.helper import (
    SOCKET,
    Helper,
    PrivilegedClocks,
    PrivilegedFiles,
    PrivilegedTegrastats,
)
from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.machine import ChildTegrastats, RealClock, RealTicks, SysFiles
from measurements.board.hardware.protocol import Board, SamplerName
from measurements.board.load.protocol import Load, LoadFailed
from measurements.messages import NetworkFeatures

EMULATED = "emulated:"
REAL_TIME = "@real-time"
"""After an emulated board's kind: it lives by the wall clock, with tegrastats as a program."""
REPLAY = "replay:"


class UnknownBoard(ValueError):
    """No such kind of board."""


def open_board(
    spec: str,
    *,
    name: str,
    state_dir: Path,
    pace: Callable[[], float | None],
    sampler: SamplerName = "tegrastats",
    helper: Path = SOCKET,
) -> Board:
    """The board that `spec` means: `jetson`, `emulated:<kind>[@real-time]`, `replay:<table>`.

    `jetson` is this machine; a replayed table is `orin-nano` or a file's path.

    Args:
        state_dir: Survives a crash; holds what is needed to restore a board's clocks, and
            an emulated board's files under `tree/`.
        pace: Virtual seconds that an emulated board may run in a wall second; None: all it can.
        sampler: What reads a Jetson's power sensors.
        helper: The privileged helper's socket; without it this process sets a Jetson's clocks.

    Raises:
        UnknownBoard: `spec` is none of them.
        ValueError: There is no emulated board of that kind, or the file is no replay table.
        OSError: Clocks were left held and cannot be restored, or `state_dir` not be written.
    """
    if spec == "jetson":
        return _jetson(name, state_dir, sampler, Helper(helper) if helper.exists() else None)
    if spec.startswith(EMULATED):
        kind = spec.removeprefix(EMULATED)
        return emulator.open_board(
            kind.removesuffix(REAL_TIME),
            name=name,
            tree=state_dir / "tree",
            seed=_seed(name),
            real_time=kind.endswith(REAL_TIME),
            pace=pace,
            sampler=sampler,
        )
    if spec.startswith(REPLAY):
        return replay.ReplayBoard(name, replay.table_of(spec.removeprefix(REPLAY)), pace=pace)
    raise UnknownBoard(f"no board {spec!r}: jetson, {EMULATED}<kind>, or {REPLAY}<table>")


def _jetson(name: str, state_dir: Path, sampler: SamplerName, helper: Helper | None) -> Board:
    """Through the privileged helper if there is one; else with what this process may do."""
    clock, files = RealClock(), SysFiles(Path("/"))
    lines = ChildTegrastats("tegrastats", clock)
    return JetsonBoard(
        name,
        files=PrivilegedFiles(files, helper) if helper else files,
        clock=clock,
        lines=PrivilegedTegrastats(helper, clock) if helper else lines,
        ticks=RealTicks() if sampler == "ina3221" else None,
        loads=_no_load,
        state_dir=state_dir,
        clocks=PrivilegedClocks(helper) if helper else None,
    )


def _seed(name: str) -> int:
    """The same for the same name on every machine, and another for another board."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def _no_load(network: NetworkFeatures, batch_size: int, seed: int) -> Load:
    raise LoadFailed(f"no load for a real Jetson yet: issue 3 (asked to serve {network.name})")
