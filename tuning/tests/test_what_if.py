from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from measurements.tests.rows import make_user
from tuning import what_if
from tuning.optimizer import NothingMeasured
from tuning.questions import Observation, Question
from tuning.space import Axis, Space
from tuning.tests.rows import make_sweep, make_trial

SPACE = Space((Axis("gpu_max_hz", (100, 200, 400, 800)), Axis("batch_size", (1, 2))))


def measured() -> Question:
    """Latency falls with the clock, energy rises with it; every point was measured."""
    seen = [
        Observation((f, b), 0.1 + f / 1000 + 0.01 * b, 0.001, 40_000 / f * b, 40_100 / f * b)
        for f, b in SPACE.points
    ]
    return Question(SPACE, 1, None, seen)


@pytest.mark.parametrize(("slo_ms", "clock"), [(1000, 100), (250, 200), (130, 400), (60, 800)])
def test_a_tighter_limit_asks_for_a_faster_clock(slo_ms: float, clock: int):
    best = what_if.choices(measured(), slo_ms=slo_ms, least_probability=0.5)[0]
    assert best.point["gpu_max_hz"] == clock and best.is_measured


def test_a_limit_that_nothing_meets_has_no_choice():
    assert what_if.choices(measured(), slo_ms=10, least_probability=0.5) == []


def test_the_choices_come_with_the_least_energy_first_and_the_asked_probability():
    found = what_if.choices(measured(), slo_ms=500, least_probability=0.8)
    assert [c.energy_j for c in found] == sorted(c.energy_j for c in found)
    assert all(c.meets_slo >= 0.8 for c in found)


def test_a_point_that_was_not_measured_is_called_so():
    question = measured()
    fewer = Question(SPACE, 1, None, question.observations[:-2])
    found = what_if.choices(fewer, slo_ms=1e6, least_probability=0.0)
    assert {c.is_measured for c in what_if.choices(question, slo_ms=1e6, least_probability=0)} == {
        True
    }
    assert all(c.is_measured == (tuple(c.point.values()) in SPACE.points[:-2]) for c in found)


def test_certainty_is_never_claimed():
    choice = what_if.choices(measured(), slo_ms=1e9, least_probability=0.5)[0]
    assert choice.percent == "over 99 %"


def test_before_any_measurement_there_is_no_answer():
    with pytest.raises(NothingMeasured):
        what_if.limits(Question(SPACE, 1, None, []))


@pytest.mark.django_db
def test_the_page_answers_for_another_limit_without_a_run(client: Client):
    sweep = make_sweep(budget_trials=6)
    for energy in (0.5, 0.4, 0.45):
        make_trial(sweep, busy_energy_j=energy)
    client.force_login(make_user())
    page = client.get(reverse("sweep_what_if", args=[sweep.pk]), {"slo_ms": "80", "sure": "0.5"})
    assert "At a limit of" in page.content.decode()
    assert sweep.trials.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize("nonsense", [{}, {"slo_ms": "nan", "sure": "2"}, {"slo_ms": "-1"}])
def test_nonsense_in_the_url_falls_back_to_the_sweeps_own_limit(client: Client, nonsense: dict):
    sweep = make_sweep()
    make_trial(sweep)
    client.force_login(make_user())
    page = client.get(reverse("sweep_what_if", args=[sweep.pk]), nonsense)
    assert page.status_code == 200 and "50" in page.content.decode()


@pytest.mark.django_db
def test_a_sweep_without_a_measured_point_says_so(client: Client):
    client.force_login(make_user())
    page = client.get(reverse("sweep_what_if", args=[make_sweep().pk]))
    assert "Nothing to ask yet" in page.content.decode()
