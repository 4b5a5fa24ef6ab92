"""The audit trail: all of it for admins, and what was done to one object for everybody."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from measurements import browsing
from measurements.forms.audit import AuditFilterForm
from measurements.models import AuditEntry
from measurements.roles import ADMIN, has_role, role_required

SHOWN = 30
HEADS = ("at", "actor", "verb", "subject_type", "subject_id", "subject", "details")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so would be run by a spreadsheet."""


@require_GET
@role_required(ADMIN)
def audit_list(request: HttpRequest) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    pages = browsing.pages(form.found(), request.GET)
    context = {
        "form": form,
        "pages": pages,
        "entries": [(entry, entry.told(to_admin=True)) for entry in pages.page],
        "csv": browsing.url(request.GET, page=None),
    }
    return render(request, "measurements/audit.html", context)


@require_GET
@role_required(ADMIN)
def audit_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Every entry that fits the filter, as it is read."""
    writer = csv.writer(_Echo())
    found = AuditFilterForm(request.GET).found()
    lines = (writer.writerow(row) for row in _rows(found))
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return answer


@require_GET
def audit_of(request: HttpRequest, subject_type: str, subject_id: str) -> HttpResponse:
    """A fragment: what was done to one object, the latest first."""
    found = AuditEntry.objects.filter(subject_type=subject_type, subject_id=subject_id)
    is_admin = has_role(request.user, ADMIN)
    entries = [(entry, entry.told(to_admin=is_admin)) for entry in found[:SHOWN]]
    context = {"entries": entries, "is_cut": len(entries) == SHOWN}
    return render(request, "measurements/_audit.html", context)


def _rows(found: browsing.QuerySet) -> Iterator[tuple[str, ...]]:
    yield HEADS
    for entry in found.iterator(chunk_size=1000):
        details = json.dumps(entry.details, ensure_ascii=False) if entry.details else ""
        cells = (entry.at.isoformat(), entry.actor_name, entry.verb, entry.subject_type,
                 entry.subject_id, entry.subject_label, details)  # fmt: skip
        yield tuple(f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells)


class _Echo:
    """A file that hands back what is written, for a response that streams."""

    def write(self, line: str) -> str:
        return line
