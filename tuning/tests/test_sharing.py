from __future__ import annotations

import pytest
from django.test import Client

from measurements import tasks as measurement_tasks
from measurements.models import Run
from measurements.roles import OPERATOR
from measurements.tests.rows import make_device, make_network, make_user
from tuning import forking, search, tasks
from tuning.models import Sweep, Trial
from tuning.tests.rows import make_sweep, make_trial
from tuning.tests.test_forms import sent
from tuning.tests.test_search import end, go_through

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    devices: list[int] = []
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", devices.append)
    return devices


@pytest.fixture
def shared() -> Sweep:
    sweep = make_sweep(strategy="grid", budget_trials=5)
    sweep.others.add(make_device())
    return sweep


def runs_of(sweep: Sweep) -> list[Run]:
    return list(Run.objects.filter(trial_run__trial__sweep=sweep).order_by("trial_run__pk"))


def test_two_boards_measure_two_points_at_the_same_time(shared):
    search.advance(shared.pk)
    search.advance(shared.pk)
    one, two = runs_of(shared)
    assert {one.device, two.device} == set(shared.devices)
    assert (one.point, one.batch_size) != (two.point, two.batch_size)


def test_the_board_that_is_free_first_gets_the_next_point(shared):
    search.advance(shared.pk)
    _, second = runs_of(shared)
    end(second, Run.State.DONE)
    tasks.observe(str(second.pk))
    assert runs_of(shared)[2].device == second.device


def test_both_boards_share_one_budget_and_measure_no_point_twice(shared):
    search.advance(shared.pk)
    while open_runs := [run for run in runs_of(shared) if run.state == Run.State.QUEUED]:
        end(open_runs[-1], Run.State.DONE)
        tasks.observe(str(open_runs[-1].pk))
    shared.refresh_from_db()
    assert (shared.state, shared.trials.count(), shared.board_s()) == ("finished", 5, 50.0)
    assert {run.device_id for run in runs_of(shared)} == {d.pk for d in shared.devices}


def test_an_invalid_run_is_repeated_on_its_board(shared):
    search.advance(shared.pk)
    _, second = runs_of(shared)
    end(second, Run.State.INVALID)
    tasks.observe(str(second.pk))
    assert runs_of(shared)[2].device == second.device
    assert shared.trials.count() == 2


def test_a_board_that_is_away_gets_nothing_and_stops_nothing(shared):
    away = shared.others.get()
    type(away).objects.filter(pk=away.pk).update(last_seen_at=None)
    tasks.tick()
    shared.refresh_from_db()
    assert shared.state == "running"
    assert [run.device for run in runs_of(shared)] == [shared.device]


def test_a_sweep_waits_for_the_board_that_holds_its_last_trial(shared):
    Sweep.objects.update(budget_trials=2)
    search.advance(shared.pk)
    first, second = runs_of(shared)
    type(first.device).objects.filter(pk=second.device_id).update(last_seen_at=None)
    end(first, Run.State.DONE)
    tasks.observe(str(first.pk))
    tasks.tick()
    shared.refresh_from_db()
    assert shared.state == "waiting"


def test_the_form_offers_boards_with_the_same_clocks_only(client: Client):
    client.force_login(make_user(OPERATOR))
    first, twin = make_device(name="orin-1"), make_device(name="orin-2")
    other = make_device(name="other", emc_hz=[1])
    make_network()
    page = client.get("/sweeps/new/", {"device": first.pk}).content.decode()
    assert f'name="also_on" value="{twin.pk}"' in page
    assert f'name="also_on" value="{other.pk}"' not in page
    form = sent(device=first, also_on=[twin.pk])
    client.post("/sweeps/new/", form)
    assert Sweep.objects.get(device=first).others.get() == twin


def test_a_finished_sweep_is_extended_and_goes_on_with_new_points():
    sweep = make_sweep(strategy="grid", budget_trials=2)
    go_through(sweep)
    assert sweep.extend(trials=2)
    go_through(sweep)
    assert (sweep.state, sweep.trials.count()) == ("finished", 4)
    assert len({tuple(trial.values) for trial in sweep.trials.all()}) == 4


def test_a_failed_sweep_is_not_extended():
    assert not make_sweep(state=Sweep.State.FAILED).extend(trials=2)


def test_extending_adds_board_minutes_where_they_are_limited(client: Client):
    client.force_login(make_user(OPERATOR))
    sweep = make_sweep(state=Sweep.State.FINISHED, budget_board_s=60.0)
    client.post(f"{sweep.get_absolute_url()}extend/", {"trials": "0", "minutes": "2"})
    sweep.refresh_from_db()
    assert (sweep.state, sweep.budget_board_s) == ("running", 180.0)


def fork_fields(**fields):
    return {
        "name": "forked", "objective": "busy", "slo_ms": 60.0, "slo_statistic": "p95",
        "strategy": "grid", "budget_trials": 2, "budget_minutes": None, **fields,
    }  # fmt: skip


def test_a_fork_takes_over_every_observation_and_measures_none_of_them_again():
    source = make_sweep(strategy="grid", budget_trials=3)
    go_through(source)
    runs = Run.objects.count()
    fork = forking.fork(source, fork_fields(), by=make_user())
    assert (fork.trials.count(), Run.objects.count(), fork.board_s()) == (3, runs, 0.0)
    assert fork.question().observations == source.question().observations
    go_through(fork)
    assert (fork.state, fork.trials.count(), fork.trials.own().count()) == ("finished", 5, 2)
    assert Run.objects.count() == runs + 2


def test_the_end_of_a_run_is_news_for_the_sweep_that_asked_for_it_alone():
    source = make_sweep(strategy="grid", budget_trials=3)
    go_through(source)
    fork = forking.fork(source, fork_fields(), by=make_user())
    run = source.trials.first().trial_runs.get().run
    assert search.observe(str(run.pk)) == source.pk
    assert fork.trials.filter(state=Trial.State.OBSERVED).count() == 3


def test_the_same_runs_answer_each_sweep_by_its_own_limit():
    source = make_sweep(slo_ms=50.0, state=Sweep.State.FINISHED)
    make_trial(source, busy_energy_j=0.3, latency_p95_upper_ms=55.0)
    make_trial(source, busy_energy_j=0.4, latency_p95_upper_ms=45.0)
    fork = forking.fork(source, fork_fields(slo_ms=60.0), by=make_user())
    best = {one.pk: one.best["energy_j"] for one in Sweep.objects.with_best()}
    assert best == {source.pk: 0.4, fork.pk: 0.3}


def test_a_fork_is_made_on_its_page_and_the_runs_page_stays_with_the_first_sweep(client: Client):
    client.force_login(make_user(OPERATOR))
    source = make_sweep(state=Sweep.State.FINISHED)
    trial = make_trial(source)
    answer = client.post(f"{source.get_absolute_url()}fork/", fork_fields(budget_minutes=""))
    fork = Sweep.objects.get(forked_from=source)
    assert answer.url == fork.get_absolute_url()
    assert "taken over" in client.get(answer.url).content.decode()
    run = client.get(trial.trial_runs.get().run.get_absolute_url()).content.decode()
    assert source.get_absolute_url() in run


def test_a_limit_that_the_runs_are_too_short_for_is_refused(client: Client):
    client.force_login(make_user(OPERATOR))
    source = make_sweep(state=Sweep.State.FINISHED, requests=100)
    page = client.post(
        f"{source.get_absolute_url()}fork/", fork_fields(slo_statistic="p99", budget_minutes="")
    )
    assert page.status_code == 422
    assert "needs 299" in page.content.decode()


@pytest.mark.parametrize(("boards", "rounds"), [(1, 8), (2, 4)])
def test_two_boards_take_the_same_board_seconds_in_half_the_rounds(boards, rounds):
    sweep = make_sweep(strategy="random", budget_trials=8)
    sweep.others.set([make_device() for _ in range(boards - 1)])
    search.advance(sweep.pk)
    taken = 0
    while open_runs := [run for run in runs_of(sweep) if run.state == Run.State.QUEUED]:
        taken += 1
        for run in open_runs:
            end(run, Run.State.DONE)
        for run in open_runs:
            tasks.observe(str(run.pk))
    assert (taken, sweep.board_s(), sweep.trials.count()) == (rounds, 80.0, 8)
