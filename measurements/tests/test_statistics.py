import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements import statistics
from measurements.statistics import batch_means, percentile, percentile_upper, student_t

numbers = st.lists(st.floats(-1e6, 1e6), min_size=59, max_size=300)


def test_the_percentile_is_a_value_that_was_measured():
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile(range(1, 101), 0.5) == 50
    assert percentile(range(1, 102), 0.95) == 96  # 0.95 * 101 = 95.95


@given(numbers)
def test_the_percentile_is_the_smallest_value_that_enough_do_not_exceed(values):
    found = percentile(values, 0.95)
    at_most = sum(value <= found for value in values)
    below = sum(value < found for value in values)
    assert at_most >= 0.95 * len(values) - 1e-9 > below - 1e-6


@pytest.mark.parametrize(("q", "fewest"), [(0.95, 59), (0.99, 299), (0.5, 5)])
def test_too_few_requests_have_no_percentile(q, fewest):
    assert statistics.fewest_for_upper_bound(q) == fewest
    assert percentile(range(fewest - 1), q) is None
    assert percentile_upper(range(fewest - 1), q) is None
    assert percentile_upper(range(fewest), q) == fewest - 1  # only the largest bounds it


def test_the_upper_bound_of_1000_requests_is_the_962nd():
    # P(Binomial(1000, 0.95) <= 961) = 0.957, <= 960: 0.940.
    assert percentile_upper(range(1, 1001), 0.95) == 962


@given(numbers)
def test_the_upper_bound_is_not_below_the_percentile(values):
    assert percentile_upper(values, 0.95) >= percentile(values, 0.95)


@pytest.mark.parametrize(("n", "q"), [(60, 0.95), (200, 0.95), (400, 0.99), (50, 0.5)])
def test_the_upper_bound_holds_in_95_of_100_samples(n, q):
    rng = np.random.default_rng(1)
    truth = -math.log(1 - q)
    above = [percentile_upper(rng.exponential(size=n), q) >= truth for _ in range(4000)]
    assert 0.94 <= np.mean(above) <= 0.99


@pytest.mark.parametrize("alike", [1.0, 0.5, 0.0])
def test_the_upper_bound_holds_where_batches_end_together(alike):
    """1,000 requests in batches of 8, whose latencies are as alike as `alike` says."""
    rng, truth = np.random.default_rng(4), 1.6449
    batch = np.repeat(np.arange(125), 8)

    def latencies() -> np.ndarray:
        common = np.repeat(rng.normal(size=125), 8)
        return math.sqrt(alike) * common + math.sqrt(1 - alike) * rng.normal(size=1000)

    runs = [latencies() for _ in range(1500)]
    assert np.mean([percentile_upper(run, 0.95, batches=batch) >= truth for run in runs]) >= 0.93
    if alike:
        assert np.mean([percentile_upper(run, 0.95) >= truth for run in runs]) < 0.9


def test_batches_of_one_request_are_independent_requests():
    values = np.random.default_rng(1).normal(size=200)
    assert percentile_upper(values, 0.95, batches=np.arange(200)) == percentile_upper(values, 0.95)


def test_batches_whose_requests_are_all_alike_count_once_each():
    batch = np.repeat(np.arange(59), 4)
    values = np.repeat(np.random.default_rng(1).normal(size=59), 4)
    assert statistics.independent_values(values, 0.95, batch) == 59
    assert percentile_upper(values, 0.95, batches=batch) == values.max()
    assert percentile_upper(values[4:], 0.95, batches=batch[4:]) is None


def test_the_place_in_a_batch_makes_requests_worth_no_fewer():
    # In each of 20 batches the first of 16 waits longest: each tells of the slowest 5 %.
    rng = np.random.default_rng(3)
    places = np.tile(np.arange(16), 20)
    values = 100 - places + 0.1 * rng.normal(size=320)
    worth = statistics.independent_values(values, 0.95, np.repeat(np.arange(20), 16))
    assert 250 <= worth <= 320


def test_fewer_than_ten_batches_cannot_tell_how_alike_they_are():
    values = np.random.default_rng(1).normal(size=144)
    assert statistics.independent_values(values, 0.95, np.repeat(np.arange(9), 16)) == 9


# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
@pytest.mark.parametrize(
    ("degrees", "value"), [(1, 12.706), (2, 4.303), (3, 3.182), (10, 2.228), (29, 2.045)]
)
def test_students_t_agrees_with_the_table(degrees, value):
    assert student_t(0.975, degrees) == pytest.approx(value, abs=6e-4)


def test_students_t_agrees_with_scipy():
    scipy_stats = pytest.importorskip("scipy.stats")
    for degrees in (*range(1, 40), 100, 1001):
        for probability in (0.6, 0.9, 0.95, 0.975, 0.995):
            expected = scipy_stats.t.ppf(probability, degrees)
            assert student_t(probability, degrees) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 200))
def test_students_t_narrows_to_the_normal_with_more_data(degrees):
    assert student_t(0.975, degrees) > student_t(0.975, degrees + 1) > 1.9599


def test_students_t_has_no_quantile_for_nothing():
    with pytest.raises(ValueError, match="0 degrees"):
        student_t(0.975, 0)


def test_a_constant_series_has_no_error():
    mean = batch_means([2.0] * 100)
    assert (mean.value, mean.half_width) == (2.0, 0.0)


def test_one_value_has_no_interval():
    mean = batch_means([2.0])
    assert (mean.value, mean.half_width, mean.relative_half_width) == (2.0, None, None)


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="no values"):
        batch_means([])


def test_weights_make_a_ratio_of_sums():
    # 6 J in 3 s and 2 J in 1 s: 2 J/s both times.
    mean = batch_means([6.0, 2.0], weights=[3.0, 1.0])
    assert (mean.value, mean.standard_error) == (2.0, 0.0)


def test_two_values_give_the_textbook_error():
    # 1 and 3: standard deviation sqrt(2), divided by sqrt(2).
    assert batch_means([1.0, 3.0]).standard_error == pytest.approx(1.0)


def autoregressive(rng: np.random.Generator, n: int, kept: float) -> np.ndarray:
    noise = rng.normal(size=n + 300)
    series = np.empty(n + 300)
    series[0] = noise[0]
    for i in range(1, len(series)):
        series[i] = kept * series[i - 1] + noise[i]
    return series[300:]


@pytest.mark.parametrize(("kept", "n"), [(0.0, 100), (0.0, 600), (0.5, 300), (0.9, 600)])
def test_the_interval_of_an_autocorrelated_mean_covers_it(kept, n):
    rng = np.random.default_rng(2)
    means = [batch_means(autoregressive(rng, n, kept)) for _ in range(400)]
    covered = np.mean([abs(mean.value) <= mean.half_width for mean in means])
    assert 0.90 <= covered <= 0.99


def test_the_naive_interval_would_not_cover_it():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        series = autoregressive(rng, 600, 0.9)
        covered.append(abs(series.mean()) <= 1.96 * series.std() / math.sqrt(600))
    assert np.mean(covered) < 0.5


def test_quantisation_adds_up_over_rails():
    # Two rails of 0.3 and 0.4 W: sqrt(0.09 + 0.16) / sqrt(12).
    assert statistics.quantisation_error_w([0.3, 0.4]) == pytest.approx(0.5 / math.sqrt(12))


def test_an_unknown_part_makes_the_whole_interval_unknown():
    assert statistics.combined(3.0, 4.0) == 5.0
    assert statistics.combined(3.0, None) is None
