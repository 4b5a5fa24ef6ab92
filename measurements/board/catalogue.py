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
from measurements.board.hardware.host import HostBoard
from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.machine import ChildTegrastats, RealClock, RealTicks, SysFiles
from measurements.board.hardware.power_mode import NvpmodelProgram
from measurements.board.hardware.protocol import Board, SamplerName
from measurements.board.load.choice import LoadChoice, choose
from measurements.board.load.protocol import LoadFailed

HOST = "host"
HOST_LOAD = "onnx"
EMULATED = "emulated:"
REAL_TIME = "@real-time"
"""After an emulated board's kind: it lives by the wall clock, with tegrastats as a program."""
REPLAY = "replay:"
SPECS = "jetson, host, emulated:<kind>[@real-time], or replay:<table>"


class UnknownBoard(ValueError):
    """No such kind of board."""


def no_server(sha256: str) -> Path:
    raise LoadFailed(f"there is no server to fetch the network {sha256} from")


def open_board(
    spec: str,
    *,
    name: str,
    state_dir: Path,
    pace: Callable[[], float | None],
    sampler: SamplerName = "tegrastats",
    helper: Path = SOCKET,
    load: str = "",
    network_file: Callable[[str], Path] = no_server,
) -> Board:
    """The board that `spec` means, for one of the forms that SPECS lists.

    `jetson` and `host` are this machine; a replayed table is `orin-nano` or a file's path.

    Args:
        state_dir: Survives a crash; holds what restores a board's clocks, and emulated files.
        pace: Virtual seconds that a board may run in a wall second; None: all it can.
        helper: The privileged helper's socket; without it this process sets a Jetson's clocks.
        load: What serves on this machine (`load.choice`); empty: `onnx` on a host, none else.

    Raises:
        UnknownBoard: `spec` is none of them.
        ValueError: No emulated board, replay table or load is called so.
        OSError: Clocks were left held and cannot be restored, or `state_dir` not be written.
    """
    if spec.startswith(EMULATED):
        kind = spec.removeprefix(EMULATED)
        return _emulated(kind, name, state_dir, pace=pace, sampler=sampler)
    if spec.startswith(REPLAY):
        return replay.ReplayBoard(name, replay.table_of(spec.removeprefix(REPLAY)), pace=pace)
    if spec not in ("jetson", HOST):
        raise UnknownBoard(f"no board {spec!r}: {SPECS}")
    text, cache = load or (HOST_LOAD if spec == HOST else ""), state_dir / "engines"
    loads = choose(text, clock=RealClock(), network_file=network_file, cache=cache)
    if spec == HOST:
        return _host(name, loads)
    return _jetson(name, state_dir, sampler, Helper(helper) if helper.exists() else None, loads)


def _emulated(
    kind: str,
    name: str,
    state_dir: Path,
    *,
    pace: Callable[[], float | None],
    sampler: SamplerName,
) -> Board:
    return emulator.open_board(
        kind.removesuffix(REAL_TIME),
        name=name,
        tree=state_dir / "tree",
        seed=_seed(name),
        real_time=kind.endswith(REAL_TIME),
        pace=pace,
        sampler=sampler,
    )


def _host(name: str, loads: LoadChoice) -> Board:
    return HostBoard(
        name,
        files=SysFiles(Path("/")),
        clock=loads.clock,
        loads=loads,
        needs_network_file=loads.needs_network_file,
    )


def _jetson(
    name: str, state_dir: Path, sampler: SamplerName, helper: Helper | None, loads: LoadChoice
) -> Board:
    """Through the privileged helper if there is one; else with what this process may do."""
    clock, files = loads.clock, SysFiles(Path("/"))
    lines = ChildTegrastats("tegrastats", clock)
    return JetsonBoard(
        name,
        files=PrivilegedFiles(files, helper) if helper else files,
        clock=clock,
        lines=PrivilegedTegrastats(helper, clock) if helper else lines,
        ticks=RealTicks() if sampler == "ina3221" else None,
        loads=loads,
        needs_network_file=loads.needs_network_file,
        state_dir=state_dir,
        clocks=PrivilegedClocks(helper) if helper else None,
        nvpmodel=NvpmodelProgram(),
    )


def _seed(name: str) -> int:
    """The same for the same name on every machine, and another for another board."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
