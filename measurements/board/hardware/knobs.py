"""The files that set a board's clocks, as the board has them.

Source: NVIDIA Jetson Linux Developer Guide, "Clocks" and "Power Management"; kernel
Documentation/ABI/testing/sysfs-class-devfreq and admin-guide/pm/cpufreq.
"""

from __future__ import annotations

from dataclasses import dataclass

from measurements.board.hardware.protocol import Files
from measurements.board.hardware.sysfs import read_int, read_ints, read_word

_GPU_NODES = {"gp10b", "gv11b", "ga10b", "gb10b", "gpu"}
_GPU_ENTRY_OF_THOR = "gpu-gpc-0"
_EMC = "/sys/kernel/debug/bpmp/debug/clk/emc"
_EMC_RATES = "/sys/kernel/debug/bpmp/debug/emc/possible_rates"
_COUNTER_ERROR = 0.025
"""A GPU clock read from the hardware's counter is off by up to this part of the set one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A pair of files that keep a clock between two values of its table."""

    name: str
    stem: str
    """The paths up to `min_freq`, `max_freq` and `cur_freq`."""
    hz_per_unit: int
    legal_hz: tuple[int, ...]

    def read(self, files: Files) -> tuple[int, int] | None:
        """Lower and upper limit in Hz; None if they cannot be read."""
        low, high = read_int(files, f"{self.stem}min_freq"), read_int(files, f"{self.stem}max_freq")
        if low is None or high is None:
            return None
        return low * self.hz_per_unit, high * self.hz_per_unit

    def write(self, files: Files, low_hz: int, high_hz: int) -> None:
        """Set both limits, first the one that makes room for the other."""
        now = self.read(files)
        writes = [(f"{self.stem}min_freq", low_hz), (f"{self.stem}max_freq", high_hz)]
        if now is not None and low_hz > now[1]:
            writes.reverse()
        for path, hz in writes:
            files.write(path, str(hz // self.hz_per_unit))

    def is_settled(self, files: Files, low_hz: int, high_hz: int) -> bool:
        """Whether the clock runs inside its limits, or does not tell (gated, offline)."""
        current = read_int(files, f"{self.stem}cur_freq")
        if not current:
            return True
        hz = current * self.hz_per_unit
        return low_hz * (1 - _COUNTER_ERROR) <= hz <= high_hz * (1 + _COUNTER_ERROR)


def find_gpu(files: Files) -> Limits | None:
    """The GPU's clock limits, by its device tree node's name, whatever its directory is called."""
    for entry in files.glob("/sys/class/devfreq/*"):
        node = read_word(files, f"{entry}/device/of_node/name")
        if node in _GPU_NODES or entry.endswith("/" + _GPU_ENTRY_OF_THOR):
            legal_hz = tuple(sorted(read_ints(files, f"{entry}/available_frequencies")))
            return Limits("GPU", f"{entry}/", hz_per_unit=1, legal_hz=legal_hz)
    return None


def find_cpus(files: Files) -> list[Limits]:
    """The limits of each CPU cluster that is online."""
    entries = files.glob("/sys/devices/system/cpu/cpufreq/policy*")
    entries = entries or files.glob("/sys/devices/system/cpu/cpu[0-9]*/cpufreq")
    found = []
    for entry in entries:
        units = read_ints(files, f"{entry}/scaling_available_frequencies")
        legal_hz = tuple(_hz(units, 1000))
        limits = Limits(entry, f"{entry}/scaling_", hz_per_unit=1000, legal_hz=legal_hz)
        if limits.read(files) is not None:
            found.append(limits)
    return found


@dataclass(frozen=True, slots=True)
class MemoryLock:
    """The memory clock, locked through the power processor (BPMP) of Tegra186 and later."""

    legal_hz: tuple[int, ...]

    def read(self, files: Files) -> int | None:
        """The locked rate in Hz; None while it is governed."""
        if read_int(files, f"{_EMC}/mrq_rate_locked") != 1:
            return None
        return read_int(files, f"{_EMC}/rate")

    def write(self, files: Files, hz: int | None) -> None:
        """Lock the clock at `hz`, or give it back to its governor."""
        if hz is None:
            files.write(f"{_EMC}/mrq_rate_locked", "0")
            return
        files.write(f"{_EMC}/mrq_rate_locked", "1")
        files.write(f"{_EMC}/rate", str(hz))
        files.write(f"{_EMC}/state", "1")


@dataclass(frozen=True, slots=True)
class PowerGate:
    """Whether the idle GPU may be switched off, which hides its clock and slows its start."""

    path: str
    awake: str
    """What keeps the GPU on."""

    def read(self, files: Files) -> str | None:
        return read_word(files, self.path)

    def write(self, files: Files, word: str) -> None:
        if self.read(files) != word:
            files.write(self.path, word)


def find_gate(files: Files, gpu: Limits) -> PowerGate | None:
    device = gpu.stem + "device"
    for gate in (
        PowerGate(f"{device}/railgate_enable", "0"),
        PowerGate(f"{device}/power/control", "on"),
    ):
        if gate.read(files) is not None:
            return gate
    return None


def find_memory(files: Files) -> MemoryLock | None:
    """The memory clock's lock; None if this board has another kind, or it cannot be read."""
    legal_hz = _emc_hz(files)
    return MemoryLock(legal_hz) if legal_hz else None


def _emc_hz(files: Files) -> tuple[int, ...]:
    """The memory clocks that can be locked, ascending; none if the list cannot be read.

    The list is in kHz and mostly says so; no memory clock is below 10 MHz or above 10 GHz.
    """
    rates = read_ints(files, _EMC_RATES)
    return tuple(_hz(rates, 1000 if all(rate < 10_000_000 for rate in rates) else 1))


def _hz(units: list[int], hz_per_unit: int) -> list[int]:
    return sorted(unit * hz_per_unit for unit in units)
