"""Reading single values from a board's files."""

from __future__ import annotations

import re

from measurements.board.hardware.protocol import Files


def read_word(files: Files, path: str) -> str | None:
    """The text of `path` without NULs and outer blanks; None if it cannot be read or is empty."""
    try:
        return files.read(path).strip("\0 \t\r\n") or None
    except OSError:
        return None


def read_int(files: Files, path: str) -> int | None:
    """The whole number in `path`; None if it cannot be read or holds something else."""
    word = read_word(files, path)
    return int(word) if word and re.fullmatch(r"-?[0-9]{1,18}", word) else None


def read_ints(files: Files, path: str) -> list[int]:
    """All whole numbers in `path`, in order; none if it cannot be read."""
    return [int(word) for word in re.findall(r"[0-9]{1,18}", read_word(files, path) or "")]


def read_cell(files: Files, path: str) -> int | None:
    """The number below 128 in a device tree property of one cell (four bytes, big-endian).

    None if it cannot be read or is something else: a larger number's bytes are no text.
    """
    try:
        cell = files.read(path).encode()
    except OSError:
        return None
    return cell[3] if len(cell) == 4 and cell[:3] == b"\0\0\0" and cell[3] < 128 else None
