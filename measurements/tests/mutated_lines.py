"""Captured lines of tegrastats, spoilt as lines get spoilt, and a judge of the parser.

The judge shares nothing with the parser: for each value that `parse` gives out it looks
the name up in the text and demands that the text states that value at that name.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from measurements.board.hardware.tegrastats import Line, parse

GOLDEN_FILE = Path(__file__).parent / "data" / "tegrastats_golden.jsonl"

_FOREIGN = "٣७４²½\u00a0\u2003\u200bé\u0301µ°\u2212\ufffd\0\x1b"
"""Digits that are no ASCII digits, blanks that are no blanks, marks, minus signs, controls."""
_NUMBERS = ("0", "00", "007", "-1", "-256", "1.5", "1e9", "0x10", "4294967296", "9" * 40, "", "+3")
_SYNTAX = " /@%,[]()mWCMBx-.:\t\r"


class Mutant(NamedTuple):
    text: str
    cut_from: str | None
    """The whole line, where `text` is nothing but its beginning."""


def captured_lines() -> list[str]:
    return [json.loads(text)["line"] for text in GOLDEN_FILE.read_text().splitlines()]


def mutants(lines: list[str], *, seed: int) -> Iterator[Mutant]:
    """Without end: a line that was cut short, or one that 1 to 4 things have happened to."""
    chance = random.Random(seed)
    deeds = [_flip_bits, _cut_out, _glue, _swap_words, _swap_characters, _foreign, _number, _syntax]
    while True:
        text = chance.choice(lines)
        if chance.random() < 0.1:
            yield Mutant(text[: chance.randrange(len(text))], cut_from=text)
            continue
        for deed in chance.choices(deeds, k=chance.randint(1, 4)):
            text = deed(text, chance, lines)
        yield Mutant(text, cut_from=None)


def _flip_bits(text: str, chance: random.Random, lines: list[str]) -> str:
    """In the bytes, read again as the sampler reads them."""
    raw = bytearray(text.encode())
    for _ in range(chance.randint(1, 8) if raw else 0):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return raw.decode("utf-8", errors="replace")


def _cut_out(text: str, chance: random.Random, lines: list[str]) -> str:
    start, end = sorted(chance.choices(range(len(text) + 1), k=2))
    return text[:start] + text[end:]


def _glue(text: str, chance: random.Random, lines: list[str]) -> str:
    """A killed program's unfinished line, and the next program's first one right after it."""
    other = chance.choice(lines)
    return text[: chance.randrange(len(text) + 1)] + other[chance.choice((0, 0, 0, 40)) :]


def _swap_words(text: str, chance: random.Random, lines: list[str]) -> str:
    words = text.split(" ")
    i, k = chance.choices(range(len(words)), k=2)
    words[i], words[k] = words[k], words[i]
    return " ".join(words)


def _swap_characters(text: str, chance: random.Random, lines: list[str]) -> str:
    i = chance.randrange(max(len(text) - 1, 1))
    return text[:i] + text[i : i + 2][::-1] + text[i + 2 :]


def _foreign(text: str, chance: random.Random, lines: list[str]) -> str:
    i = chance.randrange(len(text) + 1)
    return text[:i] + chance.choice(_FOREIGN) + text[i + chance.randint(0, 1) :]


def _number(text: str, chance: random.Random, lines: list[str]) -> str:
    numbers = list(re.finditer(r"\d+", text))
    if not numbers:
        return text + chance.choice(_NUMBERS)
    found = chance.choice(numbers)
    other = chance.choice((*_NUMBERS, str(chance.randrange(10**6))))
    return text[: found.start()] + other + text[found.end() :]


def _syntax(text: str, chance: random.Random, lines: list[str]) -> str:
    i = chance.randrange(len(text) + 1)
    return (
        text[:i] + chance.choice(_SYNTAX) * chance.randint(1, 3) + text[i + chance.randint(0, 2) :]
    )


def judge(mutant: Mutant) -> str | None:
    """What is wrong with the parser's answer to `mutant`; None if nothing is."""
    text = mutant.text
    line = parse(text, complete=mutant.cut_from is None)
    for check in _CHECKS:
        if wrong := check(line, text):
            return wrong
    return _beyond(line, parse(mutant.cut_from)) if mutant.cut_from else None


def _beyond(part: Line, whole: Line) -> str | None:
    """What the line's beginning states and the whole line does not."""
    if not (part.rails_w.items() <= whole.rails_w.items()):
        return "a rail of the beginning is not the whole line's"
    if not (part.temps_c.items() <= whole.temps_c.items()):
        return "a temperature of the beginning is not the whole line's"
    if part.gpu_mhz not in (None, whole.gpu_mhz) or part.emc_mhz not in (None, whole.emc_mhz):
        return "a clock of the beginning is not the whole line's"
    if any(mhz not in (None, other) for mhz, other in zip(part.cpus, whole.cpus, strict=False)):
        return "a core of the beginning is not the whole line's"
    return None


def _stated_after(name: str, text: str, pattern: str) -> list[str]:
    """What matches `pattern` right behind each `name` that begins a word."""
    return re.findall(rf"(?<!\S){re.escape(name)}{pattern}", text, re.ASCII)


def _rails(line: Line, text: str) -> str | None:
    for key, power_w in line.rails_w.items():
        name, _, place = key.partition("#")
        stated = _stated_after(name, text, r"(?=\s+(\d+)(?:mW|/))")
        if round(power_w * 1000, 6) not in {int(mw) for mw in stated}:
            return f"rail {key} is not stated to be {power_w} W"
        if place and len(stated) < 2:
            return f"rail {name} is stated once, not twice"
    return None


def _temperatures(line: Line, text: str) -> str | None:
    for zone, temp_c in line.temps_c.items():
        stated = {float(word) for word in _stated_after(zone, text, r"@(-?\d+(?:\.\d+)?)C")}
        if (-256.0 if temp_c is None else temp_c) not in stated:
            return f"zone {zone} is not stated to be {temp_c}"
    return None


def _clocks(line: Line, text: str) -> str | None:
    for unit, busy, mhz in (
        ("GR3D", line.gpu_busy_percent, line.gpu_mhz),
        ("EMC", line.emc_busy_percent, line.emc_mhz),
    ):
        words = _stated_after(unit, text, r"(?:_FREQ)?(?=\s+(\S+))")
        busy_words = {int(word.split("%")[0]) for word in words if re.match(r"\d+%", word)}
        if busy is not None and busy not in busy_words:
            return f"{unit} is not stated to be {busy} % busy"
        clocks = [re.findall(r"\d+", word.partition("@")[2], re.ASCII) for word in words]
        if mhz is not None and mhz not in {max(map(int, each)) for each in clocks if each}:
            return f"{unit} is not stated to run at {mhz} MHz"
    return None


def _cores(line: Line, text: str) -> str | None:
    """Some list of cores in the text is, entry by entry, the one that was given out."""
    if not line.cpus:
        return None
    lists = re.findall(r"(?<!\S)(?:CPU|cpu)\s+\[([^][]*)\](?:@(\d+))?(?!\S)", text, re.ASCII)
    return None if any(_core_clocks(*found) == line.cpus for found in lists) else "no such cores"


def _core_clocks(entries: str, shared_mhz: str) -> list[int | None]:
    clocks: list[int | None] = []
    for entry in entries.split(","):
        own_mhz = entry.partition("@")[2] or (shared_mhz if entry.endswith("%") else "")
        clocks.append(int(own_mhz) if own_mhz.isdecimal() else None)
    return clocks


_CHECKS: tuple[Callable[[Line, str], str | None], ...] = (_rails, _temperatures, _clocks, _cores)
