"""A real HTTP server on the loopback that answers as a test tells it, and remembers."""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

DEADLINE_S = 20.0


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpServer:
    """`answer(asked) -> (status, body)` decides; `asked` is the queue of all requests."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.asked: queue.Queue[Asked] = queue.Queue()
        self.answer: Callable[[Asked], tuple[int, bytes]] = lambda asked: (204, b"")

    def next(self, *, ending: str = "") -> Asked:
        """The next request whose path ends so; waits for it."""
        while not (asked := self.asked.get(timeout=DEADLINE_S)).path.endswith(ending):
            continue
        return asked


@contextmanager
def http_server(tls: ssl.SSLContext | None = None) -> Iterator[HttpServer]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            server.asked.put(asked)
            status, answer = server.answer(asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        listening.handle_error = lambda *_: None  # a client that hangs up is part of the tests
        if tls:
            listening.socket = tls.wrap_socket(listening.socket, server_side=True)
        server = HttpServer(listening.server_port, "https" if tls else "http")
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
