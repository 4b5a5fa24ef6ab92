"""Sampling the power sensors' own files: values, stamps, gaps, and the same rails as discovery."""

import errno
import os
import threading

import pytest

from measurements.board.hardware import discovery
from measurements.board.hardware.emulator import open_board
from measurements.board.hardware.ina3221 import Ina3221Sampler, find_channels
from measurements.board.hardware.machine import RealTicks, SamplingStopped
from measurements.messages import OperatingPoint
from measurements.tests.jetson_tree import (
    EMC,
    INA3221,
    RAILS,
    Kernel,
    StepClock,
    agx_orin,
    without,
)

ZONE = "/sys/class/thermal/thermal_zone"
CURRENTS_MA = {1: 100, 2: 40, 3: 700}
ZONES = {("cpu-thermal", "41500"), ("gpu-thermal", "-256000"), ("PMIC-Die", "100000")}


def powered(tree=None):
    """The tree of an AGX Orin whose sensors measure something."""
    tree = dict(tree or agx_orin())
    tree |= {f"{INA3221}/curr{n}_input": f"{current}\n" for n, current in CURRENTS_MA.items()}
    for n, (zone, temp) in enumerate(sorted(ZONES)):
        tree |= {f"{ZONE}{n}/type": f"{zone}\n", f"{ZONE}{n}/temp": f"{temp}\n"}
    return tree


class Slow(Kernel):
    """Each reading of a sensor takes 2 ms of `clock`; `errors` gives some an errno instead."""

    def __init__(self, root, tree, clock):
        super().__init__(root, tree)
        self.clock, self.errors = clock, {}

    def read(self, path):
        if path.endswith("_input"):
            self.clock.t_s += 0.002
        if path in self.errors:
            raise OSError(self.errors[path], os.strerror(self.errors[path]), path)
        return super().read(path)


@pytest.fixture
def clock():
    return StepClock()


def make_sampler(tmp_path, clock, tree=None, rails=tuple(RAILS)):
    files = Slow(tmp_path, tree or powered(), clock)
    return files, Ina3221Sampler(files, clock, rails)


def test_power_is_voltage_times_current_stamped_in_the_middle_of_the_reads(tmp_path, clock):
    _, sampler = make_sampler(tmp_path, clock)
    clock.t_s = 5.0
    sampler.take()
    (sample,) = sampler.samples
    # 19 V x 0.1 A, 19 V x 0.04 A, 5 V x 0.7 A; six reads of 2 ms.
    assert sample.rails_w == pytest.approx((1.9, 0.76, 3.5))
    assert sample.t_s == pytest.approx(5.006)


def test_a_sample_has_clocks_the_gpus_load_and_the_hottest_real_zone(tmp_path, clock):
    tree = powered() | {"/sys/class/devfreq/17000000.ga10b/device/load": "734\n"}
    _, sampler = make_sampler(tmp_path, clock, tree)
    sampler.take()
    (sample,) = sampler.samples
    assert (sample.gpu_mhz, sample.emc_mhz, sample.cpu_mhz) == (0, 2133, 729)
    assert (sample.temp_c, sample.gpu_busy_percent) == (41.5, 73.4)


def test_temperatures_are_read_once_a_second_and_not_stated_between(tmp_path, clock):
    _, sampler = make_sampler(tmp_path, clock)
    for t_s in (0.0, 0.5, 0.99, 1.1, 1.2):
        clock.t_s = max(t_s, clock.t_s)
        sampler.take()
    stated = [sample.temp_c is not None for sample in sampler.samples]
    assert stated == [True, False, False, True, False]


def test_files_that_need_root_leave_their_values_unknown(tmp_path, clock):
    tree = without(without(without(powered(), EMC), ZONE), "/sys/class/devfreq")
    _, sampler = make_sampler(tmp_path, clock, tree)
    sampler.take()
    (sample,) = sampler.samples
    assert (sample.gpu_mhz, sample.emc_mhz, sample.temp_c, sample.gpu_busy_percent) == (None,) * 4


@pytest.mark.parametrize("code", [errno.ENODATA, errno.EAGAIN, errno.EREMOTEIO])
def test_a_channel_that_has_no_data_now_is_unknown_and_the_others_are_not(tmp_path, clock, code):
    files, sampler = make_sampler(tmp_path, clock)
    files.errors[f"{INA3221}/curr2_input"] = code
    sampler.take()
    files.errors.clear()
    sampler.take()
    first, second = sampler.samples
    assert first.rails_w == pytest.approx((1.9, None, 3.5))
    assert None not in second.rails_w


@pytest.mark.parametrize("text", ["", "12 mV", "1.5", "--", "9" * 30])
def test_a_register_that_holds_no_whole_number_is_unknown(tmp_path, clock, text):
    _, sampler = make_sampler(tmp_path, clock, powered() | {f"{INA3221}/in1_input": text})
    sampler.take()
    assert sampler.samples[0].rails_w[0] is None


def test_a_sensor_that_may_not_be_read_ends_the_sampling(tmp_path, clock):
    files, sampler = make_sampler(tmp_path, clock)
    files.errors[f"{INA3221}/in1_input"] = errno.EACCES
    with pytest.raises(PermissionError):
        sampler.take()


def test_a_rail_without_a_channel_is_unknown(tmp_path, clock):
    _, sampler = make_sampler(tmp_path, clock, rails=("VDD_CPU_CV", "VDD_MISSING"))
    sampler.take()
    assert sampler.samples[0].rails_w == pytest.approx((0.76, None))


def test_jetpack_4_states_milliwatts_and_thors_carrier_microwatts(tmp_path):
    iio = "/sys/bus/i2c/drivers/ina3221x/7-0040/iio:device0"
    tree = {
        f"{iio}/rail_name_0": "VDD_IN\n",
        f"{iio}/in_power0_input": "5251\n",
        f"{iio}/rail_name_1": "NC\n",
        f"{iio}/in_power1_input": "1\n",
        "/sys/bus/i2c/drivers/ina238/2-0044/hwmon/hwmon4/power1_input": "24000000\n",
    }
    files = Kernel(tmp_path, tree)
    powers_w = {channel.rail: channel.power_w(files) for channel in find_channels(files)}
    assert powers_w == {"VIN": pytest.approx(24.0), "VDD_IN": pytest.approx(5.251)}


def test_the_channels_are_those_of_discovery_in_its_order(tmp_path):
    files = Kernel(tmp_path, powered() | {f"{INA3221}/in2_label": "NC\n"})
    names = [channel.rail for channel in find_channels(files)]
    assert names == [sensor.rail for sensor in discovery.sensors(files)] == [*RAILS][::2]


def test_ticks_ring_until_the_block_ends_and_not_after():
    rung, enough = [], threading.Event()

    def ring():
        rung.append(threading.current_thread())
        if len(rung) == 3:
            enough.set()

    with RealTicks().every(1, ring):
        assert enough.wait(10)
    assert threading.current_thread() not in rung
    assert not rung[0].is_alive()


def test_sensors_that_fail_end_the_sampling_and_say_so_at_the_end():
    failed = threading.Event()

    def ring():
        failed.set()
        raise OSError(errno.EACCES, "Permission denied")

    with pytest.raises(SamplingStopped, match="Permission denied"), RealTicks().every(1, ring):
        assert failed.wait(10)


def open_emulated(tmp_path, **options):
    return open_board("agx-orin", name="e", tree=tmp_path / "tree", sampler="ina3221", **options)


def test_the_emulated_board_shows_the_power_that_tegrastats_prints(tmp_path):
    registers = open_emulated(tmp_path)
    lines = open_board("agx-orin", name="e", tree=tmp_path / "other")
    means = []
    for board in (registers, lines):
        top = max(board.describe().gpu_hz)
        with board.holding(OperatingPoint(gpu_min_hz=top, gpu_max_hz=top)):
            with board.sampling(50) as sampler:
                board.clock.sleep_until(board.clock.now() + 20)
            powers = [sum(sample.rails_w[:3]) for sample in sampler.samples[100:]]
            means.append(sum(powers) / len(powers))
    assert registers.describe().rails == lines.describe().rails
    assert means[0] == pytest.approx(means[1], rel=0.01)


def test_the_emulated_boards_registers_are_read_at_the_interval_in_virtual_time(tmp_path):
    board = open_emulated(tmp_path)
    with board.sampling(50) as sampler:
        board.clock.sleep_until(board.clock.now() + 0.96)
    assert [round(sample.t_s, 3) for sample in sampler.samples] == [
        pytest.approx(0.05 * n) for n in range(20)
    ]
    assert board.describe().software["sampler"] == "ina3221"


def test_in_real_time_a_thread_reads_the_emulated_boards_registers(tmp_path):
    board = open_emulated(tmp_path, real_time=True)
    with board.sampling(10) as sampler:
        while len(sampler.samples) < 5:
            board.clock.sleep_until(board.clock.now() + 0.01)
    times_s = [sample.t_s for sample in sampler.samples]
    assert times_s == sorted(times_s)
    assert all(None not in sample.rails_w for sample in sampler.samples)


def test_what_sampled_stands_in_the_boards_software(tmp_path):
    board = open_board("agx-orin", name="e", tree=tmp_path / "tree")
    assert board.describe().software["sampler"] == "tegrastats"
