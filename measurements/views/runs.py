from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from measurements.forms.logs import LogImportForm
from measurements.lists import RUNS
from measurements.roles import OPERATOR, role_required

from . import lists


@require_GET
def run_list(request: HttpRequest) -> HttpResponse:
    return lists.show(request, RUNS)


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def import_log(request: HttpRequest) -> HttpResponse:
    form = LogImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (run := form.store(by=request.user)):
        return redirect(run)
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/import_log.html", {"form": form}, status=status)
