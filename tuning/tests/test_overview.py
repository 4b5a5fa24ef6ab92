import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from measurements.models import Device
from measurements.roles import OPERATOR
from measurements.tests.rows import make_device, make_done_run, make_network, make_run, make_user
from tuning import reviewing
from tuning.models import Sweep
from tuning.tests.rows import make_finished_sweep, make_sweep, make_trial

pytestmark = pytest.mark.django_db


def signed_in(role: str = "viewer") -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


def overview(role: str = "viewer", **headers: str) -> str:
    response = signed_in(role).get("/", headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def test_with_nothing_yet_it_shows_the_three_steps_to_a_first_result():
    html = overview("admin")
    assert "No board is known yet." in html
    assert html.count('data-done="no"') == 3
    assert "Add a device" in html
    assert "New sweep</a>" not in html  # There is nothing to launch it on.


def test_a_step_is_marked_once_it_is_done_and_the_next_is_offered():
    make_device(name="orin")
    make_network()
    html = overview("operator")
    assert html.count('data-done="yes"') == 2
    assert "Launch a sweep" in html


def test_a_viewer_is_told_which_role_launching_needs():
    make_device()
    make_network()
    html = overview("viewer")
    assert "Launching needs the operator role." in html
    assert "/sweeps/new/" not in html.replace('data-key="/sweeps/new/"', "")


def test_the_steps_give_way_to_the_first_result():
    sweep = make_sweep(name="Done one", state=Sweep.State.FINISHED, finished_at=timezone.now())
    make_trial(sweep, busy_energy_j=0.312, busy_half_width_j=0.002)
    html = overview()
    assert "Three steps" not in html
    assert "The latest result:" in html
    assert "0.312&nbsp;J" in html


def test_a_sweep_that_found_nothing_feasible_says_so():
    sweep = make_sweep(slo_ms=1.0, state=Sweep.State.FINISHED, finished_at=timezone.now())
    make_trial(sweep)
    html = overview()
    assert "no run kept the SLO" in html
    assert "Three steps" in html


def test_an_open_sweep_shows_its_trials_its_time_left_and_its_best():
    sweep = make_sweep(budget_trials=4)
    now = timezone.now()
    make_trial(sweep, claimed_at=now - dt.timedelta(seconds=30), finished_at=now)
    html = overview()
    assert "1 of 4" in html
    assert "about 1 min 30 s" in html
    assert "0.400&nbsp;J" in html


def test_a_waiting_sweep_has_no_time_left_but_a_reason():
    make_sweep(state=Sweep.State.WAITING)
    assert "board is away" in overview()


def test_boards_are_counted_by_what_they_do_and_those_online_come_first():
    make_device(name="a-gone", online=False)
    busy = make_device(name="b-busy")
    Device.objects.filter(pk=busy.pk).update(running=make_run(device=busy))
    make_device(name="c-idle")
    html = overview()
    assert "<strong>2</strong> of 3 boards online, <strong>1</strong> measuring." in html
    assert html.index("board-b-busy") < html.index("board-a-gone")


def test_live_power_is_drawn_for_boards_that_are_online_only():
    make_device(name="here")
    make_device(name="gone", online=False)
    html = overview()
    assert 'data-spark="here"' in html
    assert 'data-spark="gone"' not in html


def make_saving(sweep: Sweep, verdict: str = "verified", words: str = "saves 23 %"):
    trial = sweep.trials.first() or make_trial(sweep)
    return sweep.verifications.create(
        trial=trial, device=sweep.device, blocks=4, seed=1, state="done", verdict=verdict,
        words=words, finished_at=timezone.now(),
    )  # fmt: skip


def test_the_latest_verified_savings_are_told_with_their_intervals():
    sweep = make_sweep(name="Thrifty", state=Sweep.State.FINISHED, finished_at=timezone.now())
    make_saving(sweep, words="saves 23 % (19 to 27 %), p95 +3 ms; SLO met")
    html = overview()
    assert "Latest verified savings" in html
    assert "Saves 23 % (19 to 27 %), p95 +3 ms; SLO met" in html


def test_a_saving_that_a_later_verification_did_not_confirm_is_not_told():
    sweep = make_sweep(state=Sweep.State.FINISHED, finished_at=timezone.now())
    make_saving(sweep)
    make_saving(sweep, verdict="not_confirmed")
    assert "Latest verified savings" not in overview()


def test_the_page_costs_the_same_for_many_rows(django_assert_max_num_queries):
    for _ in range(12):
        sweep = make_sweep()
        make_trial(sweep)
        ended = make_sweep(state=Sweep.State.FINISHED, finished_at=timezone.now())
        make_saving(ended)
    client = signed_in()
    with django_assert_max_num_queries(12):
        client.get("/")
    with django_assert_max_num_queries(9):  # with units, awaiting and savings
        client.get("/", headers={"HX-Request": "true"})


def test_a_poll_gets_only_the_part_that_moves_and_nothing_if_it_did_not():
    make_device(name="orin")
    make_done_run(finished_at=timezone.now() - dt.timedelta(hours=5))
    client = signed_in()
    first = client.get("/", headers={"HX-Request": "true"})
    assert b"<html" not in first.content
    again = client.get("/", headers={"HX-Request": "true", "If-None-Match": first["ETag"]})
    assert again.status_code == 304


def test_results_that_await_a_review_stand_on_the_overview():
    launcher = make_user(OPERATOR)
    sweep = make_finished_sweep(created_by=launcher, name="to be judged")
    reviewing.request(sweep, by=launcher, reviewers=[])
    client = Client()
    client.force_login(launcher)
    page = client.get(reverse("overview")).content.decode()
    assert "Results awaiting review" in page
    assert reverse("review", args=[sweep.pk]) in page
