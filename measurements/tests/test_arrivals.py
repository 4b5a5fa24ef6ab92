import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.board.load.arrivals import arrival_times_s
from measurements.messages import Arrivals

BACK_TO_BACK = Arrivals()


def _uniform(rate_hz: float) -> Arrivals:
    return Arrivals(kind="uniform", rate_hz=rate_hz)


def _poisson(rate_hz: float) -> Arrivals:
    return Arrivals(kind="poisson", rate_hz=rate_hz)


def test_back_to_back_requests_have_no_arrival_times():
    assert arrival_times_s(BACK_TO_BACK, 1000, start_s=3.0, seed=1) is None


def test_uniform_requests_come_exactly_one_period_apart():
    times_s = arrival_times_s(_uniform(4.0), 5, start_s=10.0, seed=1)
    assert times_s == [10.0, 10.25, 10.5, 10.75, 11.0]


def test_uniform_spacing_does_not_drift_over_a_long_run():
    times_s = arrival_times_s(_uniform(30.0), 100_001, start_s=0.0, seed=1)
    assert times_s[-1] == 100_000 / 30.0


def test_poisson_gaps_have_the_mean_and_the_spread_of_an_exponential():
    times_s = arrival_times_s(_poisson(50.0), 20_000, start_s=2.0, seed=7)
    gaps_s = [b - a for a, b in itertools.pairwise([2.0, *times_s])]
    # Mean and standard deviation of an exponential are equal: 1/50 s; 20,000 draws pin both to 2 %.
    assert statistics.mean(gaps_s) == pytest.approx(0.02, rel=0.02)
    assert statistics.stdev(gaps_s) == pytest.approx(0.02, rel=0.03)


def test_the_seed_decides_a_poisson_stream():
    stream, again, other = (
        arrival_times_s(_poisson(10.0), 50, start_s=0.0, seed=seed) for seed in (3, 3, 4)
    )
    assert stream == again != other


@given(
    st.sampled_from(["uniform", "poisson"]),
    st.floats(0.01, 1e4),
    st.floats(0, 1e6),
    st.integers(0, 2**31),
    st.integers(1, 50),
)
def test_a_longer_stream_begins_with_the_shorter_one_and_never_goes_back(
    kind, rate_hz, start_s, seed, requests
):
    arrivals = Arrivals(kind=kind, rate_hz=rate_hz)
    shorter, longer = (
        arrival_times_s(arrivals, n, start_s=start_s, seed=seed) for n in (requests, requests + 9)
    )
    assert longer[:requests] == shorter
    assert len(longer) == requests + 9
    assert longer == sorted(longer)
    assert longer[0] >= start_s


@pytest.mark.parametrize("rate_hz", [None, 0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("kind", ["uniform", "poisson"])
def test_a_rate_that_is_none_is_refused(kind, rate_hz):
    with pytest.raises(ValueError, match="positive rate"):
        arrival_times_s(Arrivals(kind=kind, rate_hz=rate_hz), 5, start_s=0.0, seed=1)


def test_back_to_back_with_a_rate_is_refused():
    with pytest.raises(ValueError, match="no rate"):
        arrival_times_s(Arrivals(kind="back_to_back", rate_hz=5.0), 5, start_s=0.0, seed=1)
