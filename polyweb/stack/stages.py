"""The stages of `manage.py up`, each one printed line. Every one is safe to repeat."""

import hashlib
import http.client
import io
import os
import secrets as random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command, get_commands

from measurements.models import Device, DeviceToken
from measurements.roles import ADMIN
from polyweb.stack import environment, logins, ports, processes, secrets
from polyweb.stack.postgres import Postgres
from polyweb.stack.supervisor import Supervisor
from polyweb.stack.valkey import Valkey
from tuning import demo

ADMIN_NAME = "admin"
RESET = ".venv/bin/python manage.py changepassword"


@contextmanager
def stage(name: str) -> Iterator[Callable[[str], None]]:
    """Print one line when the block is through: the stage, what came of it, how long it took."""
    began_s, said = time.monotonic(), ["done"]
    yield said.append
    print(f"{name:<14}{said[-1]} ({time.monotonic() - began_s:.1f} s)", flush=True)


def database(supervisor: Supervisor) -> None:
    home = settings.VAR_DIR / "postgres"
    with stage("database") as done:
        if not environment.is_embedded(os.environ["DATABASE_URL"], home):
            done("the one that DATABASE_URL names")
            return
        server = Postgres.known(home)
        server.initialise()
        supervisor.start(server.program())
        supervisor.wait_until(server.answers, what="PostgreSQL")
        done(f"PostgreSQL on {ports.LOOPBACK}:{server.port}")


def broker(supervisor: Supervisor) -> None:
    home = settings.VAR_DIR / "valkey"
    with stage("broker") as done:
        if not environment.is_embedded(settings.REDIS_URL, home):
            done("the one that REDIS_URL names")
            return
        server = Valkey.known(home)
        server.initialise()
        supervisor.start(server.program())
        supervisor.wait_until(server.answers, what="Valkey")
        done(f"Valkey on {ports.LOOPBACK}:{server.port}")


def migrate() -> None:
    with stage("migrate"):
        call_command("migrate", verbosity=0, interactive=False)


def account() -> None:
    """The first account, with a password that is shown once and kept nowhere."""
    users = get_user_model().objects
    with stage("account") as done:
        first = users.filter(is_superuser=True).order_by("pk").first()
        if first is not None:
            done(f"{first.get_username()}; forgotten? {RESET} {first.get_username()}")
            return
        password = random.token_urlsafe(12)
        user = users.create_superuser(ADMIN_NAME, password=password)
        user.groups.add(Group.objects.get(name=ADMIN))
        done(f"sign in as {ADMIN_NAME} with password {password} (shown only this once)")


def static_files() -> None:
    """Collect them, unless nothing has changed: compressing plotly.js alone takes a second."""
    noted, sources = settings.VAR_DIR / "static-sources", _static_sources()
    with stage("static files") as done:
        if noted.exists() and noted.read_text() == sources and settings.STATIC_ROOT.exists():
            done("unchanged")
            return
        noted.unlink(missing_ok=True)
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        secrets.write(noted, sources)


def _static_sources() -> str:
    """A digest that changes with any static file's name, size or time."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def networks() -> None:
    with stage("networks"):
        if "seed_networks" in get_commands():
            call_command("seed_networks", verbosity=0, stdout=io.StringIO())


def demo_board() -> processes.BoardFiles:
    """The demo board's two secrets, made where they are missing or no longer good."""
    with stage("demo board") as done:
        device, _ = Device.objects.get_or_create(name=processes.DEMO_BOARD)
        done(processes.DEMO_BOARD)
        return _board_files(device)


def replay_boards(supervisor: Supervisor, *, url: str) -> None:
    """A worker for each board that replays a table: this machine is as good as any for it."""
    devices = Device.objects.filter(replay_table__isnull=False).select_related("replay_table")
    if not devices:
        return
    server_url = settings.PUBLIC_URL if settings.ON_TLS else url
    with stage("replay boards") as done:
        for device in devices:
            files = _board_files(device)
            table = files.directory / "table.json"
            secrets.write(table, device.replay_table.document)
            spec = f"replay:{table}"
            supervisor.start(processes.board(device.name, spec, files, server_url=server_url))
        done(", ".join(device.name for device in devices))


def host_board(supervisor: Supervisor, *, url: str) -> None:
    """A worker for this machine itself, so that real inference can run here; idle it waits."""
    server_url = settings.PUBLIC_URL if settings.ON_TLS else url
    with stage("host board") as done:
        device, _ = Device.objects.get_or_create(name=processes.HOST_BOARD)
        files = _board_files(device)
        supervisor.start(processes.board(device.name, "host", files, server_url=server_url))
        done(device.name)


def emulated_boards(supervisor: Supervisor, kinds: Sequence[str], *, url: str) -> None:
    """One emulated board of each kind, beside the demo's."""
    for kind in dict.fromkeys(kinds):
        with stage("board") as done:
            device, _ = Device.objects.get_or_create(name=f"emulated-{kind.replace(':', '-')}")
            server_url = settings.PUBLIC_URL if settings.ON_TLS else url
            spec, files = f"emulated:{kind}", _board_files(device)
            supervisor.start(processes.board(device.name, spec, files, server_url=server_url))
            done(device.name)


def _board_files(device: Device) -> processes.BoardFiles:
    files = processes.BoardFiles(settings.VAR_DIR / "boards" / device.name)
    token = files.token.read_text().strip() if files.token.exists() else ""
    if DeviceToken.device_of(token) != device:
        secrets.write(files.token, DeviceToken.issue(device) + "\n")
    secrets.write(files.broker, logins.grant(settings.REDIS_URL, device.name) + "\n")
    return files


def programs(supervisor: Supervisor, *, url: str, files: processes.BoardFiles | None) -> None:
    """The server's own programs, and the demo board where `files` holds its secrets."""
    address = urlsplit(url)
    with stage("processes") as done:
        supervisor.start(processes.web(address.hostname, address.port))
        supervisor.start(processes.tuner())
        supervisor.start(processes.beat())
        if settings.SENDS_OUT:
            supervisor.start(processes.courier())
        supervisor.wait_until(lambda: _answers(url), what="The web server")
        if files is not None:
            server_url = settings.PUBLIC_URL if settings.ON_TLS else url
            supervisor.start(processes.demo_board(files, server_url=server_url))
        done(", ".join(supervisor.names))


def demo_sweep(supervisor: Supervisor) -> None:
    """Launch the demo sweep once, when there is no sweep and the demo board is there."""
    with stage("demo sweep") as done:
        supervisor.wait_until(_demo_board_is_registered, what="The demo board")
        sweep = demo.launch(patience_s=1)
        done("there are sweeps already" if sweep is None else f"launched: {sweep.name}")


def _demo_board_is_registered() -> bool:
    name = processes.DEMO_BOARD
    return Device.objects.filter(name=name, registered_at__isnull=False).exists()


def _answers(url: str) -> bool:
    """Whether the web server answers at all; a redirect or a refusal is an answer too."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
