from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from measurements import tasks
from measurements.messages import (
    ClaimReply,
    Heartbeat,
    HeartbeatReply,
    OperatingPoint,
    RejectedRecord,
    decode,
    encode,
)
from measurements.models import Device, DeviceToken, Run

from .rows import board_info, make_device, make_run, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list]]:
    """What would go to the broker: (task name, args)."""
    messages: list[tuple[str, list]] = []
    monkeypatch.setattr(
        tasks.current_app, "send_task", lambda name, args, **_: messages.append((name, args))
    )
    monkeypatch.setattr(tasks.dispatch, "delay", lambda pk: messages.append(("dispatch", [pk])))
    return messages


def send(client: Client, method: str, path: str, token: str, message: object = None):
    return client.generic(
        method,
        path,
        encode(message) if message is not None else b"",
        content_type="application/msgpack",
        headers={"Authorization": f"Bearer {token}"},
    )


def beat(**fields: object) -> Heartbeat:
    values = {"run_id": None, "phase": None, "requests_done": 0, "point": OperatingPoint()}
    return Heartbeat(**{**values, "spooled": 0, "rejected": [], **fields})


def test_a_board_registers_with_its_token(client: Client):
    device = Device.objects.create(name="orin")
    response = send(
        client, "POST", "/api/v1/boards/orin/register", token_of(device), board_info(name="orin")
    )
    device.refresh_from_db()
    assert response.status_code == 204
    assert device.total_of == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]
    assert device.presence == Device.Presence.ONLINE


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer nonsense", "Basic abc"])
def test_without_a_valid_token_nothing_is_answered(client: Client, authorization: str):
    make_device(name="orin")
    response = client.post(
        "/api/v1/boards/orin/heartbeat", headers={"Authorization": authorization}
    )
    assert response.status_code == 401


def test_a_revoked_token_is_refused(client: Client):
    device = make_device(name="orin")
    token = token_of(device)
    DeviceToken.objects.get().revoke()
    assert send(client, "POST", "/api/v1/boards/orin/heartbeat", token, beat()).status_code == 401


def test_a_token_opens_only_its_own_board(client: Client):
    make_device(name="other")
    token = token_of(make_device(name="orin"))
    response = send(client, "POST", "/api/v1/boards/other/heartbeat", token, beat())
    assert response.status_code == 403


def test_a_token_is_stored_only_as_a_hash():
    token = token_of(make_device())
    assert token not in str(DeviceToken.objects.values().get())


def test_a_board_cannot_claim_a_run_of_another(client: Client):
    run = make_run()
    response = send(client, "POST", f"/api/v1/runs/{run.pk}/claim", token_of(make_device()))
    assert response.status_code == 404


def test_a_run_is_claimed_once(client: Client):
    run = make_run()
    token = token_of(run.device)
    first = send(client, "POST", f"/api/v1/runs/{run.pk}/claim", token)
    second = send(client, "POST", f"/api/v1/runs/{run.pk}/claim", token)
    assert decode(first.content, ClaimReply).attempt == 1
    assert second.status_code == 409


def test_an_unknown_run_is_404_for_the_spool_to_reject(client: Client):
    token = token_of(make_device())
    assert send(client, "PUT", f"/api/v1/runs/{uuid.uuid4()}/record", token).status_code == 404


def test_a_heartbeat_keeps_its_run_alive_and_shows_what_the_board_does(client: Client):
    run = make_run()
    run.claim()
    Run.objects.update(heard_at=timezone.now() - dt.timedelta(hours=1))
    message = beat(run_id=str(run.pk), phase="serve", requests_done=40)
    reply = send(
        client,
        "POST",
        f"/api/v1/boards/{run.device.name}/heartbeat",
        token_of(run.device),
        message,
    )
    run.device.refresh_from_db()
    assert decode(reply.content, HeartbeatReply).cancel is None
    assert not Run.objects.lost().exists()
    assert (run.device.presence, run.device.requests_done) == ("busy", 40)


def test_a_heartbeat_for_a_cancelled_run_is_told_so(client: Client):
    run = make_run()
    run.claim()
    run.cancel()
    reply = send(
        client,
        "POST",
        f"/api/v1/boards/{run.device.name}/heartbeat",
        token_of(run.device),
        beat(run_id=str(run.pk)),
    )
    assert decode(reply.content, HeartbeatReply).cancel == str(run.pk)


def test_rejected_records_are_shown_once(client: Client):
    device = make_device()
    message = beat(rejected=[RejectedRecord(run_id=str(uuid.uuid4()), reason="422: no such run")])
    for _ in range(2):
        send(client, "POST", f"/api/v1/boards/{device.name}/heartbeat", token_of(device), message)
    assert device.rejected_records.get().reason == "422: no such run"


def test_a_board_unknown_to_a_fresh_database_is_asked_to_register(client: Client):
    device = Device.objects.create(name="orin")
    reply = send(client, "POST", "/api/v1/boards/orin/heartbeat", token_of(device), beat())
    assert reply.status_code == 409


def test_garbage_is_a_400_and_an_oversized_message_a_413(client: Client):
    device = make_device()
    headers = {"Authorization": f"Bearer {token_of(device)}"}
    path = f"/api/v1/boards/{device.name}/heartbeat"
    kind = "application/msgpack"
    assert client.post(path, b"\xc1", content_type=kind, headers=headers).status_code == 400
    big = b"\x00" * (1024 * 1024 + 1)
    assert client.post(path, big, content_type=kind, headers=headers).status_code == 413


def test_a_record_for_a_cancelled_run_is_taken_off_the_spool(client: Client):
    run = make_run()
    run.cancel()
    response = send(client, "PUT", f"/api/v1/runs/{run.pk}/record", token_of(run.device))
    assert response.json() == {"status": "cancelled"}


def test_health_needs_no_sign_in(client: Client):
    assert client.get("/healthz").json() == {"status": "ok"}
