import datetime as dt
import math
import re
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from polyweb.templatetags import numbers
from polyweb.templatetags.numbers import count, duration, mhz, quantity, written


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html).replace("&nbsp;", " ").replace("&lt;", "<")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.412, "J", "0.412 J"),
        (0.0412, "J", "41.2 mJ"),
        (0.000412, "J", "412 µJ"),
        (12.345, "J", "12.3 J"),
        (999.4, "J", "999 J"),
        (999.7, "J", "1.00 kJ"),
        (7200, "J", "2.00 Wh"),
        (7.2e6, "J", "2.00 kWh"),
        (41.23, "ms", "41.2 ms"),
        (1500, "ms", "1.50 s"),
        (0.41, "ms", "410 µs"),
        (0.41, "s", "410 ms"),
        (150.4, "W", "150 W"),
        (0.25, "W", "0.250 W"),
        (4.39e9, "MAC", "4.39 GMAC"),
        (12_345, "B", "12.3 kB"),
        (33.33, "FLOP/B", "33.3 FLOP/B"),
        (0.05, "J/request", "50.0 mJ/request"),
        (61.23, "°C", "61.2 °C"),
        (85.2, "%", "85.2 %"),
        (12.3, "", "12.3"),
    ],
)
def test_three_significant_digits_with_a_prefix(value, unit, text):
    assert plain(quantity(value, unit)) == text


def test_the_interval_has_the_decimals_of_the_value():
    assert plain(quantity(0.412, "J", 0.004)) == "0.412 J ± 0.004"
    assert plain(quantity(0.0412, "J", 0.00042)) == "41.2 mJ ± 0.4"
    assert plain(quantity(123.4, "J", 2.6)) == "123 J ± 3"


def test_a_half_width_larger_than_the_value_chooses_the_prefix_for_both():
    assert plain(quantity(0.001, "J", 0.5)) == "0.001 J ± 0.500"


def test_a_half_width_too_small_to_show_is_not_shown_as_zero():
    assert plain(quantity(0.412, "J", 1e-5)) == "0.412 J ± <0.001"


def test_a_true_zero_is_shown_as_zero():
    assert plain(quantity(0, "J")) == "0 J"
    assert plain(quantity(0.0, "J", 0.0)) == "0 J ± 0"


def test_a_negative_value_has_a_real_minus_sign():
    assert plain(quantity(-3.2, "W")) == "−3.20 W"
    assert plain(quantity(-1e-12, "W")) == "−1.00e−12 W"


@pytest.mark.parametrize("value", [None, "", math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_unknown_with_its_reason(value):
    html = quantity(value, "J", 0.1, "The sensor <was> stuck.")
    assert plain(html) == "unknown"
    assert 'title="The sensor &lt;was&gt; stuck."' in html


@pytest.mark.parametrize("half_width", [None, "", math.nan, -1.0])
def test_an_unknown_half_width_is_left_out(half_width):
    assert plain(quantity(2, "W", half_width)) == "2.00 W"


def test_sizes_beyond_all_prefixes_are_written_with_a_power_of_ten():
    assert plain(quantity(1e30, "W")) == "1.00e+30 W"
    assert plain(quantity(3e-13, "J")) == "3.00e−13 J"


def test_a_column_has_fixed_decimals_and_says_what_it_does_not_know():
    assert [plain(numbers.aligned(x, 2)) for x in (41.2, 9, -0.001)] == ["41.20", "9.00", "0.00"]
    assert 'title="why"' in numbers.aligned(None, 2, "why")


@given(st.floats(min_value=1e-8, max_value=1e8), st.sampled_from(["J", "W", "s", "ms", "B", "%"]))
def test_what_is_shown_is_within_half_a_percent_of_the_value(value, unit):
    text, shown, _ = written(value, unit)
    factors = {"nJ": 1e-9, "µJ": 1e-6, "mJ": 1e-3, "kJ": 1e3, "Wh": 3.6e3, "kWh": 3.6e6}
    factors |= {"nW": 1e-9, "µW": 1e-6, "mW": 1e-3, "kW": 1e3, "MW": 1e6, "kB": 1e3, "MB": 1e6}
    if unit == "ms":
        factors |= {"ns": 1e-6, "µs": 1e-3, "s": 1e3}
    else:
        factors |= {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3}
    factor = 1.0 if shown == unit else factors[shown]
    shown_value = float(text.replace("−", "-")) * factor
    assert shown_value == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (0, "0 s"),
        (0.4, "400 ms"),
        (3.44, "3.4 s"),
        (9.96, "10 s"),
        (42, "42 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3661, "1 h 01 min"),
        (90_000, "1 d 1 h"),
        (-3, "−3.0 s"),
        (dt.timedelta(minutes=2), "2 min 00 s"),
        (None, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_a_duration_shows_the_two_units_that_matter(value_s, text):
    assert duration(value_s) == text


def test_clocks_are_in_megahertz_and_none_is_named_by_the_page():
    assert [mhz(hz) for hz in (1_300_500_000, 114_750_000, 204_000_000)] == [
        "1300.5",
        "114.75",
        "204",
    ]
    assert mhz(None) == "unknown"
    assert mhz(None, "governed") == "governed"


def test_counts_have_their_thousands_separated():
    assert [count(n) for n in (0, 1_234_567, -5_000, None)] == [
        "0",
        "1,234,567",
        "−5,000",
        "unknown",
    ]


def test_the_tags_are_there_without_loading_them():
    template = Template('{% quantity x "J" half_width=h %} {{ hz|mhz }} {% icon "plus" %}')
    html = template.render(Context({"x": 0.4, "h": 0.01, "hz": 5e6}))
    assert plain(html).strip() == "0.400 J ± 0.010 5"
    assert "icons.svg#plus" in html


def test_a_state_is_shown_with_its_words_and_kept_for_the_style_sheet():
    trial = SimpleNamespace(state="given_up", get_state_display=lambda: "given up")
    assert numbers.state_badge(trial) == (
        '<span class="badge" data-state="given_up">given up</span>'
    )
    device = SimpleNamespace(presence="offline")
    assert 'data-state="offline">offline<' in numbers.state_badge(device)
    assert numbers.state_badge(None) == ""


def test_only_data_that_no_board_gave_carries_a_provenance_badge():
    def shown(kind: str, note: str = "", pack: int | None = None) -> str:
        device = SimpleNamespace(provenance=kind, provenance_note=note, pack_id=pack)
        return plain(numbers.provenance(device))

    assert shown("real") == ""
    assert numbers.provenance(None) == ""
    assert shown("emulated", "A model.") == "emulated"
    assert shown("host") == "host"
    assert shown("replay", "Replay of TX2 v1.2 data. Fitted: none.") == "Replay of TX2 v1.2 data"
    assert shown("replay", "a table") == "replay"
    assert shown("real", pack=7) == "imported"
    assert shown("emulated", pack=7) == "emulatedimported"  # two badges


def test_a_visitor_who_is_not_signed_in_has_no_role():
    assert numbers.has_role(AnonymousUser(), "viewer") is False


@pytest.mark.parametrize(
    ("value", "text"), [(120.0, "120"), (82.9, "82.9"), (0.25, "0.25"), (None, "unknown")]
)
def test_a_number_that_was_typed_keeps_its_digits(value, text):
    assert numbers.as_typed(value) == text
