import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext

from measurements.models import UnitSettings, energy_unit_of
from measurements.units import JOULE, Assumptions, energy_unit

from .rows import make_done_run, make_user

pytestmark = pytest.mark.django_db
SAID = {
    "unit": "battery",
    "rate_hz": "10",
    "boards": "2",
    "pack_wh": "100",
    "price_per_kwh": "0.25",
    "currency": "EUR",
    "grid_g_per_kwh": "400",
    "grid_name": "somewhere",
    "grid_dated": "2026-01-31",
}


@pytest.fixture
def reader(client):
    user = make_user()
    client.force_login(user)
    return user


def shown(unit, text):
    return Template(text).render(Context({"energy_unit": unit}))


@pytest.mark.parametrize("name", ["pack_wh", "rate_hz", "price_per_kwh", "grid_g_per_kwh"])
@pytest.mark.parametrize("value", [0, -1])
def test_the_database_refuses_an_assumption_that_is_not_positive(name, value):
    with pytest.raises(IntegrityError, match=f"units_{name}_positive"), transaction.atomic():
        UnitSettings.objects.create(user=make_user(), **{name: value})


def test_the_database_refuses_sums_over_no_board():
    with pytest.raises(IntegrityError, match="units_boards_positive"), transaction.atomic():
        UnitSettings.objects.create(user=make_user(), boards=0)


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("battery", {"rate_hz": 1}),
        ("battery", {"pack_wh": 1}),
        ("energy_year", {}),
        ("cost_year", {"rate_hz": 1, "price_per_kwh": 1}),
        ("cost_year", {"rate_hz": 1, "currency": "EUR"}),
        ("co2_year", {"rate_hz": 1, "grid_g_per_kwh": 400, "grid_name": "x"}),
        ("co2_year", {"rate_hz": 1, "grid_g_per_kwh": 400, "grid_dated": dt.date(2026, 1, 1)}),
    ],
)
def test_the_database_refuses_a_unit_without_what_it_rests_on(unit, said):
    with pytest.raises(IntegrityError, match=f"units_{unit}_has_its_needs"), transaction.atomic():
        UnitSettings.objects.create(user=make_user(), unit=unit, **said)


def test_who_has_chosen_nothing_reads_joules():
    assert energy_unit_of(make_user()) == JOULE
    assert energy_unit_of(None) == JOULE


def test_the_units_come_with_the_account_in_the_same_query(client, reader):
    with CaptureQueriesContext(connection) as queries:
        client.get("/runs/")
    asked = [query["sql"] for query in queries if "unitsettings" in query["sql"]]
    assert len(asked) == 1 and "auth_user" in asked[0]


def test_what_was_said_is_kept_and_every_page_follows(client, reader):
    make_done_run(busy_energy_j=0.5)
    answer = client.post("/units/", SAID | {"next": "/runs/"}, follow=True)
    assert answer.redirect_chain == [("/runs/", 302)]
    page = answer.content.decode()
    assert '<span class="quantity">20.0</span>' in page
    assert "a pack of 100 Wh at 10 requests a second" in page


def test_one_press_switches_the_unit_once_it_is_known(client, reader):
    client.post("/units/", SAID)
    answer = client.post("/units/use/", {"unit": "cost_year", "next": "/devices/"})
    assert answer.url == "/devices/"
    reader.refresh_from_db()
    assert UnitSettings.objects.get(user=reader).unit == "cost_year"


def test_a_unit_that_rests_on_something_unsaid_asks_for_it(client, reader):
    answer = client.post("/units/use/", {"unit": "battery", "next": "/runs/"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/units/?unit=battery&next=%2Fruns%2F"
    assert answer.context["form"]["unit"].value() == "battery"
    assert energy_unit_of(reader) == JOULE


def test_the_form_says_what_is_missing_and_keeps_what_was_typed(client, reader):
    answer = client.post("/units/", SAID | {"pack_wh": ""})
    assert answer.status_code == 422
    assert "Battery hours cannot be told without it." in answer.content.decode()
    assert 'value="somewhere"' in answer.content.decode()
    assert not UnitSettings.objects.exists()


@pytest.mark.parametrize("bad", ["nan", "inf", "-1", "1e99"])
def test_numbers_that_are_none_are_refused(client, reader, bad):
    assert client.post("/units/", SAID | {"rate_hz": bad}).status_code == 422


@pytest.mark.parametrize("away", ["https://example.org/", "//example.org/", "javascript:alert(1)"])
def test_the_way_back_leads_nowhere_else(client, reader, away):
    assert client.post("/units/use/", {"unit": "joule", "next": away}).url == "/"


def test_one_readers_unit_is_not_anothers(client, reader):
    client.post("/units/", SAID)
    other = make_user()
    client.force_login(other)
    assert client.get("/runs/").context["energy_unit"] == JOULE


def test_tags_show_joules_as_ever():
    assert shown(None, "{% energy 0.4123 0.004 %}") == (
        '<span class="quantity">0.412&nbsp;J <span class="interval">± 0.004</span></span>'
    )
    assert shown(None, "{% energy_cell 0.4123 %}") == '<span class="quantity">412.3</span>'


def test_tags_show_hours_with_both_ends():
    hours = energy_unit("battery", Assumptions(pack_wh=100, rate_hz=10))
    assert "20.0&nbsp;h" in shown(hours, "{% energy 0.5 0.01 %}")
    assert "(19.6 to 20.4)" in shown(hours, "{% energy 0.5 0.01 %}")
    assert "at least 10.0" in shown(hours, "{% energy 0.5 0.5 %}")
    assert shown(hours, '{% energy_words "busy energy" %}') == "of battery life on busy energy"


def test_a_sum_of_a_year_takes_the_prefix_that_it_needs():
    year = energy_unit("energy_year", Assumptions(rate_hz=10))
    assert "43.8&nbsp;kWh" in shown(year, "{% energy 0.5 %}")


def test_an_unknown_energy_is_unknown_in_every_unit():
    hours = energy_unit("battery", Assumptions(pack_wh=100, rate_hz=10))
    assert ">unknown<" in shown(hours, '{% energy None reason="why" %}')
    assert ">unknown<" in shown(hours, "{% energy_cell None %}")
