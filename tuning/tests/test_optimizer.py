from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuning import optimizer
from tuning.questions import Goal, Observation, Question
from tuning.space import Axis, Point, Space
from tuning.strategies import ask

GPU, EMC, BATCH = tuple(range(100, 1300, 100)), (200, 700, 2100, 3200), (1, 2, 4, 8)
SPACE = Space((Axis("gpu_max_hz", GPU), Axis("emc_hz", EMC), Axis("batch_size", BATCH)))
slow = settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.too_slow])


def physics(point: Point) -> tuple[float, float]:
    """Joules and ms of a made-up board: a roofline, and watts that rise with the clocks."""
    gpu, emc, batch = point
    ms = math.hypot(9000.0 * batch / gpu, 9000.0 * batch / emc) + 2.0
    watts = 4.0 + 6.0 * (gpu / 1200) ** 2 + 2.0 * emc / 3200
    return watts * ms / 1e3 / batch, ms


def observed(point: Point) -> Observation:
    joules, ms = physics(point)
    return Observation(point, joules, 0.01 * joules, ms)


def searched(trials: int, *, slo_ms: float | None = None, seed: int = 1) -> list[Observation]:
    seen: list[Observation] = []
    while len(seen) < trials:
        point = ask("polyweb", Question(SPACE, seed, slo_ms, seen))
        assert point is not None
        seen.append(observed(point))
    return seen


def test_it_starts_at_the_fastest_corner():
    assert optimizer.ask(Question(SPACE, 1, 20.0, [])) == (1200, 3200, 1)


@pytest.mark.parametrize("slo_ms", [None, 14.0, 30.0])
def test_a_few_measurements_come_within_5_percent_of_the_best_of_192(slo_ms: float | None):
    allowed = [p for p in SPACE.points if slo_ms is None or physics(p)[1] <= slo_ms]
    best_j = min(physics(point)[0] for point in allowed)
    seen = searched(12, slo_ms=slo_ms)
    found = Question(SPACE, 1, slo_ms, seen).best
    assert found is not None and found.energy_j is not None
    assert found.energy_j <= 1.05 * best_j


@slow
@given(st.integers(0, 2**31), st.sets(st.sampled_from(SPACE.points), max_size=9))
def test_the_same_question_has_the_same_answer(seed: int, points: set[Point]):
    seen = [observed(point) for point in sorted(points)]
    first, second = (optimizer.ask(Question(SPACE, seed, 20.0, list(seen))) for _ in range(2))
    assert first == second and first not in points


@slow
@given(st.floats(1e-6, 1e6), st.sets(st.sampled_from(SPACE.points), min_size=3, max_size=6))
def test_the_unit_of_energy_does_not_matter(unit: float, points: set[Point]):
    seen = [observed(point) for point in sorted(points)]
    other = [
        Observation(o.point, o.energy_j * unit, o.energy_half_width_j * unit, o.latency_ms)
        for o in seen
        if o.energy_j and o.energy_half_width_j
    ]
    plain, scaled = (optimizer.predict(Question(SPACE, 1, 20.0, s)) for s in (seen, other))
    assert np.allclose(scaled.energy_j, plain.energy_j * unit, rtol=1e-3)


def test_every_point_is_asked_once_and_then_none_is_left():
    small = Space((Axis("gpu_max_hz", (100, 200, 300)), Axis("batch_size", (1, 2))))
    seen: list[Observation] = []
    while (point := ask("polyweb", Question(small, 3, None, seen))) is not None:
        seen.append(Observation(point, 1.0 + point[0] / 1000, 0.01, 500 / point[0]))
    assert sorted(o.point for o in seen) == list(small.points)


def test_a_hole_in_the_grid_is_never_asked():
    only = [p for p in SPACE.points if (p[0] + p[1]) % 3]
    holed = Space.of_points(SPACE.names, only)
    seen: list[Observation] = []
    for _ in range(8):
        point = ask("polyweb", Question(holed, 1, None, seen))
        assert point in holed.index
        seen.append(observed(point))


def test_boards_that_measure_at_once_get_different_points():
    seen = searched(4)
    asked = []
    for _ in range(3):
        point = ask("polyweb", Question(SPACE, 1, None, [*seen, *map(Observation, asked)]))
        assert point is not None
        asked.append(point)
    assert len({*asked, *(o.point for o in seen)}) == 7


def test_pending_points_alone_do_not_stop_the_search():
    pending = [Observation(point) for point in SPACE.points[:3]]
    assert ask("polyweb", Question(SPACE, 1, 10.0, pending)) not in SPACE.points[:3]


def test_a_measured_point_is_predicted_as_measured():
    seen = searched(6)
    predicted = optimizer.predict(Question(SPACE, 1, None, seen))
    for observation in seen:
        i = SPACE.index[observation.point]
        assert predicted.energy_j[i] == pytest.approx(observation.energy_j, rel=0.03)
        assert predicted.latency_ms[i] == pytest.approx(observation.latency_ms, rel=0.03)


def test_intervals_hold_most_of_the_truth():
    predicted = optimizer.predict(Question(SPACE, 1, None, searched(10)))
    truth = np.array([physics(point)[0] for point in SPACE.points])
    inside = (predicted.energy_low_j <= truth) & (truth <= predicted.energy_high_j)
    assert inside.mean() > 0.85


def test_the_probability_of_meeting_a_limit_is_high_far_below_it_and_low_far_above():
    spread = [observed(point) for point in SPACE.points[::13]]
    predicted = optimizer.predict(Question(SPACE, 1, 20.0, spread))
    latency = np.array([physics(point)[1] for point in SPACE.points])
    assert predicted.meets_slo[latency < 13].min() > 0.8
    assert predicted.meets_slo[latency > 40].max() < 0.2


def test_without_a_limit_every_point_meets_it():
    assert (optimizer.predict(Question(SPACE, 1, None, searched(3))).meets_slo == 1.0).all()


def test_an_upper_bound_counts_against_the_limit():
    """With bounds 20 % above the latencies a limit of 24 ms acts like one of 20 ms."""
    seen = searched(6)
    bounded = [
        Observation(o.point, o.energy_j, o.energy_half_width_j, o.latency_ms, 1.2 * o.latency_ms)
        for o in seen
        if o.latency_ms
    ]
    plain = optimizer.predict(Question(SPACE, 1, 20.0, seen))
    with_bounds = optimizer.predict(Question(SPACE, 1, 24.0, bounded))
    assert np.allclose(plain.meets_slo, with_bounds.meets_slo, atol=1e-6)


def test_nothing_is_predicted_from_nothing():
    with pytest.raises(optimizer.NothingMeasured):
        optimizer.predict(Question(SPACE, 1, None, [Observation(SPACE.points[0])]))


def test_the_expected_gain_shrinks_as_the_search_goes_on():
    seen = searched(14)
    early = optimizer.expected_gain_j(Question(SPACE, 1, None, seen[:3]))
    late = optimizer.expected_gain_j(Question(SPACE, 1, None, seen))
    assert 0 <= late < 0.5 * early


def test_nothing_is_to_be_gained_when_all_is_measured():
    small = Space((Axis("gpu_max_hz", (100, 200)),))
    seen = [Observation((100,), 1.0, 0.01, 5.0), Observation((200,), 2.0, 0.01, 3.0)]
    assert optimizer.expected_gain_j(Question(small, 1, None, seen)) == 0.0


def test_energy_times_delay_prefers_a_faster_point():
    energy_point = min(SPACE.points, key=lambda p: physics(p)[0])
    delay_point = min(SPACE.points, key=lambda p: math.prod(physics(p)))
    seen: list[Observation] = []
    for _ in range(14):
        question = Question(SPACE, 1, None, seen, goal=Goal.ENERGY_DELAY)
        point = ask("polyweb", question)
        assert point is not None
        seen.append(observed(point))
    best = Question(SPACE, 1, None, seen, goal=Goal.ENERGY_DELAY).best
    assert best is not None and energy_point != delay_point
    assert math.prod(physics(best.point)) <= 1.05 * math.prod(physics(delay_point))


def test_a_knob_that_may_be_zero_is_no_obstacle():
    space = Space((Axis("streams", (0, 1, 2, 3)), Axis("gpu_max_hz", (100, 200, 400))))
    seen: list[Observation] = []
    for _ in range(6):
        point = ask("polyweb", Question(space, 1, None, seen))
        assert point is not None
        seen.append(Observation(point, 1.0 + point[0], 0.1, 1000 / point[1]))
    assert len({o.point for o in seen}) == 6


def test_one_outlier_does_not_end_the_search():
    seen = searched(6)
    wild = Observation((600, 700, 2), 50.0, 0.1, 4000.0)
    points = set(itertools.islice(_continued([*seen, wild]), 6))
    best_j = min(physics(point)[0] for point in SPACE.points)
    assert min(physics(point)[0] for point in {*points, *(o.point for o in seen)}) <= 1.1 * best_j


def _continued(seen: list[Observation]):
    while True:
        point = ask("polyweb", Question(SPACE, 1, None, seen))
        assert point is not None
        seen = [*seen, observed(point)]
        yield point
