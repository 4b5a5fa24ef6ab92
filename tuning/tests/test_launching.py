from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from measurements.roles import OPERATOR, VIEWER
from measurements.tests.rows import EMC_HZ, make_device, make_network, make_user
from tuning import launching
from tuning.forms import LaunchForm
from tuning.models import Sweep
from tuning.tests.rows import make_sweep
from tuning.tests.test_forms import sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def advanced(monkeypatch) -> list[int]:
    """The sweeps whose first step was asked for."""
    asked: list[int] = []
    monkeypatch.setattr("tuning.tasks.advance.delay_on_commit", asked.append)
    return asked


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR))
    return client


def test_a_launch_makes_a_running_sweep_with_its_axes(operator, advanced):
    answer = operator.post(reverse("sweep_new"), sent(name="mine", budget_minutes="2"))
    sweep = Sweep.objects.get()
    assert answer.url == sweep.get_absolute_url()
    assert (sweep.name, sweep.state, sweep.budget_board_s) == ("mine", "running", 120)
    assert [axis.name for axis in sweep.axes.all()] == ["gpu_max_hz", "emc_hz", "batch_size"]
    assert len(sweep.space()) == 12
    assert advanced == [sweep.pk]


def test_a_refused_form_launches_nothing_and_keeps_what_was_typed(operator, advanced):
    page = operator.post(reverse("sweep_new"), sent(requests="20", name="typed", seed="abc"))
    text = page.content.decode()
    assert page.status_code == 422
    assert 'value="typed"' in text
    assert 'value="abc"' in text
    assert "59 requests" in text
    assert not Sweep.objects.exists()
    assert advanced == []


def test_a_viewer_may_not_launch(client, advanced):
    client.force_login(make_user(VIEWER))
    assert client.post(reverse("sweep_new"), sent()).status_code == 403
    assert client.get(reverse("sweep_new")).status_code == 403
    assert client.post(reverse("sweep_size"), sent()).status_code == 403
    assert not Sweep.objects.exists()


def test_without_a_board_the_page_says_what_is_missing(operator):
    assert "needs a network and a board" in operator.get(reverse("sweep_new")).content.decode()


def test_the_size_is_told_as_one_types(operator):
    text = operator.post(reverse("sweep_size"), sent(budget_trials="5")).content.decode()
    assert "<strong>12</strong> points" in text
    assert "<strong>5</strong> of 12" in text


def test_the_size_tells_what_is_wrong_before_it_is_sent(operator):
    text = operator.post(reverse("sweep_size"), sent(emc_hz_how="some")).content.decode()
    assert "Memory clock: Choose at least one clock" in text


def test_an_offline_board_is_a_warning_and_no_refusal(operator, advanced):
    device, network = make_device(online=False), make_network()
    assert "is offline" in operator.get(reverse("sweep_new")).content.decode()
    operator.post(reverse("sweep_new"), sent(device=device, network=network))
    assert Sweep.objects.count() == 1


def test_run_again_copies_every_setting(operator, advanced):
    old = make_sweep(
        axes={"emc_hz": EMC_HZ[:2], "batch_size": [1, 8]},
        arrivals="poisson",
        rate_hz=25.0,
        objective="at_rate",
        budget_trials=3,
        budget_board_s=90.0,
        seed=7,
    )
    form = LaunchForm(initial=launching.settings_of(old))
    data = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: getattr(value, "pk", value) for name, value in data.items()}
    again = LaunchForm({name: value for name, value in data.items() if value is not None})
    assert again.is_valid(), again.errors
    new = launching.launch(again.cleaned_data, again.axes, by=make_user(OPERATOR))
    assert new.space() == old.space()
    copied = [*launching.COPIED, "budget_board_s", "name"]
    assert {name: getattr(new, name) for name in copied} == {
        name: getattr(old, name) for name in copied
    }


def test_run_again_shows_the_old_settings(operator):
    old = make_sweep(seed=4711)
    page = operator.get(reverse("sweep_new"), {"from": old.pk}).content.decode()
    assert 'value="4711"' in page


def test_choosing_another_network_keeps_the_rest(operator):
    make_device()
    make_network(name="small", flops_per_item=1e8)
    fixed = make_network(
        name="fixed", flops_per_item=2e9, batch_is_dynamic=False, input_shape=[4, 3, 8, 8]
    )
    asked = {"network": fixed.pk, "requests": "777", "emc_hz_how": "nth", "emc_hz_step": "2"}
    page = operator.get(reverse("sweep_new"), asked).content.decode()
    assert 'value="777"' in page
    assert "The batch axis of fixed is fixed." in page
