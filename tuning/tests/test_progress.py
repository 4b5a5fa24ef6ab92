import datetime as dt

import pytest
from django.utils import timezone

from measurements.models import Run
from tuning.models import Sweep, Trial
from tuning.tests.rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db


def test_progress_counts_the_trials_that_ended():
    sweep = make_sweep(budget_trials=5)
    make_trial(sweep)
    make_trial(sweep)
    sweep.trials.create(number=3, values=[1, 2, 3])
    found = Sweep.objects.with_progress().get()
    assert (found.trials_ended, found.trials_left) == (2, 3)


def test_the_eta_is_the_trials_left_times_the_mean_time_of_a_run():
    sweep = make_sweep(budget_trials=5)
    now = timezone.now()
    for seconds in (10, 20):
        make_trial(sweep, claimed_at=now - dt.timedelta(seconds=seconds), finished_at=now)
    assert Sweep.objects.with_progress().get().eta == dt.timedelta(seconds=45)


def test_the_eta_is_unknown_before_the_first_run():
    make_sweep()
    assert Sweep.objects.with_progress().get().eta is None


def test_the_best_run_has_the_least_energy_within_the_slo():
    sweep = make_sweep(slo_ms=50.0)
    make_trial(sweep, busy_energy_j=0.3, latency_p95_ms=49.0, latency_p95_upper_ms=51.0)
    winner = make_trial(sweep, busy_energy_j=0.4, latency_p95_ms=49.0, latency_p95_upper_ms=50.0)
    make_trial(sweep, busy_energy_j=0.5, latency_p95_ms=10.0)
    best = Sweep.objects.with_best().get().best
    assert best["run"] == str(winner.trial_runs.get().run_id)
    assert (best["energy_j"], best["latency_ms"]) == (0.4, 49.0)


def test_an_unknown_percentile_does_not_keep_a_slo_but_is_no_matter_without_one():
    sweep = make_sweep(slo_ms=50.0, slo_statistic=Sweep.SloStatistic.P99)
    make_trial(sweep, latency_p99_ms=None)
    assert Sweep.objects.with_best().get().best is None
    Sweep.objects.update(slo_ms=None)
    assert Sweep.objects.with_best().get().best["energy_j"] == 0.4


def test_a_sweep_for_at_rate_energy_ranks_by_it():
    sweep = make_sweep(
        slo_ms=None, objective="at_rate", arrivals=Run.ArrivalsKind.UNIFORM, rate_hz=5.0
    )
    make_trial(sweep, busy_energy_j=0.1, at_rate_energy_j=0.9)
    make_trial(sweep, busy_energy_j=0.2, at_rate_energy_j=0.8)
    assert Sweep.objects.with_best().get().best["energy_j"] == 0.8


def test_only_done_runs_can_be_best():
    sweep = make_sweep(slo_ms=None)
    make_trial(sweep, state=Run.State.INVALID, busy_energy_j=0.1)
    assert Sweep.objects.with_best().get().best is None
    assert Trial.objects.count() == 1


def test_open_sweeps_are_those_that_may_still_plan_runs():
    for state in ("running", "paused", "waiting", "finished", "failed", "cancelled"):
        make_sweep(state=state)
    assert {sweep.state for sweep in Sweep.objects.open()} == {"running", "paused", "waiting"}
    assert Sweep.objects.ended().count() == 3
