import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.units import JOULE, NAMES, Assumptions, NotSaid, energy_unit

ALL = Assumptions(
    pack_wh=100,
    rate_hz=10,
    boards=2,
    price_per_kwh=0.25,
    currency="EUR",
    grid_g_per_kwh=400,
    grid_name="somewhere",
    grid_dated=dt.date(2026, 1, 31),
)
energies = st.floats(1e-6, 1e4)


def test_hours_are_the_pack_over_the_power():
    # 0.5 J x 10 /s = 5 W; 100 Wh / 5 W = 20 h, on one board however many there are.
    assert energy_unit("battery", ALL).value(0.5) == pytest.approx(20)


def test_a_year_counts_every_board():
    # 5 W x 2 boards x 8760 h = 87.6 kWh.
    assert energy_unit("energy_year", ALL).value(0.5) == pytest.approx(87_600)


def test_cost_and_co2_follow_from_the_kwh_of_a_year():
    assert energy_unit("cost_year", ALL).value(0.5) == pytest.approx(87.6 * 0.25)
    assert energy_unit("co2_year", ALL).value(0.5) == pytest.approx(87.6 * 400)


@pytest.mark.parametrize(
    ("key", "missing"),
    [
        ("battery", ["pack_wh", "rate_hz"]),
        ("energy_year", ["rate_hz"]),
        ("cost_year", ["rate_hz", "price_per_kwh", "currency"]),
        ("co2_year", ["rate_hz", "grid_g_per_kwh", "grid_name", "grid_dated"]),
    ],
)
def test_nothing_that_was_not_said_is_assumed(key, missing):
    assert Assumptions().missing(key) == missing
    with pytest.raises(NotSaid):
        energy_unit(key, Assumptions())


@pytest.mark.parametrize("key", NAMES)
@given(energy_j=energies, share=st.floats(0, 0.9))
def test_an_interval_keeps_its_ends_in_every_unit(key, energy_j, share):
    unit = energy_unit(key, ALL)
    low, high = unit.bounds(energy_j, share * energy_j)
    ends = sorted([unit.value(energy_j * (1 - share)), unit.value(energy_j * (1 + share))])
    assert [low, high] == pytest.approx(ends)
    assert low <= unit.value(energy_j) * (1 + 1e-9) and unit.value(energy_j) <= high * (1 + 1e-9)


@pytest.mark.parametrize("key", NAMES)
@given(pair=st.tuples(energies, energies))
def test_less_energy_is_always_the_better_side(key, pair):
    unit, (less, more) = energy_unit(key, ALL), sorted(pair)
    if unit.more_is_better:
        assert unit.value(less) >= unit.value(more)
    else:
        assert unit.value(less) <= unit.value(more)


def test_many_energies_convert_like_each_of_them():
    for key in NAMES:
        unit = energy_unit(key, ALL)
        assert unit.of([0.1, 2.0]) == pytest.approx([unit.value(0.1), unit.value(2.0)])


def test_no_energy_at_all_lasts_for_ever_and_an_unknown_one_stays_unknown():
    hours = energy_unit("battery", ALL).of([0.0, math.nan])
    assert hours[0] == math.inf and math.isnan(hours[1])


def test_hours_reach_farther_up_than_down():
    # 20 h; 0.4 J: 25 h, 0.6 J: 16.7 h.
    bars = energy_unit("battery", ALL).error_bars([0.5], [0.1])
    assert bars["array"] == pytest.approx([5.0])
    assert bars["arrayminus"] == pytest.approx([20 - 100 / 6])


def test_an_energy_that_may_be_nothing_has_no_upper_bound_in_hours():
    assert energy_unit("battery", ALL).bounds(0.5, 0.5)[1] == math.inf


@pytest.mark.parametrize(
    ("energies_j", "symbol"), [([0.99], "mJ"), ([0.2, 1.0], "J"), ([], "mJ"), ([12], "J")]
)
def test_the_prefix_suits_the_largest_energy(energies_j, symbol):
    assert JOULE.fitting(energies_j).symbol == symbol


def test_a_prefix_changes_the_numbers_with_the_symbol():
    unit = energy_unit("energy_year", ALL).fitting([0.5])
    assert (unit.symbol, unit.value(0.5)) == ("kWh", pytest.approx(87.6))
    assert unit.fitting([0.5]) == unit


def test_an_axis_names_the_energy_and_the_unit():
    assert JOULE.title("Busy energy") == "Busy energy per request (J)"
    hours = energy_unit("battery", ALL)
    assert hours.title("Busy energy") == "Battery life on busy energy (h)"
    cost = energy_unit("cost_year", ALL)
    assert cost.title("At-rate energy") == "Cost of at-rate energy a year (EUR)"
    assert energy_unit("co2_year", ALL).named("busy energy") == "CO₂ of busy energy a year"


def test_a_column_has_one_unit_whatever_its_rows():
    assert JOULE.column == "mJ/request"
    assert energy_unit("energy_year", ALL).column == "kWh/year"
    assert JOULE.column_decimals == 1
    assert energy_unit("battery", ALL).column_decimals == 1  # 10 h at 1 J


def test_texts_have_three_digits_and_an_interval_as_fine():
    assert JOULE.text(0.4123, 0.0042) == "412 ± 4 mJ"
    assert energy_unit("battery", ALL).text(0.5, 0.01) == "20.0 h (19.6 to 20.4)"


def test_what_a_unit_rests_on_stands_in_words():
    assert energy_unit("battery", ALL).under == "a pack of 100 Wh at 10 requests a second"
    assert energy_unit("co2_year", ALL).under == (
        "10 requests a second on 2 boards and 400 gCO₂ a kWh (somewhere, 2026-01-31)"
    )
