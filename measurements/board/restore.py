"""Restore the clocks that a killed worker or helper, or a reboot, left held.

    python -m measurements.board.restore STATE_DIR [--board jetson|emulated:KIND]

`polyweb-restore.service` runs it at boot, before the board worker.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from measurements.board.hardware import emulator
from measurements.board.hardware.clocks import RESTORE_FILE, Clocks
from measurements.board.hardware.machine import RealClock, SysFiles
from measurements.board.hardware.protocol import Clock, Files

_EMULATED = "emulated:"


def restore_file(spec: str, *, state_dir: Path) -> Path:
    """Where the board keeps the clocks to go back to; an emulated one has a disk of its own."""
    disk = state_dir / "tree" / emulator.STATE if spec.startswith(_EMULATED) else state_dir
    return disk / RESTORE_FILE


def open_files(spec: str, *, state_dir: Path) -> tuple[Files, Clock]:
    """This machine's files, or those of the emulated board whose tree is in `state_dir`.

    Raises:
        ValueError: There is no such board.
        OSError: The emulated board's tree cannot be written.
    """
    if spec.startswith(_EMULATED):
        return emulator.open_files(spec.removeprefix(_EMULATED), tree=state_dir / "tree")
    if spec != "jetson":
        raise ValueError(f"no clocks to set on {spec!r}: jetson, or {_EMULATED}<kind>")
    return SysFiles(Path("/")), RealClock()


def main(arguments: Sequence[str] | None = None) -> None:
    """Raises: SystemExit: With what could not be restored; the restore file stays then."""
    parser = argparse.ArgumentParser(prog="python -m measurements.board.restore")
    parser.add_argument("state_dir", type=Path, help="of the helper, or of a worker that is root")
    parser.add_argument("--board", default="jetson", help="jetson, or emulated:<kind>")
    asked = parser.parse_args(arguments)
    try:
        files, clock = open_files(asked.board, state_dir=asked.state_dir)
        file = restore_file(asked.board, state_dir=asked.state_dir)
        clocks = Clocks(files, clock, restore_file=file)
        print("clocks restored" if clocks.restore_left_over() else "nothing to restore")
    except (OSError, ValueError) as failure:
        raise SystemExit(f"clocks not restored: {failure}") from failure


if __name__ == "__main__":
    main()
