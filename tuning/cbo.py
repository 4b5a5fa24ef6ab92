"""The paper's strategy: constrained Bayesian optimization with EIC = PF × EI.

Two independent Gaussian processes (energy, latency) over normalised index coordinates
(log2 of the batch size), Matern-5/2 with one length scale per axis and learnt noise, by
maximum likelihood; xi = 0.1 standard deviations of energy, 5 random points to start.
Source: PolyThrottle (arXiv 2310.19991), 5.1 and 7.2; what it leaves open is chosen here
(see docs/tuner.md).
"""

from __future__ import annotations

import random
import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from tuning.acquisition import log_h
from tuning.questions import Question
from tuning.space import Axis, Point, Space

Floats = NDArray[np.float64]

STARTS = 5
XI = 0.1


def ask(question: Question) -> Point | None:
    """The next point to measure, or None when every point has been asked."""
    asked = {o.point for o in question.observations}
    left = np.array(
        [i for i, point in enumerate(question.space.points) if point not in asked], dtype=np.intp
    )
    if not len(left):
        return None
    if len(question.observations) < STARTS or len(question.measured) < 2:
        return _random(question, asked)
    worth = _log_eic(question, index_coordinates(question.space)[left])
    return question.space.points[int(left[np.argmax(worth)])]


@lru_cache(maxsize=8)
def index_coordinates(space: Space) -> Floats:
    """Every point's place in [0, 1] along each axis, shape (points, axes)."""
    columns = []
    for j, axis in enumerate(space.axes):
        place = _places(axis)
        columns.append([place[point[j]] for point in space.points])
    return np.array(columns, dtype=float).T.reshape(len(space), len(space.axes))


def _places(axis: Axis) -> dict[int, float]:
    by_batch = axis.name == "batch_size" and axis.values[0] > 0
    steps = np.log2(axis.values) if by_batch else np.arange(len(axis.values), dtype=float)
    scaled = (steps - steps[0]) / ((steps[-1] - steps[0]) or 1.0)
    return dict(zip(axis.values, map(float, scaled), strict=True))


def _random(question: Question, asked: set[Point]) -> Point:
    order = list(question.space.points)
    random.Random(question.seed).shuffle(order)
    return next(point for point in order if point not in asked)


def _log_eic(question: Question, x: Floats) -> Floats:
    """log(PF × EI) at `x`; log PF alone while no measured point meets the limit."""
    seen = question.measured
    at = index_coordinates(question.space)[[question.space.index[o.point] for o in seen]]
    log_pf = np.zeros(len(x))
    if question.slo_ms is not None:
        bounds = np.array([o.bound_ms for o in seen])
        mean, sd = _posterior(at, bounds, x, question.seed)
        log_pf = log_ndtr((question.slo_ms - mean) / sd)
    if (best := question.best) is None:
        return log_pf
    costs = np.array([question.cost(o) for o in seen])
    mean, sd = _posterior(at, costs, x, question.seed)
    gain = question.cost(best) - mean - XI * (costs.std() or 1.0)
    return np.asarray(log_pf + log_h(gain / sd) + np.log(sd))


def _posterior(x: Floats, y: Floats, at: Floats, seed: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation at `at` of a process fitted to `y` at `x`."""
    # It takes a second to import, and web processes that never search need not pay that.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    smooth = Matern(np.ones(x.shape[1]), (0.05, 20.0), nu=2.5)
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * smooth + WhiteKernel(1e-2, (1e-5, 1.0))
    process = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=2, random_state=seed % 2**32
    )
    with warnings.catch_warnings():
        # A hyperparameter at the edge of its range is a fine maximum here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(x, y)
    mean, sd = process.predict(at, return_std=True)
    return mean, np.maximum(sd, 1e-9 * (y.std() or 1.0))
