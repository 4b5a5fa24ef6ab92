"""Runs side by side."""

from __future__ import annotations

import csv
import io
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from measurements.models import RequestLog, Run
from measurements.tests.rows import (
    make_device,
    make_done_run,
    make_network,
    make_run,
    make_user,
)
from measurements.tests.test_run_traces import sampled
from measurements.views.compare import plain

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def pair() -> list[Run]:
    device, network = make_device(name="orin"), make_network(name="B4")
    same = {"device": device, "network": network, "emc_hz": 2_133_000_000}
    runs = [
        make_done_run(**same, gpu_max_hz=1_300_500_000),
        make_done_run(**same, gpu_max_hz=726_750_000, busy_energy_j=0.35),
    ]
    for run, ms in zip(runs, (10.0, 12.0), strict=True):
        starts = [float(i) for i in range(200)]
        ends = [i + (ms + i % 7 / 10) / 1000 for i in range(200)]
        RequestLog.objects.create(
            run=run, arrival_s=starts, start_s=starts, inference_start_s=starts, end_s=ends
        )
    return runs


def ids(runs: list[Run]) -> str:
    return ",".join(str(run.pk) for run in runs)


def compared(client: Client, runs: list[Run], **query: str):
    return client.get(reverse("compare"), {"runs": ids(runs), **query})


def rows_of(answer) -> dict:
    return {row.label: row for _, rows in answer.context["tables"] for row in rows}


def test_a_saving_is_said_with_its_interval(viewer, pair):
    page = compared(viewer, pair)
    (sentence,) = page.context["sentences"]
    assert sentence.startswith("B against A: energy per request: uses 13 % (11 to 14 %) less")
    assert "p95 latency: takes" in sentence and sentence.endswith("more.")


def test_changed_settings_are_marked_and_equal_ones_are_not(viewer, pair):
    rows = rows_of(compared(viewer, pair))
    assert rows["GPU max"].differs and [c.value for c in rows["GPU max"].cells] == [
        "1300.5", "726.75"
    ]  # fmt: skip
    assert not rows["Memory clock"].differs and not rows["Network"].differs


def test_only_differences_are_shown_on_demand(viewer, pair):
    rows = rows_of(compared(viewer, pair, only="differences"))
    assert "GPU max" in rows and "Memory clock" not in rows


def test_the_baseline_stands_in_the_url(viewer, pair):
    page = compared(viewer, pair, baseline=str(pair[1].pk))
    assert page.context["base"].letter == "B"
    (sentence,) = page.context["sentences"]
    assert sentence.startswith("A against B") and "more" in sentence
    links = page.context["sides"][0][1]
    assert f"baseline={pair[0].pk}" in links["as_baseline"]


def test_a_baseline_that_is_not_compared_is_ignored(viewer, pair):
    assert compared(viewer, pair, baseline="x").context["baseline"] == 0


def test_what_is_not_like_with_like_is_named(viewer, pair):
    other = make_done_run(network=make_network(name="B0"), batch_size=4, sample_interval_ms=100)
    page = compared(viewer, [pair[0], other])
    assert {text.split(":")[0] for text in page.context["unlike"]} >= {
        "Network", "Device", "Batch size", "Sampled every (ms)"
    }  # fmt: skip
    assert "Not like with like" in page.content.decode()


def test_the_same_board_and_load_are_like_with_like(viewer, pair):
    assert compared(viewer, pair).context["unlike"] == []


def test_a_run_that_is_not_valid_takes_part_in_no_test(viewer, pair):
    invalid = make_done_run(state=Run.State.INVALID, network=pair[0].network)
    page = compared(viewer, [*pair, invalid])
    assert "not known for both" in page.context["sentences"][1]
    assert "C is invalid" in page.content.decode()


def test_a_log_and_a_run_without_energy_can_stand_beside_others(viewer, pair):
    log = Run.objects.create(
        origin=Run.Origin.IMPORTED_LOG, requests_asked=5, state=Run.State.DONE,
        finished_at=pair[0].finished_at, requests_served=5, at_rate_energy_j=2.0, title="my log",
    )  # fmt: skip
    queued = make_run()
    page = compared(viewer, [pair[0], log, queued])
    assert page.status_code == 200 and "my log" in page.content.decode()


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        (str(uuid.UUID(int=1)), "There is no run"),
        ("x,y", "is not the id of a run"),
        (",".join(str(uuid.UUID(int=n)) for n in range(13)), "at most 12"),
    ],
)
def test_what_cannot_be_compared_is_said(viewer, runs, why):
    page = viewer.get(reverse("compare"), {"runs": runs})
    assert page.status_code == 404 and why in page.content.decode()


def test_one_run_asks_with_which_other(viewer, pair):
    page = compared(viewer, pair[:1])
    assert page.context["suggested"] == [pair[1]]
    assert "With which other" in page.content.decode()


def test_nothing_chosen_is_an_invitation(viewer):
    assert "Nothing to compare yet" in viewer.get(reverse("compare")).content.decode()


def test_ticked_boxes_become_the_link_to_share(viewer, pair):
    answer = viewer.get(reverse("compare"), {"run": [str(run.pk) for run in pair]})
    assert answer.url == f"{reverse('compare')}?runs={ids(pair)}"


def test_traces_are_laid_over_each_other_from_the_start_of_serving(viewer):
    runs = [sampled([10.0] * 400), sampled([12.0] * 9000)]
    runs[0].phases.create(name="serve", start_s=5.0, end_s=15.0)
    Run.objects.filter(pk=runs[1].pk).update(board_s=450.0)
    drawn = dict(compared(viewer, runs).context["drawn"])
    first, second = drawn["compared-power"]["data"]
    assert first["x"][0] == -5.0 and len(first["x"]) == 400
    assert 50 < len(second["x"]) <= 500 and second["y"][0] == 12.0


def test_a_comparison_of_twelve_asks_few_queries(viewer, django_assert_max_num_queries):
    device, network = make_device(), make_network()
    runs = [make_done_run(device=device, network=network) for _ in range(12)]
    with django_assert_max_num_queries(12):
        compared(viewer, runs)


def test_the_csv_has_every_row_and_the_verdicts(viewer, pair):
    answer = compared(viewer, pair, format="csv", only="differences")
    rows = {row[0]: row for row in csv.reader(io.StringIO(answer.content.decode()))}
    assert rows["run"][2:4] == [str(run.pk) for run in pair]
    assert rows["Busy energy per request"][1:6] == [
        "J per request",
        "0.4",
        "0.35",
        "0.004",
        "0.004",
    ]
    assert "less" in rows["Busy energy per request"][-1]
    assert rows["Provenance"][2:4] == ["emulated", "emulated"]


def test_a_spreadsheet_runs_nothing():
    assert list(plain([["=1+1", "@x", -2.0, "fine"]])) == [["'=1+1", "'@x", -2.0, "fine"]]
