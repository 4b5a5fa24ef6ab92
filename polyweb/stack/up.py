"""`manage.py up`: from a fresh checkout to a running system, one printed line a stage."""

import errno
import ipaddress
import os
import signal
from dataclasses import dataclass

from django.conf import settings
from django.db import OperationalError, connection

from measurements.board.hardware.emulator.variant import UnknownKind, variant
from polyweb.stack import ports, stages
from polyweb.stack.errors import StackError
from polyweb.stack.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Options:
    host: str
    port: int
    demo: bool
    host_board: bool = True
    boards: tuple[str, ...] = ()
    """Kinds of emulated boards beside the demo's."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def run(options: Options) -> None:
    """Start everything and keep it running until Ctrl-C or SIGTERM.

    Raises:
        StackError: A stage failed, or a program died again and again.
    """
    check_address(options)
    check_boards(options)
    os.environ.setdefault("PUBLIC_URL", options.url)
    with Supervisor(settings.VAR_DIR, url=options.url, say=_say) as supervisor:
        _stop_on_signals(supervisor)
        try:
            _start(supervisor, options)
            _say(f"ready: {options.url}")
            supervisor.watch()
        except KeyboardInterrupt:
            _say("stopping (once more to kill)")
        except OperationalError as error:
            raise StackError(f"The database refused: {error}") from error
        finally:
            connection.close()


def _start(supervisor: Supervisor, options: Options) -> None:
    stages.database(supervisor)
    stages.broker(supervisor)
    stages.migrate()
    stages.account()
    stages.static_files()
    stages.networks()
    files = stages.demo_board() if options.demo else None
    stages.programs(supervisor, url=options.url, files=files)
    stages.replay_boards(supervisor, url=options.url)
    if options.host_board:
        stages.host_board(supervisor, url=options.url)
    stages.emulated_boards(supervisor, options.boards, url=options.url)
    if options.demo:
        stages.demo_sweep(supervisor)


def check_boards(options: Options) -> None:
    """Raises: StackError: There is no such emulated board, or it is the demo's."""
    for kind in options.boards:
        try:
            variant(kind)
        except UnknownKind as unknown:
            raise StackError(f"--board {kind}: {unknown}") from None
    if options.demo and "agx-orin" in options.boards:
        raise StackError("--board agx-orin: it is the demo's board and started anyway.")


def check_address(options: Options) -> None:
    """See that the web server may and can listen there.

    Raises:
        StackError: It would send passwords in clear, or cannot listen.
    """
    if not _is_loopback(options.host) and not settings.ON_TLS:
        raise StackError(
            f"--host {options.host} would send passwords and tokens in clear. Put a TLS proxy "
            "in front, keep --host 127.0.0.1, and set PUBLIC_URL=https://… (docs/operating.md)."
        )
    try:
        is_free = ports.is_free(options.port, options.host)
    except OSError as error:
        why = "it needs more rights" if error.errno == errno.EACCES else error.strerror
        raise StackError(f"Cannot listen on {options.host}:{options.port}: {why}.") from error
    if not is_free:
        raise StackError(
            f"Port {options.port} on {options.host} is in use by another program. "
            f"Choose another one: ./run --port {options.port + 1}"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise StackError(f"--host: {host!r} is no IP address and not localhost.") from None


def _stop_on_signals(supervisor: Supervisor) -> None:
    """The first SIGINT, SIGTERM or SIGHUP unwinds to an orderly stop, a second one kills."""
    asked = []

    def stop(*_: object) -> None:
        asked.append(True)
        if len(asked) > 1:
            supervisor.hurry()
        else:
            supervisor.interrupt()

    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(which) is not signal.SIG_IGN:
            signal.signal(which, stop)


def _say(text: str) -> None:
    print(text, flush=True)
