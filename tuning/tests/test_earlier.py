import datetime as dt

import pytest
from django.utils import timezone

from measurements.tests.rows import make_device, make_network
from tuning.models import Sweep

from .rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db


def make_ended(**fields):
    sweep = make_sweep(state=Sweep.State.FINISHED, **fields)
    make_trial(sweep, busy_energy_j=0.5, latency_p95_ms=20.0, latency_p95_upper_ms=21.0)
    return sweep


def test_a_question_holds_what_earlier_sweeps_measured():
    earlier = make_ended()
    sweep = make_sweep()
    sweep.earlier.add(earlier)
    (known,) = sweep.question().earlier
    assert known.space == earlier.space()
    assert [(one.energy_j, one.latency_ms) for one in known.observations] == [(0.5, 20.0)]


def test_earlier_sweeps_are_read_with_the_energy_and_percentile_that_this_one_asks_for():
    sweep = make_sweep(slo_statistic="mean")
    earlier = make_ended()
    earlier.trials.get().trial_runs.get().run.__class__.objects.update(latency_mean_ms=17.0)
    Sweep.objects.filter(pk=sweep.pk).update(created_at=timezone.now())
    sweep.refresh_from_db()
    sweep.earlier.add(earlier)
    (known,) = sweep.question().earlier
    assert [(one.latency_ms, one.latency_upper_ms) for one in known.observations] == [(17.0, None)]


def test_what_an_earlier_sweep_measures_later_changes_no_question():
    earlier, sweep = make_ended(), make_sweep()
    sweep.earlier.add(earlier)
    before = sweep.question()
    make_trial(earlier, busy_energy_j=0.1, latency_p95_ms=10.0)
    assert sweep.question() == before


def test_sweeps_to_start_from_have_ended_and_measured_something():
    make_sweep(state=Sweep.State.FINISHED)
    make_trial(make_sweep())
    assert not Sweep.objects.to_start_from(None, None)


def test_the_likest_sweeps_are_offered_first():
    network, device = make_network(), make_device()
    other = make_device(kind="tx2")
    strange = make_ended(device=other)
    same_kind = make_ended(device=make_device())
    same_network = make_ended(device=other, network=network)
    same_both = make_ended(device=make_device(), network=network)
    offered = list(Sweep.objects.to_start_from(device, network))
    assert offered == [same_both, same_network, same_kind, strange]


def test_a_moment_before_the_launch_is_before_it():
    earlier, sweep = make_ended(), make_sweep()
    sweep.earlier.add(earlier)
    late = sweep.created_at - dt.timedelta(days=1)
    Sweep.objects.filter(pk=sweep.pk).update(created_at=late)
    sweep.refresh_from_db()
    assert sweep.question().earlier[0].observations == []
