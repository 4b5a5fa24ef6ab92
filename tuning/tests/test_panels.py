"""The tabs of a sweep's page, each asked for by itself."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from measurements.roles import OPERATOR
from measurements.tests.rows import make_user
from tuning import forecasting
from tuning.models import Sweep
from tuning.tests.rows import make_sweep, make_trial
from tuning.views.panels import PANELS

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
NAMES = [panel.name for panel in PANELS]


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR))
    return client


def url(sweep: Sweep, name: str) -> str:
    return reverse("sweep_panel", args=[sweep.pk, name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trials", [0, 24])
def test_a_panel_asks_few_queries_however_many_trials_there_are(
    operator, django_assert_max_num_queries, name: str, trials: int
):
    sweep = make_sweep()
    for _ in range(trials):
        make_trial(sweep)
    with django_assert_max_num_queries(12):
        answer = operator.get(url(sweep, name), headers=HTMX)
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_opened_by_itself_is_a_page_with_a_way_back(operator, name: str):
    sweep = make_sweep()
    make_trial(sweep)
    page = operator.get(url(sweep, name)).content.decode()
    assert "<h1" in page and f'href="{sweep.get_absolute_url()}#{name}"' in page


@pytest.mark.parametrize("name", NAMES)
def test_plotly_knows_every_attribute_of_a_panels_figures(operator, name: str):
    sweep = make_sweep()
    for number in range(12):
        make_trial(sweep, busy_energy_j=0.5 - number / 100, latency_p95_upper_ms=30.0 + 4 * number)
    forecasting.renew(sweep.pk)
    answer = operator.get(url(sweep, name), headers=HTMX)
    charts = answer.context.get("charts", [])
    for chart in charts:
        assert chart.figure.checked().to_plotly_json()["data"]


def test_the_same_address_is_told_apart_by_who_asks(operator):
    assert "HX-Request" in operator.get(url(make_sweep(), "maps"))["Vary"]


def test_there_is_no_other_panel(operator):
    assert operator.get(url(make_sweep(), "nothing")).status_code == 404


def test_a_sweep_without_an_energy_has_panels_all_the_same(operator):
    sweep = make_sweep()
    make_trial(sweep, busy_energy_j=None, busy_half_width_j=None)
    for name in NAMES:
        assert operator.get(url(sweep, name), headers=HTMX).status_code == 200
