"""What spoils a run on the board: named, noted in its record, never lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from measurements.messages import Fault


class Spoilt(Exception):
    """The run cannot go on; `fault` says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.fault = Fault(code=code, text=text)


@contextmanager
def spoiling(code: str, *failures: type[Exception]) -> Iterator[None]:
    """Inside the block these failures, which hardware is known for, spoil the run."""
    try:
        yield
    except failures as failure:
        raise Spoilt(code, str(failure)) from failure
