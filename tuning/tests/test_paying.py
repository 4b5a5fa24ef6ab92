import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.paying import FEWEST, Prospect, pay_back, stop_because

HARDLY = Prospect(gain_j=0.0008, requests=1_000_000, cost_j=2300)
WELL = Prospect(gain_j=0.0008, requests=10_000_000, cost_j=2300)


def test_a_search_ends_when_a_measurement_costs_more_than_it_is_expected_to_save():
    assert stop_because(HARDLY, measured=FEWEST) == (
        "Next measurement: expected to save 0.800 mJ/request × 1,000,000 requests = 800 J, "
        "costs about 2,300 J: stopped."
    )


def test_it_goes_on_while_a_measurement_pays():
    assert stop_because(WELL, measured=100) == ""


def test_it_goes_on_until_a_few_points_were_measured():
    assert stop_because(HARDLY, measured=FEWEST - 1) == ""


def test_it_goes_on_until_a_point_meets_the_limit():
    assert stop_because(Prospect(math.inf, 1, 1e9), measured=100) == ""


def test_it_goes_on_while_nobody_knows_what_a_measurement_costs():
    assert stop_because(None, measured=100) == ""


@given(
    gain_j=st.floats(0, 10), requests=st.integers(1, 10**12), cost_j=st.floats(1e-3, 1e6),
)  # fmt: skip
def test_more_requests_never_make_a_measurement_pay_less(gain_j, requests, cost_j):
    few, many = (Prospect(gain_j, n, cost_j) for n in (requests, 2 * requests))
    assert many.pays or not few.pays


def test_a_search_has_paid_when_the_saving_has_covered_its_cost():
    # 1,000 J over 20 % of 0.5 J = 0.1 J a request: 10,000 requests; 25 %: 8,000, 10 %: 20,000.
    found = pay_back(cost_j=1000, default_j=0.5, share=0.2, low=0.1, high=0.25)
    assert found is not None
    assert (found.requests, found.fewest, found.most) == pytest.approx((10_000, 8_000, 20_000))


def test_a_saving_that_may_be_nothing_may_never_pay():
    found = pay_back(cost_j=1000, default_j=0.5, share=0.2, low=-0.1, high=0.5)
    assert found is not None and found.most is None


def test_what_saves_nothing_never_pays():
    assert pay_back(cost_j=1000, default_j=0.5, share=-0.1, low=-0.2, high=0.1) is None
