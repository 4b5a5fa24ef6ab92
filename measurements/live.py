"""The live picture: which channel groups there are and what is sent to them.

Best effort and batched by the board. Nothing is ever computed from it: figures, numbers
and states come from records and heartbeats.
"""

from __future__ import annotations

from typing import Any

import msgspec
from channels.layers import get_channel_layer

from .messages import LiveFrame

MAX_FRAME_BYTES = 256 * 1024


def watchers(device: str) -> str:
    """The group of all browsers that look at `device`."""
    return f"watchers.{device}"


def board(device: str) -> str:
    """The group of the board worker's own socket (one, or two during a reconnect)."""
    return f"board.{device}"


def frame_event(frame: LiveFrame) -> dict[str, Any]:
    return {"type": "live.frame", "text": msgspec.json.encode(frame).decode()}


def watched_event() -> dict[str, Any]:
    return {"type": "live.watched"}


async def publish(frame: LiveFrame) -> None:
    """Show `frame` to everybody who watches its device."""
    await get_channel_layer().group_send(watchers(frame.device), frame_event(frame))


async def tell_watched(device: str) -> None:
    """Let the board know that somebody is looking."""
    await get_channel_layer().group_send(board(device), watched_event())
