"""The run over time: what is drawn at which zoom, and any window's energy."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from measurements import recording, traces
from measurements.messages import Samples
from measurements.models import PowerSample, RequestLog, Run
from measurements.power import Window
from measurements.tests.rows import make_device, make_done_run, make_run, make_user

pytestmark = pytest.mark.django_db
RAILS = [
    {"name": "VDD_IN", "part": "input", "in_total": True},
    {"name": "VDD_GPU", "part": "gpu", "in_total": False},
]
MANY = 50_000


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user())
    return client


def sampled(powers_w: np.ndarray, *, lag_s: float = 0.0, **fields: object) -> Run:
    """A done run with a sample each 50 ms; the GPU takes half of the total."""
    run = make_done_run(
        rails=["VDD_IN", "VDD_GPU"], total_of=["VDD_IN"], rail_busy_energy_j=[0.4, 0.2],
        manifest={"board": {"rails": RAILS, "sensor_lag_s": lag_s}}, **fields,
    )  # fmt: skip
    n = len(powers_w)
    total = [float(power) for power in powers_w]
    samples = Samples(
        t_us=[50_000 * i for i in range(n)], rails_w=[total, [power / 2 for power in total]],
        gpu_mhz=[1300] * n, emc_mhz=[3199] * n, cpu_mhz=[2201] * n, temp_c=[45.0] * n,
        gpu_busy_percent=[99.0] * n,
    )  # fmt: skip
    recording.store_samples(run, samples, total)
    return run


def answer(client: Client, run: Run, **query: object) -> dict:
    return client.get(reverse("run_trace", args=[run.pk]), query).json()


def total_of(told: dict) -> dict:
    return next(line for line in told["figure"]["data"] if line["name"] == "total")


@pytest.fixture
def spiky() -> Run:
    powers_w = np.random.default_rng(3).normal(20, 0.5, MANY)
    powers_w[31_415], powers_w[27_182] = 80.0, 1.0
    return sampled(powers_w)


def test_the_whole_run_shows_few_samples_and_every_spike(viewer, spiky):
    told = answer(viewer, spiky)
    assert 500 < told["samples"] <= 2400 and told["stretch"] > 1
    assert {80.0, 1.0} <= set(total_of(told)["y"])
    assert total_of(told)["x"] == sorted(total_of(told)["x"])


def test_zooming_in_shows_more_until_it_shows_everything(viewer, spiky):
    stretches = [
        answer(viewer, spiky, **{"from": 1500, "to": 1500 + width})["stretch"]
        for width in (1000, 400, 100)
    ]
    assert stretches == sorted(stretches, reverse=True) and stretches[-1] == 1
    told = answer(viewer, spiky, **{"from": 1570, "to": 1571})
    assert len(total_of(told)["y"]) == 21


def test_samples_that_were_stored_without_levels_are_drawn_by_their_extremes(viewer, spiky):
    PowerSample.objects.update(level=0)
    told = answer(viewer, spiky)
    assert told["samples"] <= 2400 and {80.0, 1.0} <= set(total_of(told)["y"])


def test_points_are_bounded(viewer, spiky):
    assert answer(viewer, spiky, points=10**9)["samples"] <= 2400
    assert answer(viewer, spiky, points=-5)["samples"] <= 100
    assert answer(viewer, spiky, points="x")["samples"] <= 2400


@pytest.mark.parametrize(
    "query", [{"from": "5", "to": "1"}, {"from": "x", "to": "1"}, {"from": "nan", "to": "nan"},
              {"from": "1e999", "to": "1"}, {"from": "1"}, {"start": "3", "end": "2"}]
)  # fmt: skip
def test_nonsense_is_refused_with_its_reason(viewer, query):
    refused = viewer.get(reverse("run_trace", args=[make_run().pk]), query)
    assert refused.status_code == 400 and refused.json()["error"]


@pytest.mark.parametrize("query", [{"from": "-1e30", "to": "1e30"}, {"from": "9e9", "to": "1e10"}])
def test_a_window_far_outside_is_no_error(viewer, query):
    assert viewer.get(reverse("run_trace", args=[make_run().pk]), query).status_code == 200


def test_batches_show_where_they_can_be_told_apart(viewer):
    run = sampled(np.full(400, 10.0), requests_served=2000)
    ends = [5 + 0.005 * (i // 2 + 1) for i in range(2000)]
    starts = [5 + 0.005 * (i // 2) for i in range(2000)]
    RequestLog.objects.create(
        run=run, arrival_s=starts, start_s=starts, inference_start_s=starts, end_s=ends
    )
    hints = answer(viewer, run)["figure"]["layout"]["annotations"]
    assert "zoom in" in hints[0]["text"]
    told = answer(viewer, run, **{"from": 6, "to": 6.02})
    texts = [line["text"] for line in told["figure"]["data"] if line["name"] == "inference"]
    assert "2 requests" in texts[0][1]


def test_a_run_under_way_gives_an_empty_figure_with_its_boards_rails(viewer):
    run = make_run(state=Run.State.RUNNING, attempt=1)
    told = answer(viewer, run)
    names = [line["name"] for line in told["figure"]["data"]]
    assert names[:2] == ["total", "VDD_GPU_SOC"] and "memory clock" in names
    assert told["samples"] == 0


def test_a_windows_energy_is_that_of_its_samples(viewer):
    run = sampled(np.full(400, 10.0))
    times = [float(i) for i in range(15)]
    RequestLog.objects.create(
        run=run, arrival_s=times, start_s=times, inference_start_s=times,
        end_s=[t + 0.5 for t in times],
    )  # fmt: skip
    page = viewer.get(reverse("run_window", args=[run.pk]), {"start": "5.01", "end": "7.01"})
    over = page.context["over"]
    assert over.energy_j == pytest.approx(20.0)
    assert over.rails[1].energy_j == pytest.approx(10.0) and over.rest_j == pytest.approx(10.0)
    assert over.requests == 2 and over.per_request_j == pytest.approx(10.0)
    assert page["HX-Replace-Url"] == f"{run.get_absolute_url()}?start=5.01&end=7.01"


def test_the_columns_of_a_window_reach_one_sample_beyond_its_ends():
    found = traces.columns(sampled(np.arange(100.0)), Window(1.01, 1.99))
    assert (found.t_s[0], found.t_s[-1]) == (1.0, 2.0)


def test_the_link_to_a_window_shows_it_without_javascript(viewer):
    run = sampled(np.full(400, 10.0))
    page = viewer.get(run.get_absolute_url(), {"start": "5", "end": "7"}).content.decode()
    assert "on average over" in page and 'value="5"' in page


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"start": "15", "end": "25"}, "do not cover"),
        ({"start": "7", "end": "5"}, "end at least"),
        ({"start": "x", "end": "5"}, "numbers of seconds"),
    ],
)
def test_a_window_without_energy_says_why(viewer, query, why):
    page = viewer.get(reverse("run_window", args=[sampled(np.full(400, 10.0)).pk]), query)
    assert page.status_code == 200 and why in page.content.decode()


def test_a_missing_total_is_no_zero(viewer):
    run = sampled(np.full(400, 10.0))
    PowerSample.objects.filter(run=run, t_us=6_000_000).update(total_w=None)
    page = viewer.get(reverse("run_window", args=[run.pk]), {"start": "5", "end": "7"})
    assert "do not state this power" in page.content.decode()


def test_the_run_page_asks_few_queries(viewer, django_assert_max_num_queries):
    run = sampled(np.full(400, 10.0), device=make_device())
    with django_assert_max_num_queries(12):
        viewer.get(run.get_absolute_url())


def test_a_trace_asks_few_queries(viewer, spiky, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        answer(viewer, spiky)
