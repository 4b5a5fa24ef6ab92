from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from tuning import what_if
from tuning.models import Sweep
from tuning.optimizer import NothingMeasured
from tuning.results import STATISTIC_LABELS

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
    sweep = get_object_or_404(Sweep.objects.select_related("device", "network"), pk=pk)
    form = WhatIfForm(request.GET)
    return render(request, "tuning/_sweep_what_if.html", context(sweep, form))


def panel(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """The tab: asked about the sweep's own limit at first."""
    return context(sweep)


def context(sweep: Sweep, form: WhatIfForm | None = None) -> dict[str, Any]:
    """What the fragment shows; without a form, the sweep's own limit."""
    form = form if form is not None and form.is_valid() else None
    asked = form.cleaned_data if form else {"slo_ms": None, "sure": 0.95}
    try:
        found = what_if.answer(
            sweep.question(), slo_ms=asked["slo_ms"], least_probability=asked["sure"]
        )
    except NothingMeasured:
        return {"sweep": sweep, "what_if": None}
    shown = form or WhatIfForm({"slo_ms": f"{found.slo_ms:.4g}", "sure": "0.95"})
    return {
        "sweep": sweep,
        "statistic": STATISTIC_LABELS[sweep.slo_statistic],
        "what_if": {"form": shown, "answer": found},
    }
