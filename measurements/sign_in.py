"""How a board proves who it is: a bearer token, over HTTP and over the websocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from channels.db import database_sync_to_async

from .models import Device, DeviceToken

BEARER = "Bearer "


def device_of(authorization: str) -> Device | None:
    """The device whose valid token stands in an Authorization header."""
    if not authorization.startswith(BEARER):
        return None
    return DeviceToken.device_of(authorization[len(BEARER) :].strip())


class BoardSignIn:
    """ASGI middleware: puts the board's name into the scope, or closes the socket with 4401."""

    def __init__(self, inner: Callable[..., Awaitable[None]]) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        device = await database_sync_to_async(device_of)(authorization)
        if device is None or device.name != scope["url_route"]["kwargs"]["name"]:
            await receive()
            await send({"type": "websocket.close", "code": 4401})
            return
        await self.inner({**scope, "board": device.name}, receive, send)
