from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from measurements import comparison, latency, statistics
from measurements.comparison import Difference, Estimate
from measurements.latency import Latencies
from measurements.messages import Requests

VALUES = st.floats(0.01, 100)
SHARES = st.floats(0.001, 0.3)


def test_a_clear_difference_is_said_in_percent():
    # 0.352 / 0.4 = 0.88; log error = hypot(1 %, 1.14 %) / 1.96, so 0.88 * exp(± 0.0151).
    found = comparison.ratio(Estimate(0.4, 0.004), Estimate(0.352, 0.004))
    assert found.ratio == pytest.approx(0.88)
    assert (found.low, found.high) == pytest.approx((0.8668, 0.8934), abs=1e-3)
    assert found.words() == "uses 12 % (11 to 13 %) less"


def test_more_is_said_as_more():
    assert comparison.ratio(Estimate(10, 0.1), Estimate(12, 0.1)).words() == (
        "uses 20 % (18 to 22 %) more"
    )


def test_a_difference_within_both_intervals_is_noise():
    words = comparison.ratio(Estimate(0.4, 0.004), Estimate(0.401, 0.004)).words()
    assert words == "no difference beyond noise (−1.2 % to +1.7 %)"


@pytest.mark.parametrize("other", [Estimate(None), Estimate(0.4), Estimate(0.0, 0.1)])
def test_what_is_not_known_claims_nothing(other):
    found = comparison.ratio(Estimate(0.4, 0.004), other)
    assert found.is_beyond_noise is None and "not known" in found.words()


@given(VALUES, SHARES, VALUES, SHARES)
def test_it_is_the_same_from_either_side(a, width_a, b, width_b):
    first, second = Estimate(a, a * width_a), Estimate(b, b * width_b)
    there, back = comparison.ratio(first, second), comparison.ratio(second, first)
    assert there.p == pytest.approx(back.p)
    assert there.low * back.high == pytest.approx(1.0)


@given(VALUES, SHARES)
def test_a_value_beside_itself_is_no_difference(value, share):
    found = comparison.ratio(Estimate(value, value * share), Estimate(value, value * share))
    assert found.ratio == 1.0 and found.p == pytest.approx(1.0)


def measured(rng: np.random.Generator, runs: int) -> list[Estimate]:
    """Runs of the same true mean 20, each known by batch means over 30 stretches."""
    found = []
    for _ in range(runs):
        mean = statistics.batch_means(rng.normal(20, 2, 300))
        found.append(Estimate(mean.value, mean.half_width))
    return found


def test_two_equal_runs_seem_to_differ_in_one_of_twenty():
    """Monte Carlo: 3,000 pairs; 5 % with a standard error of 0.4 %."""
    rng = np.random.default_rng(5)
    false = sum(bool(comparison.ratio(*measured(rng, 2)).is_beyond_noise) for _ in range(3000))
    assert 0.03 <= false / 3000 <= 0.062


def test_among_five_equal_runs_a_false_difference_stays_one_in_twenty():
    """Monte Carlo of the family-wise rate: without a correction it would be about 14 %."""
    rng = np.random.default_rng(6)
    plain = corrected = 0
    for _ in range(1500):
        baseline, *others = measured(rng, 5)
        plain += any(comparison.ratio(baseline, one).is_beyond_noise for one in others)
        corrected += any(one.is_beyond_noise for one in comparison.against(baseline, others))
    assert plain / 1500 > 0.09
    assert corrected / 1500 <= 0.06


def test_a_real_difference_of_three_errors_is_mostly_found():
    rng = np.random.default_rng(7)
    error = 0.02 * math.sqrt(2) / comparison.NORMAL_95
    found = 0
    for _ in range(1000):
        pair = [rng.normal(1, 0.02 / 1.96), math.exp(3 * error) * rng.normal(1, 0.02 / 1.96)]
        found += bool(comparison.ratio(*(Estimate(v, 0.02 * v) for v in pair)).is_beyond_noise)
    # Power of a two-sided z test at three errors: 1 - Phi(1.96 - 3) = 85 %.
    assert found / 1000 == pytest.approx(0.85, abs=0.04)


def test_holm_multiplies_the_smallest_by_all_and_never_falls():
    found = [Difference(1.1, 1, 1.2, p) for p in (0.01, 0.04, 0.03, 0.005)]
    assert [one.p for one in comparison.holm(found)] == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_the_unknown_unknown_and_does_not_count_it():
    known, unknown = comparison.holm([Difference(1.1, 1, 1.2, 0.04), Difference(1.1)])
    assert known.p == 0.04 and known.of == 1 and unknown.p is None


def test_an_interval_that_stands_alone_says_that_it_was_corrected():
    found = Difference(1.02, 1.001, 1.04, p=0.12, of=3)
    assert "corrected for 3 comparisons" in found.words()


def test_pairs_agree_with_scipy():
    pairs = [(1.0, 0.9), (2.0, 1.75), (1.0, 0.92), (3.0, 2.7), (0.5, 0.46)]
    found = comparison.paired(pairs)
    expected = stats.ttest_1samp([math.log(b / a) for a, b in pairs], 0)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(
        (math.exp(interval.low), math.exp(interval.high))
    )


def test_two_pairs_have_no_interval():
    assert comparison.paired([(1, 2), (1, 2.1)]).p is None
    assert comparison.paired([]).ratio is None


def test_the_median_of_latencies_has_an_interval_that_covers_it():
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(300):
        found = latency.percentile(_alone(rng.exponential(10, 400)), 0.5)
        hits += abs(found.value - 10 * math.log(2)) <= found.half_width
    assert hits / 300 > 0.93


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_intervals_of_latency_hold_where_batches_end_together(q):
    """1,000 requests in batches of 8 that are all alike: as if they were 125."""
    rng, truth = np.random.default_rng(12), 10 * math.log(1 / (1 - q))
    percentile, mean, alone = [], [], []
    for _ in range(400):
        ms = np.repeat(rng.exponential(10, 125), 8)
        together = Latencies(ms, np.repeat(np.arange(125), 8))
        found = latency.percentile(together, q)
        percentile.append(abs(found.value - truth) <= found.half_width)
        found = latency.mean(together)
        mean.append(abs(found.value - 10) <= found.half_width)
        found = latency.percentile(_alone(ms), q)
        alone.append(abs(found.value - truth) <= found.half_width)
    assert np.mean(percentile) >= 0.93
    assert np.mean(mean) >= 0.92
    assert np.mean(alone) < 0.75


def test_too_few_batches_leave_a_percentile_without_an_interval():
    together = Latencies(np.arange(200.0), np.repeat(np.arange(9), [24] * 8 + [8]))
    assert latency.percentile(_alone(np.arange(200.0)), 0.95).half_width is not None
    found = latency.percentile(together, 0.95)
    assert found.value == 189 and found.half_width is None


def test_the_batches_of_a_log_are_those_inferred_together():
    log = Requests(
        arrival_s=[0.0, 0.1, 0.2], start_s=[0.0, 0.1, 0.2], inference_start_s=[0.2, 0.2, 0.5],
        end_s=[0.5, 0.5, 0.8],
    )  # fmt: skip
    found = latency.of(log)
    assert found.ms == pytest.approx([500, 400, 600])
    assert found.batch.tolist() == [0, 0, 1]
    assert latency.mean(latency.of(None)).value is None


def _alone(ms):
    """Each request in a batch of its own."""
    return Latencies(np.asarray(ms), np.arange(len(ms)))


def test_the_distribution_ends_at_every_request():
    x, y = latency.distribution(np.arange(1000.0))
    assert len(x) <= latency.MOST_STEPS and (x[-1], y[-1]) == (999.0, 1.0)
    assert latency.distribution([]) == ([], [])
