"""What a Jetson says about itself: model, software, power sensors.

Sources: device tree binding "compatible"; `/etc/nv_tegra_release` and the package
`nvidia-jetpack` of L4T; kernel Documentation/hwmon/ina3221.rst; the device tree properties of
NVIDIA's driver `ina3221x` (L4T R32); TI data sheets SBOS576 (INA3221) for its steps and its
averaging.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from measurements.board.hardware.protocol import Files
from measurements.board.hardware.rails import UNUSED
from measurements.board.hardware.sampling import is_dummy_zone
from measurements.board.hardware.sysfs import read_cell, read_int, read_word

_FAMILY = re.compile(r"(AGX )?(Thor|Orin|Xavier|TX2|TX1|TK1|Nano)(i)?( NX| Nano| 2GB)?")
_RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")
_JETPACK_PACKAGE = re.compile(
    r"^Package: nvidia-jetpack\n(?:.+\n)*?Version: ([\w.]+)", re.MULTILINE
)
_JETPACK_OF_L4T = {28: "3", 32: "4", 34: "5.0", 35: "5", 36: "6", 38: "7", 39: "7.2"}
_GATED_MILLIDEGREES = -256_000
_SHUNT_STEP_UV = 40
"""Least significant bit of the INA3221's shunt voltage."""
INA3221_LAG_S = 64 * 3 * (1.1e-3 + 1.1e-3)
"""NVIDIA's drivers average 64 conversions of 3 channels, 1.1 ms each for bus and shunt: 0.42 s."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One channel of a power sensor; `step_w` is its power step at the voltage seen now."""

    rail: str
    step_w: float | None


def model(files: Files) -> str:
    """The device tree's own words; empty if there are none."""
    return read_word(files, "/proc/device-tree/model") or ""


def kind(files: Files) -> str:
    """Short name of the board's type: "agx-orin", "orin-nano", "tx2", else its SoC."""
    if found := _FAMILY.search(model(files)):
        return found.group().lower().replace(" ", "-")
    return soc(files) or "unknown"


def soc(files: Files) -> str | None:
    """The chip, e.g. "tegra234": the last word of the device tree's "compatible"."""
    compatible = read_word(files, "/proc/device-tree/compatible")
    return compatible.split("\0")[-1].removeprefix("nvidia,") if compatible else None


def l4t(files: Files) -> str | None:
    """The release of Jetson Linux, e.g. "35.4.1"."""
    found = _RELEASE.search(read_word(files, "/etc/nv_tegra_release") or "")
    return f"{found[1]}.{found[2]}" if found else None


def jetpack(files: Files) -> str | None:
    """JetPack's version: the installed package's, else the family that the L4T belongs to."""
    if found := _JETPACK_PACKAGE.search(read_word(files, "/var/lib/dpkg/status") or ""):
        return found[1]
    release = l4t(files)
    return _JETPACK_OF_L4T.get(int(release.split(".")[0])) if release else None


def software(files: Files) -> dict[str, str]:
    """What may change a measurement: kernel, and the power mode that was set."""
    sources = {"kernel": "/proc/sys/kernel/osrelease", "nvpmodel": "/var/lib/nvpmodel/status"}
    words = {name: read_word(files, path) for name, path in sources.items()}
    return {name: word for name, word in words.items() if word}


def sensors(files: Files) -> list[Sensor]:
    """Every channel that is wired to a rail, in the order of bus, address and channel."""
    return [*_hwmon_channels(files), *_iio_channels(files)]


def _hwmon_channels(files: Files) -> Iterator[Sensor]:
    """JetPack 5 and later: the kernel's own `ina3221` driver; Thor's carrier has an `ina238`."""
    for chip in files.glob("/sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*"):
        for channel in (1, 2, 3):
            rail = read_word(files, f"{chip}/in{channel}_label")
            if rail and rail != UNUSED:
                yield Sensor(rail, _hwmon_step_w(files, chip, channel))
    if files.glob("/sys/bus/i2c/drivers/ina238/*/hwmon/hwmon*/power1_input"):
        yield Sensor("VIN", None)


def _hwmon_step_w(files: Files, chip: str, channel: int) -> float | None:
    shunt_uohm = read_int(files, f"{chip}/shunt{channel}_resistor")
    return _step_w(shunt_uohm, read_int(files, f"{chip}/in{channel}_input"))


def _step_w(shunt_uohm: int | None, bus_mv: int | None) -> float | None:
    """One step of the shunt's voltage, as power at the rail's present voltage."""
    return _SHUNT_STEP_UV / shunt_uohm * bus_mv / 1000 if shunt_uohm and bus_mv else None


def _iio_channels(files: Files) -> Iterator[Sensor]:
    """JetPack 4: NVIDIA's `ina3221x` driver; its shunts stand in the device tree."""
    for chip in files.glob("/sys/bus/i2c/drivers/ina3221x/*/iio:device*"):
        for channel in (0, 1, 2):
            rail = read_word(files, f"{chip}/rail_name_{channel}")
            if rail and rail != UNUSED:
                yield Sensor(rail, _iio_step_w(files, chip, channel))


def _iio_step_w(files: Files, chip: str, channel: int) -> float | None:
    node = f"{chip.rsplit('/', 1)[0]}/of_node/channel@{channel}"
    shunt_mohm = read_cell(files, f"{node}/ti,shunt-resistor-mohm")
    bus_mv = read_int(files, f"{chip}/in_voltage{channel}_input")
    return _step_w(shunt_mohm and shunt_mohm * 1000, bus_mv)


def sensor_lag_s(files: Files) -> float:
    """Time constant of the sensors' averaging, a first-order low-pass.

    Each conversion moves the reading by 1/N of the way, so the time constant is N
    conversion cycles; the driver's `update_interval` is just that product in ms,
    samples x channels x (bus + shunt conversion). Where it cannot be read, the
    configuration 0x7727 of NVIDIA's drivers.

    Source: TI SBOS576 section 8.4.1; kernel Documentation/hwmon/ina3221.rst.
    """
    chips = files.glob("/sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*")
    intervals_ms = [read_int(files, f"{chip}/update_interval") for chip in chips]
    return max((ms / 1000 for ms in intervals_ms if ms), default=INA3221_LAG_S)


@dataclass(frozen=True, slots=True)
class Zone:
    """A thermal zone; None: its part is switched off, or it may not be read."""

    name: str
    temp_c: float | None


def zones(files: Files) -> list[Zone]:
    """Every thermal zone that is no dummy, by the kernel's name."""
    found = []
    for path in files.glob("/sys/class/thermal/thermal_zone*"):
        name = read_word(files, f"{path}/type") or path.rsplit("/", 1)[-1]
        if not is_dummy_zone(name):
            temp = read_int(files, f"{path}/temp")
            is_off = temp is None or temp == _GATED_MILLIDEGREES
            found.append(Zone(name, None if is_off or temp is None else temp / 1000))
    return found


@dataclass(frozen=True, slots=True)
class Fan:
    pwm: int | None
    """0 to 255."""
    rpm: int | None


def fan(files: Files) -> Fan | None:
    """None: no fan's files are there (it may still turn, at a fixed voltage)."""
    old = Fan(
        read_int(files, "/sys/devices/pwm-fan/target_pwm"),
        read_int(files, "/sys/devices/pwm-fan/rpm_measured"),
    )
    named = {read_word(files, f"{d}/name"): d for d in files.glob("/sys/class/hwmon/hwmon*")}
    pwm, tach = named.get("pwmfan"), named.get("pwm_tach")
    new = Fan(
        read_int(files, f"{pwm}/pwm1") if pwm else None,
        read_int(files, f"{tach}/rpm") if tach else None,
    )
    return next((fan for fan in (old, new) if fan != Fan(None, None)), None)


_MEMORY_CONTROLS = {
    "/sys/kernel/debug/bpmp/debug/clk/emc/mrq_rate_locked": "the power processor's lock",
    "/sys/kernel/debug/clk/override.emc/clk_rate": "Tegra210's override.emc",
    "/sys/class/devfreq/bwmgr/min_freq": "Thor's bwmgr",
}


def memory_control(files: Files) -> tuple[str, str] | None:
    """The kind of memory clock control that this board shows, and its file."""
    found = ((n, p) for p, n in _MEMORY_CONTROLS.items() if read_int(files, p) is not None)
    return next(found, None)
