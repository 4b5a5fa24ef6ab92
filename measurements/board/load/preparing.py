"""Preprocessing by itself, in real time: the same code as in the pipeline, with no inference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Protocol

from measurements.board.hardware.protocol import Clock
from measurements.board.load.preprocess import Input, preparer
from measurements.board.load.protocol import LoadFailed, ServedBatch

AT_ONCE_S = 0.02
"""Requests are prepared in stretches of this length, so that looking at each costs little."""


class Opens(Protocol):
    """Of an engine: what tells which inputs its network takes."""

    inputs: Sequence[Input]
    description: str

    def open(self) -> None: ...

    def close(self) -> None: ...


class PreparingLoad:
    """Prepares requests of the engine's network one after another; see `load.protocol.Load`.

    Args:
        engine: Asked for its inputs, then closed: the board infers nothing meanwhile.
        clock: The board's; must run by itself.
        seed: Of the made-up inputs.
    """

    def __init__(self, engine: Opens, *, clock: Clock, seed: int) -> None:
        self._engine = engine
        self._clock = clock
        self._seed = seed
        self._inputs: Sequence[Input] = ()

    @property
    def description(self) -> str:
        return f"preprocessing alone, of {self._engine.description}"

    @contextmanager
    def ready(self) -> Iterator[None]:
        with ThreadPoolExecutor(1) as engines_own:
            engines_own.submit(self._ask).result()
        yield

    def _ask(self) -> None:
        try:
            self._engine.open()
            self._inputs = self._engine.inputs
        finally:
            self._engine.close()

    def serve(self, arrivals_s: Sequence[float] | None, requests: int) -> Iterator[ServedBatch]:
        """Each request as a batch of its own; `arrivals_s` must be None."""
        if arrivals_s is not None:
            raise LoadFailed("preprocessing alone is measured back to back, not at a rate")
        prepare, clock = preparer(self._inputs, seed=self._seed), self._clock
        left = requests
        while left:
            times_s = [clock.now()]
            while left and times_s[-1] - times_s[0] < AT_ONCE_S:
                prepare()
                times_s.append(clock.now())
                left -= 1
            for start_s, end_s in pairwise(times_s):
                yield ServedBatch((start_s,), (start_s,), start_s, end_s)
