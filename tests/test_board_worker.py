"""The board worker as a program: against a real broker, with a board's real login."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from celery import Celery
from django.conf import settings

from measurements.board import worker
from measurements.messages import (
    Arrivals,
    BoardInfo,
    ClaimReply,
    Heartbeat,
    HeartbeatReply,
    NetworkFeatures,
    OperatingPoint,
    Plan,
    Record,
    decode,
    encode,
)
from measurements.tests.http_server import DEADLINE_S, Asked, http_server
from polyweb.stack import logins

HOME = Path(worker.__file__).parents[2]
MIN_FREQ = "tree/sys/devices/17000000.ga10b/devfreq/17000000.ga10b/min_freq"
DEFAULT_MIN_HZ, HELD_HZ = "114750000", 624_750_000
NETWORK = NetworkFeatures(
    name="efficientnet-b0",
    sha256=None,
    input_shape=[None, 3, 224, 224],
    input_dtype="float32",
    flops_per_item=0.78e9,
    flops_fixed=0.0,
    bytes_per_item=30e6,
    bytes_fixed=21e6,
)
SHORT, ENDLESS = 60, 10**7


@dataclass
class Bench:
    """One board's worker, started and stopped at will, and a server that it talks to."""

    name: str
    server: object
    folder: Path
    cancel: str | None = None
    record_status: int = 200
    claim_status: int = 200

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def spooled(self) -> list[str]:
        return sorted(path.stem for path in (self.state / "spool").glob("*.msgpack"))

    @property
    def gpu_min_hz(self) -> str:
        return (self.state / MIN_FREQ).read_text().strip()

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        if asked.path.endswith("/claim"):
            return self.claim_status, encode(ClaimReply(attempt=1))
        if asked.path.endswith("/heartbeat"):
            return 200, encode(HeartbeatReply(cancel=self.cancel))
        return (self.record_status if asked.method == "PUT" else 204), b""

    def start(self) -> subprocess.Popen[str]:
        options = {
            "name": self.name,
            "server": self.server.url,
            "broker-file": self.folder / "broker",
            "token-file": self.folder / "token",
            "state-dir": self.state,
            "board": "emulated:agx-orin",
        }
        arguments = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
        command = [sys.executable, "-m", "measurements.board.worker", *arguments]
        return subprocess.Popen(command, cwd=HOME, stderr=subprocess.PIPE, text=True)

    @contextmanager
    def running(self):
        process = self.start()
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def send(self, requests: int = SHORT) -> str:
        """Queue a plan as the server does; the id of its run."""
        plan = Plan(
            run_id=str(uuid.uuid4()),
            device=self.name,
            network=NETWORK,
            point=OperatingPoint(gpu_min_hz=HELD_HZ, gpu_max_hz=HELD_HZ),
            batch_size=1,
            arrivals=Arrivals(),
            requests=requests,
            warm_up_s=1.0,
            sample_interval_ms=50,
            seed=1,
        )
        self.queue("board.measure", plan)
        return plan.run_id

    def queue(self, task: str, message: msgspec.Struct) -> None:
        """Send `task` to the board as the server does."""
        app = Celery(broker=settings.REDIS_URL, set_as_current=False)
        with app.connection_for_write() as connection:
            app.send_task(
                task,
                args=[msgspec.to_builtins(message)],
                queue=f"board.{self.name}",
                connection=connection,
                ignore_result=True,
            )

    def heartbeat_while(self, phase: str | None) -> Heartbeat:
        for _ in range(10):
            heartbeat = decode(self.server.next(ending="/heartbeat").body, Heartbeat)
            if heartbeat.phase == phase:
                return heartbeat
        raise AssertionError(f"no heartbeat said {phase}; the last one was {heartbeat}")

    def next_record(self) -> Record:
        return decode(self.server.next(ending="/record").body, Record)


@pytest.fixture
def bench(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    name = f"bench-{uuid.uuid4().hex[:8]}"
    (folder / "broker").write_text(logins.grant(settings.REDIS_URL, name) + "\n")
    (folder / "token").write_text("s3cret\n")
    with http_server() as server:
        bench = Bench(name, server, folder)
        server.answer = bench.answer
        yield bench


def test_a_plan_from_the_queue_comes_back_as_a_record(bench):
    with bench.running() as process:
        info = decode(bench.server.next(ending="/register").body, BoardInfo)
        run_id = bench.send()
        assert bench.server.next(ending="/claim").path == f"/api/v1/runs/{run_id}/claim"
        record = bench.next_record()
        assert (record.run_id, record.attempt, record.faults) == (run_id, 1, [])
        assert record.held.gpu_min_hz == record.held.gpu_max_hz == HELD_HZ
        assert len(record.requests.end_s) == SHORT
        assert (info.name, info.provenance) == (bench.name, "emulated")
        assert _resident_mb(process.pid) < 80
        _ends_cleanly(process)
    assert bench.spooled == []


def test_a_run_that_is_not_wanted_is_dropped_and_the_next_one_measured(bench):
    with bench.running():
        bench.claim_status = 409
        bench.send()
        bench.server.next(ending="/claim")
        bench.claim_status = 200
        wanted = bench.send()
        assert bench.next_record().run_id == wanted


def test_a_plan_that_makes_no_sense_stops_nothing(bench):
    app = Celery(broker=settings.REDIS_URL, set_as_current=False)
    with bench.running(), app.connection_for_write() as connection:
        app.send_task(
            "board.measure",
            args=[{"run_id": 1}],
            queue=f"board.{bench.name}",
            connection=connection,
            ignore_result=True,
        )
        wanted = bench.send()
        assert bench.next_record().run_id == wanted


def test_a_cancelled_run_leaves_no_record_and_the_clocks_as_they_were(bench):
    with bench.running() as process:
        endless = bench.send(ENDLESS)
        running = bench.heartbeat_while("serve")
        assert running.run_id == endless
        bench.cancel = endless
        assert running.point.gpu_min_hz == HELD_HZ
        idle = bench.heartbeat_while(None)
        assert idle.point.gpu_min_hz == int(DEFAULT_MIN_HZ)
        wanted = bench.send()
        assert bench.next_record().run_id == wanted
        _ends_cleanly(process)
    assert bench.spooled == []


def test_sigterm_gives_up_the_run_and_restores_the_clocks(bench):
    with bench.running() as process:
        bench.send(ENDLESS)
        bench.heartbeat_while("serve")
        assert bench.gpu_min_hz == str(HELD_HZ)
        _ends_cleanly(process)
    assert bench.gpu_min_hz == DEFAULT_MIN_HZ
    assert bench.spooled == []


def test_a_killed_worker_restores_the_clocks_when_it_starts_again(bench):
    with bench.running() as process:
        bench.send(ENDLESS)
        bench.heartbeat_while("serve")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert bench.gpu_min_hz == str(HELD_HZ)
    with bench.running():
        assert bench.heartbeat_while(None).point.gpu_min_hz == int(DEFAULT_MIN_HZ)
    assert bench.gpu_min_hz == DEFAULT_MIN_HZ


def test_a_record_that_waits_survives_a_kill_and_is_delivered_before_the_next_run(bench):
    bench.record_status = 503
    with bench.running() as process:
        waiting = bench.send()
        bench.next_record()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert bench.spooled == [waiting]
    bench.record_status = 200
    following = bench.send()
    with bench.running() as process:
        asked = [bench.server.next().path]
        while not asked[-1].endswith(f"{following}/record"):
            asked.append(bench.server.next().path)
        _ends_cleanly(process)
    records = [path for path in asked if path.endswith("/record")]
    assert records == [f"/api/v1/runs/{run_id}/record" for run_id in (waiting, following)]
    assert bench.spooled == []


def test_two_workers_never_share_a_state_directory(bench):
    with bench.running():
        bench.server.next(ending="/register")
        second = bench.start()
        assert "another board worker is using" in second.communicate(timeout=DEADLINE_S)[1]
        assert second.returncode == 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"server": "http://polyweb.example.org"}, "neither encrypted nor this machine"),
        ({"broker": "redis://broker.example.org/0"}, "neither encrypted nor this machine"),
        ({"board": "emulated:none"}, "no emulated board 'none'"),
        ({"board": "toaster"}, "no board 'toaster'"),
        ({"name": "no/slug"}, "letters, digits"),
    ],
)
def test_a_wrong_option_ends_it_with_one_clear_message(tmp_path, broken, words):
    options = {
        "name": "bench",
        "server": "http://127.0.0.1:1",
        "broker": "redis://127.0.0.1:1/0",
        "board": "emulated:agx-orin",
        **broken,
    }
    (tmp_path / "broker").write_text(options.pop("broker"))
    files = {"broker-file": tmp_path / "broker", "token-file": tmp_path / "token"}
    arguments = {**options, **files, "state-dir": tmp_path / "state"}
    with pytest.raises(SystemExit, match=words):
        worker.main([str(word) for key, value in arguments.items() for word in (f"--{key}", value)])


def _ends_cleanly(process: subprocess.Popen[str]) -> None:
    process.terminate()
    assert process.wait(timeout=5) == 0


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
