"""What sampling costs: microseconds a line, and the whole board worker at 20 Hz.

    python benchmarks/sampler.py [--seconds 30] [--json]

Each captured line is parsed many times; the figure is CPU time per line, the least of many
rounds for the machine's own speed and the median of them for its usual load. The same for one
sample of the second sampler, which reads the sensors' files itself (here plain files; a real
sensor adds the time of its bus).

The worker is the real program with a real broker, on an emulated AGX Orin in real time, with
every clock held and one request a second, against a server that says yes to everything. Its
tegrastats is a program of its own, as on a board, and not counted; the emulated load is in
the worker and is counted. CPU is user + system time of the process over the window, resident
memory is read at its end. `--seconds 0` leaves the worker out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from celery import Celery

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from measurements.board import broker  # noqa: E402
from measurements.board.hardware.emulator import open_board  # noqa: E402
from measurements.board.hardware.ina3221 import Ina3221Sampler  # noqa: E402
from measurements.board.hardware.machine import RealClock, SysFiles  # noqa: E402
from measurements.board.hardware.tegrastats import parse  # noqa: E402
from measurements.messages import (  # noqa: E402
    Arrivals,
    ClaimReply,
    Heartbeat,
    HeartbeatReply,
    NetworkFeatures,
    OperatingPoint,
    Plan,
    decode,
    encode,
)
from measurements.tests.http_server import Asked, HttpServer, http_server  # noqa: E402
from measurements.tests.mutated_lines import captured_lines  # noqa: E402
from polyweb.stack.valkey import Valkey  # noqa: E402

ROUNDS = 200
REGISTER_ROUNDS = 300
INTERVAL_MS = 41
"""tegrastats adds 8 to 10 ms of its own: 20 lines a second."""
START_UP_HEARTBEATS = 6
REQUESTS_HZ = 1.0
MARGIN_S = 6
"""Requests last so much longer than the window, which opens at the next heartbeat."""
NAME = "bench"
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


def parsing_us(lines: list[str], rounds: int) -> list[float]:
    """Microseconds of CPU time per line, for each round over all `lines`."""
    figures = []
    for _ in range(rounds):
        began_ns = time.process_time_ns()
        for line in lines:
            parse(line)
        figures.append((time.process_time_ns() - began_ns) / 1000 / len(lines))
    return figures


def register_us(tree: Path, rounds: int) -> list[float]:
    """Microseconds of CPU time for each sample of all rails, clocks and zones."""
    rails = [rail.name for rail in open_board("agx-orin", name=NAME, tree=tree).describe().rails]
    sampler, figures = Ina3221Sampler(SysFiles(tree), RealClock(), rails), []
    for _ in range(rounds):
        began_ns = time.process_time_ns()
        sampler.take()
        figures.append((time.process_time_ns() - began_ns) / 1000)
    return figures


def worker_cost(seconds: float, directory: Path) -> dict[str, float]:
    """CPU percent of one core and memory of a whole board worker, idle and at 20 Hz."""
    with _valkey(directory / "broker") as url, http_server() as server:
        server.answer = _answer
        with _worker(directory, url, server.url) as pid:
            for _ in range(START_UP_HEARTBEATS):
                _wait_for(server, None)
            idle_percent = _cpu_percent(pid, seconds / 3)
            _send(url, _plan(directory, seconds))
            _wait_for(server, "serve")
            figures = {
                "worker_idle_cpu_percent": idle_percent,
                "worker_20hz_cpu_percent": _cpu_percent(pid, seconds),
                "worker_20hz_resident_mb": _resident_mb(pid),
                "worker_window_s": seconds,
            }
            record = server.next(ending="/record")
            samples = msgspec.msgpack.decode(record.body)["samples"]["t_us"]
            span_s = (samples[-1] - samples[0]) / 1e6
            return figures | {"worker_samples_per_s": round((len(samples) - 1) / span_s, 2)}


@contextmanager
def _valkey(home: Path) -> Iterator[str]:
    valkey = Valkey.at(home)
    valkey.initialise()
    process = valkey.program().spawn(home / "log")
    try:
        while not valkey.answers():
            time.sleep(0.05)
        yield valkey.url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _worker(directory: Path, broker_url: str, server_url: str) -> Iterator[int]:
    (directory / "broker-url").write_text(broker_url)
    (directory / "token").write_text("token")
    options = {
        "name": NAME,
        "server": server_url,
        "broker-file": directory / "broker-url",
        "token-file": directory / "token",
        "state-dir": directory / "state",
        "board": "emulated:agx-orin@real-time",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "measurements.board.worker", *words]
    with (directory / "worker.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _answer(asked: Asked) -> tuple[int, bytes]:
    if asked.path.endswith("/claim"):
        return 200, encode(ClaimReply(attempt=1))
    if asked.path.endswith("/heartbeat"):
        return 200, encode(HeartbeatReply())
    return (200 if asked.method == "PUT" else 204), b""


def _wait_for(server: HttpServer, phase: str | None) -> None:
    while decode(server.next(ending="/heartbeat").body, Heartbeat).phase != phase:
        continue


def _plan(directory: Path, seconds: float) -> Plan:
    """Every clock pinned: the emulated governors then cost the worker nothing."""
    info = open_board("agx-orin", name=NAME, tree=directory / "tables").describe()
    top = info.gpu_hz[-1]
    return Plan(
        run_id=str(uuid.uuid4()),
        device=NAME,
        network=NETWORK,
        point=OperatingPoint(
            gpu_min_hz=top, gpu_max_hz=top, emc_hz=info.emc_hz[-1], cpu_hz=info.cpu_hz[-1]
        ),
        batch_size=1,
        arrivals=Arrivals(kind="uniform", rate_hz=REQUESTS_HZ),
        requests=round((seconds + MARGIN_S) * REQUESTS_HZ),
        warm_up_s=1.0,
        sample_interval_ms=INTERVAL_MS,
        seed=1,
    )


def _send(broker_url: str, plan: Plan) -> None:
    app = Celery(broker=broker_url, set_as_current=False)
    with app.connection_for_write() as connection:
        arguments = {"queue": broker.queue(NAME), "connection": connection, "ignore_result": True}
        app.send_task("board.measure", args=[msgspec.to_builtins(plan)], **arguments)


def _cpu_percent(pid: int, seconds: float) -> float:
    """Of one core; the process's own threads, not its children. Source: man 5 proc_pid_stat."""
    began, began_s = _cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return round(100 * (_cpu_s(pid) - began) / (time.monotonic() - began_s), 2)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="window of the worker")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    lines = captured_lines()
    result: dict[str, float] = {
        "lines": len(lines),
        "mean_line_characters": round(statistics.mean(map(len, lines)), 1),
        **_least_and_median("parse_us_per_line", lambda: parsing_us(lines, ROUNDS)),
    }
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / "tree"
        result |= _least_and_median(
            "registers_us_per_sample", lambda: register_us(tree, REGISTER_ROUNDS)
        )
        if asked.seconds:
            result |= worker_cost(asked.seconds, Path(directory))
    if asked.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:32} {value}")


def _least_and_median(name: str, measure: Callable[[], list[float]]) -> dict[str, float]:
    figures = measure()
    return {
        f"{name}_least": round(min(figures), 2),
        f"{name}_median": round(statistics.median(figures), 2),
    }


if __name__ == "__main__":
    main()
