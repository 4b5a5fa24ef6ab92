import os
import signal
import subprocess
import sys

import pytest

from measurements.board.spool import Spool

RUN = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"

KILLED_AT_STEP = """
import os, pathlib, signal, sys
from measurements.board.spool import Spool

folder, deed, step = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
RUN = "00000000-0000-4000-8000-000000000001"
spool = Spool(folder)
steps = 0

def counted(call):
    def with_a_kill_before(*args):
        global steps
        steps += 1
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args)
    return with_a_kill_before

os.fsync = counted(os.fsync)
pathlib.Path.replace = counted(pathlib.Path.replace)
pathlib.Path.unlink = counted(pathlib.Path.unlink)
if deed == "put":
    spool.put(RUN, b"new" * 1000)
else:
    spool.reject(RUN, "422: no such run")
print(steps)
"""


def _kill_at_step(folder, deed: str, step: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", KILLED_AT_STEP, str(folder), deed, str(step)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_record_comes_back_as_it_was_put(tmp_path):
    Spool(tmp_path).put(RUN, b"record")
    assert Spool(tmp_path).run_ids() == [RUN]
    assert Spool(tmp_path).read(RUN) == b"record"


def test_records_wait_in_the_order_in_which_they_came(tmp_path):
    spool = Spool(tmp_path)
    spool.put(OTHER, b"first")
    spool.put(RUN, b"second")
    os.utime(tmp_path / f"{OTHER}.msgpack", ns=(1, 1))
    assert spool.run_ids() == [OTHER, RUN]


def test_a_removed_record_is_gone_and_may_be_removed_again(tmp_path):
    spool = Spool(tmp_path)
    spool.put(RUN, b"record")
    spool.remove(RUN)
    spool.remove(RUN)
    assert Spool(tmp_path).run_ids() == []


def test_a_rejected_record_waits_no_more_and_is_kept_with_its_reason(tmp_path):
    spool = Spool(tmp_path)
    spool.put(RUN, b"record")
    spool.reject(RUN, "422: größer")
    assert spool.run_ids() == []
    assert [(kept.run_id, kept.reason) for kept in spool.rejected()] == [(RUN, "422: größer")]
    assert (tmp_path / "rejected" / f"{RUN}.msgpack").read_bytes() == b"record"


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_kill_at_any_step_of_put_leaves_the_record_whole_or_absent(tmp_path, step):
    assert _kill_at_step(tmp_path, "put", step).returncode == -signal.SIGKILL
    spool = Spool(tmp_path)
    is_renamed = step > 2  # 1: before the sync, 2: before the rename, 3: before the folder's sync
    assert spool.run_ids() == ([RUN] if is_renamed else [])
    assert not is_renamed or spool.read(RUN) == b"new" * 1000
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 6])
def test_a_kill_at_any_step_of_reject_keeps_the_record_once(tmp_path, step):
    Spool(tmp_path).put(RUN, b"record")
    assert _kill_at_step(tmp_path, "reject", step).returncode == -signal.SIGKILL
    spool = Spool(tmp_path)
    waiting, rejected = spool.run_ids(), spool.rejected()
    assert waiting + [kept.run_id for kept in rejected] == [RUN]
    assert all(kept.reason == "422: no such run" for kept in rejected)
    assert list(tmp_path.rglob("*.tmp")) == []


@pytest.mark.parametrize(("deed", "steps"), [("put", 3), ("reject", 6)])
def test_the_kills_above_are_all_there_are(tmp_path, deed, steps):
    Spool(tmp_path).put(RUN, b"record")
    assert _kill_at_step(tmp_path, deed, 0).stdout == f"{steps}\n"


def test_a_full_disk_leaves_the_older_record_and_no_debris(tmp_path):
    Spool(tmp_path).put(RUN, b"record")
    script = (
        "import resource, signal, sys; from measurements.board.spool import Spool; "
        "from pathlib import Path; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
        f"Spool(Path(sys.argv[1])).put('{RUN}', b'x' * 1000)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "File too large" in failed.stderr
    assert [path.name for path in tmp_path.glob("*.*")] == [f"{RUN}.msgpack"]
    assert Spool(tmp_path).read(RUN) == b"record"


def test_a_name_that_is_no_run_id_never_becomes_a_path(tmp_path):
    with pytest.raises(ValueError):
        Spool(tmp_path).put("../outside", b"record")
