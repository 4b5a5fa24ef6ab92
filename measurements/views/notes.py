"""What operators note about a run."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST

from measurements import markdown
from measurements.forms.notes import RunNoteForm
from measurements.models import Run, RunNote
from measurements.roles import OPERATOR, role_required


@require_POST
@role_required(OPERATOR)
def run_note(request: HttpRequest, run_id: str) -> HttpResponse:
    run = get_object_or_404(Run, pk=run_id)
    form = RunNoteForm(request.POST)
    if not form.is_valid():
        context = {"run": run, **note_context(run), "note_form": form}
        return render(request, "measurements/run_note.html", context, status=422)
    RunNote.write(run, form.cleaned_data["text"], by=request.user)
    return redirect(f"{run.get_absolute_url()}#note")


def note_context(run: Run) -> dict[str, Any]:
    """The note as safe HTML, and the form to change it."""
    try:
        note = run.note
    except ObjectDoesNotExist:
        return {"note": None, "note_form": RunNoteForm()}
    return {
        "note": note,
        "note_html": mark_safe(markdown.rendered(note.text)),  # noqa: S308 sanitised there
        "note_form": RunNoteForm({"text": note.text}),
    }
