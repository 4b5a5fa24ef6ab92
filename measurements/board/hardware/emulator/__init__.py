"""An emulated Jetson: a physical model behind the same files, clock and tegrastats lines.

The Jetson adapter drives it unchanged. What is modelled, and how far off: docs/emulator.md.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.machine import ChildTegrastats, RealClock, RealTicks
from measurements.board.hardware.protocol import Clock, Files, LineSource, SamplerName, Ticks

from . import tree as sysfs
from .clock import VirtualClock
from .emulation import EVENTS, Emulation, Start, begin_log
from .engine import EmulatedLoad
from .files import EmulatedFiles
from .model import Model
from .nvpmodel import STATUS, Nvpmodel, set_mode
from .tegrastats import VirtualTegrastats
from .variant import UnknownKind, Variant, variant

__all__ = ["EmulatedBoard", "UnknownKind", "open_board", "open_files"]

NOTE = (
    "Clocks, powers, temperatures and latencies come from a physical model, not from a board; "
    "docs/emulator.md says how far it is from measurements."
)
STATE = "var/lib/polyweb"
"""Under the tree: where the adapter keeps the clocks to restore."""


def open_board(
    kind: str,
    *,
    name: str,
    tree: Path,
    seed: int = 1,
    real_time: bool = False,
    pace: Callable[[], float | None] = lambda: None,
    sampler: SamplerName = "tegrastats",
    line_core_s: float = 0.0,
) -> EmulatedBoard:
    """A Jetson adapter on an emulated board of `kind` whose files stand under `tree`.

    Args:
        kind: A board's name, then perhaps `:user` (not root) and `:container`.
        seed: Two boards of one seed that live through the same are the same.
        real_time: Live by the monotonic clock, with tegrastats as a separate program,
            instead of in virtual time.
        pace: In virtual time: how many virtual seconds a wall second may hold now; None
            for as fast as possible.
        sampler: What reads the power sensors.
        line_core_s: In virtual time: CPU seconds that a line of tegrastats costs the board.
            How many they are on a Jetson is not known here, so none unless a test says some.

    Raises:
        UnknownKind: No such board.
        OSError: The tree cannot be written, or clocks were left held and cannot be restored.
    """
    which = _planted(kind, tree)
    if real_time:
        life = _in_real_time(which, tree, seed, kind)
    else:
        life = _in_virtual_time(which, tree, seed, pace, line_core_s)
    return EmulatedBoard(name, which, life, sampler=sampler, tree=tree, seed=seed)


def open_files(kind: str, *, tree: Path) -> tuple[Files, Clock]:
    """Only the files of an emulated board, as they stand under `tree`, in virtual time.

    Raises:
        UnknownKind: No such board.
        OSError: The tree cannot be written.
    """
    which = _planted(kind, tree)
    life = _in_virtual_time(which, tree, 1, lambda: None)
    return EmulatedFiles(tree, life.emulation, rights=which.rights), life.clock


def _planted(kind: str, tree: Path) -> Variant:
    which = variant(kind)
    sysfs.plant(which.board, tree)
    (tree / STATE).mkdir(parents=True, exist_ok=True)
    return which


@dataclass(frozen=True, slots=True)
class _Life:
    """A model, and what moves it and tells of it."""

    emulation: Emulation
    clock: Clock
    lines: LineSource
    ticks: Ticks


class EmulatedBoard(JetsonBoard):
    """The Jetson adapter, and the model behind it for whoever wants to know the truth."""

    def __init__(
        self,
        name: str,
        which: Variant,
        life: _Life,
        *,
        sampler: SamplerName,
        tree: Path,
        seed: int,
    ) -> None:
        self.model = life.emulation.model
        self.nvpmodel = _nvpmodel(which, tree, life.emulation)
        super().__init__(
            name,
            files=EmulatedFiles(tree, life.emulation, rights=which.rights),
            clock=life.clock,
            lines=life.lines,
            ticks=life.ticks if sampler == "ina3221" else None,
            loads=partial(
                EmulatedLoad, emulation=life.emulation, clock=life.clock, device_seed=seed
            ),
            state_dir=tree / STATE,
            nvpmodel=self.nvpmodel,
            provenance="emulated",
            provenance_note=NOTE,
        )


def _nvpmodel(which: Variant, tree: Path, emulation: Emulation) -> Nvpmodel:
    """It is setuid to nothing: what it changes it changes with root's rights, or not at all."""
    files, status = EmulatedFiles(tree, emulation), tree / STATUS
    return Nvpmodel(
        which.board,
        is_root=which.rights.is_root,
        in_container=which.rights.in_container,
        take=partial(set_mode, files, which.board),
        status=status.read_text,
        note=status.write_text,
    )


def _in_virtual_time(
    which: Variant,
    tree: Path,
    seed: int,
    pace: Callable[[], float | None],
    line_core_s: float = 0.0,
) -> _Life:
    model = Model(which.board, seed=seed, knobs=sysfs.knobs(which.board, tree))
    clock = VirtualClock(model, pace)
    lines = VirtualTegrastats(
        model, clock, seed=seed, is_root=which.rights.is_root, line_core_s=line_core_s
    )
    return _Life(Emulation(model), clock, lines, clock)


def _in_real_time(which: Variant, tree: Path, seed: int, kind: str) -> _Life:
    clock = RealClock()
    knobs = sysfs.knobs(which.board, tree)
    start = Start(kind, seed, clock.now(), dataclasses.asdict(knobs))
    begin_log(tree / EVENTS, start)
    model = Model(which.board, seed=seed, start_s=start.start_s, knobs=knobs)
    emulation = Emulation(model, now=time.monotonic, log=tree / EVENTS)
    lines = ChildTegrastats(str(tree / sysfs.TEGRASTATS), clock)
    return _Life(emulation, clock, lines, RealTicks())
