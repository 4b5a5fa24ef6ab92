"""Which CPU clock to hold, by numbers that can be checked in the head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.cpu_phase import (
    Item,
    Reading,
    Terms,
    choose,
    coarse,
    curves,
    most_items,
    next_item,
    preparing_limit_s,
    slowing_s_hz,
)

GHZ = 10**9
CLOCKS = [GHZ // 5 * i for i in range(1, 11)]  # 0.2 to 2 GHz


def reading(cpu_hz: int) -> Reading:
    """10 ms at 2 GHz, all of it cycles; 5 W idle, the core adds 2 W at the top as f^3."""
    share = cpu_hz / (2 * GHZ)
    return Reading(time_s=0.01 / share, power_w=5 + 2 * share**3, idle_w=5.0)


def readings(clocks=CLOCKS) -> dict[int | None, Reading]:
    return {None: reading(2 * GHZ), **{hz: reading(hz) for hz in clocks}}


def test_energy_at_a_pace_is_preparing_and_standing_idle():
    # 10 ms at 7 W, then 30 ms at 5 W.
    assert Terms(0.04, None).energy_j(reading(2 * GHZ), 2 * GHZ) == pytest.approx(0.07 + 0.15)


def test_where_preparing_sets_the_pace_the_fastest_clock_is_chosen():
    assert choose(CLOCKS, readings(), Terms(0.0, None)).cpu_hz == 2 * GHZ


def test_where_inference_sets_the_pace_the_core_slows_down_to_just_keep_up():
    # At 20 ms a beat, 1 GHz is in time, 0.8 GHz is not and makes the whole board wait.
    chosen = choose(CLOCKS, readings(), Terms(0.02, None))
    assert (chosen.cpu_hz, chosen.keeps_limit) == (GHZ, True)


def test_a_clock_that_takes_more_than_its_part_of_the_limit_is_not_chosen():
    chosen = choose(CLOCKS, readings(), Terms(0.1, limit_s=0.015))
    assert chosen.cpu_hz == 1.4 * GHZ  # 14.3 ms; 1.2 GHz takes 16.7 ms


def test_if_no_clock_keeps_the_limit_the_fastest_is_chosen_and_it_says_so():
    chosen = choose(CLOCKS, readings(), Terms(0.1, limit_s=0.001))
    assert chosen.cpu_hz == 2 * GHZ and not chosen.keeps_limit


def test_inference_that_a_slow_cpu_delays_asks_for_a_faster_clock():
    # 1 ms at 20 W for each GHz^-1: 20 mJ at 1 GHz, 10 mJ at 2 GHz.
    slowing = slowing_s_hz({2 * GHZ: 0.0205, GHZ: 0.021})
    assert slowing == pytest.approx(1e-3 * GHZ)
    terms = Terms(0.02, None, slowing_j_hz=20 * slowing)
    assert choose(CLOCKS, readings(), terms).cpu_hz == 1.2 * GHZ  # 1 GHz without the slowing
    assert slowing_s_hz({GHZ: 0.02}) == 0 == slowing_s_hz({2 * GHZ: 0.021, GHZ: 0.020})


def test_a_clock_that_whole_requests_refuted_is_left_for_one_half_as_fast_again():
    assert choose(CLOCKS, readings(), Terms(0.02, None, floor_hz=1.5 * GHZ)).cpu_hz == 1.6 * GHZ


def test_once_every_clock_is_refuted_none_is_chosen():
    assert choose(CLOCKS, readings(), Terms(0.02, None, floor_hz=3.0 * GHZ)).cpu_hz is None


def test_without_any_reading_nothing_is_chosen_and_its_energy_is_unknown():
    assert choose(CLOCKS, {}, Terms(0.1, None)).energy_j is None


def test_the_curves_find_the_law_behind_readings_without_noise():
    found = curves({hz: reading(hz) for hz in CLOCKS[::3]})
    assert found.at(1.2 * GHZ).time_s == pytest.approx(0.01 / 0.6, rel=1e-6)
    assert found.at(1.2 * GHZ).power_w == pytest.approx(5 + 2 * 0.6**3, rel=1e-6)
    assert curves({GHZ: reading(GHZ), 2 * GHZ: reading(2 * GHZ)}) is None


def test_the_limit_is_half_the_slo_shared_by_a_batch():
    # 100 ms: two beats of 50 ms; four requests are prepared in each.
    assert preparing_limit_s(100.0, 4) == pytest.approx(0.0125)
    assert preparing_limit_s(None, 4) is None


def test_a_few_clocks_hold_both_ends_and_go_down_from_the_top():
    assert coarse(range(1, 30), 7) == [29, 24, 20, 15, 10, 6, 1]
    assert coarse([1, 2, 3], 7) == [3, 2, 1]


def go_through(terms: Terms, *, is_thinned: bool) -> list[Item]:
    """Every item that a phase asks for, in order, answered by the law."""
    asked: dict[Item, Reading | None] = {}
    while item := next_item(CLOCKS, asked, terms, is_thinned=is_thinned, is_busy=False):
        is_whole = item.work == "request"
        asked[item] = None if is_whole else reading(item.cpu_hz or 2 * GHZ)
    return list(asked)


def test_a_phase_begins_with_whole_requests_as_found_and_ends_with_them_at_its_choice():
    items = go_through(Terms(0.02, None), is_thinned=True)
    assert items[0] == Item("request", None)
    assert items[1] == Item("preprocessing", None)
    assert items[2] == Item("preprocessing", 2 * GHZ)
    assert items[-1] == Item("request", GHZ)
    assert Item("preprocessing", GHZ) in items  # the choice was measured, not only predicted


def test_a_thinned_phase_measures_fewer_clocks_and_chooses_the_same():
    few, all_of_them = (go_through(Terms(0.02, None), is_thinned=on) for on in (True, False))
    assert len(few) < len(all_of_them) == most_items(CLOCKS, is_thinned=False)
    assert few[-1] == all_of_them[-1]


def test_nothing_is_chosen_while_something_is_under_way():
    first = {Item("request", None): None, Item("preprocessing", None): None}
    asked = first | {Item("preprocessing", hz): None for hz in CLOCKS}
    assert next_item(CLOCKS, asked, Terms(0, None), is_thinned=False, is_busy=True) is None


@given(
    pace_s=st.floats(0, 1),
    limit_s=st.none() | st.floats(0.0005, 1),
    clocks=st.lists(st.integers(10**8, 3 * 10**9), min_size=1, max_size=30, unique=True),
)
def test_a_phase_ends_after_at_most_two_runs_for_each_clock(pace_s, limit_s, clocks):
    clocks, terms = sorted(clocks), Terms(pace_s, limit_s)
    asked: dict[Item, Reading | None] = {}
    while item := next_item(clocks, asked, terms, is_thinned=True, is_busy=False):
        assert item not in asked
        asked[item] = None if item.work == "request" else reading(item.cpu_hz or clocks[-1])
        assert len(asked) <= 2 * len(clocks) + 2
