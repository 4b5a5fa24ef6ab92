import errno
import socket
from pathlib import Path

from polyweb.stack import secrets

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `host`:`port` now.

    Raises:
        OSError: `host` is no address of this machine, or the port needs more rights.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def kept(path: Path) -> int:
    """The port noted at `path` if it is still free, else a new one, noted there."""
    if path.exists() and is_free(port := int(path.read_text())):
        return port
    secrets.write(path, f"{(port := any_free())}\n")
    return port
