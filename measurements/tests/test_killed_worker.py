"""A few kills of `benchmarks/kill_restore.py`: a real process, SIGKILL, at random moments."""

import pytest

from measurements.tests.killed_worker import WAYS, Bench, moment_of


@pytest.mark.parametrize("way", WAYS)
def test_after_a_kill_the_board_comes_back_to_what_it_was(tmp_path, way):
    outcome = Bench(tmp_path, "agx-orin", seed=3).kill(way)
    assert outcome.is_restored, outcome


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("rest", "nothing held"),
        ("rest ask", "saving the old clocks"),
        ("rest ask write write", "setting clocks"),
        ("rest ask write held", "held"),
        ("rest ask write held release write", "putting back"),
        ("rest ask write held release write rest", "nothing held"),
    ],
)
def test_the_last_words_tell_the_moment(words, moment):
    assert moment_of(words.split()) == moment
