"""The spool: finished records on disk until the server has taken them.

A record is in the spool whole or not at all: it is written to a `.tmp` file, synced,
renamed, and the folder synced. Each step may be the last one before a power cut; what
a cut leaves behind is a `.tmp` file, which the next start removes.

    spool/<run id>.msgpack            waits for delivery
    spool/rejected/<run id>.msgpack   refused for good, kept for a person to look at
    spool/rejected/<run id>.reason    why, in the server's words
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from measurements.messages import RejectedRecord

_RECORD, _REASON, _UNFINISHED = ".msgpack", ".reason", ".tmp"


class Spool:
    """The records in `folder`, one file for each run id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rejected = folder / "rejected"
        self._rejected.mkdir(parents=True, exist_ok=True)
        for place in (self._folder, self._rejected):
            for unfinished in place.glob(f"*{_UNFINISHED}"):
                unfinished.unlink()
            _sync_folder(place)
        _sync_folder(folder.parent)

    def put(self, run_id: str, record: bytes) -> None:
        """Keep `record`; on return it survives a power cut. An older one of the run is replaced.

        Raises:
            OSError: It could not be kept (disk full, …); nothing of it is left behind.
        """
        _write_durably(self._waiting(run_id), record)

    def run_ids(self) -> list[str]:
        """The runs whose records wait, oldest first."""
        dated = []
        for path in self._folder.glob(f"*{_RECORD}"):
            with suppress(FileNotFoundError):  # another thread has just delivered it
                dated.append((path.stat().st_mtime_ns, path.stem))
        return [run_id for _, run_id in sorted(dated)]

    def read(self, run_id: str) -> bytes:
        return self._waiting(run_id).read_bytes()

    def remove(self, run_id: str) -> None:
        """The server has the record: forget it. Harmless if it is gone already."""
        self._waiting(run_id).unlink(missing_ok=True)
        _sync_folder(self._folder)

    def reject(self, run_id: str, reason: str) -> None:
        """Put the record aside, with why.

        The reason goes first: a cut in between leaves the record waiting, and it is sent again.
        """
        _write_durably(self._rejected / f"{run_id}{_REASON}", reason.encode())
        self._waiting(run_id).replace(self._rejected / f"{run_id}{_RECORD}")
        _sync_folder(self._rejected)
        _sync_folder(self._folder)

    def rejected(self) -> list[RejectedRecord]:
        """What the server refused, in order of run id."""
        paths = sorted(self._rejected.glob(f"*{_RECORD}"))
        return [RejectedRecord(run_id=path.stem, reason=_reason(path)) for path in paths]

    def _waiting(self, run_id: str) -> Path:
        return self._folder / f"{UUID(run_id)}{_RECORD}"


def _reason(record: Path) -> str:
    try:
        return record.with_suffix(_REASON).read_text()
    except FileNotFoundError:
        return "the reason was not kept"


def _write_durably(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(_UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
