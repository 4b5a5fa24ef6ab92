"""What is too large never reaches Django, told in advance or not."""

from __future__ import annotations

import pytest
from asgiref.testing import ApplicationCommunicator

from polyweb.body_limit import FORM_BYTES, BodyLimit

LIMIT = FORM_BYTES + 100


async def echo_length(scope, receive, send) -> None:
    """An application that answers with the length of the body, like Django in one piece."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


async def answer(*parts: bytes, path: str = "/upload/", headers=()) -> tuple[int, bytes]:
    scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
    client = ApplicationCommunicator(BodyLimit(echo_length, [("/upload/", 100)]), scope)
    for position, part in enumerate(parts, start=1):
        more = position < len(parts)
        await client.send_input({"type": "http.request", "body": part, "more_body": more})
    start = await client.receive_output()
    return start["status"], (await client.receive_output())["body"]


def length(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(size).encode())]


@pytest.mark.asyncio
async def test_a_body_at_the_limit_arrives_whole():
    assert await answer(b"a" * LIMIT, headers=length(LIMIT)) == (200, str(LIMIT).encode())


@pytest.mark.asyncio
async def test_a_declared_length_above_the_limit_is_answered_without_the_application():
    status, text = await answer(b"a", headers=length(LIMIT + 1))
    assert status == 413 and b"Nothing was stored" in text


@pytest.mark.asyncio
async def test_an_undeclared_body_is_cut_off_where_it_passes_the_limit():
    status, _ = await answer(b"a" * FORM_BYTES, b"a" * 101, b"a" * 50)
    assert status == 413


@pytest.mark.asyncio
async def test_a_false_length_does_not_help():
    status, _ = await answer(b"a" * (LIMIT + 1), b"", headers=length(5))
    assert status == 413


@pytest.mark.asyncio
async def test_other_paths_take_forms_only():
    status, _ = await answer(b"a" * (FORM_BYTES + 1), path="/elsewhere/")
    assert status == 413
