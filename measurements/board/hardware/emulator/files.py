"""The board's files, answered as the kernel answers them.

Clock limits are refused in the wrong order (EINVAL) and brought to the table, memory
clocks round up, an idle GPU that is power-gated shows clock 0, a gated zone says EAGAIN.
Accepted writes go to the disk, so they outlive the process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import tree
from .emulation import Emulation
from .events import Knob, SetKnob
from .governor import at_least, at_most
from .rights import ROOT, Rights


class EmulatedFiles:
    """The files of the tree under `root`; paths are the board's own ("/sys/…").

    Args:
        rights: As whom they are looked at; root by default.
    """

    def __init__(self, root: Path, emulation: Emulation, *, rights: Rights = ROOT) -> None:
        self._root = root.resolve()
        self._emulation = emulation
        self._rights = rights
        self._readers: dict[str, Callable[[], str]] = {}
        self._writers: dict[str, Callable[[str, int], None]] = {}
        board = emulation.model.board
        self._paths = paths = tree.Paths(board)
        self._connect_gpu(paths)
        self._connect_emc()
        for index in range(len(board.policies)):
            self._connect_cpu(paths.policy(index), index)
        for cpu in range(board.cores):
            self._writers[f"{tree.CPU}/cpu{cpu}/online"] = partial(self._write_online, cpu)
        self._connect_sensors(paths)

    def read(self, path: str) -> str:
        """Raises: OSError, with the errno that the kernel gives."""
        real = self._real(path)
        self._check(path, real, self._rights.may_read(real))
        reader = self._readers.get(real)
        if reader is None:
            return (self._root / real).read_text()
        with self._emulation.lock:
            self._emulation.catch_up()
            return f"{reader()}\n"

    def write(self, path: str, text: str) -> None:
        """Raises: OSError: EINVAL for a bad value, EACCES for a file that is not a setting."""
        real = self._real(path)
        writer = self._writers.get(real)
        self._check(path, real, writer is not None and self._rights.is_root)
        assert writer is not None
        with self._emulation.lock:
            self._emulation.catch_up()
            writer(real, _whole_number(text, path))

    def glob(self, pattern: str) -> list[str]:
        found = self._root.glob(pattern.lstrip("/"))
        names = sorted(path.relative_to(self._root).as_posix() for path in found)
        return ["/" + name for name in names if self._rights.sees(name) and not self._is_off(name)]

    def _check(self, path: str, real: str, is_allowed: bool) -> None:
        if not self._rights.sees(real) and not self._rights.in_container:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        if not (self._rights.sees(real) and (self._root / real).is_file()) or self._is_off(real):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not is_allowed:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)

    def _is_off(self, name: str) -> bool:
        """Whether `name` belongs to a cpufreq policy of which no core is online."""
        offline = self._emulation.model.knobs.offline
        return bool(offline) and any(
            name.startswith(self._paths.policy(index)) and set(cpus) <= set(offline)
            for index, cpus in enumerate(self._emulation.model.board.policies)
        )

    def _real(self, path: str) -> str:
        """The path below the root with its symbolic links resolved."""
        return os.path.relpath(os.path.realpath(self._root / path.lstrip("/")), self._root)

    def _connect_gpu(self, paths: tree.Paths) -> None:
        model = self._emulation.model
        self._readers[f"{paths.gpu}/cur_freq"] = lambda: str(model.gpu.hz if model.gpu_awake else 0)
        self._readers[f"{paths.gpu}/target_freq"] = lambda: str(model.gpu_wanted_hz)
        self._readers[f"{paths.gpu_device}/load"] = lambda: str(round(model.gpu_load * 1000))
        self._writers[f"{paths.gpu}/min_freq"] = self._write_gpu_min
        self._writers[f"{paths.gpu}/max_freq"] = self._write_gpu_max
        self._writers[f"{paths.gpu_device}/railgate_enable"] = self._write_railgate

    def _connect_emc(self) -> None:
        model = self._emulation.model
        self._readers[f"{tree.EMC}/rate"] = lambda: str(model.emc.hz)
        self._writers[f"{tree.EMC}/rate"] = self._write_emc_rate
        self._writers[f"{tree.EMC}/mrq_rate_locked"] = self._write_emc_locked
        self._writers[f"{tree.EMC}/state"] = self._keep
        self._writers[self._paths.emc_cap] = self._write_emc_cap

    def _connect_cpu(self, path: str, index: int) -> None:
        model = self._emulation.model
        for name in ("scaling_cur_freq", "cpuinfo_cur_freq"):
            self._readers[f"{path}/{name}"] = lambda: str(model.cpus[index].hz // 1000)
        self._writers[f"{path}/scaling_min_freq"] = partial(self._write_cpu_min, index)
        self._writers[f"{path}/scaling_max_freq"] = partial(self._write_cpu_max, index)

    def _connect_sensors(self, paths: tree.Paths) -> None:
        model = self._emulation.model
        for index, rail in enumerate(model.board.rails):
            volts, amperes, watts = paths.registers(rail)
            self._readers[volts] = partial(self._register, index, 0)
            self._readers[amperes] = partial(self._register, index, 1)
            if watts:
                self._readers[watts] = partial(self._milliwatts, index)
        for index in range(len(model.board.zones)):
            self._readers[f"{paths.zone(index)}/temp"] = partial(self._millidegrees, index)

    def _register(self, rail: int, column: int) -> str:
        return str(self._emulation.model.registers(rail)[column])

    def _milliwatts(self, rail: int) -> str:
        return str(self._emulation.model.milliwatts(rail))

    def _millidegrees(self, zone: int) -> str:
        temp_c = self._emulation.model.zone_c(zone)
        if temp_c is None:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return str(round(temp_c * 1000))

    def _write_gpu_min(self, path: str, hz: int) -> None:
        table, knobs = self._emulation.model.board.gpu_hz, self._emulation.model.knobs
        hz = at_least(table, hz)
        _refuse(hz > knobs.gpu_max_hz, path)
        self._take(path, "gpu_min", hz)

    def _write_gpu_max(self, path: str, hz: int) -> None:
        table, knobs = self._emulation.model.board.gpu_hz, self._emulation.model.knobs
        hz = at_most(table, hz)
        _refuse(hz < knobs.gpu_min_hz, path)
        self._take(path, "gpu_max", hz)

    def _write_railgate(self, path: str, value: int) -> None:
        _refuse(value not in (0, 1), path)
        self._take(path, "railgate", value)

    def _write_emc_rate(self, path: str, hz: int) -> None:
        """The power processor rounds up; without the lock the governor keeps the clock."""
        if self._emulation.model.knobs.emc_locked:
            self._take(path, "emc_rate", at_least(self._emulation.model.board.emc_hz, hz))

    def _write_emc_locked(self, path: str, value: int) -> None:
        _refuse(value not in (0, 1), path)
        if value and not self._emulation.model.knobs.emc_locked:
            self._take(f"{tree.EMC}/rate", "emc_rate", self._emulation.model.emc.hz)
        self._take(path, "emc_locked", value)

    def _write_emc_cap(self, path: str, hz: int) -> None:
        self._take(path, "emc_cap", hz)

    def _write_online(self, cpu: int, path: str, value: int) -> None:
        _refuse(value not in (0, 1) or (cpu == 0 and not value), path)
        self._take(path, "cpu_online", value, policy=cpu)

    def _write_cpu_min(self, index: int, path: str, khz: int) -> None:
        hz = self._in_cpu_range(khz)
        _refuse(hz > self._emulation.model.knobs.cpu_max_hz[index], path)
        self._take(path, "cpu_min", hz, policy=index, shown=hz // 1000)

    def _write_cpu_max(self, index: int, path: str, khz: int) -> None:
        hz = self._in_cpu_range(khz)
        _refuse(hz < self._emulation.model.knobs.cpu_min_hz[index], path)
        self._take(path, "cpu_max", hz, policy=index, shown=hz // 1000)

    def _in_cpu_range(self, khz: int) -> int:
        return at_least(self._emulation.model.board.cpu_hz, khz * 1000)

    def _take(
        self, path: str, knob: Knob, value: int, *, policy: int = 0, shown: int | None = None
    ) -> None:
        self._emulation.apply(SetKnob(knob, value, policy))
        self._keep(path, value if shown is None else shown)

    def _keep(self, path: str, value: int) -> None:
        """To the disk, whole or not at all: a killed worker's clocks stay as they are."""
        file = self._root / path
        new = file.with_name(file.name + ".new")
        new.write_text(f"{value}\n")
        new.replace(file)


def _refuse(is_bad: bool, path: str) -> None:
    if is_bad:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), "/" + path)


def _whole_number(text: str, path: str) -> int:
    word = text.strip()
    _refuse(not (word.isascii() and word.isdigit()) or len(word) > 18, path.lstrip("/"))
    return int(word)
