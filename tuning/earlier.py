"""What earlier searches let expect of this one: other networks, other boards.

Each is fitted by itself over the axes it shares with this space. A clock counts as a share of
its board's top, a batch size as it is. How far the guess can be trusted is for the evidence to
say (`beliefs`); its level is not used, since another network takes other joules.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuning.coordinates import Coordinates
from tuning.questions import Observation, Question, pooled
from tuning.space import Point, Space
from tuning.surrogate import Process

Floats = NDArray[np.float64]

FEWEST = 4
"""With fewer measured points an earlier search says nothing."""
MOST = 3
"""So many earlier searches are heard: those with the most points."""
NOISE = 0.01**2
SPREAD = 0.4


class Guess(NamedTuple):
    """Log energy and log latency of every point, up to a constant each; shape (points,)."""

    log_j: Floats
    log_ms: Floats


def guesses(question: Question) -> list[Guess]:
    """What each earlier search lets expect."""
    heard = []
    for earlier in question.earlier:
        seen = tuple(pooled(o for o in earlier.observations if o.is_measured))
        if len(seen) >= FEWEST and set(earlier.space.names) & set(question.space.names):
            heard.append((earlier.space, seen))
    heard.sort(key=lambda each: -len(each[1]))
    return [_guessed(question.space, space, seen) for space, seen in heard[:MOST]]


@lru_cache(maxsize=16)
def _guessed(space: Space, before: Space, seen: tuple[Observation, ...]) -> Guess:
    shared = [name for name in space.names if name in before.names]
    there = _shares(before, [o.point for o in seen], shared)
    here = _shares(space, space.points, shared)
    low, high = np.minimum(there.min(0), here.min(0)), np.maximum(there.max(0), here.max(0))
    span = np.where(high > low, high - low, 1.0)
    log_j = np.log([o.energy_j or np.nan for o in seen])
    log_ms = np.log([o.latency_ms or np.nan for o in seen])
    return Guess(*(_predicted(there / span, y, here / span) for y in (log_j, log_ms)))


def _predicted(there: Floats, y: Floats, here: Floats) -> Floats:
    noise = np.full(len(y), NOISE)
    model = Process(_plain(there), y, noise=noise, amplitude=SPREAD)
    return np.asarray(model.predict(_plain(here)).mean[0])


def _plain(place: Floats) -> Coordinates:
    return Coordinates(place, place, place, np.ones(place.shape[1], dtype=bool))


def _shares(space: Space, points: list[Point] | tuple[Point, ...], names: list[str]) -> Floats:
    """Logarithms of the values of `names`; clocks as shares of the top; (points, names)."""
    columns = []
    for name in names:
        axis = space.axes[space.names.index(name)]
        values = np.array([point[space.names.index(name)] for point in points], dtype=float)
        if axis.values[0] <= 0:
            columns.append(values)
        else:
            columns.append(np.log(values / (1 if "batch" in name else axis.values[-1])))
    return np.stack(columns, axis=1)
