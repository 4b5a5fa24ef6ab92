"""The board worker: a Celery app with one queue, its own, and two tasks.

`board.measure` carries out a plan; `board.apply` holds a point for good, or rolls it back.

    python -m measurements.board.worker --name NAME --server URL --broker-file FILE \\
        --token-file FILE --state-dir DIR --board jetson|host|emulated:KIND|replay:TABLE \\
        [--load onnx[:PROVIDER]|triton:URL|tensorrt]

The plan is acknowledged before it is carried out: if this process dies, the server
misses its heartbeats and sends the run again. SIGTERM gives up what is running,
restores the clocks and ends.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
from celery import Celery, signals

from measurements.board import broker
from measurements.board.catalogue import SPECS, open_board
from measurements.board.hardware.helper import SOCKET
from measurements.board.hardware.protocol import SamplerName
from measurements.board.live import Live
from measurements.board.load.choice import GRAMMAR
from measurements.board.orders import Orders
from measurements.board.reports import Deliveries, Presence
from measurements.board.spool import Spool
from measurements.board.station import Station
from measurements.board.status import Status
from measurements.board.uplink import Server, Uplink, require_secure
from measurements.messages import OLDEST_VERSION, VERSION, Plan, Standing

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Work until SIGTERM.

    Raises:
        SystemExit: Always; 0 after SIGTERM, or with what is wrong.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with _alone(options.state_dir), ExitStack() as stack:
        try:
            app = _work(options, stack)
        except (ValueError, OSError) as wrong:
            raise SystemExit(f"board worker {options.name}: {wrong}") from wrong
        app.worker_main([*broker.worker_arguments(options.name), "--loglevel", "INFO"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m measurements.board.worker")
    parser.add_argument("--name", required=True, help="the device's name on the server")
    parser.add_argument("--server", required=True, help="URL of the server")
    parser.add_argument("--broker-file", required=True, type=Path, help="holds the broker's URL")
    parser.add_argument("--token-file", required=True, type=Path, help="holds the board's token")
    parser.add_argument("--state-dir", required=True, type=Path, help="spool and caches go here")
    parser.add_argument("--board", required=True, help=SPECS)
    parser.add_argument("--load", default="", help=f"what serves on jetson and host: {GRAMMAR}")
    parser.add_argument("--sampler", choices=get_args(SamplerName), default="tegrastats")
    parser.add_argument(
        "--helper",
        type=Path,
        default=SOCKET,
        help="the privileged helper's socket, if there is one",
    )
    return parser


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """Be the only worker on `state_dir` inside the block; the lock goes when the process does."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise SystemExit(f"another board worker is using {state_dir}") from taken
        yield


def _work(options: argparse.Namespace, stack: ExitStack) -> Celery:
    """Open the board and start all that runs beside the Celery worker, until `stack` closes."""
    broker_url = options.broker_file.read_text().strip()
    require_secure(broker_url)
    server = Server(options.server, options.token_file)
    live = Live(options.server, name=options.name, authorization=lambda: server.authorization)
    spool = Spool(options.state_dir / "spool")
    status = Status(lambda: board.point())
    uplink = Uplink(server, name=options.name, networks=options.state_dir / "networks")
    board = open_board(
        options.board,
        name=options.name,
        state_dir=options.state_dir,
        pace=lambda: None if status.wants_end else live.pace(),
        sampler=options.sampler,
        helper=options.helper,
        load=options.load,
        network_file=uplink.network_file,
    )
    info = board.describe()
    deliveries = Deliveries(uplink, spool=spool, status=status)
    presence = Presence(uplink, info=info, status=status, spool=spool)
    station = Station(
        board,
        rails=info.rails,
        status=status,
        spool=spool,
        uplink=uplink,
        deliveries=deliveries,
        live=live,
    )
    orders = Orders(board, status=status, uplink=uplink)
    app = _app(broker_url, options.name, station, orders, status)
    _end_with_any_thread()
    for companion in (presence, deliveries, live):
        companion.start()
        stack.callback(companion.stop)
    return app


def _app(broker_url: str, name: str, station: Station, orders: Orders, status: Status) -> Celery:
    # No fixups: one of them would load Django wherever DJANGO_SETTINGS_MODULE happens to be set.
    app = Celery("polyweb.board", broker=broker_url, set_as_current=False, fixups=[])
    app.conf.update(broker.celery_options(name))
    app.conf.update(accept_content=["json"], task_serializer="json", task_acks_late=False)

    @app.task(name="board.measure")  # type: ignore[untyped-decorator]
    def measure(plan: dict[str, Any]) -> None:
        station.measure(read_message(plan, Plan, name))

    @app.task(name="board.apply")  # type: ignore[untyped-decorator]
    def apply(order: dict[str, Any]) -> None:
        orders.carry_out(read_message(order, Standing, name))

    def stop(**_: object) -> None:
        status.is_stopping = True

    signals.worker_shutting_down.connect(stop, weak=False)
    return app


M = TypeVar("M", Plan, Standing)


def read_message(builtins: dict[str, Any], kind: type[M], name: str) -> M:
    """The plan or order that a Celery message carried.

    Raises:
        ValueError: It is malformed, of another version, or for another board.
    """
    message = msgspec.convert(builtins, kind)
    if not OLDEST_VERSION <= message.version <= VERSION:
        speaks = f"this worker speaks {OLDEST_VERSION} to {VERSION}"
        raise ValueError(f"plan of version {message.version}; {speaks}")
    if message.device != name:
        raise ValueError(f"plan for {message.device}; this is {name}")
    return message


def _end_with_any_thread() -> None:
    """A worker whose heartbeat died of a mistake must not look alive: end, to be started anew."""

    def end(died: threading.ExceptHookArgs) -> None:
        thread = died.thread.name if died.thread else "a thread"
        exc_info = (died.exc_type, died.exc_value or died.exc_type(), died.exc_traceback)
        log.critical("%s died", thread, exc_info=exc_info)
        if thread != "live":
            os.kill(os.getpid(), signal.SIGTERM)

    threading.excepthook = end


if __name__ == "__main__":
    main()
