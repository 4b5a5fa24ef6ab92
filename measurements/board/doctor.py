"""`polyweb-board doctor`: what this board has, what works of it, and what to do about the rest.

    polyweb-board doctor [--board jetson|emulated:KIND] [--sampler tegrastats|ina3221]

Nothing is changed: whether a clock may be set is tried by writing what stands there. Ends
with 0 if everything a measurement needs is there, else with 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measurements.board.catalogue import UnknownBoard, open_board
from measurements.board.hardware.findings import Finding
from measurements.board.hardware.helper import SOCKET
from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.protocol import Board

_WORDS = {True: "pass", False: "FAIL", None: "note"}


def examine(board: Board) -> list[Finding]:
    """What there is to say of `board`; of one that is no Jetson only its own complaints."""
    if isinstance(board, JetsonBoard):
        return board.survey()
    info = board.describe()
    found = [Finding("Board", True, f"{info.model or info.kind}")]
    return found + [Finding("Board", False, problem.rstrip(".")) for problem in info.problems]


def report(findings: Sequence[Finding]) -> str:
    """The findings by topic, each with its remedy, and the count of what failed."""
    lines, topic = [], ""
    for found in findings:
        if found.topic != topic:
            topic = found.topic
            lines.append(topic)
        lines.append(f"  {_WORDS[found.ok]}  {found.says}")
        if found.remedy:
            lines.append(f"        remedy: {found.remedy}")
    failed = sum(found.ok is False for found in findings)
    lines.append(f"{failed} to mend" if failed else "All is there.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="polyweb-board doctor", description=__doc__)
    parser.add_argument("--board", default="jetson", help="jetson (this machine) or emulated:KIND")
    parser.add_argument("--sampler", choices=("tegrastats", "ina3221"), default="tegrastats")
    parser.add_argument("--helper", type=Path, default=SOCKET, help="the helper's socket")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="polyweb-doctor-") as state:
        try:
            board = open_board(
                asked.board,
                name="doctor",
                state_dir=Path(state),
                pace=lambda: None,
                sampler=asked.sampler,
                helper=asked.helper,
            )
        except (UnknownBoard, ValueError, OSError) as error:
            print(f"polyweb-board doctor: {error}", file=sys.stderr)
            return 2
        findings = examine(board)
        note = board.describe().provenance_note
    print(f"{asked.board}{f': {note}' if note else ''}\n{report(findings)}")
    return 1 if any(found.ok is False for found in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
