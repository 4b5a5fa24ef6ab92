"""Websockets: a board sends frames, browsers get them. Relays only: no rows, no arithmetic."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer

from measurements import live
from measurements.messages import LiveFrame, UnsupportedVersion, decode


class BoardConsumer(AsyncWebsocketConsumer):
    """A board worker's socket; `BoardSignIn` has checked its token and named it in the scope."""

    async def connect(self) -> None:
        self.device = self.scope["board"]
        await self.channel_layer.group_add(live.board(self.device), self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(live.board(self.device), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if bytes_data is None or len(bytes_data) > live.MAX_FRAME_BYTES:
            await self.close(code=4400, reason="one LiveFrame a message, 256 KiB at most")
            return
        try:
            frame = decode(bytes_data, LiveFrame)
        except (UnsupportedVersion, msgspec.MsgspecError) as error:
            await self.close(code=4400, reason=str(error)[:100])
            return
        if frame.device == self.device:
            await live.publish(frame)

    async def live_watched(self, event: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps({"watched": True}))


class DeviceConsumer(AsyncWebsocketConsumer):
    """A browser that watches one device."""

    async def connect(self) -> None:
        self.device = self.scope["url_route"]["kwargs"]["name"]
        if not self.scope["user"].is_authenticated:
            await self.close(code=4401)
            return
        await self.channel_layer.group_add(live.watchers(self.device), self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(live.watchers(self.device), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Any word from the browser means: somebody is still looking."""
        await live.tell_watched(self.device)

    async def live_frame(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])
