"""The form that takes a tegrastats log; what the log itself refuses is said at its file field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.files.uploadedfile import UploadedFile

from measurements.log_import import LogRefused, import_log
from measurements.models import LogImport, Run
from measurements.models.log_imports import MOST_OPEN
from measurements.tasks import read_log

AT_ONCE_BYTES = 2 * 2**20
"""A larger log takes more than half a second to read: a worker does it."""


class LogImportForm(forms.Form):
    file = forms.FileField(
        label="Log",
        widget=forms.FileInput(attrs={"accept": ".txt,.log,text/plain"}),
        error_messages={"empty": "The file is empty.", "required": "Choose a log file."},
    )
    interval_ms = forms.IntegerField(
        label="Interval, ms",
        min_value=1,
        max_value=600_000,
        initial=1000,
        help_text="The --interval that tegrastats was started with.",
    )
    requests = forms.IntegerField(
        label="Requests served in the window",
        min_value=1,
        max_value=2**31 - 1,
        help_text="A log cannot tell this: energy per request is the energy of the window over it.",
    )
    start_s = forms.FloatField(
        label="Window from, s",
        min_value=0,
        required=False,
        help_text="From the log's first line. Empty: its beginning.",
    )
    end_s = forms.FloatField(
        label="Window to, s", min_value=0, required=False, help_text="Empty: to its end."
    )
    title = forms.CharField(
        label="Title",
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "Imported tegrastats log"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        most = settings.LOG_MAX_BYTES // 2**20
        self.fields["file"].help_text = f"What tegrastats printed on any Jetson, up to {most} MiB."

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.LOG_MAX_BYTES:
            raise forms.ValidationError("The file is too large; cut it to the window's lines.")
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        start_s, end_s = cleaned.get("start_s") or 0.0, cleaned.get("end_s")
        if end_s is not None and end_s <= start_s:
            self.add_error("end_s", f"The window must end after it starts, at {start_s:g} s.")
        return cleaned

    def store(self, by: AbstractUser) -> Run | LogImport | None:
        """The imported run, or the import of a large log, which a worker reads.

        None, with the reason among the errors, if the log was refused.
        """
        file = self.cleaned_data["file"]
        window = {name: self.cleaned_data[name] for name in ("interval_ms", "requests", "end_s")}
        window |= {"start_s": self.cleaned_data["start_s"] or 0.0}
        told = {"title": self.cleaned_data["title"], "created_by": by}
        if file.size > AT_ONCE_BYTES:
            return self._wait(file, **window, **told)
        try:
            return import_log(file.read(), **window, **told)
        except LogRefused as refusal:
            self.add_error("file", str(refusal))
            return None

    def _wait(self, file: UploadedFile, *, created_by: AbstractUser, **asked: Any) -> Any:
        if created_by.log_imports.open().count() >= MOST_OPEN:
            self.add_error("file", f"{MOST_OPEN} logs of yours are still being read: wait for one.")
            return None
        row = LogImport.objects.create(
            file=file, file_name=file.name[:200], created_by=created_by, **asked
        )
        read_log.delay_on_commit(row.pk)
        return row
