"""What benchmarks/tuner.py searches: measured tables and emulated grids.

Energies are joules or whatever the table counts, latencies ms or the table's unit.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuning.space import Point, Space

NEAR = 1.05
SUITE = {
    "tx2_inceptionv3.csv.gz": (
        ("model",), "cpu_cores,cpu_freq_khz,gpu_freq_hz,mem_freq_hz",
        "energy_proxy_corrected", "latency_ms",
    ),
    "gpu_training_batch_power.csv.gz": (
        ("device", "model"), "batch_size,power_limit_w", "energy_per_epoch_j", "time_per_epoch_s",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A table to be searched; `energy_j`, `latency_ms` in the order of `space.points`."""

    name: str
    space: Space
    energy_j: np.ndarray
    latency_ms: np.ndarray
    slo_ms: float | None

    @property
    def feasible(self) -> np.ndarray:
        return self.latency_ms <= (np.inf if self.slo_ms is None else self.slo_ms)

    @property
    def best_j(self) -> float:
        return float(self.energy_j[self.feasible].min())

    @property
    def near(self) -> np.ndarray:
        return self.feasible & (self.energy_j <= NEAR * self.best_j)


def rows_of(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return list(csv.DictReader(line for line in file if not line.startswith("#")))
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def table_problem(
    name: str,
    rows: Sequence[dict[str, str]],
    *,
    knobs: Sequence[str],
    energy: str,
    latency: str,
    slo_factor: float | None,
) -> Problem:
    """Several rows for one combination of the knobs are averaged.

    Raises:
        SystemExit: No rows, a column that is not there, a value that is missing or not positive.
    """
    if not rows:
        raise SystemExit(f"{name}: no rows; is --where right?")
    _refuse_unknown(name, rows[0], [*knobs, energy, latency])
    joules, ms = (_positive(name, rows, column) for column in (energy, latency))
    columns = [_numbers(_filled(name, rows, knob)) for knob in knobs]
    cells: dict[Point, list[tuple[float, float]]] = {}
    for point, *cell in zip(zip(*columns, strict=True), joules, ms, strict=True):
        cells.setdefault(point, []).append((cell[0], cell[1]))
    space = Space.of_points(knobs, cells)
    means = np.array([np.mean(cells[point], axis=0) for point in space.points])
    return Problem(
        f"{name} {_factor_words(slo_factor)}", space, means[:, 0], means[:, 1],
        None if slo_factor is None else slo_factor * float(means[:, 1].min()),
    )  # fmt: skip


def _refuse_unknown(name: str, row: dict[str, str], wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in row]
    if missing:
        raise SystemExit(f"{name}: no column {', '.join(missing)}; there are: {', '.join(row)}")


def _filled(name: str, rows: Sequence[dict[str, str]], column: str) -> list[str]:
    """A column's texts; row numbers in messages count from 1, without the header."""
    texts = [(row[column] or "").strip() for row in rows]
    empty = [str(i) for i, text in enumerate(texts, start=1) if not text]
    if empty:
        raise SystemExit(
            f"{name}: {column} is missing in row {', '.join(empty[:5])}"
            f"{' …' if len(empty) > 5 else ''}; leave such rows out (a hole is allowed)"
        )
    return texts


def _positive(name: str, rows: Sequence[dict[str, str]], column: str) -> list[float]:
    values = []
    for i, text in enumerate(_filled(name, rows, column), start=1):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (0.0 < value < math.inf):
            raise SystemExit(f"{name}: {column} in row {i} is {text!r}, not a positive number")
        values.append(value)
    return values


def _numbers(texts: Sequence[str]) -> list[int]:
    """A column as integers in proportion; names are numbered in the order of the alphabet."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        place = {text: i for i, text in enumerate(sorted(set(texts)), start=1)}
        return [place[text] for text in texts]
    scale = 1 if all(value.is_integer() for value in values) else 10**6
    return [round(value * scale) for value in values]


def _factor_words(factor: float | None) -> str:
    return "no limit" if factor is None else f"{factor:g}×"


def suite(directory: Path) -> Iterator[Problem]:
    """All TX2 and GPU problems in `directory`."""
    for file, (by, knobs, energy, latency) in SUITE.items():
        rows = rows_of(directory / file)
        for key in sorted({tuple(row[column] for column in by) for row in rows}):
            group = [row for row in rows if tuple(row[column] for column in by) == key]
            name = " ".join(part.replace("NVIDIA ", "") for part in key)
            for factor in (1.2, 1.5, None):
                yield table_problem(
                    name, group, knobs=knobs.split(","), energy=energy, latency=latency,
                    slo_factor=factor,
                )  # fmt: skip


def emulated(board: str, network: str, slo_factor: float | None) -> Problem:
    import emulated_grid

    space, energy_j, latency_ms = emulated_grid.truth(board, network)
    slo_ms = None if slo_factor is None else slo_factor * float(latency_ms.min())
    name = f"emulated {board} {network} {_factor_words(slo_factor)}"
    return Problem(name, space, energy_j, latency_ms, slo_ms)
