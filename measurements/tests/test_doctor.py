"""`polyweb-board doctor`, and which rails may be added up."""

import pytest

from measurements.board import __main__ as program
from measurements.board import doctor
from measurements.board.hardware.emulator import open_board
from measurements.board.hardware.emulator.boards import BOARDS
from measurements.board.hardware.rails import counted_twice, total_of, unseen


@pytest.mark.parametrize("kind", sorted(BOARDS))
def test_a_board_that_lacks_nothing_passes(kind, capsys):
    assert doctor.main(["--board", f"emulated:{kind}"]) == 0
    text = capsys.readouterr().out
    assert "FAIL" not in text
    assert "physical model" in text
    for topic in ("GPU clock", "CPU clock", "Memory clock", "Power sensors", "Heat", "Power mode"):
        assert f"\n{topic}\n  pass" in text
    assert "in no number here" in text


def test_what_fails_is_named_with_its_remedy_and_counted(capsys):
    assert doctor.main(["--board", "emulated:xavier-nx:user"]) == 1
    text = capsys.readouterr().out
    assert text.count("FAIL") == text.count("remedy:") == 6
    assert "ina3221x/7-0040: its rails may not be read" in text
    assert text.endswith("6 to mend\n")


def test_an_examined_board_is_left_as_it_was(tmp_path):
    board = open_board("tx2", name="x", tree=tmp_path)
    files = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    doctor.examine(board)
    assert files == {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_board_that_is_none_is_refused_in_a_sentence(capsys):
    assert doctor.main(["--board", "emulated:amiga"]) == 2
    assert "tx2" in capsys.readouterr().err


def test_the_program_tells_its_subcommands(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["polyweb-board"])
    assert program.main() == 2
    assert "doctor" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["VDD_IN", "VDD_SOC"], ("VDD_IN", "VDD_SOC")),
        (["VDD_SYS_DDR", "VDD_IN"], ("VDD_IN", "VDD_SYS_DDR")),
        (["POM_5V_GPU", "POM_5V_IN"], ("POM_5V_IN", "POM_5V_GPU")),
        (["VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"], ("VIN_SYS_5V0", "VDDQ_VDD2_1V8AO")),
        (["VIN", "VDD_GPU"], ("VIN", "VDD_GPU")),
        (["VDD_MUX", "VDD_IN"], ("VDD_MUX", "VDD_IN")),
        (["VDD_IN", "VDD_5V0_IO_SYS"], None),
        (["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"], None),
        (["VDD_SYS_GPU", "VDD_SYS_CPU"], None),
    ],
)
def test_a_rail_and_the_one_that_feeds_it_are_never_both_counted(names, pair):
    assert counted_twice(names) == pair


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_total_that_is_found_counts_nothing_twice_and_says_what_it_misses(board):
    total = total_of([rail.name for rail in board.rails])
    assert counted_twice(total) is None
    assert "carrier" in unseen(total)
