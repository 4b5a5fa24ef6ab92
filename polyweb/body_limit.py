"""Bounds what a request may send, before Django spools all of it to the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

FORM_BYTES = 2**20
"""For everything but the paths named, and on top of a file for the rest of its form."""


class BodyLimit:
    """Answer 413 to a request of more than the limit of its path.

    What is too large is read to its end, up to `DRAIN` times the limit, and thrown
    away: a browser shows an answer only after it has sent what it wanted to.
    """

    DRAIN = 4

    def __init__(self, app: App, limits: Iterable[tuple[str, int]]) -> None:
        self.app = app
        self.limits = tuple(limits)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        limit = self._limit(scope["path"])
        if _declared(scope) > limit:
            return await _refuse(receive, send, limit, drain=self.DRAIN * limit)
        return await self._watched(scope, receive, send, limit)

    def _limit(self, path: str) -> int:
        found = (size for prefix, size in self.limits if path.startswith(prefix))
        return FORM_BYTES + next(found, 0)

    async def _watched(self, scope: Message, receive: Receive, send: Send, limit: int) -> None:
        """Run the application; one that reads past the limit sees its client leave."""
        seen, more = 0, True

        async def counted() -> Message:
            nonlocal seen, more
            message = await receive()
            seen += len(message.get("body", b""))
            more = message.get("more_body", False)
            return {"type": "http.disconnect"} if seen > limit else message

        await self.app(scope, counted, send)
        if seen > limit:
            await _refuse(receive, send, limit, drain=self.DRAIN * limit if more else 0)


def _declared(scope: Message) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


async def _refuse(receive: Receive, send: Send, limit: int, *, drain: int) -> None:
    drained, more = 0, drain > 0
    while more and drained <= drain:
        message = await receive()
        drained += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = f"At most {limit // 2**20} MiB are taken here. Nothing was stored.\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})
