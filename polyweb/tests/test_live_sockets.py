from __future__ import annotations

import json

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async as in_db
from channels.testing import WebsocketCommunicator
from django.db import connections
from django.test import Client

from measurements.messages import LiveFrame, encode
from measurements.tests.rows import make_device, make_user, token_of
from polyweb.asgi import application

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture(autouse=True)
def in_memory_layer(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest_asyncio.fixture(autouse=True)
async def connections_closed():
    """The consumers' thread keeps a connection, which would hinder dropping the database."""
    yield
    await in_db(connections.close_all)()


def frame(device: str) -> LiveFrame:
    return LiveFrame(
        device=device,
        run_id=None,
        phase=None,
        requests_done=3,
        requests_asked=10,
        rails=["VDD_IN"],
        t_s=[0.1],
        rails_w=[[5.0]],
    )


async def board_socket(name: str, token: str) -> WebsocketCommunicator:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return WebsocketCommunicator(application, f"/ws/boards/{name}/", headers=headers)


async def browser_socket(name: str) -> WebsocketCommunicator:
    client = Client()
    await in_db(client.force_login)(await in_db(make_user)())
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    headers = [(b"cookie", cookie), (b"origin", b"http://localhost"), (b"host", b"localhost")]
    return WebsocketCommunicator(application, f"/ws/devices/{name}/", headers=headers)


async def test_a_watcher_gets_the_frames_of_its_device_only():
    orin, other = (
        await in_db(make_device)(),
        await in_db(make_device)(),
    )
    boards = [await board_socket(d.name, await in_db(token_of)(d)) for d in (other, orin)]
    watcher = await browser_socket(orin.name)
    for socket in (*boards, watcher):
        assert (await socket.connect())[0]
    await boards[0].send_to(bytes_data=encode(frame(other.name)))
    await boards[1].send_to(bytes_data=encode(frame(orin.name)))
    got = json.loads(await watcher.receive_from())
    assert (got["device"], got["rails_w"]) == (orin.name, [[5.0]])
    assert await watcher.receive_nothing()
    for socket in (*boards, watcher):
        await socket.disconnect()


async def test_a_board_is_told_that_it_is_watched():
    orin = await in_db(make_device)()
    board = await board_socket(orin.name, await in_db(token_of)(orin))
    watcher = await browser_socket(orin.name)
    await board.connect()
    await watcher.connect()
    await watcher.send_to(text_data='{"watching": true}')
    assert json.loads(await board.receive_from()) == {"watched": True}
    await board.disconnect()
    await watcher.disconnect()


async def test_a_board_cannot_speak_for_another():
    orin, other = (
        await in_db(make_device)(),
        await in_db(make_device)(),
    )
    board = await board_socket(orin.name, await in_db(token_of)(orin))
    watcher = await browser_socket(other.name)
    await board.connect()
    await watcher.connect()
    await board.send_to(bytes_data=encode(frame(other.name)))
    assert await watcher.receive_nothing()
    await board.disconnect()
    await watcher.disconnect()


async def test_a_board_without_its_token_is_turned_away():
    orin = await in_db(make_device)()
    for token in ("", "wrong"):
        socket = await board_socket(orin.name, token)
        assert (await socket.connect())[0] is False


async def test_somebody_who_is_not_signed_in_is_turned_away():
    orin = await in_db(make_device)()
    headers = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
    socket = WebsocketCommunicator(application, f"/ws/devices/{orin.name}/", headers=headers)
    assert (await socket.connect())[0] is False


async def test_garbage_from_a_board_closes_its_socket_only():
    orin = await in_db(make_device)()
    board = await board_socket(orin.name, await in_db(token_of)(orin))
    await board.connect()
    await board.send_to(bytes_data=b"\xc1")
    assert (await board.receive_output())["code"] == 4400
