"""The fake sysfs, procfs and debugfs on disk that the Jetson adapter sees.

What never changes and what was written (the clock limits) are plain files, so that the
clocks of a killed worker stay as it left them. What moves (clocks, powers, temperatures)
is answered by `files.EmulatedFiles`; the file on disk only marks that it exists.

Source of the paths: NVIDIA Jetson Linux Developer Guide R35 "Clocks", "Power and thermal";
kernel Documentation/hwmon/ina3221, admin-guide/pm/cpufreq, ABI sysfs-class-devfreq.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import nvpmodel
from .boards.data import BoardData, RailData
from .governor import Knobs

EMC = "sys/kernel/debug/bpmp/debug/clk/emc"
EMC_RATES = "sys/kernel/debug/bpmp/debug/emc/possible_rates"
CPU = "sys/devices/system/cpu"
I2C = "sys/bus/i2c/drivers"
THERMAL = "sys/class/thermal"
HWMON = "sys/class/hwmon"
TEGRASTATS = "usr/bin/tegrastats"
_SHUNT_STEP_V = 40e-6


@dataclass(frozen=True, slots=True)
class Paths:
    """Where this board's files are, relative to the tree's root, symbolic links resolved."""

    board: BoardData

    @property
    def gpu_device(self) -> str:
        return self.board.gpu_device

    @property
    def gpu(self) -> str:
        return f"{self.gpu_device}/devfreq/{self.board.gpu_node}"

    @property
    def emc_cap(self) -> str:
        return nvpmodel.emc_cap(self.board).lstrip("/")

    def policy(self, index: int) -> str:
        return f"{CPU}/cpufreq/policy{self.board.policies[index][0]}"

    def chip(self, rail: RailData) -> str:
        """A power sensor's directory: NVIDIA's driver on JetPack 4, the kernel's own later."""
        n = sorted({other.chip for other in self.board.rails}).index(rail.chip)
        if self.board.jetpack == 4:
            return f"{I2C}/ina3221x/{rail.chip}/iio:device{n}"
        return f"{I2C}/ina3221/{rail.chip}/hwmon/hwmon{3 + n}"

    def registers(self, rail: RailData) -> tuple[str, str, str | None]:
        """Files of the millivolts, milliamperes and, on JetPack 4, milliwatts of `rail`."""
        chip, n = self.chip(rail), rail.channel
        if self.board.jetpack == 4:
            names = (f"in_{what}{n - 1}_input" for what in ("voltage", "current", "power"))
            volts, amperes, watts = (f"{chip}/{name}" for name in names)
            return volts, amperes, watts
        return f"{chip}/in{n}_input", f"{chip}/curr{n}_input", None

    def zone(self, index: int) -> str:
        return f"{THERMAL}/thermal_zone{index}"


def plant(board: BoardData, root: Path) -> None:
    """Write the tree where it is missing; what stands there stays, the clocks included."""
    for path, text in _contents(board):
        if not (file := root / path).exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    for path, target in _links(board):
        if not (link := root / path).is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(root / target, link.parent))
    _write_program(root)


def knobs(board: BoardData, root: Path) -> Knobs:
    """What the clock files say now.

    Raises:
        OSError: A file is missing.
        ValueError: A file was damaged.
    """
    paths, policies = Paths(board), range(len(board.policies))

    def number(path: str) -> int:
        return int((root / path).read_text())

    return Knobs(
        gpu_min_hz=number(f"{paths.gpu}/min_freq"),
        gpu_max_hz=number(f"{paths.gpu}/max_freq"),
        railgate=bool(number(f"{paths.gpu_device}/railgate_enable")),
        emc_rate_hz=number(f"{EMC}/rate"),
        emc_locked=bool(number(f"{EMC}/mrq_rate_locked")),
        emc_cap_hz=number(paths.emc_cap),
        offline=[cpu for cpu in range(board.cores) if not number(f"{CPU}/cpu{cpu}/online")],
        cpu_min_hz=[number(f"{paths.policy(i)}/scaling_min_freq") * 1000 for i in policies],
        cpu_max_hz=[number(f"{paths.policy(i)}/scaling_max_freq") * 1000 for i in policies],
    )


def _contents(board: BoardData) -> Iterator[tuple[str, str]]:
    booted = Knobs.as_booted(board)
    yield from _identity(board)
    yield from _gpu(board, booted)
    yield from _emc(board, booted)
    for index in range(len(board.policies)):
        yield from _policy(board, index, booted)
    yield f"{CPU}/present", f"0-{board.cores - 1}\n"
    for cpu in range(board.cores):
        yield f"{CPU}/cpu{cpu}/online", f"{int(cpu not in booted.offline)}\n"
    for rail in board.rails:
        yield from _iio_sensor(board, rail) if board.jetpack == 4 else _sensor(board, rail)
    yield from _fan(board)
    for index, zone in enumerate(board.zones):
        yield f"{Paths(board).zone(index)}/type", f"{zone.kernel_type}\n"
        yield f"{Paths(board).zone(index)}/temp", "0\n"


def _identity(board: BoardData) -> Iterator[tuple[str, str]]:
    yield "proc/device-tree/model", board.model + "\0"
    yield "proc/device-tree/compatible", "\0".join(board.compatible) + "\0"
    yield "proc/sys/kernel/osrelease", board.software["kernel"] + "\n"
    yield "etc/nv_tegra_release", board.release
    package = f"Version: {board.software['jetpack']}\n"
    yield "var/lib/dpkg/status", f"Package: nvidia-jetpack\nStatus: install ok installed\n{package}"
    yield "etc/nvpmodel.conf", nvpmodel.conf(board)
    yield nvpmodel.STATUS, f"pmode:{board.modes[0].id:04d}"


def _gpu(board: BoardData, booted: Knobs) -> Iterator[tuple[str, str]]:
    paths = Paths(board)
    table = " ".join(map(str, board.gpu_hz))
    for name, text in {
        "available_frequencies": table,
        "min_freq": booted.gpu_min_hz,
        "max_freq": booted.gpu_max_hz,
        "cur_freq": 0,
        "target_freq": board.gpu_hz[0],
        "governor": "nvhost_podgov",
        "available_governors": "nvhost_podgov userspace performance simple_ondemand",
        "polling_interval": 25,
    }.items():
        yield f"{paths.gpu}/{name}", f"{text}\n"
    yield f"{paths.gpu_device}/of_node/name", board.gpu_name + "\0"
    yield f"{paths.gpu_device}/load", "0\n"
    yield f"{paths.gpu_device}/railgate_enable", "1\n"
    yield f"{paths.gpu_device}/railgate_delay", "500\n"
    yield f"{paths.gpu_device}/tpc_pg_mask", f"{board.modes[0].tpc_mask}\n"


def _emc(board: BoardData, booted: Knobs) -> Iterator[tuple[str, str]]:
    yield EMC_RATES, " ".join(str(hz // 1000) for hz in board.emc_hz) + " (kHz)\n"
    yield f"{EMC}/rate", f"{board.governor.emc_idle_hz}\n"
    yield f"{EMC}/min_rate", f"{board.emc_hz[0]}\n"
    yield f"{EMC}/max_rate", f"{board.emc_hz[-1]}\n"
    yield f"{EMC}/mrq_rate_locked", "0\n"
    yield f"{EMC}/state", "1\n"
    yield Paths(board).emc_cap, f"{booted.emc_cap_hz}\n"


def _policy(board: BoardData, index: int, booted: Knobs) -> Iterator[tuple[str, str]]:
    khz = [hz // 1000 for hz in board.cpu_hz]
    for name, text in {
        "affected_cpus": " ".join(map(str, board.policies[index])),
        "scaling_available_frequencies": " ".join(map(str, khz)),
        "scaling_available_governors": "ondemand userspace powersave performance schedutil",
        "scaling_governor": "schedutil",
        "scaling_min_freq": booted.cpu_min_hz[index] // 1000,
        "scaling_max_freq": booted.cpu_max_hz[index] // 1000,
        "scaling_cur_freq": board.cpu_idle_hz // 1000,
        "cpuinfo_cur_freq": board.cpu_idle_hz // 1000,
        "cpuinfo_min_freq": khz[0],
        "cpuinfo_max_freq": khz[-1],
    }.items():
        yield f"{Paths(board).policy(index)}/{name}", f"{text}\n"


def _sensor(board: BoardData, rail: RailData) -> Iterator[tuple[str, str]]:
    chip, n = Paths(board).chip(rail), rail.channel
    shunt_uohm = round(_SHUNT_STEP_V / rail.bus.step_a * 1e6) if rail.bus else 2000
    yield f"{chip}/name", "ina3221\n"
    yield f"{chip}/samples", "64\n"
    yield f"{chip}/update_interval", f"{round(board.sensor_tau_s * 1000)}\n"
    yield f"{chip}/in{n}_label", f"{rail.name}\n"
    yield f"{chip}/in{n}_enable", "1\n"
    yield f"{chip}/shunt{n}_resistor", f"{shunt_uohm}\n"
    yield f"{chip}/in{n}_input", "0\n"
    yield f"{chip}/curr{n}_input", "0\n"
    yield f"{chip}/in7_label", "sum of shunt voltages\n"


def _iio_sensor(board: BoardData, rail: RailData) -> Iterator[tuple[str, str]]:
    chip, n = Paths(board).chip(rail), rail.channel - 1
    if rail.bus:
        shunt_mohm = round(_SHUNT_STEP_V / rail.bus.step_a * 1e3)
        shunt = f"{I2C}/ina3221x/{rail.chip}/of_node/channel@{n}/ti,shunt-resistor-mohm"
        yield shunt, f"\0\0\0{chr(shunt_mohm)}"
    yield f"{I2C}/ina3221x/{rail.chip}/name", "ina3221x\n"
    yield f"{chip}/rail_name_{n}", f"{rail.name}\n"
    yield f"{chip}/crit_current_limit_{n}", "32760 ma\n"
    yield f"{chip}/polling_delay_{n}", "0 ms\n"
    for path in Paths(board).registers(rail):
        yield str(path), "0\n"


def _fan(board: BoardData) -> Iterator[tuple[str, str]]:
    """At its quiet speed: what it cools is in the thermal constants."""
    if board.jetpack == 4:
        for name, text in (("target_pwm", 60), ("temp_control", 1), ("rpm_measured", 1420)):
            yield f"sys/devices/pwm-fan/{name}", f"{text}\n"
        return
    yield f"{HWMON}/hwmon1/name", "pwmfan\n"
    yield f"{HWMON}/hwmon1/pwm1", "62\n"
    yield f"{HWMON}/hwmon2/name", "pwm_tach\n"
    yield f"{HWMON}/hwmon2/rpm", "1420\n"


def _links(board: BoardData) -> Iterator[tuple[str, str]]:
    paths = Paths(board)
    yield f"sys/class/devfreq/{board.gpu_node}", paths.gpu
    yield f"{paths.gpu}/device", paths.gpu_device
    for index, cpus in enumerate(board.policies):
        for cpu in cpus:
            yield f"{CPU}/cpu{cpu}/cpufreq", paths.policy(index)
    if board.jetpack > 4:
        for rail in board.rails:
            yield f"{HWMON}/{Path(paths.chip(rail)).name}", paths.chip(rail)


def _write_program(root: Path) -> None:
    """`tegrastats` of this tree: a real program, which may have moved since the last start."""
    program = root / TEGRASTATS
    program.parent.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).resolve().parents[4]
    call = [sys.executable, "-m", "measurements.board.hardware.emulator.tegrastats"]
    words = " ".join(shlex.quote(word) for word in [*call, "--tree", str(root.resolve())])
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(source))} exec {words} "$@"\n')
    program.chmod(0o755)
