"""What a trial asks of a load: serve requests and say when each was served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ServedBatch:
    """One executed batch; times in seconds on the board's Clock.

    `arrival_s` and `start_s` (start of preprocessing) have one entry per request.
    """

    arrival_s: tuple[float, ...]
    start_s: tuple[float, ...]
    inference_start_s: float
    inference_end_s: float


class LoadFailed(RuntimeError):
    """The load cannot serve: the network does not fit, its server is gone, there is none."""


class Load(Protocol):
    """Serves requests; preprocessing of a batch overlaps inference of the one before."""

    @property
    def description(self) -> str:
        """What serves, once it is ready: program, version, provider, threads."""

    def ready(self) -> AbstractContextManager[None]:
        """Load the network before the block, free it after.

        Raises:
            LoadFailed: It cannot be loaded here.
        """

    def serve(
        self, arrivals_s: Sequence[float] | None, requests: int
    ) -> Iterator[ServedBatch | None]:
        """Serve `requests` requests and yield each batch when it is complete on the board's Clock.

        In real time None comes several times a second while no batch is complete, so that
        the caller can look whether the run is still wanted.

        The caller may stop early and close the iterator: what was not yielded is abandoned.
        A back-to-back trial does, since it cannot know how many requests its warm-up
        takes; so allocate nothing in proportion to `requests` when `arrivals_s` is None.

        Args:
            arrivals_s: When each request comes, in seconds on the board's Clock,
                ascending, shape (requests,); None for back-to-back.
            requests: How many; the last batch may be smaller than the batch size.

        Raises:
            LoadFailed: It broke down while serving.
        """


@runtime_checkable
class Prepares(Protocol):
    """A load that preprocesses its requests, on a CPU core beside the inference."""

    def preprocessing(self) -> Load:
        """The same preprocessing with no inference: requests one by one, back to back.

        In its batches, each of one request, "inference" is the preprocessing itself.
        """


class NoPreprocessing(LoadFailed):
    """What serves here prepares nothing: requests have no part whose CPU clock to choose."""


def preprocessing_of(load: Load) -> Load:
    """Only what `load` does for each request before its inference.

    Raises:
        NoPreprocessing: It does nothing.
    """
    if not isinstance(load, Prepares):
        raise NoPreprocessing(f"{load.description} serves without preprocessing")
    return load.preprocessing()
