"""The Jetson adapter over a small tree of files and a stand-in for `tegrastats`."""

from contextlib import contextmanager

import pytest

from measurements.board.hardware.clocks import RESTORE_FILE
from measurements.board.hardware.emulator import open_board
from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.machine import ChildTegrastats, RealClock
from measurements.board.hardware.sampling import TegrastatsSampler
from measurements.messages import OperatingPoint, Rail
from measurements.tests.jetson_tree import (
    CPU_HZ,
    EMC,
    EMC_HZ,
    EMC_RATES,
    GPU,
    GPU_HZ,
    INA3221,
    Kernel,
    StepClock,
    agx_orin,
    without,
)

LINE = (
    "01-03-2023 16:07:54 RAM 1/2MB (lfb 5x4MB) CPU [0%@729,off,3%@2201] EMC_FREQ 1%@204 "
    "GR3D_FREQ 5%@[305,306] CV0@-256C CPU@41.5C PMIC@100C "
    "VDD_GPU_SOC 2390mW/1mW VDD_CPU_CV 796mW/1mW VIN_SYS_5V0 3522mW/1mW"
)


class Lines:
    """A line source that feeds one line as soon as it starts, at the clock's time."""

    def __init__(self, clock, text):
        self.clock, self.text = clock, text
        self.intervals_ms = []

    @contextmanager
    def lines(self, interval_ms, feed):
        self.intervals_ms.append(interval_ms)
        if self.text:
            feed(self.clock.now(), self.text)
        yield


def make_board(tmp_path, tree, *, text=LINE, loads=None, **options):
    clock = StepClock()
    lines = Lines(clock, text)
    return JetsonBoard(
        "bench-1",
        files=Kernel(tmp_path / "root", tree),
        clock=clock,
        lines=lines,
        loads=loads,
        state_dir=tmp_path,
        **options,
    )


def test_a_board_describes_itself_from_its_own_files(tmp_path):
    info = make_board(tmp_path, agx_orin(), provenance="emulated", provenance_note="x").describe()
    assert (info.name, info.kind, info.model) == (
        "bench-1",
        "agx-orin",
        "NVIDIA Jetson AGX Orin Developer Kit",
    )
    assert (info.l4t, info.jetpack) == ("35.4.1", "5")
    assert (info.gpu_hz, info.emc_hz, info.cpu_hz) == (GPU_HZ, EMC_HZ, CPU_HZ)
    assert (info.provenance, info.provenance_note) == ("emulated", "x")
    assert info.sensor_lag_s == pytest.approx(0.422)
    assert info.problems == []


def test_the_rails_carry_their_part_and_the_step_that_the_shunt_gives(tmp_path):
    # 40 uV over 2 mOhm is 20 mA: 0.38 W at 19 V, 0.1 W at 5 V.
    assert make_board(tmp_path, agx_orin()).describe().rails == [
        Rail(name="VDD_GPU_SOC", part="gpu", in_total=True, step_w=0.38),
        Rail(name="VDD_CPU_CV", part="cpu", in_total=True, step_w=0.38),
        Rail(name="VIN_SYS_5V0", part="other", in_total=True, step_w=0.1),
    ]


def test_a_channel_that_is_wired_to_nothing_is_no_rail(tmp_path):
    tree = agx_orin() | {f"{INA3221}/in3_label": "NC\n"}
    assert [rail.name for rail in make_board(tmp_path, tree, text="").describe().rails] == [
        "VDD_GPU_SOC",
        "VDD_CPU_CV",
    ]


def test_the_rails_of_jetpack_4_come_from_its_own_driver(tmp_path):
    iio = "/sys/bus/i2c/drivers/ina3221x/7-0040/iio:device0"
    tree = without(agx_orin(), INA3221) | {
        f"{iio}/rail_name_0": "VDD_IN\n",
        f"{iio}/rail_name_1": "VDD_CPU_GPU_CV\n",
    }
    info = make_board(tmp_path, tree, text="").describe()
    assert info.rails == [
        Rail(name="VDD_IN", part="input", in_total=True),
        Rail(name="VDD_CPU_GPU_CV", part="gpu", in_total=False),
    ]
    assert info.sensor_lag_s == pytest.approx(0.4224)


def test_the_steps_of_jetpack_4_come_from_the_device_trees_shunts(tmp_path):
    chip = "/sys/bus/i2c/drivers/ina3221x/0-0041"
    tree = without(agx_orin(), INA3221) | {
        f"{chip}/iio:device1/rail_name_0": "VDD_IN\n",
        f"{chip}/iio:device1/in_voltage0_input": "19048\n",
        f"{chip}/of_node/channel@0/ti,shunt-resistor-mohm": "\0\0\0\x14",
        f"{chip}/iio:device1/rail_name_1": "VDD_SYS_CPU\n",
        f"{chip}/iio:device1/in_voltage1_input": "19048\n",
        f"{chip}/of_node/channel@1/ti,shunt-resistor-mohm": "\0\0\0\n",
        f"{chip}/iio:device1/rail_name_2": "VDD_SYS_DDR\n",
        f"{chip}/iio:device1/in_voltage2_input": "4800\n",
    }
    rails = make_board(tmp_path, tree, text="").describe().rails
    # 40 uV over 20 and 10 milliohm are 2 and 4 mA: the steps that captured lines show.
    assert [(rail.name, rail.step_w) for rail in rails] == [
        ("VDD_IN", pytest.approx(0.0381, abs=1e-4)),
        ("VDD_SYS_CPU", pytest.approx(0.0762, abs=1e-4)),
        ("VDD_SYS_DDR", None),
    ]


def test_without_readable_sensors_the_first_line_names_the_rails(tmp_path):
    board = make_board(tmp_path, without(agx_orin(), INA3221))
    rails = board.describe().rails
    assert [(rail.name, rail.step_w) for rail in rails] == [
        ("VDD_GPU_SOC", None),
        ("VDD_CPU_CV", None),
        ("VIN_SYS_5V0", None),
    ]
    assert all(rail.in_total for rail in rails)


def test_a_board_that_shows_no_rail_at_all_says_so(tmp_path):
    info = make_board(tmp_path, without(agx_orin(), INA3221), text="").describe()
    assert info.rails == []
    assert [text for text in info.problems if "no power rail can be read" in text]


def test_a_board_without_tegrastats_describes_itself_all_the_same(tmp_path):
    info = JetsonBoard(
        "bench-1",
        files=Kernel(tmp_path / "root", without(agx_orin(), INA3221)),
        clock=StepClock(),
        lines=ChildTegrastats("/nonexistent/tegrastats", RealClock()),
        loads=None,
        state_dir=tmp_path,
    ).describe()
    assert info.rails == []
    assert [text for text in info.problems if "no power rail can be read" in text]


def test_what_tegrastats_leaves_out_of_the_sensors_is_no_rail_of_a_run(tmp_path):
    tree = agx_orin() | {f"{INA3221}/in3_label": "VDDQ_VDD2_1V8AO\n"}
    rails = make_board(tmp_path, tree).describe().rails
    assert [rail.name for rail in rails] == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]
    assert [rail.step_w for rail in rails] == [0.38, 0.38, None]


def test_rails_of_an_unknown_board_make_no_total(tmp_path):
    tree = agx_orin() | {f"{INA3221}/in1_label": "VDD_NEW\n"}
    info = make_board(tmp_path, tree, text="").describe()
    assert not any(rail.in_total for rail in info.rails)
    assert [text for text in info.problems if "total" in text]


def test_a_memory_clock_that_needs_root_is_a_problem_in_plain_words(tmp_path):
    info = make_board(tmp_path, without(agx_orin(), EMC_RATES)).describe()
    assert info.emc_hz == []
    assert [text for text in info.problems if "root" in text]


def test_a_tree_with_nothing_in_it_is_described_without_guesses(tmp_path):
    info = make_board(tmp_path, {}, text="").describe()
    assert (info.kind, info.model, info.l4t, info.jetpack) == ("unknown", "", None, None)
    assert (info.gpu_hz, info.emc_hz, info.cpu_hz, info.rails) == ([], [], [], [])
    assert info.default == OperatingPoint()
    assert len(info.problems) == 8
    assert all(": " in text for text in info.problems if "CPU" not in text)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "orin-nano"),
        ("NVIDIA Jetson Xavier NX Developer Kit", "xavier-nx"),
        ("NVIDIA Jetson TX2 Developer Kit", "tx2"),
        ("NVIDIA Jetson AGX Thor Developer Kit", "agx-thor"),
        ("quill", "tegra234"),
    ],
)
def test_the_kind_is_the_models_short_name_or_its_soc(tmp_path, model, kind):
    tree = agx_orin() | {"/proc/device-tree/model": model + "\0"}
    assert make_board(tmp_path, tree).describe().kind == kind


def test_the_installed_jetpack_is_believed_before_the_l4t(tmp_path):
    status = "Package: nvidia-jetpack\nStatus: install ok\nVersion: 5.1.2-b104\n\nPackage: x\n"
    tree = agx_orin() | {"/var/lib/dpkg/status": status}
    assert make_board(tmp_path, tree).describe().jetpack == "5.1.2"


def test_the_default_is_what_stood_before_anything_was_held(tmp_path):
    board = make_board(tmp_path, agx_orin())
    with board.holding(OperatingPoint(emc_hz=EMC_HZ[0])) as held:
        assert board.describe().default == OperatingPoint(
            gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[-1]
        )
        assert board.point() == held


def test_making_a_board_restores_what_a_killed_worker_left(tmp_path):
    board = make_board(tmp_path, agx_orin())
    with board.holding(OperatingPoint(gpu_min_hz=GPU_HZ[1], emc_hz=EMC_HZ[0])):
        left_over = (tmp_path / RESTORE_FILE).read_bytes()
    held = {f"{GPU}/min_freq": str(GPU_HZ[1]), f"{EMC}/mrq_rate_locked": "1"}
    (tmp_path / RESTORE_FILE).write_bytes(left_over)

    assert make_board(tmp_path, agx_orin() | held).describe().default == OperatingPoint(
        gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[-1]
    )


def test_a_sample_has_the_rails_in_the_boards_order_and_the_hottest_real_zone(tmp_path):
    board = make_board(tmp_path, agx_orin())
    board.clock.sleep_until(7.5)
    with board.sampling(50) as sampler:
        (sample,) = sampler.samples
    assert sample.t_s == 7.5
    assert sample.rails_w == (2.39, 0.796, 3.522)
    assert (sample.gpu_mhz, sample.emc_mhz, sample.cpu_mhz) == (306, 204, 2201)
    assert (sample.temp_c, sample.gpu_busy_percent) == (41.5, 5)


def test_the_board_hands_on_what_serves_its_requests(tmp_path):
    board = make_board(tmp_path, agx_orin(), loads=lambda *asked: asked)
    assert board.load("network", batch_size=4, seed=9) == ("network", 4, 9)


def test_a_rail_that_a_line_leaves_out_is_unknown_not_zero():
    sampler = TegrastatsSampler(["VDD_IN", "VDD_SOC"])
    sampler.feed(1.0, "VDD_IN 5251mW/1mW")
    assert sampler.samples[0].rails_w == (5.251, None)


def test_messages_between_the_lines_are_counted_and_add_no_sample():
    sampler = TegrastatsSampler(["VDD_IN"])
    for line in ("Warning: no", "", "no"):
        sampler.feed(1.0, line)
    assert (sampler.samples, sampler.unknown_tokens) == ([], {"Warning:": 1, "no": 2})


def test_the_emulated_board_is_held_and_restored_by_the_same_adapter(tmp_path):
    board = open_board("agx-orin", name="emulated-1", tree=tmp_path / "a tree")
    info, before = board.describe(), board.point()
    point = OperatingPoint(
        gpu_min_hz=info.gpu_hz[3],
        gpu_max_hz=info.gpu_hz[5],
        emc_hz=info.emc_hz[1],
        cpu_hz=info.cpu_hz[7],
    )
    with board.holding(point) as held, board.sampling(50) as sampler:
        board.clock.sleep_until(board.clock.now() + 1)
        assert held == point == board.point()
    assert board.point() == before == info.default
    assert info.problems == []
    assert len(sampler.samples) > 10
    assert sampler.unknown_tokens == {}
    assert all(None not in sample.rails_w for sample in sampler.samples)
