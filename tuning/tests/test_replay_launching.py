"""The launch form on a replay board: its own workloads, its clocks, batch 1."""

from __future__ import annotations

import pytest

from measurements import replay_tables
from measurements.board.hardware import replay
from measurements.board.hardware.replay import ReplayBoard
from measurements.models import Device, Network
from measurements.tests.rows import make_device, make_network
from tuning.estimate import trial_time
from tuning.forms import LaunchForm

pytestmark = pytest.mark.django_db


@pytest.fixture
def nano() -> Device:
    device = replay_tables.add_board("nano", replay.orin_nano())
    device.register(ReplayBoard("nano", replay.orin_nano()).describe())
    return device


def test_a_replay_device_is_offered_its_workloads_its_clocks_and_batch_1_only(nano):
    make_network()
    form = LaunchForm(initial={"device": nano})
    offered = form.fields["network"].queryset.values_list("workload", flat=True)
    assert sorted(offered) == ["cproxyv2", "mobilenet", "proxy", "vit"]
    assert [knob.name for knob in form.knobs] == ["gpu_max_hz", "emc_hz", "cpu_hz"]
    assert form.initial["network"].workload and form.chosen_network.replay_table
    assert form.offered_batch_sizes == [1]


def test_another_device_refuses_a_workload_and_a_replay_device_other_networks(nano):
    vit, other = Network.objects.get(workload="vit"), make_network()
    for device, network in ((make_device(), vit), (nano, other)):
        form = LaunchForm({"device": device.pk, "network": network.pk})
        assert "cannot run it" in form.errors["network"][0]


def test_a_first_estimate_comes_from_the_table(nano):
    estimate = trial_time(
        device=nano, network=Network.objects.get(workload="proxy"), requests=1000, rate_hz=None,
        batch_sizes=[1],
    )  # fmt: skip
    assert "the table orin-nano" in estimate.rests_on
    assert 7.1 + 4.5 < estimate.trial_s < 7.1 + 21.7
