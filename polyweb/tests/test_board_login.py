"""What a stolen board could do at the broker, asked of a real one."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from celery import Celery
from django.conf import settings

from measurements.board import broker
from polyweb.stack import logins
from polyweb.stack.errors import StackError
from polyweb.stack.valkey import Valkey

CHECKOUT = Path(__file__).resolve().parent.parent.parent
WORKER = r"""
import os, sys
from celery import Celery
from measurements.board import broker

app = Celery("board", broker=sys.argv[1], set_as_current=False)
app.conf.update(broker.celery_options("thief"))

@app.task(name="board.measure")
def measure(plan):
    os.write(1, f"measured {plan}\n".encode())

app.worker_main(broker.worker_arguments("thief"))
"""


@pytest.fixture
def owner():
    client = redis.Redis.from_url(settings.REDIS_URL)
    yield client
    client.delete("board.thief", "board.victim", "tuning")
    client.acl_deluser("board.thief", "board.victim")
    client.close()


@pytest.fixture
def board_url(owner):
    return logins.grant(settings.REDIS_URL, "thief")


@pytest.fixture
def board(board_url):
    client = redis.Redis.from_url(board_url)
    yield client
    client.close()


@pytest.mark.parametrize(
    "command",
    [
        ("LPUSH", "tuning", "task"),
        ("LPUSH", "board.victim", "plan"),
        ("BRPOP", "board.victim", "1"),
        ("BRPOP", "tuning", "1"),
        ("LLEN", "board.thief2"),
        ("HGET", "unacked", "x"),
        ("SADD", "_kombu.binding.tuning", "x"),
        ("PUBLISH", "/0.celery.pidbox", "shutdown"),
        ("SUBSCRIBE", "/0.celeryev"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("RENAME", "board.thief", "tuning"),
        ("LMOVE", "board.thief", "tuning", "LEFT", "LEFT"),
        ("EVAL", "return redis.call('FLUSHALL')", "0"),
        ("SCRIPT", "LOAD", "while true do end"),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "board.thief", "+@all"),
        ("SHUTDOWN",),
        ("MONITOR",),
        ("CLIENT", "LIST"),
        ("XADD", "board.thief", "*", "a", "b"),
    ],
    ids=" ".join,
)
def test_a_boards_login_is_refused_whatever_is_not_its_own_queue(board, command):
    with pytest.raises(redis.exceptions.NoPermissionError):
        board.execute_command(*command)


def test_a_board_has_no_way_in_without_its_password(board_url):
    for url in (board_url.replace("board.thief:", "board.thief:x"), _without_login(board_url)):
        with pytest.raises((redis.AuthenticationError, redis.ResponseError)):
            redis.Redis.from_url(url).ping()


def _without_login(url):
    return "redis://" + url.rpartition("@")[2]


def test_a_renewed_login_ends_the_older_one(board, board_url):
    assert board.ping()
    logins.grant(settings.REDIS_URL, "thief")
    with pytest.raises((redis.AuthenticationError, redis.ConnectionError)):
        redis.Redis.from_url(board_url).ping()


@pytest.mark.parametrize("name", ["", "*", "a b", "a:unacked", "a~", "a\n+@all"])
def test_a_name_that_could_reach_other_keys_is_refused(name):
    with pytest.raises(ValueError, match="letters, digits"):
        logins.grant(settings.REDIS_URL, name)


def test_a_real_worker_takes_and_acknowledges_its_plans_with_nothing_refused(owner, board_url):
    owner.execute_command("ACL", "LOG", "RESET")
    server = Celery("server", broker=settings.REDIS_URL, set_as_current=False)
    for plan in (1, 2):
        server.send_task("board.measure", [plan], queue="board.thief", ignore_result=True)
    command = [sys.executable, "-c", WORKER, board_url]
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=_bare_environment(), stdout=subprocess.PIPE, text=True
    ) as worker:
        measured = [line for _, line in zip(range(2), _measured(worker), strict=False)]
        worker.terminate()
        worker.communicate(timeout=30)
    server.close()
    assert measured == ["measured 1", "measured 2"]
    assert owner.acl_log() == []
    assert owner.hlen("board.thief:unacked") == 0


def _bare_environment():
    return {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}


def _measured(worker):
    return (line.strip() for line in worker.stdout if line.startswith("measured"))


@pytest.fixture
def own_files_only():
    """The mask that a start of PolyWeb sets, under which the broker saves its logins."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("own_files_only")
def test_logins_outlive_the_broker(tmp_path):
    valkey = Valkey.at(tmp_path / "valkey")
    valkey.initialise()
    process = _started(valkey, tmp_path)
    url = logins.grant(valkey.url, "thief")
    process.kill()
    process.wait()
    process = _started(valkey, tmp_path)
    assert redis.Redis.from_url(url).ping()
    process.terminate()
    process.wait()
    assert (valkey.acl_file.stat().st_mode & 0o777) == 0o600
    assert url.split(":")[2].split("@")[0] not in valkey.acl_file.read_text()


def _started(valkey, tmp_path):
    process = valkey.program().spawn(tmp_path / "log")
    deadline_s = time.monotonic() + 10
    while not valkey.answers():
        assert time.monotonic() < deadline_s
    return process


def test_a_broker_that_is_not_there_is_a_clear_message():
    with pytest.raises(StackError, match="The broker does not answer"):
        logins.grant("redis://polyweb:x@127.0.0.1:1/0", "thief")


def test_the_queue_is_the_login():
    assert broker.queue("orin-1") == "board.orin-1"
