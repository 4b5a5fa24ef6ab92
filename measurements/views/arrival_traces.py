from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from measurements.forms.arrival_traces import ArrivalTraceForm
from measurements.models import ArrivalTrace
from measurements.roles import OPERATOR, role_required


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def arrival_traces(request: HttpRequest) -> HttpResponse:
    form = ArrivalTraceForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        trace = form.store(by=request.user)
        messages.success(request, f"Stored {trace}: {trace.arrivals} arrivals.")
        return redirect("arrival_traces")
    context = {"form": form, "traces": ArrivalTrace.objects.select_related("created_by")}
    status = 422 if form.errors else 200
    return render(request, "measurements/arrival_traces.html", context, status=status)
