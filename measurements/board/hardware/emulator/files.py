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


class EmulatedFiles:
    """The files of the tree under `root`; paths are the board's own ("/sys/…")."""

    def __init__(self, root: Path, emulation: Emulation) -> None:
        self._root = root.resolve()
        self._emulation = emulation
        self._readers: dict[str, Callable[[], str]] = {}
        self._writers: dict[str, Callable[[str, int], None]] = {}
        board = emulation.model.board
        paths = tree.Paths(board)
        self._connect_gpu(paths)
        self._connect_emc()
        for index in range(len(board.policies)):
            self._connect_cpu(paths.policy(index), index)
        self._connect_sensors(paths)

    def read(self, path: str) -> str:
        """Raises: OSError, with the errno that the kernel gives."""
        real = self._real(path)
        reader = self._readers.get(real)
        if reader is None:
            return (self._root / real).read_text()
        with self._emulation.lock:
            self._emulation.catch_up()
            return f"{reader()}\n"

    def write(self, path: str, text: str) -> None:
        """Raises: OSError: EINVAL for a bad value, EACCES for a file that is not a setting."""
        real = self._real(path)
        if not (self._root / real).is_file():
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        writer = self._writers.get(real)
        if writer is None:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        with self._emulation.lock:
            self._emulation.catch_up()
            writer(real, _whole_number(text, path))

    def glob(self, pattern: str) -> list[str]:
        found = self._root.glob(pattern.lstrip("/"))
        return sorted("/" + path.relative_to(self._root).as_posix() for path in found)

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

    def _connect_cpu(self, path: str, index: int) -> None:
        model = self._emulation.model
        for name in ("scaling_cur_freq", "cpuinfo_cur_freq"):
            self._readers[f"{path}/{name}"] = lambda: str(model.cpus[index].hz // 1000)
        self._writers[f"{path}/scaling_min_freq"] = partial(self._write_cpu_min, index)
        self._writers[f"{path}/scaling_max_freq"] = partial(self._write_cpu_max, index)

    def _connect_sensors(self, paths: tree.Paths) -> None:
        model = self._emulation.model
        for index, rail in enumerate(model.board.rails):
            chip = paths.chip(rail)
            for name, column in (("in", 0), ("curr", 1)):
                self._readers[f"{chip}/{name}{rail.channel}_input"] = partial(
                    self._register, index, column
                )
        for index in range(len(model.board.zones)):
            self._readers[f"{paths.zone(index)}/temp"] = partial(self._millidegrees, index)

    def _register(self, rail: int, column: int) -> str:
        return str(self._emulation.model.registers(rail)[column])

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
