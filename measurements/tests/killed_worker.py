"""A process that holds an emulated board's clocks again and again, to be killed at any moment.

It tells what it does on standard output, one word a line: `rest`, `ask` (a point is asked for),
`write` (a clock file is about to be written), `held`, `release`. As a program:

    python -m measurements.tests.killed_worker direct|client|helper|open KIND STATE_DIR SEED

`direct` sets the clocks itself, `client` asks the privileged helper, which `helper` is;
`open` only opens the board, as a worker does when it starts.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from measurements.board import privileged
from measurements.board.catalogue import open_board
from measurements.board.hardware.emulator.files import EmulatedFiles
from measurements.board.hardware.helper import Connection, Helper, HelperGone, PrivilegedClocks
from measurements.board.hardware.knobs import find_cpus, find_gpu, find_memory
from measurements.board.hardware.protocol import ClockControl
from measurements.board.restore import open_files, restore_file
from measurements.messages import OperatingPoint

ROOT = Path(__file__).resolve().parents[2]
Way = Literal[
    "worker killed, started again",
    "worker killed, reboot",
    "worker killed, helper lives",
    "helper killed, started again",
    "worker and helper killed, reboot",
]
WAYS: tuple[Way, ...] = get_args(Way)
MOMENTS = ("nothing held", "saving the old clocks", "setting clocks", "held", "putting back")
_VICTIM = {"helper": "helper", "client": "worker", "direct": "worker"}
_LONGEST_WRITE_S = 0.008
"""A real board takes about 17 ms for a clock file."""
_LONGEST_HOLD_S = 0.05
_KILLED_WITHIN_S = 0.4
_STARTS_WITHIN_S = 120
"""A Python that imports on a busy machine; no word on how fast clocks come back."""
_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    way: Way
    moment: str
    had_changed: bool
    """Whether any file under /sys differed from before when the kill had happened."""
    was_on_disk: bool
    """Whether the restore file was there when the kill had happened."""
    is_restored: bool
    """Whether all of /sys is as it was before (after a reboot while nothing was held: as the
    reboot leaves it), no restore file is left, and nothing was changed without one."""
    restored_after_s: float


def tell(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def _telling(chance: random.Random) -> Callable[[EmulatedFiles, str, str], None]:
    """`EmulatedFiles.write`, as slow as a real board and announced."""
    write = EmulatedFiles.write

    def slow_write(files: EmulatedFiles, path: str, text: str) -> None:
        tell("write")
        time.sleep(chance.uniform(0, _LONGEST_WRITE_S) / 2)
        write(files, path, text)
        time.sleep(chance.uniform(0, _LONGEST_WRITE_S) / 2)

    return slow_write


def hold_for_ever(clocks: ClockControl, chance: random.Random) -> None:
    tell("rest")
    while True:
        time.sleep(chance.uniform(0, _LONGEST_HOLD_S) / 4)
        point = random_point(clocks, chance)
        tell("ask")
        with clocks.holding(point):
            tell("held")
            time.sleep(chance.uniform(0, _LONGEST_HOLD_S))
            tell("release")
        tell("rest")


def random_point(clocks: ClockControl, chance: random.Random) -> OperatingPoint:
    low_hz, high_hz = sorted(chance.choices(clocks.gpu_hz, k=2))
    return OperatingPoint(
        gpu_min_hz=low_hz,
        gpu_max_hz=high_hz,
        emc_hz=chance.choice(clocks.emc_hz),
        cpu_hz=chance.choice(clocks.cpu_hz),
    )


def main(role: str, kind: str, state_dir: Path, seed: int) -> None:
    chance, spec, socket = random.Random(seed), f"emulated:{kind}", state_dir / "socket"
    if role == "open":
        open_board(spec, name="b", state_dir=state_dir, pace=lambda: None)
        return
    EmulatedFiles.write = _telling(chance)  # type: ignore[method-assign]
    if role == "helper":
        arguments = ["--state-dir", str(state_dir), "--user", "root", "--board", spec]
        privileged.main([*arguments, "--socket", str(socket)])
    elif role == "client":
        hold_for_ever(PrivilegedClocks(Helper(socket)), chance)
    else:
        hold_for_ever(_board_clocks(spec, state_dir), chance)


def _board_clocks(spec: str, state_dir: Path) -> ClockControl:
    board = open_board(spec, name="b", state_dir=state_dir, pace=lambda: None)
    clocks: ClockControl = board._clocks  # type: ignore[attr-defined]
    return clocks


class Bench:
    """One emulated board and the processes that set its clocks, in a directory of its own."""

    def __init__(self, directory: Path, kind: str, seed: int) -> None:
        self._directory, self._kind, self._seed = directory, kind, seed
        self._spec = f"emulated:{kind}"
        self._chance = random.Random(f"kill/{seed}")

    def kill(self, way: Way) -> Outcome:
        """Kill at a random moment, bring the board back in the given `way`, and look."""
        self._boot()
        booted = self._settings()
        self._disturb()
        before = self._settings()
        with ExitStack() as stack:
            killed = self._killed(way, stack)
            on_disk, changed = self._left_over.exists(), self._settings() != before
            if "lives" in way:
                on_disk = True  # it is restoring this moment
            due = booted if "reboot" in way and not on_disk else before
            began_s = time.monotonic()
            self._bring_back(way, stack)
            is_back = self._wait_for(due) if "lives" in way else self._is(due)
            restored_s = time.monotonic() - began_s
        is_covered = on_disk or not changed
        return Outcome(way, killed, changed, on_disk, is_back and is_covered, restored_s)

    @property
    def _left_over(self) -> Path:
        return restore_file(self._spec, state_dir=self._directory)

    def _boot(self) -> None:
        """What a reboot does to /sys: all as the kernel has it; the disk stays."""
        shutil.rmtree(self._directory / "tree" / "sys", ignore_errors=True)
        open_files(self._spec, state_dir=self._directory)

    def _disturb(self) -> None:
        """Clocks that somebody had set before: going back to boot values would be wrong."""
        files, _ = open_files(self._spec, state_dir=self._directory)
        gpu, memory = find_gpu(files), find_memory(files)
        assert gpu is not None and memory is not None
        gpu.write(files, *sorted(self._chance.choices(gpu.legal_hz, k=2)))
        if self._chance.random() < 0.5:
            memory.write(files, self._chance.choice(memory.legal_hz))
        for limits in find_cpus(files):
            limits.write(files, *sorted(self._chance.choices(limits.legal_hz, k=2)))

    def _settings(self) -> dict[str, str]:
        """Every file under /sys; a memory clock that is not locked is its governor's."""
        sys_ = self._directory / "tree" / "sys"
        found = {
            str(path.relative_to(sys_)): path.read_text()
            for path in sys_.rglob("*")
            if path.is_file() and not path.is_symlink() and path.suffix != ".new"
        }
        emc = "kernel/debug/bpmp/debug/clk/emc/"
        if found[emc + "mrq_rate_locked"].strip() == "0":
            del found[emc + "rate"]
        return found

    def _is(self, before: dict[str, str]) -> bool:
        return self._settings() == before and not self._left_over.exists()

    def _wait_for(self, before: dict[str, str]) -> bool:
        deadline_s = time.monotonic() + _WITHIN_S
        while not (back := self._is(before)) and time.monotonic() < deadline_s:
            time.sleep(0.002)
        return back

    def _killed(self, way: Way, stack: ExitStack) -> str:
        """The moment at which the processes that `way` names were killed with SIGKILL."""
        reading, writing = os.pipe()
        told = stack.enter_context(os.fdopen(reading, "rb", buffering=0))
        with os.fdopen(writing, "wb") as mouth:
            roles = ["helper", "client"] if "helper" in way else ["direct"]
            processes = {role: self._start(role, stack, mouth.fileno()) for role in roles}
        victims = [role for role in roles if _VICTIM[role] in way.partition(" killed")[0]]
        words = [told.read(5)]
        assert words == [b"rest\n"], "the worker ended by itself"
        time.sleep(self._chance.uniform(0, _KILLED_WITHIN_S))
        for role in victims:
            processes[role].kill()
        os.set_blocking(reading, False)
        while data := told.read(65_536):
            words.append(data)
        for role in victims:
            processes[role].wait()
        return moment_of(b"".join(words).decode().split())

    def _start(self, role: str, stack: ExitStack, stdout: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "measurements.tests.killed_worker", role, self._kind]
        process = subprocess.Popen(
            [*command, str(self._directory), str(self._chance.randrange(2**32))],
            cwd=ROOT,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        if role == "helper":
            self._wait_for_helper()
        return process

    def _wait_for_helper(self) -> None:
        deadline_s = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < deadline_s:
            try:
                Connection(self._directory / "socket").close()
                return
            except HelperGone:
                time.sleep(0.01)
        raise TimeoutError("the helper does not listen")

    def _bring_back(self, way: Way, stack: ExitStack) -> None:
        if "reboot" in way:
            self._boot()
            command = ["measurements.board.restore", str(self._directory), "--board", self._spec]
            self._run(command)
        elif way == "worker killed, started again":
            main = ["measurements.tests.killed_worker", "open", self._kind]
            self._run([*main, str(self._directory), "0"])
        elif way == "helper killed, started again":
            self._start("helper", stack, subprocess.DEVNULL)

    def _run(self, module_and_arguments: list[str]) -> None:
        command = [sys.executable, "-m", *module_and_arguments]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def moment_of(words: Sequence[str]) -> str:
    """What was going on when these words had been told."""
    last = next(word for word in reversed(words) if word != "write")
    if last == "ask":
        return "setting clocks" if words[-1] == "write" else "saving the old clocks"
    return {"rest": "nothing held", "held": "held", "release": "putting back"}[last]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
