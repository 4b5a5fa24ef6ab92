from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tuning.coordinates import coordinates
from tuning.space import Axis, Space
from tuning.surrogate import Family, Surrogate, family

SPACE = Space((Axis("gpu_hz", tuple(range(100, 1100, 100))), Axis("emc_hz", (200, 400, 800, 1600))))
WHERE = coordinates(SPACE)
PLAIN = family(np.zeros(2))
PHYSICAL = family(np.zeros(2), exponents=np.array([-1.0, -1.0]))


def fitted(
    y: NDArray[np.float64], points: list[int], *families: Family, noise: float = 1e-4
) -> Surrogate:
    return Surrogate(
        families, WHERE.at(np.array(points)), y[points],
        noise=np.full(len(points), noise), rng=np.random.default_rng(1),
    )  # fmt: skip


def times() -> NDArray[np.float64]:
    gpu, emc = np.array(SPACE.points, dtype=float).T
    return np.log(3000 / gpu + 400 / emc + 1.0)


SPREAD = [0, 3, 9, 17, 22, 30, 36, 39]


def test_coordinates_are_logarithms_about_the_middle():
    assert WHERE.unit.min() == -1.0 and WHERE.unit.max() == 1.0
    assert np.ptp(WHERE.natural, axis=0) == pytest.approx(np.log([10.0, 8.0]))


def test_a_batch_is_no_clock():
    space = Space((Axis("batch_size", (1, 2)), Axis("cpu_hz", (1, 2))))
    assert coordinates(space).speeds.tolist() == [False, True]


def test_a_knob_with_one_value_stays_in_the_middle():
    where = coordinates(Space((Axis("emc_hz", (5,)), Axis("gpu_hz", (1, 2)))))
    assert (where.unit[:, 0] == 0.0).all() and (where.natural[:, 0] == 0.0).all()


def test_it_goes_through_what_was_measured():
    mean, _ = fitted(times(), SPREAD, PLAIN).predict(WHERE).moments()
    assert mean[SPREAD] == pytest.approx(times()[SPREAD], abs=0.03)


def test_it_is_less_sure_where_nothing_was_measured():
    _, sd = fitted(times(), [0, 1, 2, 3, 4], PLAIN).predict(WHERE).moments()
    assert sd[39] > 3 * sd[2]


def test_physics_that_holds_predicts_better_than_none():
    truth = times()
    errors = [
        np.abs(fitted(truth, SPREAD[:5], each).predict(WHERE).moments()[0] - truth).mean()
        for each in (PHYSICAL, PLAIN)
    ]
    assert errors[0] < errors[1]


def test_physics_that_does_not_hold_is_outweighed():
    gpu = WHERE.unit[:, 0]
    wave = 0.8 * np.sin(4 * gpu) + 0.5 * gpu  # rises with a clock: no sharing of time does
    model = fitted(wave, [*SPREAD, 5, 13, 26, 33], PHYSICAL, PLAIN)
    alone = fitted(wave, [*SPREAD, 5, 13, 26, 33], PHYSICAL)
    assert model.evidence > alone.evidence + 1.0


def test_noise_is_not_mistaken_for_a_landscape():
    noisy = 0.3 * np.random.default_rng(2).standard_normal(len(SPACE))
    mean, _ = fitted(noisy, list(range(0, 40, 2)), PLAIN, noise=0.09).predict(WHERE).moments()
    assert mean.std() < 0.5 * noisy.std()


def test_an_easier_fit_has_more_evidence():
    flat, wild = np.zeros(40), np.random.default_rng(3).standard_normal(40)
    assert fitted(flat, SPREAD, PLAIN).evidence > fitted(wild, SPREAD, PLAIN).evidence


def test_the_heaviest_member_alone_is_one_of_the_members():
    model = fitted(times(), SPREAD, PLAIN, PHYSICAL)
    alone, all_of_them = model.predict(WHERE, members=1), model.predict(WHERE)
    heaviest = int(all_of_them.weight.argmax())
    assert len(alone.weight) == 1
    assert alone.mean[0] == pytest.approx(all_of_them.mean[heaviest])


def test_weights_make_one_whole():
    assert fitted(times(), SPREAD, PLAIN, PHYSICAL).weight.sum() == pytest.approx(1.0)
