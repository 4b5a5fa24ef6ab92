"""What a trial asks of a load: serve requests and say when each was served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServedBatch:
    """One executed batch; times in seconds on the board's Clock.

    `arrival_s` and `start_s` (start of preprocessing) have one entry per request.
    """

    arrival_s: tuple[float, ...]
    start_s: tuple[float, ...]
    inference_start_s: float
    inference_end_s: float


class Load(Protocol):
    """Serves requests; preprocessing of a batch overlaps inference of the one before."""

    def ready(self) -> AbstractContextManager[None]:
        """Load the network before the block, free it after."""

    def serve(self, arrivals_s: Sequence[float] | None, requests: int) -> Iterator[ServedBatch]:
        """Serve `requests` requests and yield each batch when it is complete on the board's Clock.

        Args:
            arrivals_s: When each request comes, in seconds on the board's Clock,
                ascending, shape (requests,); None for back-to-back.
            requests: How many; the last batch may be smaller than the batch size.
        """
