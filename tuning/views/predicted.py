"""The model's part of a tab: what is stored, and asking the tuner for what is not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseStopPolling, trigger_client_event

from tuning import forecasting, tasks
from tuning.forecasting import Outlook
from tuning.models import Sweep


def outlook(sweep: Sweep) -> Outlook:
    """The latest forecast; the tuner is asked for a newer one if it lacks measured points."""
    found = forecasting.outlook(sweep)
    if found.is_coming:
        tasks.forecast.delay_on_commit(sweep.pk)
    return found


@require_GET
def sweep_forecast(request: HttpRequest, pk: int) -> HttpResponse:
    """Asked until the forecast is there; then the tabs are told to come for it."""
    sweep = get_object_or_404(Sweep.objects.prefetch_related("axes"), pk=pk)
    if forecasting.outlook(sweep).is_coming:
        return HttpResponse(status=204)
    return trigger_client_event(HttpResponseStopPolling(), "sweep:news")
