"""An emulated Jetson: a physical model behind the same files, clock and tegrastats lines.

The Jetson adapter drives it unchanged. What is modelled, and how far off: docs/emulator.md.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.machine import ChildTegrastats, RealClock, RealTicks
from measurements.board.hardware.protocol import Clock, Files, LineSource, SamplerName, Ticks

from . import tree as sysfs
from .boards import BOARDS, BoardData
from .clock import VirtualClock
from .emulation import EVENTS, Emulation, begin_log
from .engine import EmulatedLoad
from .events import Start
from .files import EmulatedFiles
from .model import Model
from .tegrastats import VirtualTegrastats

NOTE = (
    "Clocks, powers, temperatures and latencies come from a physical model, not from a board; "
    "docs/emulator.md says how far it is from measurements."
)
STATE = "var/lib/polyweb"
"""Under the tree: where the adapter keeps the clocks to restore."""


class UnknownKind(ValueError):
    """There is no emulated board of that kind."""


def open_board(
    kind: str,
    *,
    name: str,
    tree: Path,
    seed: int = 1,
    real_time: bool = False,
    pace: Callable[[], float | None] = lambda: None,
    sampler: SamplerName = "tegrastats",
) -> EmulatedBoard:
    """A Jetson adapter on an emulated board of `kind` whose files stand under `tree`.

    Args:
        seed: Two boards of one seed that live through the same are the same.
        real_time: Live by the monotonic clock, with tegrastats as a separate program,
            instead of in virtual time.
        pace: In virtual time: how many virtual seconds a wall second may hold now; None
            for as fast as possible.
        sampler: What reads the power sensors.

    Raises:
        UnknownKind: No such board.
        OSError: The tree cannot be written, or clocks were left held and cannot be restored.
    """
    board = _planted(kind, tree)
    (tree / STATE).mkdir(parents=True, exist_ok=True)
    opened = _in_real_time if real_time else partial(_in_virtual_time, pace=pace)
    emulation, clock, lines, ticks = opened(board, tree, seed)
    return EmulatedBoard(
        name,
        emulation=emulation,
        clock=clock,
        lines=lines,
        ticks=ticks if sampler == "ina3221" else None,
        tree=tree,
        seed=seed,
    )


def open_files(kind: str, *, tree: Path) -> tuple[Files, Clock]:
    """Only the files of an emulated board, as they stand under `tree`, in virtual time.

    Raises:
        UnknownKind: No such board.
        OSError: The tree cannot be written.
    """
    board = _planted(kind, tree)
    emulation, clock, *_ = _in_virtual_time(board, tree, 1, pace=lambda: None)
    return EmulatedFiles(tree, emulation), clock


def _planted(kind: str, tree: Path) -> BoardData:
    if kind not in BOARDS:
        raise UnknownKind(f"no emulated board {kind!r}; there are: {', '.join(sorted(BOARDS))}")
    board = BOARDS[kind]
    sysfs.plant(board, tree)
    return board


class EmulatedBoard(JetsonBoard):
    """The Jetson adapter, and the model behind it for whoever wants to know the truth."""

    def __init__(
        self,
        name: str,
        *,
        emulation: Emulation,
        clock: Clock,
        lines: LineSource,
        ticks: Ticks | None,
        tree: Path,
        seed: int,
    ) -> None:
        self.model = emulation.model
        super().__init__(
            name,
            files=EmulatedFiles(tree, emulation),
            clock=clock,
            lines=lines,
            ticks=ticks,
            loads=partial(EmulatedLoad, emulation=emulation, clock=clock, device_seed=seed),
            state_dir=tree / STATE,
            provenance="emulated",
            provenance_note=NOTE,
        )


def _in_virtual_time(
    board: BoardData, tree: Path, seed: int, *, pace: Callable[[], float | None]
) -> tuple[Emulation, Clock, LineSource, Ticks]:
    model = Model(board, seed=seed, knobs=sysfs.knobs(board, tree))
    clock = VirtualClock(model, pace)
    return Emulation(model), clock, VirtualTegrastats(model, clock, seed=seed), clock


def _in_real_time(
    board: BoardData, tree: Path, seed: int
) -> tuple[Emulation, Clock, LineSource, Ticks]:
    clock = RealClock()
    knobs = sysfs.knobs(board, tree)
    start = Start(board.kind, seed, clock.now(), dataclasses.asdict(knobs))
    begin_log(tree / EVENTS, start)
    model = Model(board, seed=seed, start_s=start.start_s, knobs=knobs)
    emulation = Emulation(model, now=time.monotonic, log=tree / EVENTS)
    lines = ChildTegrastats(str(tree / sysfs.TEGRASTATS), clock)
    return emulation, clock, lines, RealTicks()
