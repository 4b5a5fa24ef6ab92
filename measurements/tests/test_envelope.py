from __future__ import annotations

import numpy as np
import pytest

from measurements import envelope

N = 20_000


def powers(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(20, 1, N)


def levels_of(power_w: np.ndarray) -> np.ndarray:
    return envelope.levels(power_w, np.full(len(power_w), np.nan))


def test_a_short_run_is_drawn_whole():
    assert not levels_of(powers()[: envelope.SHORT]).any()


def test_a_spike_of_one_sample_is_seen_from_the_farthest():
    power_w = powers()
    power_w[12_345], power_w[777] = 90.0, 0.1
    levels = levels_of(power_w)
    farthest = max(k for k in range(1, envelope.LEVELS + 1) if envelope.stretch(k) <= N)
    assert levels[12_345] == levels[777] == levels.max() == farthest


def test_a_dip_of_the_clock_is_seen_too():
    clock = np.full(N, 1300.0)
    clock[5000] = 600.0
    assert envelope.levels(powers(), clock)[5000] == levels_of(powers()).max()


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_stretch_keeps_its_lowest_and_highest(level):
    power_w, size = powers(), envelope.stretch(level)
    kept = levels_of(power_w) >= level
    for start in range(0, N, size):
        part, seen = power_w[start : start + size], kept[start : start + size]
        assert part[seen].min() == part.min() and part[seen].max() == part.max()


def test_a_level_is_a_known_share_of_the_samples():
    levels = levels_of(powers())
    # Lowest, highest and (no clock is stated) the first of each stretch: three of 32.
    assert 2 / 32 <= (levels >= 2).mean() <= 3 / 32


def test_what_is_not_stated_hides_no_spike():
    power_w = powers()
    power_w[4000:4100] = np.nan
    power_w[4050] = 80.0
    assert levels_of(power_w)[4050] == levels_of(power_w).max()
