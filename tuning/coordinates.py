"""Where the points of a space stand for a model: logarithms, since clocks act by ratios.

A knob whose values are not all positive keeps its linear scale, stretched to the span that
a factor of e would have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuning.space import Axis, Space

Floats = NDArray[np.float64]


LOADS = ("batch", "concurren", "stream", "client", "instance")
"""Parts of the names of knobs that give a board more to do at once: they slow a request down."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """All points of a space, in the order of `Space.points`.

    `natural`: ln(value) about the middle of each axis, shape (points, axes).
    `unit`: the same scaled to [-1, 1].
    `rank`: the place of the value among those of its axis, from 0 to 1.
    `speeds`: whether more of a knob is expected to make requests faster, shape (axes,).
    """

    natural: Floats
    unit: Floats
    rank: Floats
    speeds: NDArray[np.bool_]

    def at(self, points: NDArray[np.intp]) -> Coordinates:
        return replace(
            self, natural=self.natural[points], unit=self.unit[points], rank=self.rank[points]
        )


def coordinates(space: Space) -> Coordinates:
    raw = space.table.astype(float)
    natural = np.empty_like(raw)
    unit, rank = np.empty_like(raw), np.empty_like(raw)
    for j, axis in enumerate(space.axes):
        natural[:, j], unit[:, j] = _column(raw[:, j], axis)
        rank[:, j] = np.searchsorted(axis.values, raw[:, j]) / max(1, len(axis.values) - 1)
    speeds = np.array([not _is_load(axis) for axis in space.axes], dtype=bool)
    return Coordinates(natural, unit, rank, speeds)


def _column(raw: Floats, axis: Axis) -> tuple[Floats, Floats]:
    ends = np.array([axis.values[0], axis.values[-1]], dtype=float)
    positive = ends[0] > 0
    scaled, ends = (np.log(raw), np.log(ends)) if positive else (raw, ends)
    middle, half = ends.mean(), (ends[1] - ends[0]) / 2
    unit = (scaled - middle) / (half or 1.0)
    return (scaled - middle if positive else 0.5 * unit), unit


def _is_load(axis: Axis) -> bool:
    return any(part in axis.name.lower() for part in LOADS)
