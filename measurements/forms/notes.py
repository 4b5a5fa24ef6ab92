from __future__ import annotations

from django import forms

from measurements.models.notes import NOTE_LENGTH


class RunNoteForm(forms.Form):
    text = forms.CharField(
        label="Note",
        required=False,
        max_length=NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="Markdown or plain text; empty takes the note away.",
    )
