"""What benchmarks/tuner.py searches: measured tables and emulated grids.

Energies are joules or whatever the table counts, latencies ms or the table's unit.
"""

from __future__ import annotations

import csv
import gzip
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
    """Raises: SystemExit: no rows, or several for one combination of the knobs."""
    kept = [row for row in rows if row[energy] and row[latency]]
    columns = [_numbers([row[knob] for row in kept]) for knob in knobs]
    points: list[Point] = list(zip(*columns, strict=True))
    if not kept or len(set(points)) < len(points):
        why = "no rows" if not kept else "several rows for one combination of the knobs"
        raise SystemExit(f"{name}: {why}; narrow it with --where or name more knobs")
    space = Space.of_points(knobs, points)
    order = np.argsort([space.index[point] for point in points])
    joules = np.array([float(row[energy]) for row in kept])[order]
    ms = np.array([float(row[latency]) for row in kept])[order]
    return Problem(
        f"{name} {_factor_words(slo_factor)}", space, joules, ms,
        None if slo_factor is None else slo_factor * float(ms.min()),
    )  # fmt: skip


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
