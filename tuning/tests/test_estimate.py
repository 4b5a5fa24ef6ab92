from __future__ import annotations

import pytest

from measurements.tests.rows import make_device, make_done_run, make_network
from tuning.estimate import FIXED_S, trial_time

pytestmark = pytest.mark.django_db


def test_done_runs_tell_the_time_of_a_request():
    # 100 requests in 12 s, of which 7.1 s are fixed: 49 ms each.
    run = make_done_run(board_s=12.0, requests_served=100)
    told = trial_time(
        device=run.device, network=run.network, requests=1000, rate_hz=None, batch_sizes=[1]
    )
    assert told.trial_s == pytest.approx(FIXED_S + 49)
    assert told.runs == 1
    assert "1 done run of" in told.rests_on


def test_runs_of_the_same_batch_sizes_count_before_others():
    run = make_done_run(board_s=FIXED_S + 1, requests_served=100, batch_size=1)
    make_done_run(
        device=run.device,
        network=run.network,
        board_s=FIXED_S + 9,
        requests_served=100,
        batch_size=8,
    )
    told = trial_time(
        device=run.device, network=run.network, requests=100, rate_hz=None, batch_sizes=[8]
    )
    assert told.trial_s == pytest.approx(FIXED_S + 9)


def test_a_rate_decides_by_itself():
    told = trial_time(
        device=make_device(), network=make_network(), requests=500, rate_hz=50, batch_sizes=[1]
    )
    assert told.trial_s == pytest.approx(FIXED_S + 10)


def test_without_runs_it_is_a_guess_and_says_so():
    told = trial_time(
        device=make_device(), network=make_network(), requests=1000, rate_hz=None, batch_sizes=[1]
    )
    assert told.runs == 0
    assert "rough first guess" in told.rests_on


def test_a_heavier_network_is_guessed_to_take_longer():
    device = make_device()
    light, heavy = make_network(), make_network(flops_per_item=75e9)
    times = [
        trial_time(device=device, network=network, requests=1000, rate_hz=None, batch_sizes=[1])
        for network in (light, heavy)
    ]
    assert times[1].trial_s > 5 * times[0].trial_s
