"""Hold a board's clocks, read them back, and put them back as they were.

Only the knobs that the board shows are written, and only with values of its own tables.
The state from before is on disk before the first write, so that the clocks that a killed
worker left behind are restored at its next start, or by `measurements.board.restore`.

A point can also be applied: then it stands, restarts included, until it is rolled back. What
is held for a run starts from the state before that all the same, so that "left as found"
means the board's default; afterwards the applied point is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from measurements.board.hardware import clock_state
from measurements.board.hardware.clock_state import Standing, State
from measurements.board.hardware.knobs import find_cpus, find_gate, find_gpu, find_memory
from measurements.board.hardware.protocol import Clock, Files, PointNotHeld
from measurements.messages import OperatingPoint

RESTORE_FILE = "clocks-to-restore.json"
"""In the worker's state directory."""

_SETTLE_S = 0.5
"""Longest wait for a clock to take; real ones take up to 0.014 s."""
_POLL_S = 0.005


STANDING_FILE = "clocks-applied.json"
"""Beside the restore file, while an applied point stands."""


class Clocks:
    """The clocks of one board.

    Args:
        restore_file: Holds the state to go back to for as long as clocks are held.
    """

    def __init__(self, files: Files, clock: Clock, *, restore_file: Path) -> None:
        self._files = files
        self._clock = clock
        self._restore_file = restore_file
        self._standing_file = restore_file.with_name(STANDING_FILE)
        self._gpu = find_gpu(files)
        self._gate = find_gate(files, self._gpu) if self._gpu else None
        self._memory = find_memory(files)
        self._cpus = find_cpus(files)
        self.gpu_hz = self._gpu.legal_hz if self._gpu else ()
        self.emc_hz = self._memory.legal_hz if self._memory else ()
        tables = [set(limits.legal_hz) for limits in self._cpus]
        self.cpu_hz = tuple(sorted(set.intersection(*tables))) if tables else ()

    def point(self) -> OperatingPoint:
        """The limits as they stand; memory and CPU are None while they are governed."""
        gpu = self._gpu.read(self._files) if self._gpu else None
        return OperatingPoint(
            gpu_min_hz=gpu[0] if gpu else None,
            gpu_max_hz=gpu[1] if gpu else None,
            emc_hz=self._memory.read(self._files) if self._memory else None,
            cpu_hz=self._pinned_cpu_hz(),
        )

    @contextmanager
    def holding(self, point: OperatingPoint) -> Iterator[OperatingPoint]:
        """Hold `point` inside the block, which gets what was read back.

        Raises:
            PointNotHeld: A clock did not take, or may not be written; all are restored.
            ValueError: A value is not in the board's own tables; nothing was written.
            OSError: The old state could not be saved (nothing was written) or restored
                (the restore file stays).
        """
        self.restore_left_over()
        base = self._base()
        self._check(point, base)
        before = self._state()
        clock_state.save(self._restore_file, before)
        try:
            self._put(base)
            yield self._hold(point)
        finally:
            self._go_back(before)

    def default_point(self) -> OperatingPoint:
        """The limits as they were before any point was applied."""
        return self._base().point()

    def apply(self, point: OperatingPoint) -> OperatingPoint:
        """Hold `point` until it is rolled back, whatever is restarted; what was read back.

        Raises:
            PointNotHeld, ValueError, OSError: As `holding`; what stood before stands again.
        """
        self.restore_left_over()
        base, before = self._base(), self._state()
        self._check(point, base)
        clock_state.save(self._restore_file, before)
        try:
            self._put(base)
            held = self._hold(point)
            clock_state.save(self._standing_file, Standing(before=base, point=point))
        except (OSError, PointNotHeld):
            self._go_back(before)
            raise
        clock_state.drop(self._restore_file)
        return held

    def roll_back(self) -> OperatingPoint:
        """Go back to the state before anything was applied; what was read back.

        Raises:
            OSError: A clock cannot be written; it is tried again at the next start.
        """
        self.restore_left_over()
        base = self._base()
        clock_state.save(self._restore_file, base)
        clock_state.drop(self._standing_file)
        self._go_back(base)
        return self.point()

    def resume(self) -> bool:
        """Hold an applied point again after a restart; False if it did not take."""
        if (
            standing := clock_state.read_standing(self._standing_file)
        ) is None or self._differences(standing.point) == []:
            return True
        try:
            self._hold(standing.point)
        except PointNotHeld:
            return False
        return True

    def _base(self) -> State:
        """The state that points are held from: the one before an applied point, or the present."""
        standing = clock_state.read_standing(self._standing_file)
        return standing.before if standing else self._state()

    def restore_left_over(self) -> bool:
        """Restore what a killed worker left held; False if nothing was left.

        Raises:
            OSError: A clock cannot be written; the restore file stays.
            RestoreFileDamaged: An OSError too.
        """
        if (state := clock_state.read_state(self._restore_file)) is None:
            return False
        self._go_back(state)
        return True

    def _pinned_cpu_hz(self) -> int | None:
        pairs = {limits.read(self._files) for limits in self._cpus}
        pair = pairs.pop() if len(pairs) == 1 else None
        return pair[0] if pair and pair[0] == pair[1] else None

    def _check(self, point: OperatingPoint, base: State) -> None:
        for name, hz, legal_hz in (
            ("GPU", point.gpu_min_hz, self.gpu_hz),
            ("GPU", point.gpu_max_hz, self.gpu_hz),
            ("memory", point.emc_hz, self.emc_hz),
            ("CPU", point.cpu_hz, self.cpu_hz),
        ):
            if hz is not None and hz not in legal_hz:
                raise ValueError(f"{hz} Hz is not one of this board's {name} clocks")
        low_hz, high_hz = clock_state.with_limits(base.gpu_hz, point) or (0, 0)
        if low_hz > high_hz:
            raise ValueError(f"the GPU's lower limit {low_hz} Hz is above its upper {high_hz} Hz")

    def _gpu_target(self, point: OperatingPoint) -> tuple[int, int] | None:
        """The GPU limits to write; a limit that the point leaves open stays. None: leave both."""
        return clock_state.with_limits(self._gpu.read(self._files) if self._gpu else None, point)

    def _hold(self, point: OperatingPoint) -> OperatingPoint:
        try:
            self._write(point)
        except OSError as error:
            raise PointNotHeld(f"a clock cannot be set: {error}") from error
        settled = self._wait_until(lambda: self._differences(point) == [])
        if not settled:
            raise PointNotHeld("; ".join(self._differences(point)))
        return self.point()

    def _write(self, point: OperatingPoint) -> None:
        target = self._gpu_target(point)
        if self._gpu and target:
            if self._gate:
                self._gate.write(self._files, self._gate.awake)
            self._gpu.write(self._files, *target)
        if self._memory and point.emc_hz is not None:
            self._memory.write(self._files, point.emc_hz)
        if point.cpu_hz is not None:
            for limits in self._cpus:
                limits.write(self._files, point.cpu_hz, point.cpu_hz)

    def _differences(self, point: OperatingPoint) -> list[str]:
        """What of `point` the board does not show, each as a sentence's part."""
        now = self.point()
        found = [
            f"{field} reads {getattr(now, field)}, not {asked}"
            for field in point.__struct_fields__
            if (asked := getattr(point, field)) is not None and getattr(now, field) != asked
        ]
        target = self._gpu_target(point)
        if self._gpu and target and not self._gpu.is_settled(self._files, *target):
            found.append("the GPU runs outside its limits")
        if point.cpu_hz is not None:
            found += [
                f"{limits.name} runs outside its limits"
                for limits in self._cpus
                if not limits.is_settled(self._files, point.cpu_hz, point.cpu_hz)
            ]
        return found

    def _wait_until(self, is_true: Callable[[], bool]) -> bool:
        deadline_s = self._clock.now() + _SETTLE_S
        while not is_true():
            if self._clock.now() >= deadline_s:
                return False
            self._clock.sleep_until(self._clock.now() + _POLL_S)
        return True

    def _state(self) -> State:
        limits = {knob.name: knob.read(self._files) for knob in self._cpus}
        return State(
            gpu_hz=self._gpu.read(self._files) if self._gpu else None,
            gpu_gate=self._gate.read(self._files) if self._gate else None,
            emc_hz=self._memory.read(self._files) if self._memory else None,
            cpus_hz={name: pair for name, pair in limits.items() if pair},
        )

    def _go_back(self, state: State) -> None:
        """Write `state`, then drop the restore file."""
        self._put(state)
        clock_state.drop(self._restore_file)

    def _put(self, state: State) -> None:
        """Write `state`, each knob whatever happens to the others; the first failure is raised.

        The clocks have settled when this returns (or never will): the memory's rate is read
        from the clock itself, and whoever saves it next must not save where it comes from.
        """
        errors: list[OSError] = []
        for step in self._steps_back(state):
            try:
                step()
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        self._wait_until(lambda: self._state() == state)

    def _steps_back(self, state: State) -> Iterator[Callable[[], None]]:
        files, gpu, gate, memory = self._files, self._gpu, self._gate, self._memory
        if memory and memory.read(files) != state.emc_hz:
            yield partial(memory.write, files, state.emc_hz)
        if gpu and state.gpu_hz and gpu.read(files) != state.gpu_hz:
            yield partial(gpu.write, files, *state.gpu_hz)
        for limits in self._cpus:
            pair = state.cpus_hz.get(limits.name)
            if pair and limits.read(files) != pair:
                yield partial(limits.write, files, *pair)
        if gate and state.gpu_gate and gate.read(files) != state.gpu_gate:
            yield partial(gate.write, files, state.gpu_gate)
