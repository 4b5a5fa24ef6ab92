from __future__ import annotations

import pytest
from django.utils import timezone

from measurements import tasks as measurement_tasks
from measurements.models import Run
from tuning import search, tasks
from tuning.models import Sweep, Trial

from .rows import make_sweep

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    devices: list[int] = []
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", devices.append)
    return devices


def latest_run(sweep: Sweep) -> Run:
    return Run.objects.filter(trial_run__trial__sweep=sweep).latest("trial_run__pk")


def end(run: Run, state: str) -> None:
    results = {"requests_served": 100, "busy_energy_j": 0.4, "latency_p95_ms": 40.0}

    Run.objects.filter(pk=run.pk).update(
        state=state, finished_at=timezone.now(), board_s=10.0, **results
    )


def go_through(sweep: Sweep, state: str = Run.State.DONE) -> None:
    """Let every run of `sweep` end in `state` until nothing is asked any more."""
    search.advance(sweep.pk)
    while sweep.trials.asked().exists():
        run = latest_run(sweep)
        end(run, state)
        tasks.observe(str(run.pk))
    sweep.refresh_from_db()


def test_a_sweep_plans_one_run_at_a_time(django_capture_on_commit_callbacks, dispatched: list):
    sweep = make_sweep(strategy="grid")
    with django_capture_on_commit_callbacks(execute=True):
        search.advance(sweep.pk)
        search.advance(sweep.pk)
    run = latest_run(sweep)
    assert sweep.trials.count() == 1
    assert (run.gpu_max_hz, run.batch_size, run.then) == (114_750_000, 1, "tuning.tasks.observe")
    assert run.gpu_min_hz is None and run.cpu_hz is None
    assert dispatched == [sweep.device_id]


def test_a_sweep_ends_when_its_trials_are_used_up():
    sweep = make_sweep(budget_trials=3)
    go_through(sweep)
    assert (sweep.state, sweep.trials.observed().count()) == (Sweep.State.FINISHED, 3)
    assert "3 trials" in sweep.ended_because


def test_a_sweep_ends_when_its_board_seconds_are_used_up():
    sweep = make_sweep(budget_board_s=25.0)
    go_through(sweep)
    assert (sweep.state, sweep.trials.count()) == (Sweep.State.FINISHED, 3)


def test_a_sweep_ends_when_its_space_is_used_up():
    sweep = make_sweep(axes={"batch_size": [1, 2]}, budget_trials=10)
    go_through(sweep)
    assert (sweep.state, sweep.trials.count()) == (Sweep.State.FINISHED, 2)


def test_an_observation_noticed_twice_counts_once():
    sweep = make_sweep()
    search.advance(sweep.pk)
    run = latest_run(sweep)
    end(run, Run.State.DONE)
    tasks.observe(str(run.pk))
    tasks.observe(str(run.pk))
    assert (sweep.trials.observed().count(), sweep.trials.count()) == (1, 2)


def test_an_invalid_run_is_repeated_with_another_seed_then_given_up():
    sweep = make_sweep(budget_trials=1)
    go_through(sweep, Run.State.INVALID)
    trial = sweep.trials.get()
    seeds = [link.run.seed for link in trial.trial_runs.all()]
    assert (trial.state, len(set(seeds))) == (Trial.State.GIVEN_UP, 3)


def test_a_sweep_that_measures_nothing_fails():
    sweep = make_sweep()
    go_through(sweep, Run.State.INVALID)
    assert (sweep.state, sweep.trials.count()) == (Sweep.State.FAILED, 3)


def test_a_paused_sweep_plans_nothing_and_goes_on_when_resumed():
    sweep = make_sweep()
    search.advance(sweep.pk)
    sweep.pause()
    run = latest_run(sweep)
    end(run, Run.State.INVALID)
    tasks.observe(str(run.pk))
    assert latest_run(sweep) == run
    sweep.resume()
    tasks.tick()
    assert latest_run(sweep) != run


def test_cancelling_ends_what_is_being_measured():
    sweep = make_sweep()
    search.advance(sweep.pk)
    latest_run(sweep).claim()
    assert search.cancel(sweep, "by a person")
    assert latest_run(sweep).state == Run.State.CANCELLED
    assert sweep.trials.get().state == Trial.State.CANCELLED
    assert not search.cancel(sweep, "again")


def test_a_tick_notices_a_run_whose_message_was_lost():
    sweep = make_sweep()
    search.advance(sweep.pk)
    end(latest_run(sweep), Run.State.DONE)
    tasks.tick()
    assert (sweep.trials.observed().count(), sweep.trials.count()) == (1, 2)


def test_a_sweep_waits_while_its_board_is_away():
    sweep = make_sweep()
    sweep.device.last_seen_at = None
    sweep.device.save()
    tasks.tick()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.trials.count()) == (Sweep.State.WAITING, 0)


def test_a_waiting_sweep_goes_on_when_its_board_is_back():
    sweep = make_sweep(state=Sweep.State.WAITING)
    tasks.tick()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.trials.count()) == (Sweep.State.RUNNING, 1)


def test_the_strategy_sees_what_was_observed():
    sweep = make_sweep(strategy="grid")
    search.advance(sweep.pk)
    end(latest_run(sweep), Run.State.DONE)
    tasks.observe(str(latest_run(sweep).pk))
    first, pending = sweep.question().observations
    assert (first.energy_j, first.latency_ms) == (0.4, 40.0)
    assert pending.energy_j is None
