"""A sample of `benchmarks/fuzz_tegrastats.py`, and the judge judged."""

from itertools import islice

import pytest

from measurements.board.hardware.tegrastats import parse
from measurements.tests import mutated_lines
from measurements.tests.mutated_lines import Mutant, captured_lines, judge, mutants

SAMPLE = 3000


def test_spoilt_lines_are_never_fatal_and_no_value_is_made_up():
    sample = islice(mutants(captured_lines(), seed=2), SAMPLE)
    assert [(mutant.text, wrong) for mutant in sample if (wrong := judge(mutant))] == []


def test_captured_lines_pass_the_judge():
    assert [judge(Mutant(line, cut_from=None)) for line in captured_lines()] == [None] * 71


def test_a_core_keeps_its_own_clock_beside_a_shared_one():
    assert parse("CPU [3%@345,7%,off]@1600").cpus == [345, 1600, None]


@pytest.mark.parametrize(
    ("stated", "given"),
    [
        ("VDD_IN 1038mW/1mW", "VDD_IN 1039mW/1mW"),
        ("VDD_IN 1038mW/1mW", "VDD_XX 1038mW/1mW"),
        ("GPU@28.5C", "GPU@28C"),
        ("GPU@28.5C", "GPU@-256C"),
        ("GR3D_FREQ 5%@[305,306]", "GR3D_FREQ 5%@307"),
        ("GR3D_FREQ 5%@305", "GR3D_FREQ 6%@305"),
        ("EMC_FREQ 5%@204", "EMC_FREQ 5%@5"),
        ("CPU [1%@345,off]", "CPU [off,1%@345]"),
        ("CPU [1%@345,off]", "CPU [1%@345]"),
    ],
)
def test_the_judge_finds_a_value_that_the_line_does_not_state(monkeypatch, stated, given):
    monkeypatch.setattr(mutated_lines, "parse", lambda text, complete=True: parse(given))
    assert judge(Mutant(stated, cut_from=None))


def test_the_judge_finds_what_only_the_beginning_of_a_line_states():
    assert judge(Mutant("VDD_IN 10/1", cut_from="VDD_IN 1038/1"))
