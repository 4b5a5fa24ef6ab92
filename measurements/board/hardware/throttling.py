"""What a board itself counts of its throttling, where it may be read.

Source: NVIDIA Jetson Linux developer guide, "Over-Current Event Counters"
(oc<n>_event_cnt of the soctherm hwmon device); cooling devices of type *throttle-alert
show their state in cur_state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, runtime_checkable

from measurements.board.hardware.protocol import Files
from measurements.messages import Fault

_COUNTERS = "/sys/class/hwmon/hwmon*/oc*_event_cnt"
_COOLING = "/sys/class/thermal/cooling_device*/type"


@runtime_checkable
class Throttles(Protocol):
    """A board that can say how often it was throttled."""

    def throttle_events(self) -> dict[str, int]:
        """Counts by name; empty where nothing can be read."""


@contextmanager
def noticed(board: object, faults: list[Fault]) -> Iterator[None]:
    """Add a fault if the board counts more throttling after the block than before it."""
    before = _events_of(board)
    yield
    more = [name for name, count in _events_of(board).items() if count > before.get(name, 0)]
    if more:
        text = f"The board counted throttling during the run: {', '.join(more)}."
        faults.append(Fault(code="throttled", text=text))


def _events_of(board: object) -> dict[str, int]:
    return board.throttle_events() if isinstance(board, Throttles) else {}


def events(files: Files) -> dict[str, int]:
    """Over-current events so far, and alarms that stand now, by name."""
    found = {path.rsplit("/", 1)[1]: _number(files, path) for path in files.glob(_COUNTERS)}
    for path in files.glob(_COOLING):
        with suppress(OSError):
            name = files.read(path).strip()
            if name.endswith("throttle-alert"):
                found[name] = _number(files, path.removesuffix("type") + "cur_state")
    return {name: count for name, count in found.items() if count is not None}


def _number(files: Files, path: str) -> int | None:
    try:
        return int(files.read(path))
    except (OSError, ValueError):
        return None
