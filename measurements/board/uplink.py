"""The board's way to the server: claim, register, heartbeat, records, network files.

One HTTPS request for each, MessagePack in and out, signed in by the board's token.
Every one is safe to repeat. Plain HTTP is spoken on the loopback only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import os
import random
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from measurements.board.spool import Spool
from measurements.messages import (
    MEDIA_TYPE,
    Applied,
    BoardInfo,
    ClaimReply,
    Heartbeat,
    HeartbeatReply,
    UnsupportedVersion,
    decode,
    encode,
)

log = logging.getLogger(__name__)
TIMEOUT_S = 10.0
RECORD_TIMEOUT_S = 60.0
ENCRYPTED = {"https", "rediss", "wss"}
KEEP_RECORD = {401, 408, 429}
"""Besides 1xx, 3xx and 5xx: answers to a record that say "not now", not "never"."""
NOT_WANTED = {404, 409, 410}
CHUNK_BYTES = 1024 * 1024

M = TypeVar("M", bound=msgspec.Struct)


class InsecureAddress(ValueError):
    """Off the loopback, secrets and records travel encrypted or not at all."""


class Unreachable(ConnectionError):
    """No answer, or one that is not the server's; try again later."""


class Refused(RuntimeError):
    """The server answered, and did not do what was asked."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class NotWanted(Exception):
    """The server does not want this run (any more): drop its plan."""


class NotRegistered(Exception):
    """The server does not know this board yet, or has forgotten it."""


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body[:500].decode(errors="replace").strip() or "no reason given"


def require_secure(url: str) -> None:
    """Accept `url` if it is encrypted, or leads to this very machine.

    Raises:
        InsecureAddress: It is neither.
    """
    parts = urlsplit(url)
    if parts.scheme in ENCRYPTED or _is_loopback(parts.hostname):
        return
    raise InsecureAddress(
        f"{parts.scheme}://{parts.hostname} is neither encrypted nor this machine: "
        "use https:// for the server and rediss:// for the broker"
    )


def back_off_s(first_s: float, most_s: float) -> Iterator[float]:
    """How long to wait before each next try: doubling up to `most_s`, with jitter, for ever."""
    delay_s = first_s
    while True:
        yield delay_s * random.uniform(0.75, 1.25)
        delay_s = min(2 * delay_s, most_s)


class Server:
    """HTTP to the server at `url` with the token that stands in `token_file`.

    The token is read for each request, so that a new one works without a restart.

    Raises:
        InsecureAddress: `url` is not https and not on the loopback.
    """

    def __init__(self, url: str, token_file: Path) -> None:
        require_secure(url)
        self._parts = urlsplit(url.rstrip("/"))
        self._token_file = token_file
        self._tls = ssl.create_default_context() if self._parts.scheme == "https" else None

    @property
    def authorization(self) -> str:
        return f"Bearer {self._token_file.read_text().strip()}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> Answer:
        """Send one request and read the whole answer, of whatever status.

        Raises:
            Unreachable: There was none, or there is no token to ask with.
        """
        with self.answering(method, path, body, timeout_s=timeout_s) as response:
            return Answer(response.status, response.read())

    @contextmanager
    def answering(
        self, method: str, path: str, body: bytes | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> Iterator[HTTPResponse]:
        """Like `ask`, but the answer is read inside the block, piece by piece."""
        connection = self._connection(timeout_s)
        try:
            headers = {"Authorization": self.authorization, "Content-Type": MEDIA_TYPE}
            connection.request(method, self._parts.path + path, body=body, headers=headers)
            yield connection.getresponse()
        except (OSError, HTTPException) as failure:
            raise Unreachable(f"{method} {path}: {failure or type(failure).__name__}") from failure
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> HTTPConnection:
        host = self._parts.hostname or ""
        if self._tls is None:
            return HTTPConnection(host, self._parts.port, timeout=timeout_s)
        return HTTPSConnection(host, self._parts.port, timeout=timeout_s, context=self._tls)


class Uplink:
    """What the board `name` says to the server, in the words of the trade."""

    def __init__(self, server: Server, *, name: str, networks: Path) -> None:
        self._server = server
        self._board = f"/api/v1/boards/{name}"
        self._networks = networks
        self._delivering = Lock()

    def register(self, info: BoardInfo) -> None:
        """Raises: Unreachable, Refused."""
        _ok(self._server.ask("POST", f"{self._board}/register", encode(info)))

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Raises: NotRegistered, Unreachable, Refused."""
        answer = self._server.ask("POST", f"{self._board}/heartbeat", encode(heartbeat))
        if answer.status in (404, 409):
            raise NotRegistered(answer.text)
        return _message(_ok(answer), HeartbeatReply)

    def claim(self, run_id: str) -> int:
        """The number of this attempt at the run.

        Raises:
            NotWanted: Drop the plan.
            Unreachable, Refused: Unknown; try again.
        """
        answer = self._server.ask("POST", f"/api/v1/runs/{run_id}/claim")
        if answer.status in NOT_WANTED:
            raise NotWanted(answer.text)
        return _message(_ok(answer), ClaimReply).attempt

    def applied(self, answer: Applied) -> None:
        """Raises: Unreachable, Refused."""
        _ok(self._server.ask("POST", f"{self._board}/applied", encode(answer)))

    def deliver(self, spool: Spool) -> bool:
        """Offer every record in the spool to the server; True if none is left waiting.

        A record that the server could not take now stays, and does not hold up the next.
        When the server cannot be reached, or knows no such token, the rest waits as well.
        """
        with self._delivering:
            try:
                kept = [run_id for run_id in spool.run_ids() if not self._put(spool, run_id)]
            except Unreachable as failure:
                log.warning("records wait: %s", failure)
                return False
        return not kept

    def _put(self, spool: Spool, run_id: str) -> bool:
        path = f"/api/v1/runs/{run_id}/record"
        answer = self._server.ask("PUT", path, spool.read(run_id), timeout_s=RECORD_TIMEOUT_S)
        if answer.is_ok:
            spool.remove(run_id)
            return True
        reason = f"{answer.status}: {answer.text}"
        if answer.status == 401:
            raise Unreachable(reason)
        if 400 <= answer.status < 500 and answer.status not in KEEP_RECORD:
            log.error("the server refused the record of run %s for good: %s", run_id, reason)
            spool.reject(run_id, reason)
            return True
        log.warning("the record of run %s waits: %s", run_id, reason)
        return False

    def network_file(self, sha256: str) -> Path:
        """The ONNX file with this hash: from the cache, or fetched; its content is checked.

        Raises:
            Unreachable: The server is away, or what it sent has another hash.
            Refused: It does not have the file.
        """
        path = self._networks / f"{int(sha256, 16):064x}.onnx"
        if not path.exists() or _sha256(path) != sha256:
            self._fetch(sha256, path)
        return path

    def _fetch(self, sha256: str, path: Path) -> None:
        self._networks.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        with self._server.answering("GET", f"/api/v1/networks/{sha256}") as response:
            if response.status != 200:
                _ok(Answer(response.status, response.read()))
            with unfinished.open("wb") as file:
                while chunk := response.read(CHUNK_BYTES):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        if _sha256(unfinished) != sha256:
            unfinished.unlink()
            raise Unreachable(f"network {sha256} arrived damaged")
        unfinished.replace(path)


def _ok(answer: Answer) -> Answer:
    if not answer.is_ok:
        raise Refused(answer.status, answer.text)
    return answer


def _message(answer: Answer, kind: type[M]) -> M:
    try:
        return decode(answer.body, kind)
    except (msgspec.MsgspecError, UnsupportedVersion) as error:
        raise Refused(answer.status, f"not a {kind.__name__}: {error}") from error


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
