"""The boards' API: MessagePack over HTTPS, each request signed in by a device token.

Every call is safe to repeat. What a board may see and change is its own: its row,
its runs, and the network files.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from functools import partial, wraps
from typing import TypeVar

import msgspec
from django.contrib.auth.decorators import login_not_required
from django.db import connection, transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from measurements import recording, tasks
from measurements.builtin_networks import NoFile, ensure_file
from measurements.messages import (
    MAX_RECORD_BYTES,
    MEDIA_TYPE,
    Applied,
    BoardInfo,
    ClaimReply,
    Heartbeat,
    HeartbeatReply,
    Record,
    UnsupportedVersion,
    decode,
    encode,
)
from measurements.models import Device, Network, Run
from measurements.sign_in import device_of

log = logging.getLogger(__name__)
SMALL = 1024 * 1024
M = TypeVar("M", bound=msgspec.Struct)
View = Callable[..., HttpResponse]


class Refused(Exception):
    """Answered with `status`; `text` says what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def for_boards(method: str) -> Callable[[View], View]:
    """A view for boards: one method, a valid token (401 else), `Refused` as an answer.

    The view gets the device. Where its name stands in the URL it must be the token's (403).
    """

    def decorate(view: View) -> View:
        @login_not_required
        @csrf_exempt
        @require_http_methods([method])
        @wraps(view)
        def guarded(request: HttpRequest, **kwargs: object) -> HttpResponse:
            device = device_of(request.headers.get("Authorization", ""))
            if device is None:
                return _text(401, "This needs a valid device token (manage.py board_token NAME).")
            if kwargs.pop("name", device.name) != device.name:
                return _text(403, f"This token belongs to the board {device.name}.")
            try:
                return view(request, device, **kwargs)
            except Refused as refused:
                return _text(refused.status, str(refused))

        return guarded

    return decorate


@login_not_required
@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers: for load balancers and `manage.py up`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


@for_boards("POST")
def register(request: HttpRequest, device: Device) -> HttpResponse:
    device.register(_message(request, BoardInfo))
    tasks.dispatch.delay(device.pk)
    return HttpResponse(status=204)


@for_boards("POST")
def heartbeat(request: HttpRequest, device: Device) -> HttpResponse:
    if device.registered_at is None:
        raise Refused(409, "Register first.")
    beat = _message(request, Heartbeat)
    device.hear(beat)
    return _reply(HeartbeatReply(cancel=_not_wanted(device, beat.run_id)))


@for_boards("POST")
def claim(request: HttpRequest, device: Device, run_id: uuid.UUID) -> HttpResponse:
    run = get_object_or_404(device.runs, pk=run_id)
    attempt = run.claim()
    if attempt is None:
        raise Refused(409, f"Run {run_id} is {run.state}: drop this plan.")
    return _reply(ClaimReply(attempt=attempt))


@for_boards("PUT")
def record(request: HttpRequest, device: Device, run_id: uuid.UUID) -> HttpResponse:
    """Store a run's record; the first accepted one wins, a later one is `superseded`."""
    run = get_object_or_404(device.runs.select_related("device", "network"), pk=run_id)
    if run.state == Run.State.CANCELLED:
        return JsonResponse({"status": "cancelled"})
    message = _message(request, Record, limit=MAX_RECORD_BYTES)
    try:
        with transaction.atomic():
            stored = recording.store(run, message)
            transaction.on_commit(partial(tasks.run_ended, run), robust=True)
    except recording.RecordRefused as error:
        raise Refused(422, str(error)) from error
    return JsonResponse({"status": "stored" if stored else "superseded"})


@for_boards("POST")
def applied(request: HttpRequest, device: Device) -> HttpResponse:
    """What the board did with its last order; an answer to an older one changes nothing."""
    answer = _message(request, Applied)
    application = get_object_or_404(device.applications, pk=answer.application)
    application.answered(answer)
    return HttpResponse(status=204)


@for_boards("GET")
def network_file(request: HttpRequest, device: Device, sha256: str) -> FileResponse:
    """The ONNX file itself; a built-in network's is generated when first asked for."""
    network = get_object_or_404(Network, sha256=sha256)
    try:
        path = ensure_file(network)
    except NoFile as error:
        raise Refused(404, str(error)) from error
    return FileResponse(path.open("rb"), content_type="application/octet-stream")


def _not_wanted(device: Device, run_id: str | None) -> str | None:
    """`run_id` if that run is no longer to be measured here; otherwise note that it is alive."""
    if run_id is None:
        return None
    running = device.runs.filter(pk=run_id, state=Run.State.RUNNING)
    return None if running.update(heard_at=timezone.now()) else run_id


def _message(request: HttpRequest, kind: type[M], *, limit: int = SMALL) -> M:
    body = request.read(limit + 1)
    if len(body) > limit:
        raise Refused(413, f"A {kind.__name__} has at most {limit} bytes.")
    try:
        return decode(body, kind)
    except UnsupportedVersion as error:
        raise Refused(422, f"{error}; update this board's worker.") from error
    except msgspec.MsgspecError as error:
        raise Refused(400, f"Not a {kind.__name__}: {error}") from error


def _reply(message: msgspec.Struct) -> HttpResponse:
    return HttpResponse(encode(message), content_type=MEDIA_TYPE)


def _text(status: int, text: str) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
