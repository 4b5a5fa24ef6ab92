"""Sweeps side by side."""

from __future__ import annotations

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from measurements.tests.rows import make_device, make_network, make_user
from tuning import comparing
from tuning.models import Sweep
from tuning.tests.rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user())
    return client


def swept(energies_j: list[float], **fields: object) -> Sweep:
    """A sweep whose trials took `energies_j`, in the order of its grid."""
    sweep = make_sweep(**fields)
    for energy_j in energies_j:
        make_trial(sweep, busy_energy_j=energy_j, busy_half_width_j=energy_j / 100)
    return sweep


@pytest.fixture
def pair() -> list[Sweep]:
    device, network = make_device(), make_network()
    same = {"device": device, "network": network}
    return [
        swept([0.5, 0.4, 0.6, 0.7], name="first", **same),
        swept([0.44, 0.36, 0.53, 0.63], name="second", **same),
    ]


def compared(client: Client, sweeps: list[Sweep], **query: str):
    ids = ",".join(str(sweep.pk) for sweep in sweeps)
    return client.get(reverse("compare"), {"sweeps": ids, **query})


def test_winner_is_held_against_winner_and_common_configurations_in_pairs(viewer, pair):
    page = compared(viewer, pair)
    (sentence,) = page.context["sentences"]
    assert "winner against winner: uses 10 % (9 to 11 %) less" in sentence
    assert "over 4 common configurations: uses 11 % (" in sentence
    assert page.context["unlike"] == []


def test_a_run_that_was_taken_over_is_not_held_against_itself(pair):
    fork = make_sweep(device=pair[0].device, network=pair[0].network)
    for trial in pair[0].trials.all():
        copy = fork.trials.create(
            number=trial.number, values=trial.values, state=trial.state, taken_over=True
        )
        copy.trial_runs.create(run=trial.trial_runs.get().run)
    shown = comparing.sides(comparing.sweeps([pair[0].pk, fork.pk]))
    _, found = comparing.paired(shown, 0)
    assert (found.configurations, found.shared_runs) == (0, 4)


def test_across_networks_and_devices_it_says_what_differs(viewer, pair):
    other = swept([0.3, 0.2], slo_ms=90.0)
    page = compared(viewer, [pair[0], other])
    assert {text.split(":")[0] for text in page.context["unlike"]} == {
        "Network", "Device", "Latency limit"
    }  # fmt: skip
    assert "too few for an interval" in page.context["sentences"][0]


def test_a_sweep_without_a_winner_has_no_number(viewer, pair):
    empty = make_sweep(device=pair[0].device, network=pair[0].network)
    page = compared(viewer, [pair[0], empty])
    assert "winner against winner: not known for both" in page.context["sentences"][0]
    assert "no configuration was measured by both" in page.context["sentences"][0]


def test_the_baseline_can_be_switched(viewer, pair):
    page = compared(viewer, pair, baseline=str(pair[1].pk))
    assert page.context["sentences"][0].startswith("A against B")


def test_fronts_are_laid_over_each_other(viewer, pair):
    drawn = dict(compared(viewer, pair).context["drawn"])
    assert [line["name"] for line in drawn["compared-fronts"]["data"]] == ["A", "B"]


@pytest.mark.parametrize(
    ("sweeps", "why"), [("1,x", "is not the number"), ("987654", "There is no sweep 987654"),
                        (",".join(map(str, range(13))), "at most 12"), ("-1", "is not the number"),
                        ("99999999999999", "is not the number")]
)  # fmt: skip
def test_what_cannot_be_compared_is_said(viewer, sweeps, why):
    page = viewer.get(reverse("compare"), {"sweeps": sweeps})
    assert page.status_code == 404 and why in page.content.decode()


def test_one_sweep_asks_with_which_other(viewer, pair):
    page = compared(viewer, pair[:1])
    assert page.context["suggested"] == [pair[1]]


def test_ticked_boxes_become_the_link_to_share(viewer, pair):
    answer = viewer.get(reverse("compare"), {"sweep": [pair[0].pk, pair[1].pk]})
    assert answer.url == f"{reverse('compare')}?sweeps={pair[0].pk},{pair[1].pk}"


def test_a_comparison_of_six_asks_few_queries(viewer, pair, django_assert_max_num_queries):
    same = {"device": pair[0].device, "network": pair[0].network}
    more = [swept([0.5, 0.4], **same) for _ in range(4)]
    with django_assert_max_num_queries(12):
        compared(viewer, [*pair, *more])


def test_the_csv_holds_winners_and_verdicts(viewer, pair):
    answer = compared(viewer, pair, format="csv")
    rows = {row[0]: row for row in csv.reader(io.StringIO(answer.content.decode()))}
    assert rows["Winner's energy per request"][2:4] == ["0.4", "0.36"]
    assert rows["Verified"][2:4] == ["not yet verified"] * 2
