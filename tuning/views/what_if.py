from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from tuning import forecasting, what_if
from tuning.forecasting import Outlook
from tuning.models import Sweep
from tuning.questions import Goal
from tuning.results import STATISTIC_LABELS
from tuning.views import predicted

PROBABILITIES = (("0.5", "50 %"), ("0.8", "80 %"), ("0.95", "95 %"), ("0.99", "99 %"))


class WhatIfForm(forms.Form):
    """Another limit, and how sure to be of it."""

    slo_ms = forms.FloatField(label="If the limit were, ms", min_value=0.001, max_value=1e7)
    sure = forms.TypedChoiceField(
        label="met with a probability of at least", choices=PROBABILITIES, coerce=float
    )


@require_GET
def sweep_what_if(request: HttpRequest, pk: int) -> HttpResponse:
    """The answer to one position of the slider, as a fragment."""
    sweep = get_object_or_404(Sweep.objects.prefetch_related("axes"), pk=pk)
    shown = context(sweep, forecasting.outlook(sweep), WhatIfForm(request.GET))
    return render(request, "tuning/_sweep_what_if.html", shown)


def panel(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """The tab: asked about the sweep's own limit at first."""
    return context(sweep, predicted.outlook(sweep))


def context(sweep: Sweep, outlook: Outlook, form: WhatIfForm | None = None) -> dict[str, Any]:
    """What the fragment shows; without a form that makes sense, under the sweep's own limit."""
    shown = {"sweep": sweep, "outlook": outlook, "statistic": STATISTIC_LABELS[sweep.slo_statistic]}
    if outlook.forecast is None:
        return shown
    believed = what_if.Believed(
        sweep.space(), outlook.forecast, forecasting.measured_points(sweep), Goal(sweep.goal)
    )
    if form is None or not form.is_valid():
        slo_ms = sweep.slo_ms or believed.limits.high_ms
        form = WhatIfForm({"slo_ms": slo_ms, "sure": "0.95"})
        form.full_clean()
    asked = form.cleaned_data
    choices = what_if.choices(believed, slo_ms=asked["slo_ms"], least_probability=asked["sure"])
    return shown | {
        "form": form, "slo_ms": asked["slo_ms"], "limits": believed.limits, "choices": choices
    }  # fmt: skip
