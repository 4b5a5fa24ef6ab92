"""A table of measured latencies, and what it takes to replay it as a board.

A *cell* is one workload at one pinned GPU and memory clock, with the median and the
99th percentile of its latency. A table travels as one JSON file (`encoded`, `decoded`),
its power model already fitted; the CSV files it was read from are not needed again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Annotated

import msgspec
from msgspec import Meta

from .power import PowerModel, fit, read_runs
from .rows import Bounds, Row, TableRefused, bytes_of, read

COLUMNS = ("workload", "gpu_mhz", "emc_mhz", "compute_p50_ms", "compute_p99_ms")
MOST_WORKLOADS = 100
LONGEST_NAME = 40
FORMAT = 1
_MHZ = Bounds(10, 10_000, "MHz", " (Hz or kHz?)")
_MS = Bounds(0.1, 60_000, "ms", " (seconds or µs?)")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")

Mhz = Annotated[float, Meta(ge=_MHZ.low, le=_MHZ.high)]
Milliseconds = Annotated[float, Meta(ge=_MS.low, le=_MS.high)]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Measured latency of one inference of `workload` with the clocks pinned."""

    workload: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    gpu_mhz: Mhz
    emc_mhz: Mhz
    p50_ms: Milliseconds
    p99_ms: Milliseconds


class ReplayTable(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Cells, where they come from, and the power model fitted beside them (None: no joules)."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=LONGEST_NAME)]
    board: str
    """What the cells were measured on, in words."""
    source: str
    licence: str
    cells: list[Cell]
    cpu_mhz: Mhz | None = None
    """The clock that the CPU was pinned at; None if nobody said."""
    power: PowerModel | None = None
    format: int = FORMAT

    @cached_property
    def by_key(self) -> dict[tuple[str, float, float], Cell]:
        return {(cell.workload, cell.gpu_mhz, cell.emc_mhz): cell for cell in self.cells}

    @property
    def workloads(self) -> list[str]:
        """In the table's order."""
        return list(dict.fromkeys(cell.workload for cell in self.cells))

    @property
    def gpu_mhz(self) -> list[float]:
        return sorted({cell.gpu_mhz for cell in self.cells})

    @property
    def emc_mhz(self) -> list[float]:
        return sorted({cell.emc_mhz for cell in self.cells})

    @property
    def holes(self) -> int:
        """How many combinations of workload and clocks have no cell."""
        return len(self.workloads) * len(self.gpu_mhz) * len(self.emc_mhz) - len(self.cells)

    def typical_s(self, workload: str) -> float:
        """The median over all clocks of a workload's median latency, in seconds."""
        return median(cell.p50_ms for cell in self.cells if cell.workload == workload) / 1000

    @property
    def sha256(self) -> str:
        return hashlib.sha256(encoded(self)).hexdigest()


def import_table(
    latency_csv: bytes,
    power_csv: bytes | None,
    *,
    name: str,
    board: str = "",
    source: str = "",
    licence: str = "",
    cpu_mhz: float | None = None,
    leave_out: Sequence[str] = (),
) -> ReplayTable:
    """A table from its CSV files, with the power model fitted.

    Args:
        source: Empty: the comment above the latency table.
        leave_out: See `power.fit`.

    Raises:
        TableRefused: Something in the files is wrong; the text names the file and the line.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise TableRefused(
            f"a table's name has small letters, digits and hyphens, {LONGEST_NAME} at most"
        )
    with _in_file("latency table"):
        comment, cells = read_cells(latency_csv)
    power = None
    if power_csv is not None:
        with _in_file("power runs"):
            power = fit(read_runs(power_csv), leave_out=leave_out)
            _check_positive(power, cells)
    return ReplayTable(
        name=name,
        board=board or name,
        source=source or comment.removeprefix("source:").strip() or "not stated",
        licence=licence or "not stated",
        cells=cells,
        cpu_mhz=cpu_mhz,
        power=power,
    )


def read_cells(data: bytes) -> tuple[str, list[Cell]]:
    """The comment above a latency table, and its cells.

    Raises:
        TableRefused: It cannot be replayed; the text names the line.
    """
    comment, rows = read(data, columns=COLUMNS)
    lines: dict[tuple[str, float, float], int] = {}
    cells = []
    for row in rows:
        cell = _cell(row)
        before = lines.setdefault((cell.workload, cell.gpu_mhz, cell.emc_mhz), row.line)
        if before != row.line:
            raise TableRefused(
                f"line {row.line}: {cell.workload} at GPU {cell.gpu_mhz:g} and memory "
                f"{cell.emc_mhz:g} MHz stands in line {before} already"
            )
        cells.append(cell)
    _check_size(cells)
    return comment, cells


def encoded(table: ReplayTable) -> bytes:
    return msgspec.json.encode(table)


def decoded(data: bytes) -> ReplayTable:
    """Raises: TableRefused: It is no replay table, or one of another program's version."""
    try:
        table = msgspec.json.decode(data, type=ReplayTable)
    except msgspec.MsgspecError as error:
        raise TableRefused(f"this is no replay table: {error}") from error
    if table.format != FORMAT or len(table.by_key) != len(table.cells):
        raise TableRefused("this replay table is of another format, or names a cell twice")
    return table


def load(path: Path) -> ReplayTable:
    """The table in a file: JSON as PolyWeb writes it, or a latency CSV (then without power).

    Raises:
        TableRefused: It cannot be replayed.
        OSError: It cannot be read.
    """
    if path.suffix == ".json":
        return decoded(path.read_bytes())
    name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:LONGEST_NAME]
    return import_table(bytes_of(path), None, name=name)


def _cell(row: Row) -> Cell:
    workload = row.text("workload")
    if len(workload) > LONGEST_NAME:
        raise TableRefused(f"line {row.line}: a workload's name has over {LONGEST_NAME} letters")
    p50_ms, p99_ms = row.number("compute_p50_ms", _MS), row.number("compute_p99_ms", _MS)
    if p99_ms < p50_ms:
        raise TableRefused(f"line {row.line}: the 99th percentile lies below the median")
    return Cell(
        workload=workload,
        gpu_mhz=row.number("gpu_mhz", _MHZ),
        emc_mhz=row.number("emc_mhz", _MHZ),
        p50_ms=p50_ms,
        p99_ms=p99_ms,
    )


def _check_size(cells: Sequence[Cell]) -> None:
    if len(cells) < 2:
        raise TableRefused(f"{len(cells)} rows leave nothing to choose; it takes two at least")
    if len({cell.workload for cell in cells}) > MOST_WORKLOADS:
        raise TableRefused(f"there are more than {MOST_WORKLOADS} workloads")


def _check_positive(power: PowerModel, cells: Sequence[Cell]) -> None:
    """The fitted total must be a power in every cell, idle and busy."""
    for cell in cells:
        idle_w, busy_w = (
            power.rails_w(gpu_mhz=cell.gpu_mhz, emc_mhz=cell.emc_mhz, busy=busy)[0]
            for busy in (0.0, 1.0)
        )
        if idle_w is None or busy_w is None or busy_w < idle_w:
            raise TableRefused(
                f"the fitted power makes no sense at GPU {cell.gpu_mhz:g} and memory "
                f"{cell.emc_mhz:g} MHz: {idle_w} W idle, {busy_w} W busy"
            )


@contextmanager
def _in_file(what: str) -> Iterator[None]:
    """Put the file's name before what it was refused for."""
    try:
        yield
    except TableRefused as error:
        raise TableRefused(f"{what}: {error}") from error
