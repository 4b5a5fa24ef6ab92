import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.board.load import trace
from measurements.board.load.arrivals import arrival_times_s
from measurements.messages import Arrivals
from measurements.models import ArrivalTrace
from measurements.roles import OPERATOR, VIEWER

from .rows import make_user

THREE = [0.0, 0.5, 2.0]


def test_times_count_from_the_first_arrival():
    assert trace.parse("10\n10.5\n12\n") == THREE


def test_a_csv_with_a_heading_gives_its_first_column():
    assert trace.parse("t_s,user\n10,anna\n\n10.5,bert # late\n12,carl") == THREE


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("0\nsoon\n", "Line 2"),
        ("0\n2\n1\n", "Line 3"),
        ("0\nnan\n", "Line 2"),
        ("0\ninf\n", "Line 2"),
        ("5\n", "at least two"),
        ("5\n5\n", "at least two"),
        ("0\n90000\n", "longer than a day"),
        ("", "at least two"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_place(text: str, where: str):
    with pytest.raises(trace.NoTrace, match=where):
        trace.parse(text)


def test_a_trace_too_long_for_a_plan_is_refused():
    with pytest.raises(trace.NoTrace, match="20,000"):
        trace.parse("\n".join(map(str, range(trace.MOST_ARRIVALS + 1))))


def test_a_replay_goes_on_one_mean_gap_after_the_last_arrival():
    # Two gaps in 2 s: a mean gap of 1 s, so the second round starts at 3 s.
    replayed = trace.replayed(THREE, start_s=100.0)
    assert list(itertools.islice(replayed, 7)) == [100, 100.5, 102, 103, 103.5, 105, 106]


def test_arrivals_of_a_trace_are_the_trace():
    arrivals = Arrivals(kind="trace", rate_hz=1.0, trace="three", times_s=THREE)
    assert arrival_times_s(arrivals, 3, start_s=7.0, seed=1) == [7.0, 7.5, 9.0]


def test_arrivals_of_a_trace_need_one():
    with pytest.raises(ValueError, match="two arrivals"):
        arrival_times_s(Arrivals(kind="trace", rate_hz=1.0), 3, start_s=7.0, seed=1)


def test_the_busiest_second_is_counted():
    assert trace.most_within([0.0, 0.1, 0.9, 1.0, 5.0], 1.0) == 3


@given(st.text(alphabet="0123456789.,-e#\n infan", max_size=200))
def test_any_text_is_a_trace_or_refused(text: str):
    try:
        times_s = trace.parse(text)
    except trace.NoTrace:
        return
    assert times_s[0] == 0 and times_s == sorted(times_s)


@given(st.lists(st.floats(0, 1000), min_size=2, max_size=30).map(sorted), st.integers(1, 100))
def test_a_replay_never_goes_backwards_and_keeps_the_mean_rate(times_s: list[float], count: int):
    if times_s[-1] - times_s[0] < 1e-3:
        return
    replayed = list(itertools.islice(trace.replayed(times_s, start_s=5.0), count * len(times_s)))
    assert replayed == sorted(replayed)
    period_s = len(times_s) / trace.mean_rate_hz(times_s)
    assert replayed[-1] - replayed[0] == pytest.approx(
        (count - 1) * period_s + times_s[-1] - times_s[0]
    )


@pytest.mark.django_db
def test_a_pasted_trace_becomes_a_row(client):
    client.force_login(make_user(OPERATOR))
    client.post("/arrival-traces/", {"name": "monday", "pasted": "10\n10.5\n12\n"})
    stored = ArrivalTrace.objects.get(name="monday")
    assert (stored.times_s, stored.rate_hz) == (THREE, 1.0)


@pytest.mark.django_db
def test_a_bad_trace_is_refused_at_its_field(client):
    client.force_login(make_user(OPERATOR))
    answer = client.post("/arrival-traces/", {"name": "monday", "pasted": "10\nsoon\n"})
    assert answer.status_code == 422
    assert "Line 2" in answer.content.decode()
    assert not ArrivalTrace.objects.exists()


@pytest.mark.django_db
def test_a_viewer_stores_no_trace(client):
    client.force_login(make_user(VIEWER))
    assert client.post("/arrival-traces/", {"name": "x", "pasted": "0\n1"}).status_code == 403
