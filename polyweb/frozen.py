"""What the database refuses because a result is approved becomes a page that says what to do."""

from __future__ import annotations

from collections.abc import Callable

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

SAYS = "the result is approved and frozen"
"""How the triggers of tuning/migrations/0005_frozen_results.py begin."""


class FrozenResults:
    """Whichever page forgot to ask first, in the admin too: 409 instead of an error."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, IntegrityError) and SAYS in str(error):
            return render(request, "409.html", status=409)
        return None
