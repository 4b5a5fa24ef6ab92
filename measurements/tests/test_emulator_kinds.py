"""Every emulated board behind the one Jetson adapter, as root, as a user, in a container."""

from __future__ import annotations

import errno
import re

import pytest

from measurements.board.hardware import discovery
from measurements.board.hardware.emulator import UnknownKind, open_board
from measurements.board.hardware.emulator.boards import BOARDS
from measurements.board.hardware.power_mode import power_mode
from measurements.board.hardware.protocol import PointNotHeld
from measurements.board.hardware.tegrastats import parse
from measurements.messages import NetworkFeatures, OperatingPoint

KINDS = sorted(BOARDS)
SIZES = {
    "tx2": (13, 11, 12),
    "agx-orin": (13, 4, 29),
    "agx-orin-jp6": (11, 4, 29),
    "orin-nano": (8, 4, 22),
    "xavier-nx": (15, 5, 25),
}
TOTALS = {
    "tx2": {"VDD_IN"},
    "orin-nano": {"VDD_IN"},
    "xavier-nx": {"VDD_IN"},
    "agx-orin": {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"},
    "agx-orin-jp6": {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"},
}
NETWORK = NetworkFeatures(
    name="made up",
    sha256=None,
    input_shape=[None, 3, 224, 224],
    input_dtype="float32",
    flops_per_item=4e9,
    flops_fixed=0.0,
    bytes_per_item=0.3e9,
    bytes_fixed=0.05e9,
)

CAPTURED = {
    "tx2": "RAM 3276/7859MB (lfb 5x4MB) SWAP 1626/12122MB (cached 181MB) CPU [44%@1421,49%@2031,"
    "67%@2034,17%@1420,25%@1419,8%@1420] EMC_FREQ 1%@1866 GR3D_FREQ 0%@114 APE 150 MTS fg 1% "
    "bg 1% PLL@42.5C MCPU@42.5C PMIC@50C Tboard@38C GPU@39.5C BCPU@42.5C thermal@41.3C "
    "Tdiode@39.25C VDD_SYS_GPU 182/182 VDD_SYS_SOC 730/730 VDD_4V0_WIFI 0/0 VDD_IN 5297/5297 "
    "VDD_SYS_CPU 1917/1917 VDD_SYS_DDR 1241/1241",
    "tx2:user": "RAM 2020/7852MB (lfb 1164x4MB) CPU [9%@345,21%@345,25%@345,3%@345,1%@345,1%@345] "
    "EMC_FREQ 0% GR3D_FREQ 0% PLL@42.5C MCPU@42.5C PMIC@100C Tboard@40C GPU@41C BCPU@42.5C "
    "thermal@41.9C Tdiode@41.25C VDD_SYS_GPU 153/158 VDD_SYS_SOC 536/547 VDD_4V0_WIFI 633/527 "
    "VDD_IN 3140/3208 VDD_SYS_CPU 536/590 VDD_SYS_DDR 557/601",
    "xavier-nx": "RAM 2387/7774MB (lfb 961x4MB) SWAP 0/3887MB (cached 0MB) CPU [14%@1190,9%@1190,"
    "2%@1190,4%@1190,0%@1190,1%@1344] EMC_FREQ 1%@1600 GR3D_FREQ 0%@114 VIC_FREQ 0%@115 APE 150 "
    "MTS fg 0% bg 3% AO@31C GPU@31.5C PMIC@100C AUX@31.5C CPU@33C thermal@31.95C VDD_IN 3528/3569 "
    "VDD_CPU_GPU_CV 410/426 VDD_SOC 1107/1115",
    "agx-orin:user": "01-03-2023 16:10:22 RAM 2257/30536MB (lfb 5392x4MB) SWAP 0/15268MB (cached "
    "0MB) CPU [" + ",".join(["0%@729"] * 12) + "] EMC_FREQ 0% GR3D_FREQ 0% CV0@-256C CPU@41.375C "
    "Tboard@29C SOC2@39C Tdiode@30.75C SOC0@38.906C CV1@-256C GPU@-256C tj@41.468C SOC1@38.843C "
    "CV2@-256C",
    "agx-orin-jp6": "05-09-2026 18:42:08 RAM 18203/62841MB (lfb 466x4MB) SWAP 86/31420MB (cached "
    "0MB) CPU [" + ",".join(["14%@729"] * 12) + "] EMC_FREQ 2%@2133 GR3D_FREQ 0%@[0,0] NVENC off "
    "NVDEC off NVJPG off NVJPG1 off VIC off OFA off NVDLA0 off NVDLA1 off PVA0_FREQ off APE 174 "
    "cpu@52.156C soc2@48.468C soc0@49.218C tj@52.156C soc1@49.625C VDD_GPU_SOC 2412mW/2412mW "
    "VDD_CPU_CV 1607mW/1607mW VIN_SYS_5V0 4707mW/4674mW",
    "orin-nano:user": "06-18-2025 11:25:24 RAM 3452/7620MB (lfb 25x4MB) SWAP 1518/16384MB (cached "
    "174MB) CPU [1%@1420,2%@1420,0%@1420,2%@1420,2%@729,1%@729] GR3D_FREQ 0% cpu@50.031C "
    "soc2@49.031C soc0@50C tj@50.25C soc1@50.25C VDD_IN 4824mW/4824mW VDD_CPU_GPU_CV 518mW/518mW "
    "VDD_SOC 1475mW/1475mW",
}
"""Real lines (shared data `tegrastats_lines.txt`); busy engines made idle, and `gpu@` of the Nano
left out, since its GPU was awake."""


@pytest.fixture(params=KINDS)
def board(request, tmp_path):
    return open_board(request.param, name=request.param, tree=tmp_path)


def lines_of(board, *, seconds=0.3):
    lines = []
    with board._lines.lines(50, lambda t_s, text: lines.append(text)):
        board.clock.sleep_until(board.clock.now() + seconds)
    return lines


def test_the_adapter_finds_every_table_rail_and_no_problem(board):
    info = board.describe()
    assert (len(info.gpu_hz), len(info.emc_hz), len(info.cpu_hz)) == SIZES[board._name]
    assert {rail.name for rail in info.rails if rail.in_total} == TOTALS[board._name]
    assert info.problems == []
    assert (info.provenance, info.kind) == ("emulated", board._name.removesuffix("-jp6"))
    assert info.l4t
    assert info.jetpack


def test_each_corner_of_the_tables_is_held_measured_and_given_back(board):
    info, before = board.describe(), board.point()
    for i in (0, -1):
        point = OperatingPoint(
            gpu_min_hz=info.gpu_hz[i],
            gpu_max_hz=info.gpu_hz[i],
            emc_hz=info.emc_hz[i],
            cpu_hz=info.cpu_hz[i],
        )
        load = board.load(NETWORK, batch_size=2, seed=1)
        with board.holding(point) as held, board.sampling(50) as sampler, load.ready():
            assert held == point
            batches = list(load.serve(None, 6))
            board.clock.sleep_until(board.clock.now() + 0.3)
        assert board.point() == before
        assert sum(len(batch.start_s) for batch in batches) == 6
        assert sampler.unknown_tokens == {}
        assert all(None not in sample.rails_w for sample in sampler.samples)
        assert sampler.samples[-1].emc_mhz == int(info.emc_hz[i] / 1e6)


def test_the_total_and_its_parts_never_count_a_watt_twice(board):
    truth, start_s = board.model.true_energy_j, board.clock.now()
    board.clock.sleep_until(start_s + 1)
    energy = truth(start_s, start_s + 1)
    rails = dict(zip([r.name for r in board.model.board.rails], energy.rails_j, strict=True))
    assert energy.total_j == pytest.approx(sum(rails[name] for name in TOTALS[board._name]))
    if "VDD_IN" in rails:
        assert sum(rails.values()) - rails["VDD_IN"] < rails["VDD_IN"]


def test_limits_in_the_wrong_order_are_refused_on_every_board(board):
    (gpu,) = board._files.glob("/sys/class/devfreq/*")
    table = board.model.board.gpu_hz
    board._files.write(f"{gpu}/min_freq", str(table[3]))
    with pytest.raises(OSError) as caught:
        board._files.write(f"{gpu}/max_freq", str(table[2]))
    assert caught.value.errno == errno.EINVAL
    assert board._files.read(f"{gpu}/cur_freq") == "0\n"


def test_memory_clocks_round_up_on_every_board(board):
    emc, table = "/sys/kernel/debug/bpmp/debug/clk/emc", board.model.board.emc_hz
    board._files.write(f"{emc}/mrq_rate_locked", "1")
    for low_hz, high_hz in zip(table, table[1:], strict=False):
        board._files.write(f"{emc}/rate", str(low_hz + 1))
        board.clock.sleep_until(board.clock.now() + 0.01)
        assert int(board._files.read(f"{emc}/rate")) == high_hz


@pytest.mark.parametrize("kind", sorted(CAPTURED))
def test_lines_are_made_of_the_same_words_as_a_captured_one(tmp_path, kind):
    line = lines_of(open_board(kind, name="x", tree=tmp_path))[-1]
    assert shape(line) == shape(with_swap(CAPTURED[kind]))
    assert parse(line).unknown == []


def shape(line):
    return re.sub(r"-?\d+(\.\d+)?", "0", re.sub(r"\d+x\d+MB", "4MB", line))


def with_swap(line):
    """Some captured boards have none; the emulated ones do."""
    return line if "SWAP" in line else line.replace(" CPU [", " SWAP 0/1MB (cached 0MB) CPU [", 1)


@pytest.mark.parametrize(
    ("kind", "rails", "problems"),
    [
        ("tx2:user", 6, 3),
        ("xavier-nx:user", 0, 6),
        ("agx-orin:user", 4, 4),
        ("agx-orin-jp6:user", 3, 3),
        ("orin-nano:user", 3, 3),
    ],
)
def test_a_user_is_told_by_name_what_needs_root_and_what_to_do(tmp_path, kind, rails, problems):
    board = open_board(kind, name="x", tree=tmp_path)
    info = board.describe()
    assert (len(info.rails), len(info.problems)) == (rails, problems)
    assert info.emc_hz == []
    assert any("max_freq may not be written" in text for text in info.problems)
    assert any("/sys/kernel/debug/bpmp cannot be read" in text for text in info.problems)
    assert all(found.remedy for found in board.survey() if found.ok is False)
    with pytest.raises(PointNotHeld), board.holding(OperatingPoint(gpu_max_hz=info.gpu_hz[2])):
        pass


def test_the_sensors_files_of_jetpack_5_serve_a_user_whom_tegrastats_does_not(tmp_path):
    board = open_board("agx-orin:user", name="x", tree=tmp_path, sampler="ina3221")
    with board.sampling(50) as sampler:
        board.clock.sleep_until(board.clock.now() + 0.5)
    assert sum(sampler.samples[-1].rails_w[:3]) > 5
    assert not any("tegrastats" in text for text in board.describe().problems)


def test_the_gpus_count_is_a_little_off_on_orin_and_the_set_clock_on_jetpack_4(tmp_path):
    for kind, low, high in (("orin-nano", 1 - 0.016, 1 - 0.003), ("tx2", 1 - 1e-3, 1.0)):
        board = open_board(kind, name=kind, tree=tmp_path / kind)
        top_hz = board.model.board.gpu_hz[-1]
        load = board.load(NETWORK, batch_size=8, seed=1)
        with board.holding(OperatingPoint(gpu_min_hz=top_hz)), load.ready():
            batches = load.serve(None, 800)
            with board.sampling(50) as sampler:
                for _ in range(20):
                    next(batches)
            batches.close()
        seen = [sample.gpu_mhz / (top_hz / 1e6) for sample in sampler.samples]
        assert seen
        assert all(low - 1e-3 <= share <= high for share in seen)


def test_a_mode_with_other_clusters_waits_for_a_reboot_and_changes_nothing(tmp_path):
    board = open_board("agx-orin", name="x", tree=tmp_path)
    before, answer = board.point(), board.nvpmodel.run(["-m", "1"])
    assert answer.status != 0
    assert "Reboot required" in answer.text
    assert board.point() == before
    assert str(power_mode(board._files, board.nvpmodel)) == "MAXN (0)"


def test_a_live_mode_caps_clocks_and_switches_cores_off(tmp_path):
    board = open_board("tx2", name="x", tree=tmp_path)
    assert board.nvpmodel.run(["-m", "1"]).status == 0
    mode = power_mode(board._files, board.nvpmodel)
    assert (str(mode), mode.contradictions) == ("MAXQ (1)", ())
    assert mode.checked >= 9
    assert "off,off" in lines_of(board)[-1]
    assert board.point().gpu_max_hz == 726_750_000
    assert board._files.glob("/sys/devices/system/cpu/cpufreq/policy*") == [
        "/sys/devices/system/cpu/cpufreq/policy0"
    ]


def test_a_mode_that_a_container_only_pretends_to_set_is_found_out(tmp_path):
    board = open_board("orin-nano:container", name="x", tree=tmp_path)
    answer = board.nvpmodel.run(["-m", "0"])
    assert (answer.status, "ignoring request" in answer.text) == (0, True)
    mode = power_mode(board._files, board.nvpmodel)
    assert str(mode) == "15W (0)"
    assert any("max_freq is 1020000000, not 612000000" in text for text in mode.contradictions)
    assert discovery.l4t(board._files) is None


def test_a_memory_cap_of_the_mode_holds_against_the_lock(tmp_path):
    board = open_board("orin-nano", name="x", tree=tmp_path)
    board.nvpmodel.run(["-m", "0"])
    with (
        pytest.raises(PointNotHeld, match="emc_hz"),
        board.holding(OperatingPoint(emc_hz=3_199_000_000)),
    ):
        pass


def test_a_kind_with_another_word_behind_it_is_refused(tmp_path):
    with pytest.raises(UnknownKind, match="guest"):
        open_board("tx2:guest", name="x", tree=tmp_path)
