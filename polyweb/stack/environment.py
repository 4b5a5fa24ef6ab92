"""What must stand before Django can read its settings: a secret key and two addresses.

`manage.py up` decides them; every other command beside it finds them under `var/`,
so `manage.py shell` speaks to the running system. What the environment sets wins.
"""

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from polyweb.stack import lock, secrets
from polyweb.stack.errors import StackError

CHECKOUT = Path(__file__).resolve().parent.parent.parent
NEEDED_BYTES = 300 * 1024 * 1024
"""Room for a fresh cluster with its write-ahead log, static files and a first sweep."""


def var_directory() -> Path:
    return Path(os.environ.get("POLYWEB_VAR") or CHECKOUT / "var").resolve()


def prepare(arguments: Sequence[str]) -> None:
    """Fill in what the environment does not set.

    Raises:
        StackError: `up` cannot start here (it runs already, the disk is full).
    """
    var = var_directory()
    if arguments[:1] == ["up"] and not {"-h", "--help"} & set(arguments):
        os.umask(0o077)
        secrets.private_directory(var)
        lock.take(var)
        _check_room(var)
        if "SECRET_KEY" not in os.environ:
            secrets.kept(var / "secret_key")
        _set_addresses(var, keep_ports=False)
    else:
        _set_addresses(var, keep_ports=True)


def _set_addresses(var: Path, *, keep_ports: bool) -> None:
    """Point Django to the embedded servers; `keep_ports` where they may be running already."""
    from polyweb.stack.postgres import Postgres
    from polyweb.stack.valkey import Valkey

    servers = (("DATABASE_URL", Postgres, "postgres"), ("REDIS_URL", Valkey, "valkey"))
    for variable, server, folder in servers:
        home = var / folder
        if variable not in os.environ and not keep_ports:
            os.environ[variable] = server.at(home).url
        elif variable not in os.environ and (home / "port").exists():
            os.environ[variable] = server.known(home).url


def is_embedded(url: str, home: Path) -> bool:
    """Whether `url` is that of the embedded server at `home`, not one that somebody gave."""
    password = home / "password"
    return password.exists() and password.read_text().strip() in url


def _check_room(var: Path) -> None:
    free = shutil.disk_usage(var).free
    if free < NEEDED_BYTES:
        raise StackError(
            f"The disk of {var} is full: {free // 2**20} MB free, "
            f"{NEEDED_BYTES // 2**20} MB needed. Make room, or set POLYWEB_VAR to a "
            "directory on another disk."
        )


@contextmanager
def plainly_failing() -> Iterator[None]:
    """End with one message, not a traceback, on what a person at the keyboard can mend."""
    try:
        yield
    except StackError as error:
        sys.exit(f"polyweb: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        sys.exit(f"polyweb: {error.strerror}: {error.filename or var_directory()}")
