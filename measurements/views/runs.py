from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from measurements.lists import RUNS

from . import lists


@require_GET
def run_list(request: HttpRequest) -> HttpResponse:
    return lists.show(request, RUNS)
