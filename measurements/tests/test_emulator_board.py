"""The emulated board as the Jetson adapter meets it: files, tegrastats lines, load, both times."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from measurements.board.hardware.emulator import (
    EmulatedBoard,
    UnknownKind,
    open_board,
    tegrastats,
)
from measurements.board.hardware.emulator.boards import AGX_ORIN
from measurements.board.hardware.emulator.emulation import Emulation
from measurements.board.hardware.emulator.files import EmulatedFiles
from measurements.board.hardware.emulator.model import Model
from measurements.board.hardware.emulator.tree import knobs, plant
from measurements.board.hardware.protocol import Sample
from measurements.messages import NetworkFeatures, OperatingPoint

GPU = "/sys/class/devfreq/17000000.ga10b"
EMC = "/sys/kernel/debug/bpmp/debug/clk/emc"
POINT = OperatingPoint(
    gpu_min_hz=726_750_000,
    gpu_max_hz=726_750_000,
    emc_hz=2_133_000_000,
    cpu_hz=1_497_600_000,
)
NETWORK = NetworkFeatures(
    name="made up",
    sha256=None,
    input_shape=[None, 3, 380, 380],
    input_dtype="float32",
    flops_per_item=9.2e9,
    flops_fixed=0.0,
    bytes_per_item=2.0e9,
    bytes_fixed=0.1e9,
)


@pytest.fixture
def files(tmp_path: Path) -> EmulatedFiles:
    plant(AGX_ORIN, tmp_path)
    return EmulatedFiles(tmp_path, Emulation(Model(AGX_ORIN, seed=1)))


def make_board(tmp_path: Path, **kwargs: object) -> EmulatedBoard:
    return open_board("agx-orin", name="test", tree=tmp_path / "a tree", **kwargs)


def refused(files: EmulatedFiles, path: str, text: str) -> str | None:
    with pytest.raises(OSError) as caught:
        files.write(path, text)
    return errno.errorcode[caught.value.errno]


def test_an_upper_limit_below_the_lower_one_is_refused(files):
    files.write(f"{GPU}/min_freq", "726750000")
    assert refused(files, f"{GPU}/max_freq", "624750000") == "EINVAL"


def test_a_lower_limit_above_the_upper_one_is_refused_and_the_other_order_taken(files):
    files.write(f"{GPU}/max_freq", "624750000")
    assert refused(files, f"{GPU}/min_freq", "726750000") == "EINVAL"
    files.write(f"{GPU}/max_freq", "726750000")
    files.write(f"{GPU}/min_freq", "726750000")
    assert files.read(f"{GPU}/min_freq") == "726750000\n"


def test_cpu_limits_are_held_to_the_same_order(files):
    policy = "/sys/devices/system/cpu/cpu5/cpufreq"
    files.write(f"{policy}/scaling_max_freq", "1036800")
    assert refused(files, f"{policy}/scaling_min_freq", "1113600") == "EINVAL"


@pytest.mark.parametrize("text", ["fast", "", "-1", "1e9", "٣"])
def test_what_is_no_whole_number_is_refused(files, text):
    assert refused(files, f"{GPU}/max_freq", text) == "EINVAL"


def test_a_gpu_clock_between_two_of_the_table_is_brought_inside_the_limit(files):
    files.write(f"{GPU}/max_freq", "700000000")
    assert files.read(f"{GPU}/max_freq") == "624750000\n"


def test_a_file_that_is_not_a_setting_cannot_be_written(files):
    assert refused(files, f"{GPU}/cur_freq", "1") == "EACCES"
    assert refused(files, f"{GPU}/no_such_file", "1") == "ENOENT"


@pytest.mark.parametrize(
    ("asked_mhz", "got_mhz"),
    [(204, 204), (408, 665.6), (1062.4, 2133), (1600, 2133), (2400, 3199), (9000, 3199)],
)
def test_memory_clocks_round_up_to_the_ones_that_can_be_locked(tmp_path, asked_mhz, got_mhz):
    plant(AGX_ORIN, tmp_path)
    model = Model(AGX_ORIN, seed=1)
    files = EmulatedFiles(tmp_path, Emulation(model))
    files.write(f"{EMC}/mrq_rate_locked", "1")
    files.write(f"{EMC}/rate", str(round(asked_mhz * 1e6)))
    model.advance(0.01)
    assert files.read(f"{EMC}/rate") == f"{round(got_mhz * 1e6)}\n"


def test_a_memory_clock_without_the_lock_does_not_take(files):
    files.write(f"{EMC}/rate", "3199000000")
    assert files.read(f"{EMC}/rate") == "204000000\n"


def test_an_idle_gated_gpu_shows_clock_zero_and_its_zone_cannot_be_read(files):
    assert files.read(f"{GPU}/cur_freq") == "0\n"
    zone = f"/sys/class/thermal/thermal_zone{[z.name for z in AGX_ORIN.zones].index('GPU')}"
    with pytest.raises(OSError) as caught:
        files.read(f"{zone}/temp")
    assert caught.value.errno == errno.EAGAIN
    files.write(f"{GPU}/device/railgate_enable", "0")
    assert files.read(f"{GPU}/cur_freq") == "114750000\n"
    assert int(files.read(f"{zone}/temp")) == pytest.approx(38_000, abs=2000)


def test_written_clocks_outlive_the_process(tmp_path, files):
    files.write(f"{GPU}/max_freq", "930750000")
    files.write(f"{EMC}/mrq_rate_locked", "1")
    files.write(f"{EMC}/rate", "665600000")
    plant(AGX_ORIN, tmp_path)
    found = knobs(AGX_ORIN, tmp_path)
    assert (found.gpu_max_hz, found.emc_rate_hz, found.emc_locked) == (930750000, 665600000, True)


def test_an_unknown_kind_is_named_together_with_the_known_ones(tmp_path):
    with pytest.raises(UnknownKind, match="agx-orin"):
        open_board("amiga", name="x", tree=tmp_path)


def test_the_adapter_finds_everything_the_board_has(tmp_path):
    info = make_board(tmp_path).describe()
    assert info.kind == "agx-orin"
    assert info.provenance == "emulated"
    assert (len(info.gpu_hz), len(info.emc_hz), len(info.cpu_hz)) == (13, 4, 29)
    total = [rail.name for rail in info.rails if rail.in_total]
    assert total == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]
    assert info.problems == []


def test_a_point_is_held_and_given_back(tmp_path):
    board = make_board(tmp_path)
    before = board.point()
    with board.holding(POINT) as held:
        assert held == POINT
    assert board.point() == before
    assert (before.gpu_min_hz, before.gpu_max_hz) == (114_750_000, 1_300_500_000)


def run(board: EmulatedBoard, *, requests: int, settle_s: float = 0.0, **load: int):
    """One small run: the samples, the served batches."""
    served = board.load(NETWORK, **{"batch_size": 1, "seed": 7, **load})
    with board.holding(POINT), board.sampling(50) as sampler, served.ready():
        board.clock.sleep_until(board.clock.now() + settle_s)
        batches = list(served.serve(None, requests))
    return sampler, batches


def test_two_boards_of_one_seed_measure_the_same_to_the_last_bit(tmp_path):
    runs = [run(make_board(tmp_path / name, seed=3), requests=40) for name in ("a", "b")]
    assert runs[0][0].samples == runs[1][0].samples
    assert runs[0][1] == runs[1][1]


def test_another_seed_of_the_load_changes_the_latencies_a_little(tmp_path):
    board = make_board(tmp_path)
    first, second = (run(board, requests=20, seed=seed)[1] for seed in (1, 2))
    assert first[5] != second[5]
    took_s = [b[-1].inference_end_s - b[0].inference_start_s for b in (first, second)]
    assert took_s[0] == pytest.approx(took_s[1], rel=0.02)


def test_lines_come_every_interval_and_eight_to_ten_milliseconds(tmp_path):
    sampler, _ = run(make_board(tmp_path), requests=40)
    t_s = [sample.t_s for sample in sampler.samples]
    gaps = [b - a for a, b in zip(t_s, t_s[1:], strict=False)]
    assert len(gaps) > 5
    assert all(0.058 <= gap <= 0.0601 for gap in gaps)
    assert sampler.unknown_tokens == {}


def test_every_line_has_the_grammar_of_jetpack_5_as_root(tmp_path):
    board, lines = make_board(tmp_path), []
    with board._lines.lines(50, lambda t_s, line: lines.append(line)):
        board.clock.sleep_until(0.5)
    assert re.fullmatch(
        r"\d\d-\d\d-\d{4} \d\d:\d\d:\d\d RAM \d+/30536MB \(lfb \d+x4MB\) "
        r"SWAP 0/\d+MB \(cached 0MB\) CPU \[(\d+%@729,){11}\d+%@729\] EMC_FREQ 0%@204 "
        r"GR3D_FREQ 0%@0 GR3D2_FREQ 0%@0 NVJPG1 729 VIC_FREQ 115 APE 233 CV0@-256C "
        r"CPU@[\d.]+C .*GPU@-256C tj@[\d.]+C .*VDD_GPU_SOC (\d+)mW/\d+mW "
        r"VDD_CPU_CV \d+mW/\d+mW VIN_SYS_5V0 \d+mW/\d+mW NC 0mW/0mW "
        r"VDDQ_VDD2_1V8AO \d+mW/\d+mW NC 0mW/0mW",
        lines[-1],
    )


def test_averages_are_the_truncated_mean_of_all_lines_so_far(tmp_path):
    board, lines = make_board(tmp_path), []
    with board._lines.lines(50, lambda t_s, line: lines.append(line)):
        board.clock.sleep_until(2.0)
    pairs = [re.search(r"VIN_SYS_5V0 (\d+)mW/(\d+)mW", line).groups() for line in lines]
    for n in range(1, len(pairs) + 1):
        assert int(pairs[n - 1][1]) == sum(int(now) for now, _ in pairs[:n]) // n


def test_back_to_back_batches_are_full_and_preprocessing_overlaps_inference(tmp_path):
    _, batches = run(make_board(tmp_path), requests=10, batch_size=4)
    assert [len(batch.arrival_s) for batch in batches] == [4, 4, 2]
    assert batches[1].start_s[0] == pytest.approx(batches[0].inference_start_s)
    assert batches[0].arrival_s == batches[0].start_s


def test_with_arrivals_a_batch_takes_what_is_queued(tmp_path):
    board = make_board(tmp_path)
    load = board.load(NETWORK, batch_size=4, seed=1)
    arrivals_s = [0.0, 0.001, 0.002, 0.003, 0.004, 5.0]
    with load.ready():
        batches = list(load.serve(arrivals_s, 6))
    assert [len(batch.arrival_s) for batch in batches] == [1, 4, 1]
    assert batches[2].start_s == (5.0,)
    assert all(
        arrival <= start
        for batch in batches
        for arrival, start in zip(batch.arrival_s, batch.start_s, strict=True)
    )


def test_a_load_that_is_dropped_half_way_leaves_the_board_idle(tmp_path):
    board = make_board(tmp_path)
    load = board.load(NETWORK, batch_size=1, seed=1)
    with load.ready():
        batches = load.serve(None, 100)
        next(batches)
        batches.close()
    assert not board.model.gpu_busy


def test_a_paced_clock_lets_no_more_virtual_time_pass_than_allowed(tmp_path, monkeypatch):
    wall = Wall()
    monkeypatch.setattr("measurements.board.hardware.emulator.clock.time", wall)
    board = make_board(tmp_path, pace=lambda: 10.0)
    board.clock.sleep_until(20.0)
    assert wall.now_s == pytest.approx(2.0, abs=0.02)
    assert max(wall.naps) <= 0.055


class Wall:
    """A wall clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s, self.naps = 0.0, []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.naps.append(seconds)


def test_the_program_says_so_where_no_board_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["tegrastats", "--tree", str(tmp_path)])
    with pytest.raises(SystemExit):
        tegrastats.main()
    assert "no emulated board has run in real time" in capsys.readouterr().err


def mean_w(samples: list[Sample], start_s: float, end_s: float) -> float:
    inside = [sum(s.rails_w[:3]) for s in samples if start_s <= s.t_s <= end_s]
    assert len(inside) > 20
    return sum(inside) / len(inside)


def test_the_separate_program_in_real_time_measures_the_same_joules_as_virtual_time(tmp_path):
    """The tolerance is 2 %: what may differ is only where the lines fall in time.

    Load and model live through the same events to the microsecond in both ways, so the true
    energies differ only by the ripple's phase (0.3 %). Samples of the same low-passed power are
    taken at other instants, and each is rounded to steps of 400 mW (2 % of the 21 W here),
    of which the mean of some 30 samples over a slowly moving power leaves up to 1 %.
    """
    joules, truths = {}, {}
    for real_time in (False, True):
        board = make_board(tmp_path / str(real_time), real_time=real_time)
        sampler, batches = run(board, requests=350)
        start_s, end_s = batches[0].inference_start_s, batches[-1].inference_end_s
        settled_s = end_s - 1.9
        joules[real_time] = mean_w(sampler.samples, settled_s, end_s) * (end_s - start_s) / 350
        truths[real_time] = board.model.true_energy_j(start_s, end_s).total_j / 350
    assert truths[True] == pytest.approx(truths[False], rel=0.003)
    assert joules[True] == pytest.approx(joules[False], rel=0.02)
