"""Logs become runs: small ones at once, large ones in the background."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from measurements.forms.logs import LogImportForm
from measurements.models import LogImport
from measurements.roles import OPERATOR, role_required


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def import_log(request: HttpRequest) -> HttpResponse:
    form = LogImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (stored := form.store(by=request.user)):
        return redirect(stored)
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/import_log.html", {"form": form}, status=status)


@require_GET
@role_required(OPERATOR)
def log_import(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a large log is; its run once it is there."""
    row = get_object_or_404(LogImport.objects.select_related("run"), pk=pk)
    if row.run is not None:
        url = row.run.get_absolute_url()
        return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
    page = "_log_import" if request.htmx else "log_import"
    return render(request, f"measurements/{page}.html", {"row": row})
