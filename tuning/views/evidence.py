"""Evidence packs: take a sweep away as one, bring one in, take one back out."""

from __future__ import annotations

import tempfile

from django.contrib import messages
from django.db.models import Count
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from measurements.markdown import rendered
from measurements.models import Pack
from measurements.roles import ADMIN, OPERATOR, role_required
from tuning.evidence import export, importing, told
from tuning.evidence_forms import PackForm
from tuning.models import Sweep


@require_GET
def sweep_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = get_object_or_404(Sweep, pk=pk)
    file = tempfile.TemporaryFile()  # noqa: SIM115 the response closes it
    try:
        export.export(sweep, file, by=request.user)
    except export.NotReady as reason:
        file.close()
        messages.warning(request, str(reason))
        return redirect(sweep)
    file.seek(0)
    name = f"{slugify(sweep.name) or 'sweep'}-{sweep.pk}-evidence.zip"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def evidence_import(request: HttpRequest) -> HttpResponse:
    form = PackForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (sweep := form.store(by=request.user)):
        messages.success(request, f"Imported from {sweep.pack.source}; every byte was checked.")
        return redirect(sweep)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "packs": Pack.objects.prefetch_related("sweeps")[:50]}
    return render(request, "tuning/evidence/import.html", context, status=status)


@require_GET
def pack_detail(request: HttpRequest, pk: int) -> HttpResponse:
    packs = Pack.objects.select_related("imported_by").annotate(run_count=Count("runs"))
    pack = get_object_or_404(packs, pk=pk)
    review = told.kept(pack.review)
    context = {
        "pack": pack,
        "sweep": pack.sweeps.first(),
        "devices": pack.devices.all(),
        "told": review,
        "remarks": [(one, mark_safe(rendered(one.body))) for one in review.comments],
    }
    return render(request, "tuning/evidence/pack.html", context)


@require_POST
@role_required(ADMIN)
def pack_remove(request: HttpRequest, pk: int) -> HttpResponse:
    pack = get_object_or_404(Pack, pk=pk)
    try:
        importing.remove(pack, by=request.user)
    except importing.InUse as reason:
        messages.error(request, str(reason))
        return redirect(pack)
    messages.success(request, f"Removed “{pack.title}” and all that came with it.")
    return redirect("evidence_import")
