"""The programs that `manage.py up` runs beside the two servers."""

import sys
from dataclasses import dataclass
from pathlib import Path

from polyweb.stack.program import Program

DEMO_BOARD = "emulated-agx-orin"
HOST_BOARD = "this-machine"
KEPT_CONNECTIONS = 8
"""How many connections to the database the web server keeps between requests."""
SERVERS_SECRETS = ("DJANGO_SETTINGS_MODULE", "SECRET_KEY", "DATABASE_URL", "REDIS_URL")


@dataclass(frozen=True, slots=True)
class BoardFiles:
    """Where a board of this machine keeps its state and its two secrets."""

    directory: Path

    @property
    def token(self) -> Path:
        return self.directory / "token"

    @property
    def broker(self) -> Path:
        return self.directory / "broker"


def web(host: str, port: int) -> Program:
    """One ASGI process. The scheme comes from the proxy's header only when on TLS (settings)."""
    options = ["--host", host, "--port", str(port), "--lifespan", "off"]
    options += ["--no-proxy-headers", "--no-server-header", "--timeout-graceful-shutdown", "3"]
    command = _python("uvicorn", "polyweb.asgi:application", *options)
    return Program("web", command, env={"KEPT_CONNECTIONS": str(KEPT_CONNECTIONS)})


def tuner() -> Program:
    """One task at a time, in one process: a killed one leaves nothing behind."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    options = ["-Q", "tuning", "-c", "1", "--pool", "solo", "--loglevel", "INFO"]
    return Program("tuner", _python("celery", "-A", "polyweb", "worker", *options, *quiet))


def courier() -> Program:
    """Sends mails and webhooks; apart, so that a slow receiver holds no sweep up."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    options = ["-Q", "courier", "-c", "1", "--pool", "solo", "--loglevel", "INFO"]
    return Program("courier", _python("celery", "-A", "polyweb", "worker", *options, *quiet))


def beat() -> Program:
    """Sends the ticks. Their times are not kept: a kill cannot spoil a file that is not there."""
    options = ["--scheduler", "celery.beat:Scheduler", "--pidfile=", "--loglevel", "WARNING"]
    return Program("beat", _python("celery", "-A", "polyweb", "beat", *options))


def demo_board(files: BoardFiles, *, server_url: str) -> Program:
    """The emulated board's worker."""
    return board(DEMO_BOARD, "emulated:agx-orin", files, server_url=server_url)


def board(name: str, spec: str, files: BoardFiles, *, server_url: str) -> Program:
    """A board's worker. It gets what a real board has, and no secret of the server."""
    options = {
        "--name": name,
        "--server": server_url,
        "--broker-file": str(files.broker),
        "--token-file": str(files.token),
        "--state-dir": str(files.directory),
        "--board": spec,
    }
    arguments = [part for pair in options.items() for part in pair]
    command = _python("measurements.board.worker", *arguments)
    return Program(name, command, env=dict.fromkeys(SERVERS_SECRETS))


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
