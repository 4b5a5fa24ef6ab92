"""The machine's own clock and files, and `tegrastats` as a child that ends with its sampler."""

import os
import select
import signal
import threading
import time

import pytest

from measurements.board.hardware.machine import (
    ChildTegrastats,
    RealClock,
    RealTicks,
    SamplingStopped,
    SysFiles,
)
from measurements.tests.jetson_tree import GPU, Kernel, agx_orin


def sh(script):
    """A stand-in for tegrastats; it gets `--interval N` as $1 $2."""
    return ["/bin/sh", "-c", script, "tegrastats"]


class Heard:
    """Keeps the lines it is fed, and lets a test wait for a number of them."""

    def __init__(self):
        self.lines = []
        self._changed = threading.Condition()

    def feed(self, t_s, line):
        with self._changed:
            self.lines.append((t_s, line))
            self._changed.notify_all()

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.lines) >= count, timeout=10)


def ends(pid, *, within_s=10):
    """Whether the process ends in time, or has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within_s)[0])
    finally:
        os.close(process)


def test_a_child_is_stamped_on_arrival_and_gets_the_interval():
    heard, clock = Heard(), RealClock()
    began_s = clock.now()
    with ChildTegrastats(sh('echo "$1 $2"; exec sleep 1000'), clock).lines(50, heard.feed):
        heard.wait_for(1)
    ((t_s, line),) = heard.lines
    assert line == "--interval 50"
    assert began_s < t_s < clock.now()


def test_the_cpu_time_of_the_child_and_of_its_reader_is_told_when_it_has_ended():
    heard = Heard()
    works = sh("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; exec sleep 1000")
    with ChildTegrastats(works, RealClock()).lines(50, heard.feed) as busy:
        heard.wait_for(1)
    with ChildTegrastats(sh("echo; exec sleep 1000"), RealClock()).lines(50, heard.feed) as idle:
        heard.wait_for(2)
    assert busy.program_s > idle.program_s > 0
    assert 0.01 < busy.program_s <= busy.over_s + 0.05
    assert 0 < busy.reader_s < busy.program_s


def test_ticks_tell_the_cpu_time_of_what_they_ring():
    rung = threading.Event()

    def work():
        until_s = time.thread_time() + 0.05
        while time.thread_time() < until_s:
            pass
        rung.set()

    with RealTicks().every(10_000, work) as spent:
        assert rung.wait(30)
    assert 0.05 <= spent.reader_s <= spent.over_s
    assert spent.program_s is None


def test_the_end_of_a_line_that_never_came_is_dropped():
    heard = Heard()
    program = sh('trap "printf half; exit" TERM; echo whole; sleep 1000 & wait')
    with ChildTegrastats(program, RealClock()).lines(50, heard.feed):
        heard.wait_for(1)
    assert [line for _, line in heard.lines] == ["whole"]


def test_leaving_the_block_ends_the_child_and_its_children_only():
    heard = Heard()
    bystander = ChildTegrastats(sh("echo $$; exec sleep 1000"), RealClock())
    program = sh("sleep 1000 & echo $!; echo $$; wait")
    with bystander.lines(50, (other := Heard()).feed):
        other.wait_for(1)
        with ChildTegrastats(program, RealClock()).lines(50, heard.feed):
            heard.wait_for(2)
        assert ends(int(heard.lines[0][1])) and ends(int(heard.lines[1][1]))
        assert not ends(int(other.lines[0][1]), within_s=0)
    assert ends(int(other.lines[0][1]))


def test_a_child_that_dies_while_it_is_needed_is_noticed():
    heard = Heard()
    program = ChildTegrastats(sh("echo broken >&2; echo $$; exec sleep 1000"), RealClock())
    with pytest.raises(SamplingStopped, match="status -9: broken"), program.lines(50, heard.feed):
        heard.wait_for(1)
        os.kill(int(heard.lines[0][1]), signal.SIGKILL)
        os.waitid(os.P_PID, int(heard.lines[0][1]), os.WEXITED | os.WNOWAIT)


def test_what_a_dead_child_left_running_is_ended_too():
    heard = Heard()
    program = ChildTegrastats(sh("sleep 1000 & echo $!; echo $$"), RealClock())
    with pytest.raises(SamplingStopped), program.lines(50, heard.feed):
        heard.wait_for(2)
        os.waitid(os.P_PID, int(heard.lines[1][1]), os.WEXITED | os.WNOWAIT)
    assert ends(int(heard.lines[0][1]))


def test_a_program_that_does_not_exist_is_an_error_at_the_start():
    missing = ChildTegrastats("/nonexistent/tegrastats", RealClock())
    with pytest.raises(FileNotFoundError), missing.lines(50, print):
        pass


def test_files_are_never_created_by_writing(tmp_path):
    with pytest.raises(FileNotFoundError):
        SysFiles(tmp_path).write("/sys/new", "1")


def test_found_paths_are_the_boards_own(tmp_path):
    files = Kernel(tmp_path, agx_orin())
    assert files.glob("/sys/class/devfreq/*")[0] == GPU


def test_the_real_clock_sleeps_until_a_time_and_not_for_one():
    clock = RealClock()
    clock.sleep_until(began_s := clock.now())
    clock.sleep_until(began_s + 0.01)
    assert clock.now() >= began_s + 0.01
