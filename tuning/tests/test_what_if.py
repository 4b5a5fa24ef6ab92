from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from measurements.tests.rows import make_user
from tuning import forecasting, what_if
from tuning.forecast import forecast
from tuning.models import StoredForecast, Sweep
from tuning.questions import Goal, Observation, Question
from tuning.space import Axis, Space
from tuning.tests.rows import make_sweep, make_trial

SPACE = Space((Axis("gpu_max_hz", (100, 200, 400, 800)), Axis("batch_size", (1, 2))))
HTMX = {"HX-Request": "true"}


def believed(points: int = len(SPACE), goal: Goal = Goal.ENERGY) -> what_if.Believed:
    """Latency falls with the clock, energy rises with it; the first `points` were measured."""
    measured = SPACE.points[:points]
    seen = [
        Observation((f, b), 0.1 + f / 1000 + 0.01 * b, 0.001, 40_000 / f * b, 40_100 / f * b)
        for f, b in measured
    ]
    return what_if.Believed(SPACE, forecast(Question(SPACE, 1, None, seen)), measured, goal)


@pytest.mark.parametrize(("slo_ms", "clock"), [(1000, 100), (250, 200), (130, 400), (60, 800)])
def test_a_tighter_limit_asks_for_a_faster_clock(slo_ms: float, clock: int):
    best = what_if.choices(believed(), slo_ms=slo_ms, least_probability=0.5)[0]
    assert best.point["gpu_max_hz"] == clock and best.is_measured


def test_a_limit_that_nothing_meets_has_no_choice():
    assert what_if.choices(believed(), slo_ms=10, least_probability=0.5) == []


def test_the_choices_come_with_the_least_energy_first_and_the_asked_probability():
    found = what_if.choices(believed(), slo_ms=500, least_probability=0.8)
    assert [c.energy_j for c in found] == sorted(c.energy_j for c in found)
    assert all(c.meets_slo >= 0.8 for c in found)


def test_where_energy_times_latency_counts_the_least_of_it_comes_first():
    # 0.21 J x 400 ms at 100 Hz, 0.91 J x 50 ms at 800 Hz: the fast clock has less of both together.
    asked = believed(goal=Goal.ENERGY_DELAY)
    best = what_if.choices(asked, slo_ms=1e6, least_probability=0.5)[0]
    assert best.point == {"gpu_max_hz": 800, "batch_size": 1}


def test_a_point_that_was_not_measured_is_called_so():
    found = what_if.choices(believed(6), slo_ms=1e6, least_probability=0.0)
    assert all(c.is_measured == (tuple(c.point.values()) in SPACE.points[:6]) for c in found)
    assert any(c.is_measured for c in found)


def test_certainty_is_never_claimed():
    choice = what_if.choices(believed(), slo_ms=1e9, least_probability=0.5)[0]
    assert choice.percent == "over 99 %"


@pytest.fixture
def sweep(db) -> Sweep:
    sweep = make_sweep(budget_trials=6)
    for energy in (0.5, 0.4, 0.45):
        make_trial(sweep, busy_energy_j=energy)
    return sweep


@pytest.fixture
def viewer(db, client: Client) -> Client:
    client.force_login(make_user())
    return client


def text(answer) -> str:
    """What a reader sees of a page."""
    return " ".join(strip_tags(answer.content.decode()).split())


def slider(sweep: Sweep) -> str:
    return reverse("sweep_what_if", args=[sweep.pk])


def test_another_limit_is_answered_from_the_kept_forecast_without_a_run(sweep, viewer):
    forecasting.renew(sweep.pk)
    kept = StoredForecast.objects.get()
    shown = kept.forecast()
    in_tens = replace(shown, log_j=np.full_like(shown.log_j, np.log(70.0)))
    StoredForecast.keep(sweep, in_tens, mark=kept.mark)
    page = text(viewer.get(slider(sweep), {"slo_ms": "80", "sure": "0.5"}))
    assert "At a limit of 80" in page and "about 70.0" in page
    assert sweep.trials.count() == 3


@pytest.mark.parametrize("nonsense", [{}, {"slo_ms": "nan", "sure": "2"}, {"slo_ms": "-1"}])
def test_nonsense_in_the_url_falls_back_to_the_sweeps_own_limit(sweep, viewer, nonsense: dict):
    forecasting.renew(sweep.pk)
    assert "At a limit of 50" in text(viewer.get(slider(sweep), nonsense))


def test_without_a_limit_the_slowest_expected_is_asked_about_at_first(viewer):
    sweep = make_sweep(slo_ms=None)
    for _ in range(3):
        make_trial(sweep)
    forecasting.renew(sweep.pk)
    assert "At a limit of" in viewer.get(slider(sweep)).content.decode()


def test_until_there_is_a_forecast_the_tab_waits_for_it(sweep, viewer):
    page = viewer.get(reverse("sweep_panel", args=[sweep.pk, "what-if"]), headers=HTMX)
    assert "The model is on its way" in page.content.decode()
    assert reverse("sweep_forecast", args=[sweep.pk]) in page.content.decode()


def test_an_answer_from_an_older_forecast_says_what_it_lacks(sweep, viewer):
    forecasting.renew(sweep.pk)
    for _ in range(3):
        make_trial(sweep)
    page = viewer.get(slider(sweep)).content.decode()
    assert "know 3 of 6 measured points" in page and "At a limit of" in page


def test_a_sweep_without_a_measured_point_says_from_how_many_it_answers(viewer, db):
    page = viewer.get(slider(make_sweep())).content.decode()
    assert "Nothing to ask yet" in page and "from 3 measured points" in page


def test_a_position_of_the_slider_asks_few_queries(sweep, viewer, django_assert_max_num_queries):
    forecasting.renew(sweep.pk)
    with django_assert_max_num_queries(8):
        viewer.get(slider(sweep), {"slo_ms": "80", "sure": "0.5"})
