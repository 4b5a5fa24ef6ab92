"""Which runs make a session, and which of them a sampler check."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from measurements.calibrating import compared_ms, compared_runs, is_check
from measurements.forms.calibrations import CalibrationForm, OverheadForm
from measurements.models import Device, Network, Run
from measurements.sessions import OFF, queue_overhead_check, sessions
from measurements.tests.rows import make_device, make_done_run, make_network

pytestmark = pytest.mark.django_db
CHECK = (50, 1000, 1000, 50)


class Bench:
    """A device whose runs follow each other, 20 s apart on its own clock."""

    def __init__(self) -> None:
        self.device: Device = make_device()
        self.network: Network = make_network()
        self.zero_s = 0.0

    def runs(self, *intervals_ms: int | None, **fields: object) -> list[Run]:
        return [self._run(ms, **fields) for ms in intervals_ms]

    def _run(self, interval_ms: int | None, **fields: object) -> Run:
        self.zero_s += 20
        if interval_ms is OFF:
            fields |= {"busy_energy_j": None, "busy_half_width_j": None, "mean_power_w": None}
        when = timezone.now() - dt.timedelta(hours=2) + dt.timedelta(seconds=self.zero_s)
        return make_done_run(
            device=self.device, network=self.network, sample_interval_ms=interval_ms,
            clock_zero_s=self.zero_s, window_start_s=5.0, window_end_s=15.0, claimed_at=when,
            **fields,
        )  # fmt: skip

    @property
    def session(self):
        (only,) = sessions(self.device)
        return only


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_runs_that_were_not_sampled_belong_to_the_session_of_those_that_were(bench: Bench):
    bench.runs(50, OFF, OFF, 50)
    assert len(bench.session.runs) == 4
    assert bench.session.power_w == (20.0, 20.0)


def test_a_session_in_which_nothing_was_sampled_is_none(bench: Bench):
    bench.runs(OFF, OFF)
    assert sessions(bench.device) == []


def test_a_check_is_found_although_other_runs_came_after_it(bench: Bench):
    bench.runs(50, 50, requests_asked=7)
    check = bench.runs(*CHECK)
    bench.runs(50, requests_asked=9)
    assert is_check(bench.session)
    assert compared_runs(bench.session.runs) == check


def test_of_two_checks_under_one_load_the_latest_counts(bench: Bench):
    bench.runs(*CHECK[1:], 1000)
    latest = bench.runs(50, OFF, OFF, 50)
    assert compared_ms(bench.session) == [50, OFF]
    assert compared_runs(bench.session.runs) == latest


def test_runs_sampled_in_one_way_are_no_check(bench: Bench):
    bench.runs(50, 50)
    assert not is_check(bench.session)


@pytest.mark.parametrize("form", [CalibrationForm, OverheadForm])
def test_a_session_is_taken_as_its_page_showed_it_though_runs_ended_since(bench: Bench, form):
    bench.runs(*CHECK)
    shown = bench.session
    bench.runs(50, requests_asked=9)
    posted = form({"session": shown.key}, device=bench.device)
    assert "session" not in posted.errors
    assert posted.sessions[shown.key].runs == shown.runs


def test_a_check_against_off_has_marks_before_its_first_and_fourth_block(bench: Bench):
    runs = queue_overhead_check(bench.device, bench.network, requests=500, by=None, against_ms=OFF)
    marks = [n for n, run in enumerate(runs) if run.rate_hz]
    arms = [run.sample_interval_ms for run in runs if not run.rate_hz]
    assert marks == [0, 13]
    assert arms == [50, OFF, OFF, 50, OFF, 50, 50, OFF] * 3
