from __future__ import annotations

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from measurements.models import Run
from measurements.roles import OPERATOR, VIEWER
from measurements.tests.rows import EMC_HZ, GPU_HZ, make_device, make_network, make_user
from tuning.models import Sweep, Trial
from tuning.tests.rows import make_sweep, make_trial
from tuning.views.panels import shown

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user(VIEWER))
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR))
    return client


def test_an_empty_list_says_what_a_sweep_is(viewer):
    page = viewer.get(reverse("sweeps"))
    assert "No sweep yet" in page.content.decode()


def test_the_list_asks_the_same_few_queries_for_many_sweeps(viewer, django_assert_max_num_queries):
    device, network = make_device(), make_network()
    for number in range(60):
        make_sweep(name=f"sweep {number}", device=device, network=network)
    with django_assert_max_num_queries(9):
        page = viewer.get(reverse("sweeps"), {"page": 2})
    assert page.content.decode().count("<tr data-href") == 10


def test_filters_of_the_list_stand_in_the_url(viewer):
    make_sweep(name="one that runs")
    make_sweep(name="one that ended", state=Sweep.State.FINISHED)
    page = viewer.get(reverse("sweeps"), {"state": "finished"}).content.decode()
    assert "one that ended" in page
    assert "one that runs" not in page


def test_a_sweep_page_answers_with_the_best_point_within_the_limit(viewer):
    sweep = make_sweep(slo_ms=50)
    make_trial(sweep, busy_energy_j=0.5)
    make_trial(sweep, busy_energy_j=0.412)
    make_trial(sweep, busy_energy_j=0.3, latency_p95_upper_ms=51)
    page = viewer.get(sweep.get_absolute_url()).content.decode()
    assert "Best so far" in page
    assert "412" in page
    assert "SLO met" in page


def test_a_sweep_page_without_a_feasible_point_says_so(viewer):
    sweep = make_sweep(slo_ms=20)
    make_trial(sweep)
    page = viewer.get(sweep.get_absolute_url()).content.decode()
    assert "None of the 1 measured points meets the limit of 20" in page


def test_no_saving_is_claimed_unless_the_default_was_measured(viewer):
    sweep = make_sweep()
    make_trial(sweep)
    page = viewer.get(sweep.get_absolute_url()).content.decode()
    assert "the default was not measured" in page
    assert "of energy per request against default clocks" not in page


def test_a_saving_against_the_default_comes_with_its_interval_and_standing(viewer):
    device = make_device(
        default_gpu_max_hz=GPU_HZ[0], default_emc_hz=EMC_HZ[0], default_gpu_min_hz=None
    )
    sweep = make_sweep(device=device)
    make_trial(sweep, busy_energy_j=0.4)
    make_trial(sweep, busy_energy_j=0.4)  # The same clocks at batch 4: not the winner's batch.
    make_trial(sweep, busy_energy_j=0.3, busy_half_width_j=0.003)
    page = viewer.get(sweep.get_absolute_url()).content.decode()
    assert "Saves <strong>" in page and "25&nbsp;%" in page and "(24 to 26 %)" in page
    assert "SLO met" in page and "<strong>not yet verified</strong>" in page


@pytest.mark.parametrize("state", [Sweep.State.RUNNING, Sweep.State.FINISHED])
def test_a_page_asks_as_few_queries_for_many_trials(
    viewer, django_assert_max_num_queries, state: str
):
    sweep = make_sweep(state=state, budget_board_s=1000)
    for _ in range(24):
        make_trial(sweep, half_width_percent=1.0, window_start_s=1, window_end_s=9)
    with django_assert_max_num_queries(12):
        viewer.get(sweep.get_absolute_url())


def test_the_page_tells_board_time_used_and_left(viewer):
    sweep = make_sweep(budget_board_s=100)
    make_trial(sweep, board_s=40)
    assert "40 s <span" in viewer.get(sweep.get_absolute_url()).content.decode()
    assert "/ 1 min 00 s" in viewer.get(sweep.get_absolute_url()).content.decode()


def test_every_tab_has_a_panel_with_its_own_address(viewer):
    sweep = make_sweep()
    page = viewer.get(sweep.get_absolute_url()).content.decode()
    for panel in shown(sweep):
        assert f'href="#{panel.name}"' in page and f'id="{panel.name}"' in page
        assert f'hx-get="{reverse("sweep_panel", args=[sweep.pk, panel.name])}"' in page


def test_progress_tells_the_tabs_only_of_news(viewer):
    sweep = make_sweep()
    make_trial(sweep)
    url = reverse("sweep_progress", args=[sweep.pk])
    first = viewer.get(url)
    assert "sweep:news" in first["HX-Trigger"]
    seen = {"seen": first.context["progress"].mark, "state": first.context["position"]}
    again = viewer.get(url, seen)
    assert "HX-Trigger" not in again
    assert "sweep-progress" in again.content.decode()
    make_trial(sweep)
    assert "sweep:news" in viewer.get(url, seen)["HX-Trigger"]


def test_progress_of_an_ended_sweep_polls_no_more(viewer):
    sweep = make_sweep(state=Sweep.State.FINISHED)
    page = viewer.get(reverse("sweep_progress", args=[sweep.pk])).content.decode()
    assert "hx-get" not in page


def test_the_csv_has_a_line_for_each_trial(viewer):
    sweep = make_sweep()
    make_trial(sweep)
    make_trial(sweep, latency_p95_upper_ms=60)
    answer = viewer.get(reverse("sweep_csv", args=[sweep.pk]))
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [line["trial"] for line in lines] == ["1", "2"]
    assert [line["meets_slo"] for line in lines] == ["True", "False"]
    assert lines[0]["energy_j_per_request"] == "0.4"
    assert lines[0]["provenance"] == "emulated"
    assert lines[0]["gpu_max_hz"] == "114750000"


def test_a_viewer_may_not_steer(viewer):
    sweep = make_sweep()
    assert viewer.post(reverse("sweep_deed", args=[sweep.pk, "pause"])).status_code == 403
    sweep.refresh_from_db()
    assert sweep.state == Sweep.State.RUNNING


def test_pause_and_resume(operator, monkeypatch):
    monkeypatch.setattr("tuning.tasks.advance.delay_on_commit", lambda pk: None)
    sweep = make_sweep()
    operator.post(reverse("sweep_deed", args=[sweep.pk, "pause"]))
    sweep.refresh_from_db()
    assert sweep.state == Sweep.State.PAUSED
    operator.post(reverse("sweep_deed", args=[sweep.pk, "resume"]))
    sweep.refresh_from_db()
    assert sweep.state == Sweep.State.RUNNING


def test_cancel_ends_what_is_being_measured(operator):
    sweep = make_sweep()
    trial = make_trial(sweep)
    Trial.objects.update(state=Trial.State.ASKED)
    Run.objects.update(state=Run.State.RUNNING)
    operator.post(reverse("sweep_deed", args=[sweep.pk, "cancel"]))
    sweep.refresh_from_db()
    assert sweep.state == Sweep.State.CANCELLED
    assert trial.trial_runs.get().run.state == Run.State.CANCELLED


def test_there_are_no_other_deeds(operator):
    assert operator.post(reverse("sweep_deed", args=[make_sweep().pk, "delete"])).status_code == 404


def test_a_deed_that_comes_too_late_says_so(operator):
    sweep = make_sweep(state=Sweep.State.FINISHED)
    page = operator.post(reverse("sweep_deed", args=[sweep.pk, "pause"]), follow=True)
    assert "Nothing changed: the sweep is finished." in page.content.decode()


def test_the_launch_form_shows_a_networks_name_as_text_not_as_markup(client: Client):
    make_network(name="<script>alert(1)</script>")
    make_device()
    client.force_login(make_user(OPERATOR))
    assert "<script>alert(1)" not in client.get(reverse("sweep_new")).content.decode()


def test_the_list_filters_and_sorts_by_the_best_point_within_the_limit(viewer):
    for name, energy_j in (("more", 0.5), ("less", 0.3)):
        make_trial(make_sweep(name=name), busy_energy_j=energy_j)
    make_trial(make_sweep(name="too slow", slo_ms=20))
    rows = viewer.get(reverse("sweeps"), {"sort": "energy_mj"}).context["listed"].rows
    assert [row.values["c_name"] for row in rows] == ["less", "more", "too slow"]
    rows = viewer.get(reverse("sweeps"), {"energy_mj__lt": "400"}).context["listed"].rows
    assert [row.values["c_name"] for row in rows] == ["less"]


def test_a_verdict_counts_in_the_list_while_it_is_about_the_best_point(viewer):
    sweep = make_sweep(name="checked", state=Sweep.State.FINISHED)
    trial = make_trial(sweep, busy_energy_j=0.5)
    make_sweep(name="not checked")
    sweep.verifications.create(
        trial=trial, device=sweep.device, blocks=2, seed=1, state="done", verdict="verified"
    )
    verified = {"winner": "verified"}
    rows = viewer.get(reverse("sweeps"), verified).context["listed"].rows
    assert [row.values["c_name"] for row in rows] == ["checked"]
    make_trial(sweep, busy_energy_j=0.4)
    assert viewer.get(reverse("sweeps"), verified).context["listed"].rows == []


def test_runs_are_found_by_their_sweep_and_its_strategy(viewer):
    sweep = make_sweep(strategy=Sweep.Strategy.GRID)
    run = make_trial(sweep).trial_runs.get().run
    make_trial(make_sweep(strategy=Sweep.Strategy.RANDOM))
    for query in ({"sweep": str(sweep.pk)}, {"strategy": "grid"}):
        rows = viewer.get(reverse("runs"), query).context["listed"].rows
        assert [row.key for row in rows] == [str(run.pk)]
    assert viewer.get(reverse("runs"), {"sweep": "x"}).context["listed"].rows == []
