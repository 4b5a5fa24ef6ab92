import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from polyweb.stack import lock
from polyweb.stack.program import Program
from polyweb.stack.supervisor import GaveUp, Supervisor

SLEEPER = Program("sleeper", ["sleep", "600"])


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(tmp_path, clock, said):
    with Supervisor(tmp_path, say=said.append, clock=clock) as supervisor:
        yield supervisor


def pid_of(var, name):
    return lock.state(var)["processes"][name]["pid"]


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def tick_until(supervisor, happened):
    deadline_s = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline_s
        supervisor.tick()
        os.sched_yield()


def test_a_killed_program_is_started_again_after_a_second(supervisor, tmp_path, clock, said):
    supervisor.start(SLEEPER)
    first = pid_of(tmp_path, "sleeper")
    os.kill(first, signal.SIGKILL)
    tick_until(supervisor, lambda: said)
    assert said == ["sleeper was killed (SIGKILL); again in 1 s: "]
    supervisor.tick()
    assert pid_of(tmp_path, "sleeper") == first
    clock.now_s = 1
    supervisor.tick()
    assert is_running(pid_of(tmp_path, "sleeper")) and pid_of(tmp_path, "sleeper") != first


def test_a_program_that_goes_on_dying_is_given_up_with_the_end_of_its_log(
    supervisor, tmp_path, clock, said
):
    supervisor.start(Program("dier", ["sh", "-c", "echo no such table; exit 3"]))

    def an_hour_of_patience():
        clock.now_s += 0.01
        return False

    with pytest.raises(GaveUp, match=r"dier ended \(exit code 3\) for the 6th time(.|\n)*no such"):
        tick_until(supervisor, an_hour_of_patience)
    assert [line.split("again in ")[1][:4].strip() for line in said] == [
        "1 s:", "2 s:", "4 s:", "8 s:", "16 s",
    ]  # fmt: skip


def test_deaths_long_apart_are_no_reason_to_give_up(supervisor, tmp_path, clock, said):
    supervisor.start(Program("dier", ["false"]))
    for deaths in range(1, 9):
        tick_until(supervisor, lambda deaths=deaths: len(said) == deaths)
        clock.now_s += 61
        supervisor.tick()
    assert all("again in 1 s" in line for line in said)


def test_stopping_ends_every_program_the_servers_last(tmp_path):
    order = tmp_path / "order"
    with Supervisor(tmp_path) as supervisor:
        for name, is_server in (("server", True), ("worker", False)):
            script = (
                f"trap 'echo {name} >> {order}; exit' TERM; echo up; while :; do sleep 0.05; done"
            )
            supervisor.start(Program(name, ["sh", "-c", script], is_server=is_server))
            log = tmp_path / "log" / f"{name}.log"
            tick_until(supervisor, lambda log=log: "up" in log.read_text())
    assert order.read_text().split() == ["worker", "server"]
    assert lock.state(tmp_path) == {}


def test_a_second_interrupt_kills_what_does_not_end(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
        supervisor.start(Program("stubborn", ["sh", "-c", script]))
        log = tmp_path / "log" / "stubborn.log"
        tick_until(supervisor, lambda: "up" in log.read_text())
        pid = pid_of(tmp_path, "stubborn")
        supervisor.hurry()
    assert not is_running(pid)


def test_a_program_does_not_outlive_a_killed_supervisor(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from polyweb.stack.supervisor import Supervisor\n"
        "from polyweb.stack.program import Program\n"
        "supervisor = Supervisor(Path(sys.argv[1]))\n"
        "supervisor.start(Program('sleeper', ['sleep', '600']))\n"
        "print('started', flush=True); supervisor.watch()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        sleeper = psutil.Process(pid_of(tmp_path, "sleeper"))
        process.kill()
    assert sleeper.wait(timeout=10) is None


def test_waiting_for_what_never_comes_ends_with_a_message(supervisor, clock):
    def never():
        clock.now_s += 100
        return False

    with pytest.raises(Exception, match="The lamp did not answer within 60 s"):
        supervisor.wait_until(never, what="The lamp")


def test_a_log_is_kept_to_two_bounded_files(supervisor, tmp_path):
    supervisor.start(SLEEPER)
    log = tmp_path / "log" / "sleeper.log"
    log.write_bytes(b"x" * (5 * 1024 * 1024 + 1))
    supervisor.tick()
    assert log.stat().st_size == 0
    assert log.with_suffix(".log.1").stat().st_size == 5 * 1024 * 1024 + 1


def test_a_signal_while_children_are_polled_waits_until_that_is_over(tmp_path, monkeypatch):
    supervisor = Supervisor(tmp_path, say=lambda _: None)
    looked = []

    def look_at(child):
        supervisor.interrupt()
        looked.append(child)

    monkeypatch.setattr(supervisor, "_look_at", look_at)
    monkeypatch.setattr(supervisor, "_children", ["one", "two"])
    with pytest.raises(KeyboardInterrupt):
        supervisor.tick()
    assert looked == ["one", "two"]


def test_a_signal_at_any_other_moment_interrupts_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Supervisor(tmp_path, say=lambda _: None).interrupt()
