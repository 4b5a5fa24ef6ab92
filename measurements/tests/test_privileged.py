"""The privileged helper: what it does, for whom, and that nothing else can be got out of it."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from measurements.board import privileged, privileged_verbs
from measurements.board.catalogue import open_board
from measurements.board.hardware.clocks import RESTORE_FILE
from measurements.board.hardware.emulator import open_files
from measurements.board.hardware.helper import (
    Connection,
    Helper,
    HelperGone,
    PrivilegedClocks,
    PrivilegedFiles,
    PrivilegedTegrastats,
    Refused,
)
from measurements.board.hardware.jetson import JetsonBoard
from measurements.board.hardware.machine import SamplingStopped
from measurements.board.hardware.protocol import PointNotHeld
from measurements.board.privileged_verbs import Keeper, Session, point_of
from measurements.messages import OperatingPoint
from measurements.tests.jetson_tree import (
    CPU_HZ,
    EMC,
    EMC_HZ,
    EMC_RATES,
    GPU_HZ,
    Kernel,
    StepClock,
    agx_orin,
)

LINE = "VDD_GPU_SOC 2390mW/1mW VDD_CPU_CV 796mW/1mW VIN_SYS_5V0 3522mW/1mW"
BOTTOM = OperatingPoint(
    gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[1], emc_hz=EMC_HZ[0], cpu_hz=CPU_HZ[0]
)


class Lines:
    """A tegrastats that prints one line and then stands by, or cannot be started."""

    def __init__(self):
        self.is_missing, self.intervals_ms = False, []

    @contextmanager
    def lines(self, interval_ms, feed):
        if self.is_missing:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self.intervals_ms.append(interval_ms)
        printer = threading.Thread(target=feed, args=(0.0, LINE))
        printer.start()
        try:
            yield
        finally:
            printer.join()


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path / "root", agx_orin())


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def keeper(kernel, lines, tmp_path):
    return Keeper(kernel, StepClock(), lines, restore_file=tmp_path / RESTORE_FILE)


@contextmanager
def serving(keeper, path, allowed=lambda uid: True):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        with suppress(OSError):  # the listener is shut down to end it
            privileged.serve(keeper, listener, allowed)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Helper(path)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


@pytest.fixture
def helper(keeper, tmp_path):
    with serving(keeper, tmp_path / "s") as helper:
        yield helper
        helper.close()


def talk(keeper, sent):
    """What one connection that sends `sent` and hangs up gets back, line by line."""
    here, there = socket.socketpair()
    with here:
        here.sendall(sent)
        here.shutdown(socket.SHUT_WR)
        Session(keeper, there).run()
        with suppress(ConnectionResetError), here.makefile("rb") as answers:
            return answers.read().splitlines()
        return []


def test_a_plain_user_holds_clocks_through_the_helper_and_all_come_back(helper, kernel):
    before, clocks = kernel.clocks(), PrivilegedClocks(helper)
    assert (list(clocks.gpu_hz), list(clocks.emc_hz)) == (GPU_HZ, EMC_HZ)
    with clocks.holding(BOTTOM) as held:
        assert held == BOTTOM == clocks.point()
    assert kernel.clocks() == before


def test_the_clocks_come_back_when_the_holder_is_gone_without_a_word(helper, kernel, tmp_path):
    before = kernel.clocks()
    connection = Connection(helper.path)
    connection.ask(f"hold gpu_max {GPU_HZ[1]}")
    assert (tmp_path / RESTORE_FILE).exists()
    connection.close()
    with PrivilegedClocks(helper).holding(OperatingPoint()):  # waits until nobody holds
        pass
    assert kernel.clocks() == before


def test_an_exception_in_the_block_restores_the_clocks(helper, kernel):
    before = kernel.clocks()
    with pytest.raises(KeyboardInterrupt), PrivilegedClocks(helper).holding(BOTTOM):
        raise KeyboardInterrupt
    assert kernel.clocks() == before


def test_a_clock_that_does_not_take_is_not_held_here_either(helper, kernel):
    kernel.deaf.add(f"{EMC}/rate")
    with pytest.raises(PointNotHeld, match="emc_hz"), PrivilegedClocks(helper).holding(BOTTOM):
        pass


def test_a_second_holder_is_refused_while_the_first_one_holds(helper):
    first, second = PrivilegedClocks(helper), PrivilegedClocks(helper)
    with first.holding(BOTTOM), pytest.raises(Refused, match="held"), second.holding(BOTTOM):
        pass


def test_files_that_only_root_may_read_come_through_the_helper(helper, kernel, tmp_path):
    class Closed(Kernel):
        def read(self, path):
            if path.startswith(("/sys/kernel/debug", "/etc")):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return super().read(path)

    files = PrivilegedFiles(Closed(tmp_path / "root", {}), helper)
    assert files.read(EMC_RATES) == agx_orin()[EMC_RATES]
    assert files.read("/proc/device-tree/model").startswith("NVIDIA")
    with pytest.raises(PermissionError):
        files.read("/etc/nv_tegra_release")
    with pytest.raises(PermissionError):
        files.write(f"{EMC}/rate", "1")


def test_the_errno_of_a_failed_read_comes_through(keeper, helper, kernel):
    (kernel._root / EMC_RATES.lstrip("/")).unlink()
    with pytest.raises(FileNotFoundError):
        helper.ask("read emc_rates")


def test_the_adapter_works_through_the_helper_without_writing_a_file(helper, kernel, tmp_path):
    clock = StepClock()
    board = JetsonBoard(
        "b",
        files=PrivilegedFiles(kernel, helper),
        clock=clock,
        lines=PrivilegedTegrastats(helper, clock),
        loads=None,
        state_dir=tmp_path / "never",
        clocks=PrivilegedClocks(helper),
    )
    with board.holding(BOTTOM) as held:
        assert held == BOTTOM
    assert board.describe().problems == []


def test_tegrastats_runs_in_the_helper_and_its_lines_are_stamped_on_arrival(helper, lines):
    heard, came, clock = [], threading.Event(), StepClock()
    clock.t_s = 7.0

    def feed(t_s, line):
        heard.append((t_s, line))
        came.set()

    with PrivilegedTegrastats(helper, clock).lines(50, feed):
        assert came.wait(10)
    assert (heard, lines.intervals_ms) == ([(7.0, LINE)], [50])


def test_a_tegrastats_that_cannot_be_started_says_so(helper, lines):
    lines.is_missing = True
    with (
        pytest.raises(FileNotFoundError),
        PrivilegedTegrastats(helper, StepClock()).lines(50, None),
    ):
        pass


def test_a_helper_that_ends_while_it_samples_is_noticed(keeper, tmp_path):
    came = threading.Event()
    with serving(keeper, tmp_path / "s") as helper:
        source = PrivilegedTegrastats(helper, StepClock())
        running = source.lines(50, lambda *_: came.set())
        running.__enter__()
        assert came.wait(10)
    with pytest.raises(SamplingStopped):
        running.__exit__(None, None, None)


def test_asking_goes_on_after_the_helper_was_started_anew(keeper, tmp_path):
    with serving(keeper, tmp_path / "s") as helper:
        first = helper.ask("point")
    (tmp_path / "s").unlink()
    with pytest.raises(HelperGone):
        helper.ask("point")
    with serving(keeper, tmp_path / "s"):
        assert helper.ask("point") == first
        helper.close()


def test_who_is_not_allowed_gets_no_answer(keeper, tmp_path):
    nobody = serving(keeper, tmp_path / "s", allowed=lambda uid: uid == os.getuid() + 1)
    with nobody as helper, pytest.raises(HelperGone):
        helper.ask("point")


def test_the_kernel_says_who_is_at_the_other_end():
    here, there = socket.socketpair()
    with here, there:
        assert privileged.peer_uid(there) == os.getuid()


@pytest.mark.parametrize(
    ("uid", "user", "group", "allowed"),
    [
        (0, None, None, True),
        (1, 1, None, True),
        (1, 2, None, False),
        (1, None, 1, True),  # daemon's own group
        (1, None, 7, False),
        (4_000_000, None, 1, False),
    ],
)
def test_root_and_the_user_or_group_named_may_ask(uid, user, group, allowed):
    assert privileged.is_allowed(uid, user=user, group=group) is allowed


@pytest.mark.parametrize(
    "request_",
    [
        b"write /etc/passwd 1",
        b"read /etc/shadow",
        b"read ../emc_rate",
        b"hold gpu_max",
        b"hold gpu_max 1",
        b"hold gpu_max -1",
        b"hold gpu_max 612000000.0",
        b"hold gpu_max 612000000 gpu_max 306000000",
        b"hold gpu_min 1300500000 gpu_max 306000000",
        b"hold /sys/class/devfreq/17000000.ga10b/max_freq 612000000",
        b"hold cpu 1\0",
        b"tegrastats 1",
        b"tegrastats 50 --stop",
        b"tables x",
        b"restore now",
        "hold emc ٢٠٤٠٠٠٠٠٠".encode(),
        b"",
    ],
)
def test_what_is_no_verb_no_knob_or_no_legal_value_is_refused_and_writes_nothing(
    keeper, kernel, request_
):
    (answer,) = talk(keeper, request_ + b"\n")
    assert answer.startswith(b"refused ")
    assert kernel.writes == []


def test_a_request_without_end_closes_the_connection(keeper, kernel):
    assert talk(keeper, b"hold gpu_max " + b"0" * 10_000 + b"612000000\n") == []
    assert kernel.writes == []


@pytest.mark.parametrize("first", ["", f"hold gpu_max {GPU_HZ[1]}\n"])
def test_a_client_that_dawdles_is_cut_off_and_its_clocks_are_restored(
    keeper, kernel, monkeypatch, first
):
    monkeypatch.setattr(privileged_verbs, "REQUEST_WITHIN_S", 0.01)
    before = kernel.clocks()
    here, there = socket.socketpair()
    with here:
        here.sendall(first.encode() + b"poi")
        Session(keeper, there).run()
    assert kernel.clocks() == before


def test_a_hold_has_an_end_even_if_the_client_goes_on_talking(keeper, kernel, monkeypatch):
    monkeypatch.setattr(privileged_verbs, "LONGEST_HOLD_S", 0.0)
    before = kernel.clocks()
    here, there = socket.socketpair()
    with here:
        here.sendall(f"hold gpu_max {GPU_HZ[1]}\n".encode())
        Session(keeper, there).run()
    assert kernel.clocks() == before


VERBS = ("tables", "point", "hold", "restore", "read", "tegrastats", "write", "")
ARGUMENTS = ("gpu_min", "gpu_max", "emc", "cpu", "emc_rate", "/etc/passwd", "-1", "50", "é", "\0")
words = st.sampled_from(VERBS + ARGUMENTS) | st.sampled_from(
    [str(hz) for hz in (*GPU_HZ, *EMC_HZ, *CPU_HZ)]
)
spoken = st.lists(st.lists(words, max_size=9).map(" ".join), max_size=6).map(
    lambda requests: "".join(f"{request}\n" for request in requests).encode()
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=600) | spoken)
def test_whatever_is_sent_only_legal_clocks_are_written_and_all_come_back(keeper, kernel, sent):
    before, legal = kernel.clocks(), {str(hz) for hz in (*GPU_HZ, *EMC_HZ)}
    legal |= {str(hz // 1000) for hz in CPU_HZ} | {"0", "1"} | set(before.values())
    kernel.writes.clear()
    answers = talk(keeper, sent)
    assert all(re.match(rb"(ok|refused|failed|not-held) |VDD_", answer) for answer in answers)
    assert {text for _, text in kernel.writes} <= legal
    assert kernel.clocks() == before


@given(st.lists(st.text(max_size=12), max_size=10))
def test_a_point_is_understood_or_refused(words):
    with suppress(privileged_verbs.Refused):
        point_of(words)


def start_program(tmp_path, *arguments):
    command = [sys.executable, "-m", "measurements.board.privileged", "--state-dir", str(tmp_path)]
    command += ["--user", "daemon", "--board", "emulated:agx-orin"]
    return subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)


def test_as_a_program_it_restores_at_sigterm_what_is_held(tmp_path):
    with start_program(tmp_path, "--socket", str(tmp_path / "s")) as program:
        try:
            assert program.stderr.readline() == "listening\n"
            files, _ = open_files("agx-orin", tree=tmp_path / "tree")
            (max_file,) = files.glob("/sys/class/devfreq/*/max_freq")
            before, connection = files.read(max_file), Connection(tmp_path / "s")
            tables = connection.ask("tables")
            connection.ask(f"hold gpu_max {tables['gpu_hz'][0]}")
            assert int(files.read(max_file)) == tables["gpu_hz"][0]
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
    connection.close()
    assert files.read(max_file) == before


def test_a_worker_takes_the_helper_where_its_socket_is(helper):
    board = open_board(
        "jetson", name="b", state_dir=helper.path.parent, pace=lambda: None, helper=helper.path
    )
    assert board.point() == OperatingPoint(gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[-1])
    board._clocks._helper.close()
