from __future__ import annotations

import pytest

from measurements.models import Run
from measurements.tests.rows import EMC_HZ, GPU_HZ, make_device, make_done_run, make_run
from tuning import results
from tuning.models import Sweep, Trial
from tuning.tests.rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db
NAMES = ("gpu_max_hz", "emc_hz", "batch_size")


def best_number(sweep: Sweep) -> int | None:
    best = results.best(sweep, NAMES)
    return None if best is None else best.number


def test_the_best_has_the_least_energy_among_those_that_meet_the_limit():
    sweep = make_sweep(slo_ms=50)
    for energy_j, upper_ms in ((0.5, 40), (0.4, 50), (0.3, 50.1), (0.2, None)):
        make_trial(sweep, busy_energy_j=energy_j, latency_p95_upper_ms=upper_ms)
    assert best_number(sweep) == 2


def test_without_a_limit_every_point_is_feasible():
    sweep = make_sweep(slo_ms=None)
    make_trial(sweep, latency_p95_upper_ms=None)
    assert best_number(sweep) == 1


def test_a_limit_on_the_mean_is_held_against_the_mean():
    sweep = make_sweep(slo_ms=36, slo_statistic=Sweep.SloStatistic.MEAN)
    make_trial(sweep, latency_mean_ms=36.0, busy_energy_j=0.5)
    make_trial(sweep, latency_mean_ms=36.1, busy_energy_j=0.4)
    best = results.best(sweep, NAMES)
    assert (best.number, best.upper_ms, best.bound_ms) == (1, None, 36.0)


def test_the_objective_says_which_energy_counts():
    sweep = make_sweep(objective="at_rate", arrivals="uniform", rate_hz=10)
    make_trial(sweep, arrivals="uniform", rate_hz=10, busy_energy_j=0.1, at_rate_energy_j=0.9)
    make_trial(sweep, arrivals="uniform", rate_hz=10, busy_energy_j=0.2, at_rate_energy_j=0.8)
    assert best_number(sweep) == 2


@pytest.mark.parametrize("state", [Run.State.INVALID, Run.State.RUNNING, Run.State.CANCELLED])
def test_only_done_runs_are_measured(state):
    sweep = make_sweep()
    make_trial(sweep)
    Run.objects.update(state=state)
    assert not results.measured(sweep).exists()


def test_a_trial_is_shown_by_its_latest_run():
    sweep = make_sweep()
    trial = make_trial(sweep)
    trial.trial_runs.update(run=make_run(device=sweep.device, state=Run.State.INVALID))
    trial.trial_runs.create(run=make_done_run(device=sweep.device, busy_energy_j=0.123))
    shown = results.rows(sweep, results.latest(sweep), NAMES)
    assert [(row.number, row.energy_j) for row in shown] == [(1, 0.123)]


def test_a_result_knows_its_point_by_name():
    sweep = make_sweep()
    make_trial(sweep)
    row = results.rows(sweep, results.measured(sweep), NAMES)[0]
    assert row.point == {"gpu_max_hz": GPU_HZ[0], "emc_hz": EMC_HZ[0], "batch_size": 1}
    assert row.energy_j == pytest.approx(0.4)


def test_the_default_clocks_are_found_if_the_sweep_measured_them():
    device = make_device(default_gpu_max_hz=GPU_HZ[0], default_emc_hz=EMC_HZ[0])
    sweep = make_sweep(device=device)
    make_trial(sweep)
    assert results.at_default_clocks(sweep, NAMES, 1).number == 1
    assert results.at_default_clocks(sweep, NAMES, 4) is None


def test_a_governed_default_is_matched_by_no_fixed_clock():
    sweep = make_sweep()
    make_trial(sweep)
    assert sweep.device.default_emc_hz is None
    assert results.at_default_clocks(sweep, NAMES, 1) is None


def test_a_difference_carries_the_intervals_of_both():
    sweep = make_sweep()
    make_trial(sweep, busy_energy_j=0.3, busy_half_width_j=0.003)
    make_trial(sweep, busy_energy_j=0.4, busy_half_width_j=0.004)
    less, more = results.rows(sweep, results.measured(sweep), NAMES)
    difference = results.less(less, more)
    # A ratio of 0.75 with 1 % on each side: 0.75 * sqrt(2) % = 1.06 %.
    assert difference.share == pytest.approx(0.25)
    assert difference.half_width == pytest.approx(0.0106, abs=1e-4)


def test_progress_counts_trials_by_how_they_ended():
    sweep = make_sweep()
    make_trial(sweep)
    make_trial(sweep)
    Trial.objects.filter(number=2).update(state=Trial.State.GIVEN_UP)
    progress = results.progress(sweep)
    assert (progress.asked, progress.observed, progress.given_up) == (2, 1, 1)
    assert progress.board_s == 24.0
    make_trial(sweep)
    assert results.progress(sweep).mark != progress.mark
