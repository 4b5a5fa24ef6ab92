"""The form that takes a trace of arrivals: a file, or lines pasted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements.board.load import trace
from measurements.models import ArrivalTrace, AuditEntry


class ArrivalTraceForm(forms.ModelForm):
    file = forms.FileField(
        label="File",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".txt,.csv,text/plain,text/csv"}),
        error_messages={"empty": "The file is empty."},
        help_text="One arrival a line, in seconds, ascending; of a CSV the first column counts.",
    )
    pasted = forms.CharField(
        label="Or paste the lines",
        required=False,
        max_length=trace.MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": 8, "placeholder": "0.000\n0.013\n0.250"}),
    )

    class Meta:
        model = ArrivalTrace
        fields = ["name"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        file = cleaned.get("file")
        self.times_s: list[float] = []
        if file is not None and file.size > trace.MOST_BYTES:
            self.add_error("file", f"At most {trace.MOST_BYTES // 1000:,} kB: cut the trace.")
        elif "file" not in self.errors:
            self._read(file.read().decode(errors="replace") if file else cleaned.get("pasted", ""))
        return cleaned

    def _read(self, text: str) -> None:
        where = "file" if self.cleaned_data.get("file") else "pasted"
        if not text.strip():
            self.add_error("file", "Choose a file, or paste lines below.")
            return
        try:
            self.times_s = trace.parse(text)
        except trace.NoTrace as refused:
            self.add_error(where, str(refused))

    @transaction.atomic
    def store(self, *, by: AbstractUser) -> ArrivalTrace:
        self.instance.times_s, self.instance.created_by = self.times_s, by
        trace_row: ArrivalTrace = self.save()
        AuditEntry.objects.note(by, "added", trace_row)
        return trace_row
