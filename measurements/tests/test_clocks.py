"""Clocks are held, read back, and put back on every way out."""

import json
import subprocess
import sys
from itertools import product

import pytest

from measurements.board.hardware.clocks import RESTORE_FILE, Clocks
from measurements.board.hardware.emulator import open_files
from measurements.board.hardware.knobs import find_gpu, find_memory
from measurements.board.hardware.machine import SysFiles
from measurements.board.hardware.protocol import PointNotHeld
from measurements.messages import OperatingPoint
from measurements.tests.jetson_tree import (
    CPU_HZ,
    CPUS,
    EMC,
    EMC_HZ,
    EMC_RATES,
    GPU,
    GPU_HZ,
    Kernel,
    StepClock,
    agx_orin,
    without,
)

TOP = OperatingPoint(
    gpu_min_hz=GPU_HZ[-1], gpu_max_hz=GPU_HZ[-1], emc_hz=EMC_HZ[-1], cpu_hz=CPU_HZ[-1]
)
BOTTOM = OperatingPoint(
    gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[0], emc_hz=EMC_HZ[0], cpu_hz=CPU_HZ[0]
)


class Interrupted(BaseException):
    """Stands for any exception that may leave a `with` block, Ctrl-C included."""


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path / "root", agx_orin())


@pytest.fixture
def restore_file(tmp_path):
    return tmp_path / RESTORE_FILE


@pytest.fixture
def clocks(kernel, restore_file):
    return Clocks(kernel, StepClock(), restore_file=restore_file)


def test_the_legal_clocks_are_the_boards_own_tables(clocks):
    assert (list(clocks.gpu_hz), list(clocks.emc_hz), list(clocks.cpu_hz)) == (
        GPU_HZ,
        EMC_HZ,
        CPU_HZ,
    )


def test_a_governed_memory_and_cpu_have_no_clock(clocks):
    assert clocks.point() == OperatingPoint(gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[-1])


@pytest.mark.parametrize("point", [TOP, BOTTOM], ids=["top", "bottom"])
def test_a_held_point_is_read_back_and_the_old_one_restored(clocks, kernel, point):
    before = kernel.clocks()
    with clocks.holding(point) as held:
        assert held == point == clocks.point()
        assert kernel.read(f"{GPU}/device/railgate_enable").strip() == "0"
        assert kernel.read(f"{EMC}/state") == "1"
    assert kernel.clocks() == before


def test_every_way_from_one_pair_of_limits_to_another_is_legal_at_each_write(kernel):
    gpu = find_gpu(kernel)
    pairs = [pair for pair in product(GPU_HZ, GPU_HZ) if pair[0] <= pair[1]]
    for before, after in product(pairs, pairs):
        for pair in (before, after):
            gpu.write(kernel, *pair)
            assert gpu.read(kernel) == pair


def test_limits_that_the_point_leaves_open_stay_as_they_are(clocks, kernel):
    with clocks.holding(OperatingPoint(gpu_min_hz=GPU_HZ[1])):
        assert clocks.point() == OperatingPoint(gpu_min_hz=GPU_HZ[1], gpu_max_hz=GPU_HZ[-1])
    written = {path for path, _ in kernel.writes}
    assert not any(path.startswith((EMC, *CPUS)) for path in written)


def test_an_empty_point_writes_nothing(clocks, kernel):
    with clocks.holding(OperatingPoint()) as held:
        assert held == clocks.point()
    assert kernel.writes == []


@pytest.mark.parametrize(
    "point",
    [
        OperatingPoint(gpu_min_hz=GPU_HZ[0] + 1),
        OperatingPoint(gpu_max_hz=0),
        OperatingPoint(emc_hz=408_000_000),
        OperatingPoint(cpu_hz=1),
        OperatingPoint(gpu_min_hz=GPU_HZ[2], gpu_max_hz=GPU_HZ[1]),
    ],
)
def test_a_value_that_is_not_in_the_tables_is_refused_before_anything_is_written(
    clocks, kernel, restore_file, point
):
    with pytest.raises(ValueError), clocks.holding(point):
        pass
    assert kernel.writes == []
    assert not restore_file.exists()


@pytest.mark.parametrize("knob", [f"{GPU}/min_freq", f"{EMC}/rate", f"{CPUS[1]}/scaling_max_freq"])
def test_a_clock_that_does_not_take_is_noticed_and_all_are_restored(clocks, kernel, knob):
    before = kernel.clocks()
    kernel.deaf.add(knob)
    point = OperatingPoint(
        gpu_min_hz=GPU_HZ[1], gpu_max_hz=GPU_HZ[1], emc_hz=EMC_HZ[1], cpu_hz=CPU_HZ[0]
    )
    with pytest.raises(PointNotHeld, match="reads"), clocks.holding(point):
        pass
    assert kernel.clocks() == before


def test_a_gpu_that_runs_below_its_limits_is_not_held(clocks, kernel):
    kernel.deaf.add(f"{GPU}/min_freq")
    SysFiles.write(kernel, f"{GPU}/cur_freq", str(GPU_HZ[0]))
    SysFiles.write(kernel, f"{GPU}/min_freq", str(GPU_HZ[-1]))
    with pytest.raises(PointNotHeld, match="GPU runs outside"), clocks.holding(TOP):
        pass


def test_a_clock_that_may_not_be_written_is_not_held_and_the_others_are_restored(clocks, kernel):
    before = kernel.clocks()
    kernel.broken.add(f"{EMC}/mrq_rate_locked")
    with pytest.raises(PointNotHeld, match="Permission denied"), clocks.holding(TOP):
        pass
    assert kernel.clocks() == before


def test_an_exception_in_the_block_restores_the_clocks(clocks, kernel, restore_file):
    before = kernel.clocks()
    with pytest.raises(Interrupted), clocks.holding(BOTTOM):
        raise Interrupted
    assert kernel.clocks() == before
    assert not restore_file.exists()


def test_the_old_state_is_on_disk_before_the_first_write(clocks, kernel, restore_file, monkeypatch):
    saved = []
    write = kernel.write
    monkeypatch.setattr(
        kernel, "write", lambda *text: (saved.append(restore_file.read_text()), write(*text))
    )
    with clocks.holding(TOP):
        pass
    assert set(saved) == {saved[0]}
    assert json.loads(saved[0])["gpu_hz"] == [GPU_HZ[0], GPU_HZ[-1]]


def test_a_state_that_cannot_be_saved_stops_before_the_first_write(kernel, tmp_path):
    clocks = Clocks(kernel, StepClock(), restore_file=tmp_path / "missing" / RESTORE_FILE)
    with pytest.raises(OSError), clocks.holding(TOP):
        pass
    assert kernel.writes == []


@pytest.mark.parametrize("writes", range(11))
def test_whatever_a_killed_worker_had_written_the_next_one_restores_it(
    tmp_path, kernel, restore_file, clocks, writes
):
    before = kernel.clocks()
    with clocks.holding(TOP):
        left_over = restore_file.read_bytes()
    done = kernel.writes[:writes]
    assert len(done) == writes
    for path, text in done:
        kernel.write(path, text)
    restore_file.write_bytes(left_over)

    assert Clocks(kernel, StepClock(), restore_file=restore_file).restore_left_over()
    assert kernel.clocks() == before
    assert not restore_file.exists()


def test_nothing_left_over_is_no_restoring(clocks, kernel):
    assert not clocks.restore_left_over()
    assert kernel.writes == []


def test_a_failed_restore_tries_every_clock_and_keeps_its_file(clocks, kernel, restore_file):
    with pytest.raises(PermissionError), clocks.holding(TOP):
        kernel.broken.add(f"{EMC}/mrq_rate_locked")
    assert restore_file.exists()
    assert clocks.point() == OperatingPoint(
        gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[-1], emc_hz=EMC_HZ[-1]
    )
    kernel.broken.clear()
    with clocks.holding(BOTTOM):
        pass
    assert clocks.point().emc_hz is None


def test_a_restore_file_can_only_name_clocks_that_the_board_has(clocks, kernel, restore_file):
    foreign = {"gpu_hz": None, "gpu_gate": None, "emc_hz": None, "cpus_hz": {"/etc/passwd": [1, 2]}}
    restore_file.write_text(json.dumps(foreign))
    assert clocks.restore_left_over()
    assert kernel.writes == []


def test_a_memory_that_was_locked_before_is_locked_again(clocks, kernel):
    kernel.write(f"{EMC}/mrq_rate_locked", "1")
    with clocks.holding(BOTTOM):
        assert clocks.point().emc_hz == EMC_HZ[0]
    assert clocks.point().emc_hz == 2_133_000_000


def test_a_locked_memory_is_back_before_the_next_hold_may_save_it(tmp_path):
    # The kill-and-restore runs found this: a second hold saved the first one's clock.
    files, clock = open_files("agx-orin", tree=tmp_path)
    clocks = Clocks(files, clock, restore_file=tmp_path / RESTORE_FILE)
    find_memory(files).write(files, clocks.emc_hz[1])
    clock.sleep_until(1.0)
    for emc_hz in (clocks.emc_hz[3], clocks.emc_hz[2]):
        with clocks.holding(OperatingPoint(emc_hz=emc_hz)):
            pass
    assert clocks.point().emc_hz == clocks.emc_hz[1]


def test_settling_is_waited_for_in_the_boards_own_time(tmp_path, restore_file):
    class Slow(StepClock):
        """The GPU follows its limits after 40 ms."""

        def sleep_until(self, t_s):
            super().sleep_until(t_s)
            if self.t_s > 0.04:
                SysFiles.write(kernel, f"{GPU}/cur_freq", str(GPU_HZ[-1]))

    kernel = Kernel(tmp_path / "root", agx_orin())
    kernel.deaf.add(f"{GPU}/min_freq")
    SysFiles.write(kernel, f"{GPU}/min_freq", str(GPU_HZ[-1]))
    SysFiles.write(kernel, f"{GPU}/cur_freq", str(GPU_HZ[0]))
    clock = Slow()
    with Clocks(kernel, clock, restore_file=restore_file).holding(TOP):
        assert 0.04 < clock.now() < 0.06


@pytest.mark.parametrize(
    "rates", ["204000 3199000 (kHz)", "3199000 204000", "204000000 3199000000"]
)
def test_the_memory_table_may_be_in_khz_or_hz(tmp_path, restore_file, rates):
    kernel = Kernel(tmp_path, agx_orin() | {EMC_RATES: rates})
    clocks = Clocks(kernel, StepClock(), restore_file=restore_file)
    assert clocks.emc_hz == (204_000_000, 3_199_000_000)


def test_cpu_clusters_are_set_to_clocks_that_all_of_them_have(tmp_path, restore_file):
    tree = agx_orin() | {f"{CPUS[1]}/scaling_available_frequencies": "729600 999999"}
    clocks = Clocks(Kernel(tmp_path, tree), StepClock(), restore_file=restore_file)
    assert clocks.cpu_hz == (729_600_000,)


def test_a_board_without_clocks_to_set_holds_the_empty_point(tmp_path, restore_file):
    clocks = Clocks(
        Kernel(tmp_path, without(agx_orin(), "/sys")), StepClock(), restore_file=restore_file
    )
    with clocks.holding(OperatingPoint()) as held:
        assert held == OperatingPoint()


def test_the_restoring_program_says_that_there_is_nothing_to_do(tmp_path):
    command = [sys.executable, "-m", "measurements.board.restore", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "nothing to restore\n"
