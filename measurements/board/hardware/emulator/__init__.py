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
from measurements.board.hardware.machine import ChildTegrastats, RealClock
from measurements.board.hardware.protocol import Clock, LineSource

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
) -> EmulatedBoard:
    """A Jetson adapter on an emulated board of `kind` whose files stand under `tree`.

    Args:
        seed: Two boards of one seed that live through the same are the same.
        real_time: Live by the monotonic clock, with tegrastats as a separate program,
            instead of in virtual time.
        pace: In virtual time: how many virtual seconds a wall second may hold now; None
            for as fast as possible.

    Raises:
        UnknownKind: No such board.
        OSError: The tree cannot be written, or clocks were left held and cannot be restored.
    """
    if kind not in BOARDS:
        raise UnknownKind(f"no emulated board {kind!r}; there are: {', '.join(sorted(BOARDS))}")
    board = BOARDS[kind]
    sysfs.plant(board, tree)
    (tree / STATE).mkdir(parents=True, exist_ok=True)
    opened = _in_real_time if real_time else partial(_in_virtual_time, pace=pace)
    emulation, clock, lines = opened(board, tree, seed)
    return EmulatedBoard(name, emulation=emulation, clock=clock, lines=lines, tree=tree, seed=seed)


class EmulatedBoard(JetsonBoard):
    """The Jetson adapter, and the model behind it for whoever wants to know the truth."""

    def __init__(
        self,
        name: str,
        *,
        emulation: Emulation,
        clock: Clock,
        lines: LineSource,
        tree: Path,
        seed: int,
    ) -> None:
        self.model = emulation.model
        super().__init__(
            name,
            files=EmulatedFiles(tree, emulation),
            clock=clock,
            lines=lines,
            loads=partial(EmulatedLoad, emulation=emulation, clock=clock, device_seed=seed),
            state_dir=tree / STATE,
            provenance="emulated",
            provenance_note=NOTE,
        )


def _in_virtual_time(
    board: BoardData, tree: Path, seed: int, *, pace: Callable[[], float | None]
) -> tuple[Emulation, Clock, LineSource]:
    model = Model(board, seed=seed, knobs=sysfs.knobs(board, tree))
    clock = VirtualClock(model, pace)
    return Emulation(model), clock, VirtualTegrastats(model, clock, seed=seed)


def _in_real_time(board: BoardData, tree: Path, seed: int) -> tuple[Emulation, Clock, LineSource]:
    clock = RealClock()
    knobs = sysfs.knobs(board, tree)
    start = Start(board.kind, seed, clock.now(), dataclasses.asdict(knobs))
    begin_log(tree / EVENTS, start)
    model = Model(board, seed=seed, start_s=start.start_s, knobs=knobs)
    emulation = Emulation(model, now=time.monotonic, log=tree / EVENTS)
    return emulation, clock, ChildTegrastats(str(tree / sysfs.TEGRASTATS), clock)
