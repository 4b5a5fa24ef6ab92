"""Which emulated board, and as whom: `tx2`, `tx2:user`, `agx-orin:container`."""

from __future__ import annotations

from dataclasses import dataclass

from .boards import BOARDS
from .boards.data import BoardData
from .rights import Rights


class UnknownKind(ValueError):
    """There is no emulated board of that kind."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A board, and the rights of whoever looks at it."""

    board: BoardData
    rights: Rights


def variant(kind: str) -> Variant:
    """What `kind` means: a board's name, then perhaps `:user` and `:container`.

    Raises:
        UnknownKind: No such board, or another word behind its name.
    """
    name, *words = kind.split(":")
    if name not in BOARDS:
        raise UnknownKind(f"no emulated board {name!r}; there are: {', '.join(sorted(BOARDS))}")
    if unknown := sorted(set(words) - {"user", "container"}):
        raise UnknownKind(f"behind {name} may stand :user or :container, not :{unknown[0]}")
    rights = Rights(
        is_root="user" not in words,
        in_container="container" in words,
        reads_sensors=BOARDS[name].users_read_sensors,
    )
    return Variant(BOARDS[name], rights)
