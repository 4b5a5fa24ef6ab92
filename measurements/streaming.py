"""Long answers in pieces: nothing is held in memory whole, whatever server asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def streamed(
    request: HttpRequest, pieces: Iterator[bytes], *, content_type: str, file_name: str
) -> StreamingHttpResponse:
    """A download of `pieces`, each made when the one before it has been sent.

    Under ASGI Django would read a plain iterator to its end first, so it gets one of its own.
    """
    is_asgi = isinstance(request, ASGIRequest)
    body = _awaited(pieces) if is_asgi else pieces
    answer = StreamingHttpResponse(body, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return answer


async def _awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await sync_to_async(next)(pieces, None)) is not None:
        yield piece
