"""Sweeps on a board without power rails, and sweeps that replay a trace."""

import pytest
from django.urls import reverse

from measurements.models import ArrivalTrace
from measurements.roles import OPERATOR
from measurements.tests.rows import make_device, make_network, make_user
from tuning.models import Sweep

from .rows import make_sweep, make_trial
from .test_launching import sent

pytestmark = pytest.mark.django_db
WHY = "No RAPL counter here."


@pytest.fixture
def operator(client, monkeypatch):
    monkeypatch.setattr("tuning.tasks.advance.delay_on_commit", lambda pk: None)
    client.force_login(make_user(OPERATOR))
    return client


def _mute_device():
    return make_device(
        provenance="host", rails=[], rail_parts=[], rail_steps_w=[], total_of=[], problems=[WHY]
    )


def test_the_launch_form_says_that_energy_will_be_unknown(operator):
    make_network()
    page = operator.get(reverse("sweep_new"), {"device": _mute_device().pk}).content.decode()
    assert "measures latency only" in page and WHY in page


def test_a_sweep_without_energy_says_why_and_names_no_best(operator):
    sweep = make_sweep(device=_mute_device())
    make_trial(sweep, busy_energy_j=None, busy_half_width_j=None, mean_power_w=None, rails=[],
               total_of=[], rail_busy_energy_j=[])  # fmt: skip
    page = operator.get(sweep.get_absolute_url()).content.decode()
    assert "energy is unknown" in page and WHY in page
    assert "raise the limit" not in page


@pytest.mark.parametrize("strategy", ["polyweb", "cbo", "random", "grid"])
def test_every_strategy_goes_on_without_energy(strategy):
    sweep = make_sweep(device=_mute_device(), strategy=strategy)
    for _ in range(7):
        make_trial(sweep, busy_energy_j=None, busy_half_width_j=None)
    from tuning import strategies

    assert strategies.ask(strategy, sweep.question()) in sweep.space().points


def test_a_sweep_replays_a_trace_at_its_own_rate(operator):
    trace = ArrivalTrace.objects.create(name="three", times_s=[0.0, 0.5, 2.0])
    operator.post(reverse("sweep_new"), sent(arrivals="trace", trace=str(trace.pk), rate_hz="7"))
    sweep = Sweep.objects.get()
    assert (sweep.trace, sweep.rate_hz) == (trace, 1.0)


def test_a_replay_needs_a_trace(operator):
    page = operator.post(reverse("sweep_new"), sent(arrivals="trace"))
    assert "Choose the trace to replay" in page.content.decode()
    assert not Sweep.objects.exists()
