from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad

from tuning.coordinates import coordinates
from tuning.physics import Shape, energies, powers, times
from tuning.space import Axis, Space
from tuning.surrogate import Mixture, Process

SPACE = Space((Axis("gpu_hz", tuple(range(100, 1100, 100))), Axis("emc_hz", (200, 400, 800, 1600))))
WHERE = coordinates(SPACE)
SHARES, CURVE = times(WHERE.speeds)
SPREAD = [0, 3, 9, 17, 22, 30, 36, 39]
BATCHES = coordinates(Space((Axis("batch_size", (1, 2, 4, 8)), Axis("gpu_hz", (100, 200, 400)))))


def fitted(
    y: NDArray[np.float64], points: list[int], shape: Shape | None = None, noise: float = 1e-4
) -> Process:
    amplitude = 0.4 if shape is None else 0.07
    return Process(
        WHERE.at(np.array(points)), y[points], noise=np.full(len(points), noise),
        amplitude=amplitude, shape=shape,
    )  # fmt: skip


def latencies() -> NDArray[np.float64]:
    gpu, emc = np.array(SPACE.points, dtype=float).T
    return np.log(3000 / gpu + 400 / emc + 1.0)


def error(model: Process, truth: NDArray[np.float64]) -> float:
    return float(np.abs(model.predict(WHERE).moments()[0] - truth).mean())


def test_coordinates_are_logarithms_about_the_middle():
    assert WHERE.unit.min() == -1.0 and WHERE.unit.max() == 1.0
    assert np.ptp(WHERE.natural, axis=0) == pytest.approx(np.log([10.0, 8.0]))


def test_ranks_are_places_among_the_values_of_a_knob():
    assert WHERE.rank[SPACE.index[(100, 400)]] == pytest.approx([0.0, 1 / 3])


def test_a_batch_is_no_clock():
    assert BATCHES.speeds.tolist() == [False, True]


def test_a_knob_with_one_value_stays_in_the_middle():
    where = coordinates(Space((Axis("emc_hz", (5,)), Axis("gpu_hz", (1, 2)))))
    assert (where.unit[:, 0] == 0.0).all() and (where.natural[:, 0] == 0.0).all()


@pytest.mark.parametrize("where", [WHERE, BATCHES])
def test_the_slopes_of_a_shape_agree_with_differences(where):
    for shape in [*times(where.speeds), *powers(where.speeds), *energies(where.speeds)]:
        mean, sd = shape.prior
        at = mean + sd * np.random.default_rng(3).standard_normal(len(mean))
        steps = 1e-6 * np.eye(len(at))
        differences = [(shape.at(at + s, where)[0] - shape.at(at - s, where)[0]) for s in steps]
        assert shape.at(at, where)[1] == pytest.approx(np.stack(differences, 1) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("shape", [None, SHARES, CURVE])
def test_the_slope_of_the_evidence_agrees_with_differences(shape: Shape | None):
    model = fitted(latencies(), SPREAD, shape)
    theta = model._prior + 0.3 * model._spread
    away = check_grad(lambda t: model._loss(t)[0], lambda t: model._loss(t)[1], theta)
    assert away < 1e-4 * (1 + np.linalg.norm(model._loss(theta)[1]))


@pytest.mark.parametrize("shape", [None, SHARES, CURVE])
def test_it_goes_through_what_was_measured(shape: Shape | None):
    mean, _ = fitted(latencies(), SPREAD, shape).predict(WHERE).moments()
    assert mean[SPREAD] == pytest.approx(latencies()[SPREAD], abs=0.03)


def test_it_is_less_sure_where_nothing_was_measured():
    _, sd = fitted(latencies(), [0, 1, 2, 3, 4]).predict(WHERE).moments()
    assert sd[39] > 3 * sd[2]


def test_what_a_shape_does_not_know_widens_its_predictions():
    """Five points at one memory clock say little of the others."""
    _, sd = fitted(latencies(), [0, 8, 16, 24, 32], SHARES).predict(WHERE).moments()
    assert sd[3] > 0.1 and sd[3] > 3 * sd[4]


def test_physics_that_holds_predicts_better_than_none():
    truth = latencies()
    physical, plain = (fitted(truth, SPREAD[:5], shape) for shape in (SHARES, None))
    assert error(physical, truth) < error(plain, truth)
    assert physical.evidence > plain.evidence


def test_physics_that_does_not_hold_is_outweighed():
    gpu = WHERE.unit[:, 0]
    wave = 0.8 * np.sin(4 * gpu) + 0.5 * gpu  # rises with a clock: no sharing of time does
    points = [*SPREAD, 5, 13, 26, 33]
    assert fitted(wave, points).evidence > fitted(wave, points, SHARES).evidence + 1.0


def test_noise_is_not_mistaken_for_a_landscape():
    noisy = 0.3 * np.random.default_rng(2).standard_normal(len(SPACE))
    mean, _ = fitted(noisy, list(range(0, 40, 2)), noise=0.09).predict(WHERE).moments()
    assert mean.std() < 0.5 * noisy.std()


def test_an_easier_fit_has_more_evidence():
    flat, wild = np.zeros(40), np.random.default_rng(3).standard_normal(40)
    assert fitted(flat, SPREAD).evidence > fitted(wild, SPREAD).evidence


def test_one_measurement_is_enough_to_believe_something():
    mean, sd = fitted(latencies(), [39], SHARES).predict(WHERE).moments()
    assert np.isfinite(mean).all() and (sd > 0).all()
    assert mean[39] == pytest.approx(latencies()[39], abs=0.01)


def test_moments_of_a_mixture_hold_the_spread_between_members():
    both = Mixture(np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]]), np.array([0.5, 0.5]))
    assert both.moments()[0] == pytest.approx([1.0])
    assert both.moments()[1] == pytest.approx([2.0**0.5])
