"""Sample a board from the kernel's own files, without `tegrastats`.

The power sensors show each rail as millivolts and milliamperes (hwmon, JetPack 5 and later), as
milliwatts (IIO, JetPack 4) or as microwatts (the `ina238` of Thor's carrier). Clocks and the
GPU's load come from the files that tegrastats reads too; the GPU's clock is the one that was set,
not the hardware's count.

Source: kernel Documentation/hwmon/ina3221.rst, hwmon/ina238.rst, admin-guide/pm/cpufreq,
ABI/testing/sysfs-class-devfreq, sysfs-class-thermal; NVIDIA's driver `ina3221x` of L4T R32.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from measurements.board.hardware.knobs import find_gpu
from measurements.board.hardware.protocol import Clock, CpuSpent, Files, Sample
from measurements.board.hardware.rails import UNUSED
from measurements.board.hardware.sampling import is_dummy_zone
from measurements.board.hardware.sysfs import read_int, read_word

_ZONES_EVERY_S = 1.0
"""Temperatures move slowly, and a dozen zones cost more than all rails; between: not stated."""
_PASSING = {errno.ENODATA, errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.ETIMEDOUT}
"""A channel that is switched off, or a bus that was busy: this reading is unknown, the next may
not be."""
_GATED_MILLIDEGREES = -256_000
_MEMORY_CLOCKS = (
    "/sys/kernel/debug/bpmp/debug/clk/emc/rate",
    "/sys/kernel/debug/clk/emc/clk_rate",
    "/sys/class/devfreq/bwmgr/cur_freq",
)
"""In Hz. Tegra186 and later; Tegra210; Thor."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A rail's files; its power is the product of what they hold, times `watts`."""

    rail: str
    paths: tuple[str, ...]
    watts: float

    def power_w(self, files: Files) -> float | None:
        """None: the channel is switched off, or its bus did not answer.

        Raises:
            OSError: The files are gone, or may not be read.
        """
        values = [_register(files, path) for path in self.paths]
        known = [value for value in values if value is not None]
        return prod(known) * self.watts if len(known) == len(values) else None


def find_channels(files: Files) -> list[Channel]:
    """Every channel that is wired to a rail, in the order of `discovery.sensors`."""
    return [*_hwmon_channels(files), *_iio_channels(files)]


def _hwmon_channels(files: Files) -> Iterator[Channel]:
    for chip in files.glob("/sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*"):
        for n in (1, 2, 3):
            if rail := _rail(files, f"{chip}/in{n}_label"):
                yield Channel(rail, (f"{chip}/in{n}_input", f"{chip}/curr{n}_input"), 1e-6)
    for path in files.glob("/sys/bus/i2c/drivers/ina238/*/hwmon/hwmon*/power1_input"):
        yield Channel("VIN", (path,), 1e-6)


def _iio_channels(files: Files) -> Iterator[Channel]:
    for chip in files.glob("/sys/bus/i2c/drivers/ina3221x/*/iio:device*"):
        for n in (0, 1, 2):
            if rail := _rail(files, f"{chip}/rail_name_{n}"):
                yield Channel(rail, (f"{chip}/in_power{n}_input",), 1e-3)


def _rail(files: Files, path: str) -> str | None:
    word = read_word(files, path)
    return None if word == UNUSED else word


def _register(files: Files, path: str) -> int | None:
    try:
        word = files.read(path).strip()
    except OSError as error:
        if error.errno in _PASSING:
            return None
        raise
    return int(word) if re.fullmatch(r"-?[0-9]{1,18}", word) else None


class Ina3221Sampler:
    """Collects a Sample at each `take()`, with the rails in the order of `rails`.

    A sample bears the middle of the time in which its rails were read. A rail without a
    channel is unknown in every sample.
    """

    def __init__(self, files: Files, clock: Clock, rails: Sequence[str]) -> None:
        self.samples: list[Sample] = []
        self.unknown_tokens: dict[str, int] = {}
        self.spent: CpuSpent | None = None
        self._files = files
        self._clock = clock
        channels = {channel.rail: channel for channel in find_channels(files)}
        self._channels = [channels.get(name) for name in rails]
        gpu = find_gpu(files)
        self._gpu = gpu.stem if gpu else None
        self._cpus = files.glob("/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq")
        paths = (path for path in _MEMORY_CLOCKS if read_int(files, path) is not None)
        self._memory = next(paths, None)
        self._zones = [
            f"{zone}/temp"
            for zone in files.glob("/sys/class/thermal/thermal_zone*")
            if not is_dummy_zone(read_word(files, f"{zone}/type") or "")
        ]
        self._zones_due_s = clock.now()

    def take(self) -> None:
        """Read everything once.

        Raises:
            OSError: A rail's files are gone, or may not be read.
        """
        began_s = self._clock.now()
        rails_w = tuple([c.power_w(self._files) if c else None for c in self._channels])
        read_s = self._clock.now()
        self.samples.append(
            Sample(
                t_s=(began_s + read_s) / 2,
                rails_w=rails_w,
                gpu_mhz=_mhz(self._number(self._gpu and f"{self._gpu}cur_freq")),
                emc_mhz=_mhz(self._number(self._memory)),
                cpu_mhz=self._cpu_mhz(),
                temp_c=self._hottest_c(read_s),
                gpu_busy_percent=self._gpu_busy_percent(),
            )
        )

    def _number(self, path: str | None) -> int | None:
        return read_int(self._files, path) if path else None

    def _cpu_mhz(self) -> int | None:
        """The fastest cluster's clock, which is in kHz."""
        clocks_khz = [read_int(self._files, path) for path in self._cpus]
        return max((khz // 1000 for khz in clocks_khz if khz is not None), default=None)

    def _gpu_busy_percent(self) -> float | None:
        per_mille = self._number(self._gpu and f"{self._gpu}device/load")
        return None if per_mille is None else per_mille / 10

    def _hottest_c(self, now_s: float) -> float | None:
        if now_s < self._zones_due_s:
            return None
        self._zones_due_s = now_s + _ZONES_EVERY_S
        temps = [read_int(self._files, zone) for zone in self._zones]
        stated = (temp for temp in temps if temp is not None and temp != _GATED_MILLIDEGREES)
        hottest = max(stated, default=None)
        return None if hottest is None else hottest / 1000


def _mhz(hz: int | None) -> int | None:
    return None if hz is None else hz // 1_000_000
