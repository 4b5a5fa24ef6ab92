"""The space of a search: named axes, and which combinations of their values are allowed.

Points are tuples of integers in the order of the axes. The grid is enumerated once;
5,005 points (TX2) and 1,820 (AGX Orin) are small.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

Point = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """A knob and the values it may take, ascending; Hz for clocks, a count for `batch_size`."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """All points of a search.

    If both `gpu_min_hz` and `gpu_max_hz` are axes, only pairs with min <= max belong to it.
    """

    axes: tuple[Axis, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Every allowed point, in lexicographic order of the axes."""
        grid = itertools.product(*(axis.values for axis in self.axes))
        return tuple(point for point in grid if self._allows(point))

    def __len__(self) -> int:
        return len(self.points)

    def named(self, point: Point) -> dict[str, int]:
        return dict(zip(self.names, point, strict=True))

    def _allows(self, point: Point) -> bool:
        values = self.named(point)
        low, high = values.get("gpu_min_hz"), values.get("gpu_max_hz")
        return low is None or high is None or low <= high
