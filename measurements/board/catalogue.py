"""The boards that a worker can open, by what `--board` says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from measurements.board.hardware import emulator, replay
from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.machine import ChildTegrastats, RealClock, SysFiles
from measurements.board.hardware.protocol import Board
from measurements.board.load.protocol import Load, LoadFailed
from measurements.messages import NetworkFeatures

EMULATED = "emulated:"
REPLAY = "replay:"


class UnknownBoard(ValueError):
    """No such kind of board."""


def open_board(spec: str, *, name: str, state_dir: Path, pace: Callable[[], float | None]) -> Board:
    """The board that `spec` means: `jetson`, `emulated:<kind>`, `replay:<table>`.

    `jetson` is this machine; a replayed table is `orin-nano` or a file's path.

    Args:
        state_dir: Survives a crash; holds what is needed to restore a board's clocks, and
            an emulated board's files under `tree/`.
        pace: Virtual seconds that an emulated board may run in a wall second; None: all it can.

    Raises:
        UnknownBoard: `spec` is none of them.
        ValueError: There is no emulated board of that kind, or the file is no replay table.
        OSError: Clocks were left held and cannot be restored, or `state_dir` not be written.
    """
    if spec == "jetson":
        return _jetson(name, state_dir)
    if spec.startswith(EMULATED):
        kind, tree = spec.removeprefix(EMULATED), state_dir / "tree"
        return emulator.open_board(kind, name=name, tree=tree, seed=_seed(name), pace=pace)
    if spec.startswith(REPLAY):
        return replay.ReplayBoard(name, replay.table_of(spec.removeprefix(REPLAY)), pace=pace)
    raise UnknownBoard(f"no board {spec!r}: jetson, {EMULATED}<kind>, or {REPLAY}<table>")


def _jetson(name: str, state_dir: Path) -> Board:
    clock = RealClock()
    return JetsonBoard(
        name,
        files=SysFiles(Path("/")),
        clock=clock,
        lines=ChildTegrastats("tegrastats", clock),
        loads=_no_load,
        state_dir=state_dir,
    )


def _seed(name: str) -> int:
    """The same for the same name on every machine, and another for another board."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def _no_load(network: NetworkFeatures, batch_size: int, seed: int) -> Load:
    raise LoadFailed(f"no load for a real Jetson yet: issue 3 (asked to serve {network.name})")
