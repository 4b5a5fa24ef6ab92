"""The space of a search: named axes, and which combinations of their values are allowed.

Points are tuples of integers in the order of the axes. The grid is enumerated once;
5,005 points (TX2) and 1,820 (AGX Orin) are small.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

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
    `only` leaves holes in the grid: no other points are allowed; None: no holes.
    """

    axes: tuple[Axis, ...]
    only: frozenset[Point] | None = None

    @classmethod
    def of_points(cls, names: Sequence[str], points: Iterable[Point]) -> Space:
        """The space that holds exactly `points`; each in the order of `names`."""
        only = frozenset(points)
        columns = zip(*only, strict=True)
        axes = (
            Axis(name, tuple(sorted(set(column))))
            for name, column in zip(names, columns, strict=True)
        )
        return cls(tuple(axes), only)

    @classmethod
    @lru_cache(maxsize=32)
    def over(cls, axes: tuple[Axis, ...]) -> Space:
        """The whole grid over `axes`; one object for equal axes, so that it is enumerated once."""
        return cls(axes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Every allowed point, in lexicographic order of the axes."""
        if self.only is not None:
            return tuple(point for point in sorted(self.only) if self._allows(point))
        grid = itertools.product(*(axis.values for axis in self.axes))
        return tuple(point for point in grid if self._allows(point))

    @cached_property
    def index(self) -> dict[Point, int]:
        """Where each point stands in `points`."""
        return {point: i for i, point in enumerate(self.points)}

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """`points` as an array, shape (points, axes)."""
        return np.array(self.points, dtype=np.int64).reshape(len(self), len(self.axes))

    def column(self, name: str) -> NDArray[np.int64]:
        """The values of one axis at all points, shape (points,)."""
        return np.asarray(self.table[:, self.names.index(name)])

    def __len__(self) -> int:
        return len(self.points)

    def named(self, point: Point) -> dict[str, int]:
        return dict(zip(self.names, point, strict=True))

    def _allows(self, point: Point) -> bool:
        if self._pair is None:
            return True
        low, high = self._pair
        return point[low] <= point[high]

    @cached_property
    def _pair(self) -> tuple[int, int] | None:
        """Where the lower and the upper limit of the GPU's clock stand, if both are axes."""
        pair = ("gpu_min_hz", "gpu_max_hz")
        if not set(pair) <= set(self.names):
            return None
        return self.names.index(pair[0]), self.names.index(pair[1])
