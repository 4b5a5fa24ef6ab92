"""How messages are written and read, and which versions this side speaks."""

from __future__ import annotations

from typing import TypeVar

import msgspec

VERSION = 2
OLDEST_VERSION = 1
"""Both sides accept messages from OLDEST_VERSION to VERSION (their own and the one before)."""

MEDIA_TYPE = "application/msgpack"
MAX_RECORD_BYTES = 64 * 1024 * 1024


class UnsupportedVersion(ValueError):
    """The message was written by a version that this side does not speak."""


M = TypeVar("M", bound=msgspec.Struct)


def encode(message: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """The message of type `kind` in `data`.

    Raises:
        UnsupportedVersion: It was written by a newer or a too old program.
        msgspec.ValidationError: It is malformed; the text says where.
        msgspec.DecodeError: It is not MessagePack at all.
    """
    version = msgspec.msgpack.decode(data, type=_Versioned).version
    if not OLDEST_VERSION <= version <= VERSION:
        raise UnsupportedVersion(
            f"message version {version}; this side speaks {OLDEST_VERSION} to {VERSION}"
        )
    return msgspec.msgpack.decode(data, type=kind)


class _Versioned(msgspec.Struct):
    version: int
