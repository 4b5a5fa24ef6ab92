from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning import verification
from tuning.verification import Arm, Measured, TooFewPairs, Verdict

ARMS = [Arm.WINNER, Arm.DEFAULT, Arm.MAXIMUM]


def measured(energies: dict[Arm, float], *, blocks: int = 4, noise: float = 0.0, **fields):
    """Every block by the order for seed 1; `drift` adds this share of energy a run."""
    chance, drift = random.Random(7), fields.pop("drift", 0.0)
    plan = verification.order(list(energies), blocks=blocks, seed=1)
    values = {"half_width_j": None, "latency_ms": None, **fields}
    return [
        Measured(
            arm,
            block,
            energies[arm] * math.exp(chance.gauss(0, noise) + drift * position),
            values["half_width_j"],
            values["latency_ms"][arm] if values["latency_ms"] else None,
        )
        for position, (block, arm) in enumerate(plan)
    ]


@given(st.integers(2, 12), st.integers(0, 2**31))
def test_every_block_holds_each_arm_twice_and_mirrors_itself(blocks, seed):
    plan = verification.order(ARMS, blocks=blocks, seed=seed)
    for block in range(blocks):
        arms = [arm for number, arm in plan if number == block]
        assert arms == arms[::-1]
        assert Counter(arms) == dict.fromkeys(ARMS, 2)


@given(st.integers(0, 2**31))
def test_any_two_arms_stand_in_a_block_as_abba(seed):
    plan = [arm for _, arm in verification.order(ARMS, blocks=1, seed=seed)]
    for first, second in itertools.combinations(ARMS, 2):
        one, two, three, four = (arm for arm in plan if arm in (first, second))
        assert one == four != two == three


def test_the_order_is_the_same_for_the_same_seed_and_differs_between_blocks():
    plan = verification.order(ARMS, blocks=12, seed=3)
    assert plan == verification.order(ARMS, blocks=12, seed=3)
    assert len({tuple(arm for number, arm in plan if number == block) for block in range(12)}) > 1


def test_a_saving_is_one_minus_the_ratio_of_energies():
    found = verification.saving(measured({Arm.WINNER: 0.3, Arm.DEFAULT: 0.4}), against=Arm.DEFAULT)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_a_drift_that_is_linear_in_time_falls_out():
    drifting = measured({Arm.WINNER: 0.3, Arm.DEFAULT: 0.4}, drift=0.02)
    assert verification.saving(drifting, against=Arm.DEFAULT).value == pytest.approx(0.25)


def test_the_interval_is_students_t_over_the_blocks():
    runs = [
        Measured(arm, block, energy, None, None)
        for block, ratio in enumerate((0.7, 0.8, 0.9))
        for arm, energy in ((Arm.WINNER, ratio), (Arm.DEFAULT, 1.0))
        for _ in range(2)
    ]
    logs = [math.log(0.7), math.log(0.8), math.log(0.9)]
    mean = sum(logs) / 3
    deviation = math.sqrt(sum((log - mean) ** 2 for log in logs) / 2)
    half = 4.303 * deviation / math.sqrt(3)
    found = verification.saving(runs, against=Arm.DEFAULT)
    assert found.low == pytest.approx(1 - math.exp(mean + half), abs=1e-4)
    assert found.high == pytest.approx(1 - math.exp(mean - half), abs=1e-4)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    inside, chance = 0, random.Random(1)
    for _ in range(400):
        runs = [
            Measured(arm, block, energy * math.exp(chance.gauss(0, 0.02)), None, None)
            for block, arm in verification.order(ARMS, blocks=4, seed=1)
            for energy in [0.3 if arm is Arm.WINNER else 0.4]
        ]
        found = verification.saving(runs, against=Arm.DEFAULT)
        inside += found.low <= 0.25 <= found.high
    assert 0.92 * 400 <= inside <= 0.98 * 400


def test_blocks_that_agree_by_chance_are_no_surer_than_their_runs():
    runs = measured({Arm.WINNER: 1.0, Arm.DEFAULT: 1.0}, blocks=2, half_width_j=0.1)
    found = verification.saving(runs, against=Arm.DEFAULT)
    assert found.within == pytest.approx(math.sqrt(8 * 0.05**2) / 2)
    assert found.high == pytest.approx(1 - math.exp(-found.within))


def test_the_change_of_latency_is_a_difference_in_ms():
    latencies = {Arm.WINNER: 43.0, Arm.DEFAULT: 40.0}
    runs = measured({Arm.WINNER: 0.3, Arm.DEFAULT: 0.4}, latency_ms=latencies)
    assert verification.latency_change(runs, against=Arm.DEFAULT).value == pytest.approx(3.0)
    unknown = measured({Arm.WINNER: 0.3, Arm.DEFAULT: 0.4})
    assert verification.latency_change(unknown, against=Arm.DEFAULT) is None


def test_one_block_is_no_comparison():
    with pytest.raises(TooFewPairs):
        verification.saving(
            measured({Arm.WINNER: 1, Arm.DEFAULT: 1}, blocks=1), against=Arm.DEFAULT
        )


@pytest.mark.parametrize(
    ("energy", "bound_ms", "slo_ms", "expected"),
    [
        (0.3, 45.0, 50.0, Verdict.VERIFIED),
        (0.3, None, None, Verdict.VERIFIED),
        (0.3, 51.0, 50.0, Verdict.NOT_CONFIRMED),
        (0.3, None, 50.0, Verdict.NOT_CONFIRMED),
        (0.41, 45.0, 50.0, Verdict.NOT_CONFIRMED),
    ],
)
def test_verified_takes_a_whole_interval_of_saving_and_the_slo(energy, bound_ms, slo_ms, expected):
    saved = verification.saving(
        measured({Arm.WINNER: energy, Arm.DEFAULT: 0.4}, noise=0.002), against=Arm.DEFAULT
    )
    assert verification.verdict(saved, bound_ms=bound_ms, slo_ms=slo_ms) is expected


def test_the_sentence_says_the_saving_the_latency_and_the_slo():
    saved = verification.Estimate(0.23, 0.19, 0.27, None, ())
    change = verification.Estimate(3.0, 2.0, 4.0, None, ())
    words = verification.sentence(saved, change, statistic="p99", bound_ms=45.0, slo_ms=50.0)
    assert words == "saves 23 % (19 to 27 %), p99 +3.0 ms; SLO met"


def test_what_takes_more_or_may_take_more_is_not_called_a_saving():
    more = verification.Estimate(-0.04, -0.06, -0.02, None, ())
    unsure = verification.Estimate(0.01, -0.02, 0.04, None, ())
    assert verification.saving_words(more) == "takes 4 % (2 to 6 %) more"
    assert verification.saving_words(unsure).startswith("no saving shown: 1 %")
