"""The board's power mode: what nvpmodel says, and whether the board's files agree.

`nvpmodel` may be asked for a mode and say yes without doing it (in a container), and some
modes wait for a reboot, so its word counts only with the limits that the kernel shows.

Source: NVIDIA Jetson Linux Developer Guide, "Power Mode Controls"; /etc/nvpmodel.conf.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from measurements.board.hardware.protocol import Files
from measurements.board.hardware.sysfs import read_int, read_word

STATUS = "/var/lib/nvpmodel/status"
CONF = "/etc/nvpmodel.conf"
_WITHIN_S = 5.0
_ANSWER = re.compile(r"NV Power Mode: *(\S+)\s+(\d+)\s*\Z")
_STATUS = re.compile(r"pmode:(\d+)")
_MODEL = re.compile(r"^< *POWER_MODEL ID=(\d+) NAME=(\S+) *>\n((?:(?!<).*\n?)*)", re.MULTILINE)
_PARAM = re.compile(r"^< *PARAM TYPE=(FILE|CLOCK) NAME=(\S+) *>\n((?:(?!<).*\n?)*)", re.MULTILINE)
_OFF_TABLE = 0.85
"""A cap between two clocks may become the one below: at most this part of it is missing."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str


class Nvpmodel(Protocol):
    """The program `nvpmodel`, with nobody at its standard input."""

    def run(self, arguments: Sequence[str]) -> Answer:
        """Raises: OSError: It is not there, may not be run, or does not end."""


class NvpmodelProgram:
    """This machine's own. It never gets an answer to "reboot now?"."""

    def run(self, arguments: Sequence[str]) -> Answer:
        try:
            ran = subprocess.run(
                ["nvpmodel", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_WITHIN_S,
            )
        except subprocess.TimeoutExpired as late:
            raise TimeoutError(f"nvpmodel did not end within {_WITHIN_S:g} s") from late
        return Answer(ran.returncode, ran.stdout + ran.stderr)


@dataclass(frozen=True, slots=True)
class PowerMode:
    """What the mode is said to be, by whom, and what of it the kernel does not show."""

    id: int
    name: str
    """Empty if unknown."""
    said_by: str
    checked: int
    """How many limits of the mode could be compared with the kernel's files."""
    contradictions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})" if self.name else str(self.id)


def power_mode(files: Files, nvpmodel: Nvpmodel | None) -> PowerMode | None:
    """None: neither nvpmodel nor its status file says."""
    asked, noted = _asked(nvpmodel), _noted(files)
    if asked is None and noted is None:
        return None
    number, name = asked or (noted or 0, "")
    text = read_word(files, CONF) or ""
    limits = _limits(text, number)
    wrong = [words for limit in limits if (words := _contradiction(files, *limit))]
    if asked and noted is not None and noted != number:
        wrong.append(f"{STATUS} says mode {noted}")
    return PowerMode(
        id=number,
        name=name or _names(text).get(number, ""),
        said_by="nvpmodel -q" if asked else STATUS,
        checked=sum(read_int(files, path) is not None for _, path, _ in limits),
        contradictions=tuple(wrong),
    )


def _asked(nvpmodel: Nvpmodel | None) -> tuple[int, str] | None:
    if nvpmodel is None:
        return None
    try:
        answer = nvpmodel.run(["-q"])
    except OSError:
        return None
    found = _ANSWER.search(answer.text) if answer.status == 0 else None
    return (int(found[2]), found[1]) if found else None


def _noted(files: Files) -> int | None:
    found = _STATUS.search(read_word(files, STATUS) or "")
    return int(found[1]) if found else None


def _names(conf: str) -> dict[int, str]:
    return {int(number): name for number, name, _ in _MODEL.findall(conf + "\n")}


def _limits(conf: str, number: int) -> list[tuple[bool, str, int]]:
    """Of mode `number`: whether it is an upper limit (else exact), its file, its value."""
    conf += "\n"
    paths = dict(_paths(conf))
    body = next((body for id_, _, body in _MODEL.findall(conf) if int(id_) == number), "")
    limits = []
    for param, arg, value in re.findall(r"^(\S+) +(\S+) +(-?\d+) *$", body, re.MULTILINE):
        kind, path = paths.get((param, arg), ("", ""))
        is_limit = arg == "MAX_FREQ"
        if path and (is_limit or kind == "FILE") and not (is_limit and int(value) <= 0):
            limits.append((is_limit, path, int(value)))
    return limits


def _paths(conf: str) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """(parameter, argument) -> (kind, path)."""
    for kind, param, body in _PARAM.findall(conf):
        for arg, path in re.findall(r"^(\S+) +(/\S+) *$", body, re.MULTILINE):
            yield (param, arg), (kind, path)


def _contradiction(files: Files, is_limit: bool, path: str, value: int) -> str | None:
    now = read_int(files, path)
    if now is None:
        return None
    fits = _OFF_TABLE * value <= now <= value / _OFF_TABLE if is_limit else now == value
    return None if fits else f"{path} is {now}, not {value}"
