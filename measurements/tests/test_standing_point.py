"""A point that is applied for good, on the emulated board's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from measurements.board.hardware import emulator
from measurements.board.hardware.clocks import RESTORE_FILE, STANDING_FILE
from measurements.board.hardware.emulator import EmulatedBoard
from measurements.messages import OperatingPoint

STATE = emulator.STATE


def opened(tree: Path) -> EmulatedBoard:
    return emulator.open_board("agx-orin", name="orin", tree=tree)


@pytest.fixture
def board(tmp_path: Path) -> EmulatedBoard:
    return opened(tmp_path)


@pytest.fixture
def low(board: EmulatedBoard) -> OperatingPoint:
    info = board.describe()
    return OperatingPoint(
        gpu_min_hz=info.gpu_hz[1],
        gpu_max_hz=info.gpu_hz[4],
        emc_hz=info.emc_hz[2],
        cpu_hz=info.cpu_hz[5],
    )


def test_an_applied_point_stands_and_is_read_back(board, low):
    assert board.apply(low) == low
    assert board.point() == low


def test_a_roll_back_restores_what_was_before(board, low):
    before = board.point()
    board.apply(low)
    assert board.roll_back() == before
    assert board.roll_back() == before  # Twice changes nothing.


def test_an_applied_point_outlives_the_worker_and_the_default_stays_known(board, low, tmp_path):
    default = board.describe().default
    board.apply(low)
    again = opened(tmp_path)
    assert again.point() == low
    assert again.describe().default == default
    assert again.roll_back() == default


def test_an_applied_point_is_held_again_after_a_reboot(board, low, tmp_path):
    before = board.point()
    board.apply(low)
    standing = tmp_path / STATE / STANDING_FILE
    kept = standing.read_bytes()
    board.roll_back()  # The clocks are as a reboot leaves them, ...
    standing.write_bytes(kept)  # ... and the file is still there.
    again = opened(tmp_path)
    assert again.point() == low
    assert again.roll_back() == before


def test_a_run_starts_from_the_default_and_ends_at_the_applied_point(board, low):
    default = board.describe().default
    board.apply(low)
    with board.holding(OperatingPoint(gpu_max_hz=board.describe().gpu_hz[3])) as held:
        assert (held.gpu_min_hz, held.emc_hz) == (default.gpu_min_hz, default.emc_hz)
    assert board.point() == low


def test_another_point_replaces_the_applied_one_and_rolls_back_to_the_default(board, low):
    default = board.point()
    board.apply(low)
    board.apply(OperatingPoint(gpu_max_hz=board.describe().gpu_hz[6]))
    assert board.point().emc_hz == default.emc_hz
    assert board.roll_back() == default


def test_an_illegal_point_changes_nothing(board, low, tmp_path):
    board.apply(low)
    with pytest.raises(ValueError, match="not one of"):
        board.apply(OperatingPoint(emc_hz=1))
    assert board.point() == low
    assert not (tmp_path / STATE / RESTORE_FILE).exists()


@pytest.mark.parametrize("killed_at", ["before it stands", "before the old state is dropped"])
def test_a_worker_killed_while_applying_leaves_the_old_or_the_new(
    board, low, tmp_path, monkeypatch, killed_at
):
    from measurements.board.hardware import clock_state

    before, saved = board.point(), clock_state.save

    class Killed(BaseException):
        """Nothing is tidied up after it."""

    def save(path: Path, state: object) -> None:
        if path.name == STANDING_FILE and killed_at == "before it stands":
            raise Killed
        saved(path, state)

    def drop(path: Path) -> None:
        raise Killed

    monkeypatch.setattr(clock_state, "save", save)
    monkeypatch.setattr(clock_state, "drop", drop)
    with pytest.raises(Killed):
        board.apply(low)
    monkeypatch.undo()
    assert opened(tmp_path).point() == (before if killed_at == "before it stands" else low)
