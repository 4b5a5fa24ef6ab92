import json
import os
import signal
import subprocess

import pytest

from polyweb.stack import lock
from polyweb.stack.errors import StackError


@pytest.fixture
def orphan():
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def note(var, process):
    processes = {"sleeper": (process.pid, signal.SIGTERM)}
    lock.note(var, url="http://127.0.0.1:1", processes=processes)


def test_a_second_start_on_the_same_directory_is_refused_and_says_where_the_first_is(tmp_path):
    lock.take(tmp_path)
    lock.note(tmp_path, url="http://127.0.0.1:8000", processes={})
    with pytest.raises(StackError, match=rf"runs.*pid {os.getpid()}.*http://127.0.0.1:8000"):
        lock.take(tmp_path)


def test_an_orphan_of_a_killed_run_is_ended(tmp_path, orphan):
    note(tmp_path, orphan)
    lock.reap(tmp_path)
    assert orphan.wait(timeout=5) == -signal.SIGTERM or orphan.returncode == 0
    assert lock.state(tmp_path) == {}


def test_a_process_that_got_the_number_of_an_orphan_lives_on(tmp_path, orphan):
    note(tmp_path, orphan)
    state = lock.state(tmp_path)
    state["processes"]["sleeper"]["started"] -= 100
    (tmp_path / "stack.json").write_text(json.dumps(state))
    lock.reap(tmp_path)
    assert orphan.poll() is None


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_spoilt_note_is_as_good_as_none(tmp_path, text):
    (tmp_path / "stack.json").write_text(text)
    assert lock.state(tmp_path) == {}
