"""Other optimizers as strategies of benchmarks/tuner.py, each used as its manual says.

They search index coordinates (0, 1, 2, ... along each axis); what they suggest is
snapped to the nearest point of the space.
"""

from __future__ import annotations

import random
import warnings
from contextlib import suppress
from typing import Protocol

import numpy as np

from tuning.questions import Observation
from tuning.space import Point, Space

CACHED = 30
"""How often in a row a peer may suggest what it has seen; then it gets a random new point."""


class Peer(Protocol):
    """An optimizer that keeps state of its own."""

    def suggest(self) -> list[float]:
        """Where to measure next, in index coordinates."""

    def learn(self, energy_j: float, latency_ms: float) -> None:
        """What came of the last suggestion."""


class Peers:
    """One search by a peer: `ask` gives points that were not asked before.

    A repeated suggestion is answered from what was measured, at no cost.
    """

    def __init__(self, peer: Peer, space: Space, seed: int) -> None:
        self._peer, self._space = peer, space
        self._random = random.Random(seed)
        self._seen: dict[Point, Observation] = {}
        self._places = _index_places(space)
        self._scale = np.maximum(1, [len(axis.values) - 1 for axis in space.axes])
        self._owed = True

    def ask(self) -> Point | None:
        for _ in range(CACHED):
            suggested = np.asarray(self._peer.suggest())
            away = (((self._places - suggested) / self._scale) ** 2).sum(axis=1)
            point = self._space.points[int(away.argmin())]
            if point not in self._seen:
                self._owed = True
                return point
            self._learn(self._seen[point])
        self._owed = False
        new = [point for point in self._space.points if point not in self._seen]
        return self._random.choice(new) if new else None

    def tell(self, observation: Observation) -> None:
        self._seen[observation.point] = observation
        if self._owed:
            self._learn(observation)

    def _learn(self, observation: Observation) -> None:
        assert observation.energy_j is not None and observation.latency_ms is not None
        self._peer.learn(observation.energy_j, observation.latency_ms)


class _Optuna:
    """TPE or GPSampler, the limit as a constraint."""

    def __init__(self, sampler: str, space: Space, slo_ms: float | None, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))
        self._space, self._slo_ms = space, slo_ms

    def suggest(self) -> list[float]:
        self._trial = self._study.ask()
        return [
            float(self._trial.suggest_int(axis.name, 0, len(axis.values) - 1))
            for axis in self._space.axes
        ]

    def learn(self, energy_j: float, latency_ms: float) -> None:
        if self._slo_ms is not None:
            self._trial.set_constraint("latency", latency_ms - self._slo_ms)
        self._study.tell(self._trial, energy_j)


class _BayesianOptimization:
    """bayesian-optimization with 5 random points first, the limit as its constraint."""

    STARTS = 5

    def __init__(self, space: Space, slo_ms: float | None, seed: int) -> None:
        from bayes_opt import BayesianOptimization
        from scipy.optimize import NonlinearConstraint

        limit = None if slo_ms is None else NonlinearConstraint(None, -np.inf, slo_ms)
        self._optimizer = BayesianOptimization(
            None,
            {axis.name: (0.0, max(len(axis.values) - 1.0, 1e-6)) for axis in space.axes},
            constraint=limit,
            random_state=seed,
            verbose=0,
            allow_duplicate_points=True,
        )
        self._random = random.Random(seed)
        self._space, self._slo_ms, self._told = space, slo_ms, 0

    def suggest(self) -> list[float]:
        from bayes_opt.exception import NoValidPointRegisteredError

        self._last = self._sampled()
        if self._told >= self.STARTS:
            # Its manual: sample at random until one point meets the constraint.
            with suppress(NoValidPointRegisteredError):
                self._last = {k: float(v) for k, v in self._optimizer.suggest().items()}
        return [self._last[axis.name] for axis in self._space.axes]

    def _sampled(self) -> dict[str, float]:
        return {
            axis.name: self._random.uniform(0.0, len(axis.values) - 1.0)
            for axis in self._space.axes
        }

    def learn(self, energy_j: float, latency_ms: float) -> None:
        self._told += 1
        limited = {} if self._slo_ms is None else {"constraint_value": latency_ms}
        self._optimizer.register(self._last, -energy_j, **limited)


def open_peer(name: str, space: Space, slo_ms: float | None, seed: int) -> Peers:
    """The search by the peer called `name`, one of `NAMES`."""
    if name == "bayesian-optimization":
        return Peers(_BayesianOptimization(space, slo_ms, seed), space, seed)
    sampler = {"tpe": "TPESampler", "gpsampler": "GPSampler"}[name]
    return Peers(_Optuna(sampler, space, slo_ms, seed), space, seed)


NAMES = ("tpe", "gpsampler", "bayesian-optimization")


def _index_places(space: Space) -> np.ndarray:
    place = [{value: i for i, value in enumerate(axis.values)} for axis in space.axes]
    return np.array([[place[j][v] for j, v in enumerate(p)] for p in space.points], dtype=float)
