"""Measuring a run again, and its manifest as a file."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from measurements import repeat
from measurements.models import Run
from measurements.roles import OPERATOR, role_required


@require_POST
@role_required(OPERATOR)
def run_repeat(request: HttpRequest, run_id: str) -> HttpResponse:
    run = get_object_or_404(Run.objects.select_related("device"), pk=run_id)
    try:
        again = repeat.repeat(run, new_seed="new_seed" in request.POST, by=request.user)
    except repeat.RepeatRefused as refused:
        messages.error(request, str(refused))
        return redirect(run)
    messages.success(request, f"Queued for {run.device}; the comparison appears here.")
    return redirect(again)


@require_GET
def run_manifest(request: HttpRequest, run_id: str) -> HttpResponse:
    """All that it takes to repeat the run, as JSON."""
    run = get_object_or_404(Run, pk=run_id)
    answer = JsonResponse(run.manifest, json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="run-{run.pk}.json"'
    return answer
